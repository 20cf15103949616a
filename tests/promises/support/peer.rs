//! A peer that speaks HTTP/2 frame by frame, so that it can also leave out what it ought to say.
//!
//! Source: RFC 9113, and RFC 7541 for the header block, of which only literal fields are used.

use super::within;
use bytes::Bytes;
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

pub(crate) struct Peer {
    stream: TcpStream,
}

pub(crate) struct Frame {
    kind: u8,
    flags: u8,
    payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn data(&self) -> bool {
        self.kind == DATA
    }

    /// The server has taken note of our settings.
    pub(crate) fn settled(&self) -> bool {
        self.kind == SETTINGS && self.flags & ACK != 0
    }

    /// Headers, among which trailers are.
    pub(crate) fn end(&self) -> bool {
        self.kind == HEADERS && self.flags & END_STREAM != 0
    }

    pub(crate) fn go_away(&self) -> bool {
        self.kind == GOAWAY
    }
}

impl Peer {
    /// Connects, and says nothing.
    pub(crate) async fn connect(server: SocketAddr) -> Self {
        Self { stream: within(TcpStream::connect(server)).await.expect("the server accepts") }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        within(self.stream.write_all(bytes)).await.expect("the connection is open");
    }

    /// Begins the conversation, as a client must.
    pub(crate) async fn begin(&mut self) {
        self.send(PREFACE).await;
        self.frame(SETTINGS, 0, 0, &[]).await;
    }

    /// Begins the conversation, and lets the server send as much as it likes.
    pub(crate) async fn begin_wide(&mut self) {
        const INITIAL_WINDOW_SIZE: [u8; 2] = [0, 4];
        const WIDEST: u32 = (1 << 31) - 1;
        const NARROW: u32 = (1 << 16) - 1;
        self.send(PREFACE).await;
        let wide = [&INITIAL_WINDOW_SIZE[..], &WIDEST.to_be_bytes()].concat();
        self.frame(SETTINGS, 0, 0, &wide).await;
        self.frame(WINDOW_UPDATE, 0, 0, &(WIDEST - NARROW).to_be_bytes()).await;
    }

    async fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("a test's frame is short");
        let mut frame = length.to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.send(&frame).await;
    }

    /// Begins a call, and does not say what it asks for.
    pub(crate) async fn open(&mut self, stream: u32, server: SocketAddr, verb: &str) {
        let path = format!("/eric.v1.DispatcherService/{verb}");
        let authority = server.to_string();
        let headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path.as_str()),
            (":authority", authority.as_str()),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ];
        let block: Vec<u8> = headers.iter().flat_map(|(name, value)| literal(name, value)).collect();
        self.frame(HEADERS, END_HEADERS, stream, &block).await;
    }

    /// Says what it asks for.
    pub(crate) async fn ask(&mut self, stream: u32, request: &impl prost::Message) {
        let message = request.encode_to_vec();
        let length = u32::try_from(message.len()).expect("a test's request is short");
        let data = [&[0][..], &length.to_be_bytes(), &message].concat();
        self.frame(DATA, END_STREAM, stream, &data).await;
    }

    /// Breaks a call off.
    pub(crate) async fn reset(&mut self, stream: u32) {
        const CANCEL: u32 = 8;
        self.frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()).await;
    }

    /// Reads a frame, and does nothing about it; `None` when the server has closed the connection.
    pub(crate) async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        within(self.stream.read_exact(&mut head)).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        within(self.stream.read_exact(&mut payload)).await.ok()?;
        Some(Frame { kind: head[3], flags: head[4], payload })
    }

    /// Reads a frame, and answers it where it must be answered.
    pub(crate) async fn read_politely(&mut self) -> Option<Frame> {
        let frame = self.read().await?;
        if matches!(frame.kind, SETTINGS | PING) && frame.flags & ACK == 0 {
            let payload = if frame.kind == PING { frame.payload.clone() } else { Vec::new() };
            self.frame(frame.kind, ACK, 0, &payload).await;
        }
        Some(frame)
    }

    /// Reads up to the first frame that is so.
    pub(crate) async fn read_until(&mut self, so: impl Fn(&Frame) -> bool) -> Frame {
        loop {
            let frame = self.read_politely().await.expect("the connection is open");
            if so(&frame) {
                return frame;
            }
        }
    }

    /// Everything up to the end of the connection.
    pub(crate) async fn rest(&mut self) -> Bytes {
        let mut rest = Vec::new();
        // a reset is an end too
        let _ = within(self.stream.read_to_end(&mut rest)).await;
        rest.into()
    }
}

/// A literal header field that is not indexed, of short text.
fn literal(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| {
        let length = u8::try_from(text.len()).ok().filter(|length| *length < 127);
        [&[length.expect("a test's header is short")], text.as_bytes()].concat()
    };
    [vec![0], text(name), text(value)].concat()
}
