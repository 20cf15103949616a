//! A reader of Server-Sent Events, as the WHATWG specification has an EventSource read them.

use super::http::{Answer, Http};
use serde_json::Value;
use std::net::SocketAddr;

/// An open stream of events.
pub(crate) struct Events {
    http: Http,
    pub(crate) head: Answer,
    unread: Vec<u8>,
    /// The last event id, and what stands for it until the event is there.
    pub(crate) last_id: String,
    id: String,
    kind: String,
    data: Vec<u8>,
    /// The reconnection time, in milliseconds.
    pub(crate) retry: Option<u64>,
    pub(crate) comments: usize,
    /// What the first event said.
    pub(crate) opened: Value,
    /// All bytes of the body so far.
    pub(crate) body: Vec<u8>,
    /// Of all chunks so far.
    pub(crate) largest_chunk: usize,
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sent {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) data: String,
}

impl Sent {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn number(&self) -> i64 {
        self.json().as_i64().unwrap_or_else(|| panic!("a number was sent, not {self:?}"))
    }
}

impl Events {
    /// Opens a stream and reads its first event; what was answered where it is none.
    pub(crate) async fn try_open(server: SocketAddr, path: &str, headers: &str) -> Result<Self, Answer> {
        let mut http = Http::connect(server).await;
        http.ask("GET", path, &format!("accept: text/event-stream\r\n{headers}"), b"").await;
        let head = http.head().await.expect("the server answers");
        let length = head.headers.get("content-length");
        let length = length.map_or(0, |length| length.parse().expect("it is a number"));
        let whole = http.exactly(length).await;
        if head.status != 200 {
            return Err(Answer { body: whole, ..head });
        }
        let mut events = Self {
            http,
            head,
            unread: whole,
            last_id: String::new(),
            id: String::new(),
            kind: String::new(),
            data: Vec::new(),
            retry: None,
            comments: 0,
            opened: Value::Null,
            body: Vec::new(),
            largest_chunk: 0,
        };
        let first = events.next().await.expect("a stream has a first event");
        if first.kind == "_eric_opened" {
            events.opened = first.json();
            return Ok(events);
        }
        // a stream that only says when to try again
        events.head.body = first.data.into_bytes();
        Err(events.head)
    }

    #[track_caller]
    pub(crate) fn open(server: SocketAddr, path: &str) -> impl Future<Output = Self> {
        Self::open_from(server, path, "")
    }

    /// As an EventSource reconnects.
    #[track_caller]
    pub(crate) fn open_from(server: SocketAddr, path: &str, last_id: &str) -> impl Future<Output = Self> {
        let header = if last_id.is_empty() { String::new() } else { format!("last-event-id: {last_id}\r\n") };
        let path = path.to_owned();
        async move {
            match Self::try_open(server, &path, &header).await {
                Ok(events) => events,
                Err(answer) => panic!("{answer:?}: {}", String::from_utf8_lossy(&answer.body)),
            }
        }
    }

    /// The next event; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Sent> {
        loop {
            while let Some(line) = self.line() {
                if let Some(event) = self.take(&line) {
                    return Some(event);
                }
            }
            let chunk = self.http.chunk().await?;
            self.largest_chunk = self.largest_chunk.max(chunk.len());
            self.body.extend(&chunk);
            self.unread.extend(chunk);
        }
    }

    #[track_caller]
    pub(crate) fn one(&mut self) -> impl Future<Output = Sent> {
        let caller = std::panic::Location::caller();
        async move { self.next().await.unwrap_or_else(|| panic!("the stream has ended, at {caller}")) }
    }

    pub(crate) async fn take_some(&mut self, count: usize) -> Vec<Sent> {
        let mut events = Vec::new();
        while events.len() < count {
            events.push(self.one().await);
        }
        events
    }

    /// Everything up to the end.
    pub(crate) async fn rest(&mut self) -> Vec<Sent> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }

    pub(crate) async fn hang_up(&mut self) {
        self.http.hang_up().await;
    }

    /// A line that is complete, without its end.
    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.unread.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
        let both = self.unread[end..].starts_with(b"\r\n");
        // a line feed may still come
        if !both && self.unread[end] == b'\r' && self.unread.len() == end + 1 {
            return None;
        }
        let line: Vec<u8> = self.unread.drain(..end + if both { 2 } else { 1 }).take(end).collect();
        Some(line)
    }

    fn take(&mut self, line: &[u8]) -> Option<Sent> {
        if line.is_empty() {
            return self.dispatch();
        }
        let text = String::from_utf8_lossy(line).into_owned();
        let (field, value) = text.split_once(':').unwrap_or((&text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => self.comments += 1,
            "event" => value.clone_into(&mut self.kind),
            "data" => {
                self.data.extend(value.as_bytes());
                self.data.push(b'\n');
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "retry" if value.bytes().all(|byte| byte.is_ascii_digit()) => self.retry = value.parse().ok(),
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Sent> {
        self.last_id.clone_from(&self.id);
        let (kind, mut data) = (std::mem::take(&mut self.kind), std::mem::take(&mut self.data));
        if data.is_empty() {
            return None;
        }
        data.pop();
        let kind = if kind.is_empty() { "message".to_owned() } else { kind };
        let data = String::from_utf8(data).expect("a stream of events is UTF-8");
        Some(Sent { id: self.last_id.clone(), kind, data })
    }
}

/// The numbers that events carry.
#[track_caller]
pub(crate) fn numbers(events: &[Sent]) -> Vec<i64> {
    events.iter().map(Sent::number).collect()
}
