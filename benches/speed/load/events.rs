//! Open streams of Server-Sent Events, a connection each, and what is published to them over HTTP/1.1.

use super::{Heard, streams::Record};
use crate::{Outcome, messages::KIND};
use memchr::memchr_iter;
use std::{net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    task::JoinSet,
};

const BUFFER: usize = 8 * 1024;

/// The open streams of one channel. They end when this is dropped.
pub(crate) struct Events {
    record: Arc<Record>,
    readers: JoinSet<()>,
    opened: u64,
}

impl Events {
    /// None yet.
    pub(crate) fn none() -> Self {
        Self { record: Arc::default(), readers: JoinSet::new(), opened: 0 }
    }

    /// Opens more; whatever is published from now reaches them.
    pub(crate) async fn open(&mut self, address: SocketAddr, path: &str, count: u64) -> Outcome {
        for _ in 0..count {
            let stream = EventStream::open(address, path).await?;
            self.readers.spawn(read(stream, self.record.clone()));
            self.opened += 1;
        }
        Ok(())
    }
}

impl Heard for Events {
    fn record(&self) -> &Record {
        &self.record
    }

    fn len(&self) -> u64 {
        self.opened
    }
}

async fn read(mut stream: EventStream, record: Arc<Record>) {
    let mut received = 0;
    loop {
        match stream.read().await {
            Ok(events) => {
                record.received(std::slice::from_ref(&(received..received + events)));
                received += events;
            }
            Err(error) => return record.fail(&error.to_string()),
        }
    }
}

/// A stream whose events are counted, and not looked into.
struct EventStream {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The last byte was a line's end.
    line_ended: bool,
}

impl EventStream {
    /// Opens it, and waits until the server has said the first word.
    async fn open(address: SocketAddr, path: &str) -> Outcome<Self> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut it = Self { stream, buffer: vec![0; BUFFER], line_ended: false };
        while it.read().await? == 0 {}
        if it.buffer.starts_with(b"HTTP/1.1 2") || !it.buffer.starts_with(b"HTTP") {
            return Ok(it);
        }
        Err(format!("{path}: {}", String::from_utf8_lossy(&it.buffer)).into())
    }

    /// How many events have ended in what came next: an empty line ends each.
    async fn read(&mut self) -> Outcome<u64> {
        let count = self.stream.read(&mut self.buffer).await?;
        if count == 0 {
            return Err("a stream of events ended".into());
        }
        let bytes = &self.buffer[..count];
        let first = u64::from(self.line_ended && bytes[0] == b'\n');
        self.line_ended = bytes.ends_with(b"\n");
        let ends = memchr_iter(b'\n', bytes).filter(|at| bytes.get(at + 1) == Some(&b'\n'));
        Ok(first + ends.count() as u64)
    }
}

/// Who publishes over HTTP/1.1, on one connection.
pub(crate) struct Poster {
    stream: BufReader<TcpStream>,
    request: Vec<u8>,
}

impl Poster {
    /// Posts this to a path.
    pub(crate) async fn open(address: SocketAddr, path: &str, body: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nX-EventSource-Event: {KIND}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Ok(Self { stream: BufReader::new(stream), request: request.into_bytes() })
    }

    /// Publishes so many, and waits until all are answered.
    pub(crate) async fn publish(&mut self, count: usize) -> Outcome {
        self.stream.write_all(&self.request.repeat(count)).await?;
        for _ in 0..count {
            self.answer().await?;
        }
        Ok(())
    }

    async fn answer(&mut self) -> Outcome {
        let status = self.line().await?;
        if !status.starts_with("HTTP/1.1 2") {
            return Err(format!("a publication was answered {status}").into());
        }
        let mut length = 0;
        loop {
            let line = self.line().await?.to_ascii_lowercase();
            match line.strip_prefix("content-length:") {
                Some(value) => length = value.trim().parse()?,
                None if line.is_empty() => break,
                None => {}
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok(())
    }

    async fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line).await? {
            0 => Err("the server closed the publisher's connection".into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}
