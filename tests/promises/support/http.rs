//! HTTP/1.1 as scripts and browsers speak it to the HTTP door: calls with JSON, and answers of any kind.

use super::within;
use serde_json::Value;
use std::{collections::HashMap, net::SocketAddr};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

/// One connection.
pub(crate) struct Http {
    pub(super) connection: BufReader<TcpStream>,
}

/// An answer, or the head of one.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By their names in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Http {
    pub(crate) async fn connect(server: SocketAddr) -> Self {
        let stream = within(TcpStream::connect(server)).await.expect("the server accepts");
        Self { connection: BufReader::new(stream) }
    }

    /// Sends bytes as they are.
    pub(crate) async fn say(&mut self, bytes: &[u8]) {
        within(self.connection.get_mut().write_all(bytes)).await.expect("the connection is open");
    }

    /// Whether it is answered within a moment.
    pub(crate) async fn has_answer(&mut self) -> bool {
        let moment = std::time::Duration::from_millis(30);
        tokio::time::timeout(moment, self.connection.fill_buf()).await.is_ok()
    }

    /// Closes its side of the connection.
    pub(crate) async fn hang_up(&mut self) {
        within(self.connection.get_mut().shutdown()).await.expect("the connection is open");
    }

    /// A request with these further headers, each with its line break.
    pub(crate) async fn ask(&mut self, method: &str, path: &str, headers: &str, body: &[u8]) {
        let length =
            if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}{length}\r\n");
        self.say(&[head.as_bytes(), body].concat()).await;
    }

    /// A call with JSON, and its answer.
    pub(crate) async fn call(&mut self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let headers = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
        self.ask(method, path, headers, body.as_bytes()).await;
        self.answer().await
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await.expect("the server answers");
        if let Some(length) = answer.headers.get("content-length") {
            answer.body = self.exactly(length.parse().expect("it is a number")).await;
        } else if answer.is_chunked() {
            while let Some(chunk) = self.chunk().await {
                answer.body.extend(chunk);
            }
        }
        answer
    }

    /// The head of an answer; `None` where the connection has ended.
    pub(crate) async fn head(&mut self) -> Option<Answer> {
        let first = self.line().await?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("it is HTTP");
        let mut headers = HashMap::new();
        loop {
            let line = self.line().await.expect("a head ends with an empty line");
            let Some((name, value)) = line.split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        Some(Answer { status, headers, body: Vec::new() })
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let read = within(self.connection.read_until(b'\n', &mut line)).await.ok()?;
        (read > 0).then(|| String::from_utf8(line).expect("a head is text").trim_end().to_owned())
    }

    /// The next chunk of a body; `None` at its end, and where the connection breaks off.
    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = usize::from_str_radix(&self.line().await?, 16).expect("a chunk says its size");
        let mut chunk = vec![0; size + 2];
        within(self.connection.read_exact(&mut chunk)).await.ok()?;
        chunk.truncate(size);
        (size > 0).then_some(chunk)
    }

    /// Whatever comes until the connection ends.
    pub(crate) fn rest_of(&mut self) -> &mut BufReader<TcpStream> {
        &mut self.connection
    }

    /// So much of a body.
    pub(crate) async fn exactly(&mut self, bytes: usize) -> Vec<u8> {
        let mut body = vec![0; bytes];
        within(self.connection.read_exact(&mut body)).await.expect("it is as long as it says");
        body
    }

    /// The server has closed the connection, and said nothing more.
    pub(crate) async fn closed(&mut self) -> bool {
        self.line().await.is_none()
    }
}

impl Answer {
    pub(super) fn is_chunked(&self) -> bool {
        self.headers.get("transfer-encoding").is_some_and(|encoding| encoding == "chunked")
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name} in {self:?}"))
    }

    /// What was done.
    #[track_caller]
    pub(crate) fn done(self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, 200, "{text}");
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_slice(&self.body).expect("it is JSON")
    }

    /// Why it was not done.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, reason: &str) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{text}");
        let problem: Value = serde_json::from_slice(&self.body).expect("it is JSON");
        assert_eq!((&problem["reason"], &problem["status"]), (&reason.into(), &status.into()), "{text}");
        assert_eq!((&problem["domain"], &problem["type"]), (&"eric".into(), &"about:blank".into()));
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{text}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{text}");
        problem
    }
}

/// A call on a connection of its own.
pub(crate) async fn call(server: SocketAddr, method: &str, path: &str, body: Option<Value>) -> Answer {
    Http::connect(server).await.call(method, path, body).await
}
