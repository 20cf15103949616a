//! HTTP/1.1 by hand, as far as a browser speaks it for gRPC-Web.

use super::within;
use prost::Message;
use std::net::SocketAddr;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

pub(crate) struct Http1 {
    server: SocketAddr,
    connection: BufReader<TcpStream>,
    /// What was read of a body and not asked for yet.
    body: Vec<u8>,
    /// More of it comes, in chunks.
    chunked: bool,
}

/// One frame of a gRPC-Web body.
#[derive(Debug)]
pub(crate) enum WebFrame {
    Message(Vec<u8>),
    Trailers(String),
}

impl Http1 {
    pub(crate) async fn connect(server: SocketAddr) -> Self {
        let stream = within(TcpStream::connect(server)).await.expect("the server accepts");
        Self { server, connection: BufReader::new(stream), body: Vec::new(), chunked: false }
    }

    /// Posts a gRPC-Web call; its status and headers.
    pub(crate) async fn post(&mut self, verb: &str, request: &impl Message) -> (String, Vec<String>) {
        self.send(verb, request).await;
        self.read_head().await
    }

    /// Posts a gRPC-Web call.
    pub(crate) async fn send(&mut self, verb: &str, request: &impl Message) {
        let message = request.encode_to_vec();
        let length = u32::try_from(message.len()).expect("a test's request is short");
        let body = [&[0][..], &length.to_be_bytes(), &message].concat();
        let head = format!(
            "POST /eric.v1.DispatcherService/{verb} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/grpc-web+proto\r\n\
             accept: application/grpc-web+proto\r\nx-grpc-web: 1\r\ncontent-length: {}\r\n\r\n",
            self.server,
            body.len()
        );
        self.say(&[head.as_bytes(), &body].concat()).await;
    }

    /// What a call is answered: status and headers.
    pub(crate) async fn read_head(&mut self) -> (String, Vec<String>) {
        let (status, headers) = self.head().await;
        let header = |name: &str| headers.iter().find_map(|header| header.strip_prefix(name));
        self.chunked = header("transfer-encoding:").is_some();
        let length = header("content-length:").map_or(0, |it| it.trim().parse().expect("it is a number"));
        self.body = vec![0; length];
        within(self.connection.read_exact(&mut self.body)).await.expect("the body is as long as it says");
        (status, headers)
    }

    /// Closes its side of the connection.
    pub(crate) async fn hang_up(&mut self) {
        within(self.connection.get_mut().shutdown()).await.expect("the connection is open");
    }

    pub(crate) async fn say(&mut self, bytes: &[u8]) {
        within(self.connection.get_mut().write_all(bytes)).await.expect("the connection is open");
    }

    async fn head(&mut self) -> (String, Vec<String>) {
        let status = self.line().await.expect("the server answers");
        let mut headers = Vec::new();
        loop {
            match self.line().await.expect("a head ends with an empty line") {
                line if line.is_empty() => return (status, headers),
                line => headers.push(line.to_ascii_lowercase()),
            }
        }
    }

    /// A line without its end; `None` where the connection has ended.
    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = within(self.connection.read_line(&mut line)).await.ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The next frame of the body; `None` at its end.
    pub(crate) async fn frame(&mut self) -> Option<WebFrame> {
        loop {
            if let Some(frame) = self.complete() {
                return Some(frame);
            }
            if !self.chunked {
                return None;
            }
            let chunk = self.chunk().await.unwrap_or_default();
            self.chunked = !chunk.is_empty();
            self.body.extend(chunk);
        }
    }

    fn complete(&mut self) -> Option<WebFrame> {
        const TRAILERS: u8 = 0x80;
        let (flags, length) = match *self.body.get(..5)? {
            [flags, a, b, c, d] => (flags, u32::from_be_bytes([a, b, c, d]) as usize),
            _ => return None,
        };
        self.body.get(..5 + length)?;
        let frame: Vec<u8> = self.body.drain(..5 + length).skip(5).collect();
        Some(match flags {
            TRAILERS => WebFrame::Trailers(String::from_utf8(frame).expect("trailers are text")),
            _ => WebFrame::Message(frame),
        })
    }

    async fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = usize::from_str_radix(&self.line().await?, 16).expect("a chunk says its size");
        let mut chunk = vec![0; size + 2];
        within(self.connection.read_exact(&mut chunk)).await.ok()?;
        chunk.truncate(size);
        Some(chunk)
    }

    /// The server has closed the connection, and said nothing more.
    pub(crate) async fn closed(&mut self) -> bool {
        self.line().await.is_none()
    }
}

impl WebFrame {
    #[track_caller]
    pub(crate) fn message<M: Message + Default>(self) -> M {
        match self {
            Self::Message(bytes) => M::decode(bytes.as_slice()).expect("the server sends protobuf"),
            Self::Trailers(trailers) => panic!("a message was expected, not {trailers}"),
        }
    }

    #[track_caller]
    pub(crate) fn trailers(self) -> String {
        match self {
            Self::Trailers(trailers) => trailers,
            Self::Message(bytes) => panic!("trailers were expected, not a message of {} bytes", bytes.len()),
        }
    }
}
