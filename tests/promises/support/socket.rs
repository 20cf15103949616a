//! A client of the Unix socket, byte by byte: what it says, and what it is answered.

use super::{TestServer, until, within};
use eric::config::Config;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
};

/// Where a server has its socket.
pub(crate) struct Socket {
    path: PathBuf,
    _folder: TempDir,
}

impl Socket {
    /// A path at which nothing is yet.
    pub(crate) fn nowhere() -> Self {
        let folder = tempfile::tempdir().expect("there is a place for temporary files");
        Self { path: folder.path().join("eric.sock"), _folder: folder }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Connects, and says nothing.
    pub(crate) async fn connect(&self) -> UnixStream {
        within(UnixStream::connect(&self.path)).await.expect("the server accepts")
    }

    /// Says this, and that it is all.
    pub(crate) async fn say(&self, request: &[u8]) -> UnixStream {
        let mut stream = self.connect().await;
        // a server that has heard enough may have closed
        let _ = within(stream.write_all(request)).await;
        let _ = within(stream.shutdown()).await;
        stream
    }

    /// What these bytes are answered, to its end.
    pub(crate) async fn answer(&self, request: &[u8]) -> String {
        rest(self.say(request).await).await
    }

    /// What a request is answered, to its end.
    pub(crate) async fn ask(&self, request: &Value) -> String {
        self.answer(request.to_string().as_bytes()).await
    }

    /// A new channel.
    pub(crate) async fn create(&self) -> String {
        self.ask(&json!({ "v": "c" })).await
    }

    /// A new listener.
    pub(crate) async fn register(&self, channel: &str) -> String {
        self.ask(&json!({ "v": "r", "c": channel })).await
    }

    pub(crate) async fn dispatch(&self, channel: &str, listener: &str, payload: &Value) {
        let request = json!({ "v": "d", "c": channel, "r": listener, "t": "t", "p": payload });
        assert_eq!(self.ask(&request).await, "ack");
    }

    pub(crate) async fn broadcast(&self, channel: &str, payload: &Value) {
        assert_eq!(self.ask(&json!({ "v": "b", "c": channel, "t": "t", "p": payload })).await, "ack");
    }

    pub(crate) async fn listen(&self, channel: &str, listener: &str) -> Lines {
        self.stream(&json!({ "v": "l", "c": channel, "r": listener })).await
    }

    pub(crate) async fn watch(&self, channel: &str) -> Lines {
        self.stream(&json!({ "v": "w", "c": channel })).await
    }

    async fn stream(&self, request: &Value) -> Lines {
        Lines(BufReader::new(self.say(request.to_string().as_bytes()).await))
    }

    /// The server answers, whatever happened before.
    pub(crate) async fn still_answers(&self) {
        let channel = self.create().await;
        let listener = self.register(&channel).await;
        self.dispatch(&channel, &listener, &json!("alive")).await;
        assert_eq!(self.listen(&channel, &listener).await.data().await, "alive");
        assert_eq!(self.ask(&json!({ "v": "rc", "c": channel })).await, "ack");
    }
}

/// A server with a socket.
pub(crate) fn served() -> (TestServer, Socket) {
    served_with(|_| {})
}

pub(crate) fn served_with(change: impl FnOnce(&mut Config)) -> (TestServer, Socket) {
    let socket = Socket::nowhere();
    let server = TestServer::with(|config| {
        config.socket = Some(socket.path.clone());
        change(config);
    });
    (server, socket)
}

/// Everything up to the end; what was sent before a connection broke counts.
pub(crate) async fn rest(mut stream: UnixStream) -> String {
    let mut rest = Vec::new();
    let _ = within(stream.read_to_end(&mut rest)).await;
    String::from_utf8(rest).expect("the server sends text")
}

/// An open stream.
pub(crate) struct Lines(BufReader<UnixStream>);

impl Lines {
    /// The next event.
    #[track_caller]
    pub(crate) fn event(&mut self) -> impl Future<Output = Value> {
        let next = within(self.line());
        async move {
            let line = next.await;
            let whole = line.strip_suffix('\n').unwrap_or_else(|| panic!("a line was expected: {line:?}"));
            serde_json::from_str(whole).unwrap_or_else(|_| panic!("an event was expected: {line:?}"))
        }
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).await.expect("the stream is text");
        line
    }

    /// What the next event carries.
    #[track_caller]
    pub(crate) fn data(&mut self) -> impl Future<Output = Value> {
        let event = self.event();
        async move { event.await["data"].take() }
    }

    /// What the next events carry.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<Value> {
        let mut taken = Vec::new();
        for _ in 0..count {
            taken.push(self.data().await);
        }
        taken
    }

    /// Everything up to its end.
    pub(crate) async fn rest(mut self) -> String {
        let mut rest = Vec::new();
        let _ = within(self.0.read_to_end(&mut rest)).await;
        String::from_utf8(rest).expect("the server sends text")
    }
}

/// The streams of a channel are so many.
pub(crate) async fn streams(wire: &super::Wire, channel: &str, count: i64) {
    until(async || wire.look_at(channel).await.streams == count).await;
}
