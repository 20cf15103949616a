//! Server streams of one connection, read by hand: with thousands of them, an HTTP/2 library that wakes a task for each
//! would take more CPU than the server under test.

use crate::{Outcome, scan::Scan};
use bytes::{BufMut as _, Bytes};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEAD_BYTES: usize = 9;
/// The most that a window may be: the client never holds the server back.
const MAX_WINDOW: u32 = (1 << 31) - 1;
const FIRST_WINDOW: u32 = 65_535;
/// Room for a whole frame, which the settings leave at 16 KiB.
const BUFFER_BYTES: usize = 64 * 1024;

/// Frame types of RFC 9113, section 6.
mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const PING: u8 = 6;
    pub(super) const GOAWAY: u8 = 7;
    pub(super) const WINDOW_UPDATE: u8 = 8;
}

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// The open streams of one connection. They end when it is dropped.
pub(crate) struct Subscriber {
    socket: TcpStream,
    scans: Vec<Scan>,
    opened: usize,
    /// The server has ended a stream.
    pub(crate) ended: bool,
    buffer: Vec<u8>,
    filled: usize,
    /// The frame that is being read: its stream, and how much of it is missing.
    data: Option<(usize, usize)>,
    /// What the connection's window has lost.
    consumed: u32,
    out: Vec<u8>,
}

struct Head {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Subscriber {
    /// Connects and calls a verb with each frame, one after the other: what a server needs at once for many calls is
    /// kept for as long as the connection lives, and would be counted as the price of a stream.
    pub(crate) async fn open(address: SocketAddr, verb: &str, frames: &[Bytes]) -> Outcome<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let mut it = Self::over(socket, frames.len());
        it.greet();
        let headers = headers(address, verb);
        for (stream, frame) in (1..).step_by(2).zip(frames) {
            it.put(kind::HEADERS, END_HEADERS, stream, &headers);
            it.put(kind::DATA, END_STREAM, stream, frame);
            it.send().await?;
            it.opening(stream as usize / 2 + 1, verb).await?;
        }
        Ok(it)
    }

    async fn opening(&mut self, count: usize, verb: &str) -> Outcome {
        while self.opened < count {
            self.read(|_, _| ()).await?;
            if self.ended && self.opened < count {
                return Err(format!("the server refused to {verb}").into());
            }
        }
        Ok(())
    }

    fn over(socket: TcpStream, streams: usize) -> Self {
        Self {
            socket,
            scans: (0..streams).map(|_| Scan::deliveries()).collect(),
            opened: 0,
            ended: false,
            buffer: vec![0; BUFFER_BYTES],
            filled: 0,
            data: None,
            consumed: 0,
            out: Vec::new(),
        }
    }

    /// How many deliveries have come in all.
    pub(crate) fn deliveries(&self) -> u64 {
        self.scans.iter().map(|scan| scan.items).sum()
    }

    /// Waits for bytes and takes them; `seen` is told of each stream that got the deliveries from one number up to
    /// another.
    pub(crate) async fn read(&mut self, seen: impl FnMut(u64, u64)) -> Outcome {
        let count = self.socket.read(&mut self.buffer[self.filled..]).await?;
        if count == 0 {
            return Err("the server closed the connection".into());
        }
        self.filled += count;
        let taken = self.take(seen)?;
        self.buffer.copy_within(taken..self.filled, 0);
        self.filled -= taken;
        self.refill();
        self.send().await
    }

    fn take(&mut self, mut seen: impl FnMut(u64, u64)) -> Outcome<usize> {
        let mut at = 0;
        loop {
            if let Some((stream, missing)) = self.data {
                let step = missing.min(self.filled - at);
                let scan = self.scans.get_mut(stream).ok_or("data for a stream that was never asked for")?;
                let before = scan.items;
                scan.feed(&self.buffer[at..at + step]);
                if scan.items > before {
                    seen(before, scan.items);
                }
                at += step;
                self.data = (missing > step).then_some((stream, missing - step));
            }
            let Some(head) = Head::of(&self.buffer[at..self.filled]).filter(|_| self.data.is_none()) else {
                return Ok(at);
            };
            if head.kind == kind::DATA {
                at += HEAD_BYTES;
                self.ended |= head.flags & END_STREAM != 0;
                self.consumed += head.length as u32;
                self.data = Some((head.stream as usize / 2, head.length));
            } else if self.filled - at >= HEAD_BYTES + head.length {
                self.heed(&head, at + HEAD_BYTES)?;
                at += HEAD_BYTES + head.length;
            } else {
                return Ok(at);
            }
        }
    }

    fn heed(&mut self, head: &Head, at: usize) -> Outcome {
        match head.kind {
            // a stream's first headers open it, or refuse it at once
            kind::HEADERS if head.flags & END_STREAM == 0 => self.opened += 1,
            kind::HEADERS | kind::RST_STREAM => self.ended = true,
            kind::SETTINGS if head.flags & ACK == 0 => self.put(kind::SETTINGS, ACK, 0, &[]),
            kind::PING if head.flags & ACK == 0 => {
                let payload = self.buffer[at..at + head.length].to_vec();
                self.put(kind::PING, ACK, 0, &payload);
            }
            kind::GOAWAY => return Err("the server is going away".into()),
            _ => {}
        }
        Ok(())
    }

    fn greet(&mut self) {
        self.out.put_slice(PREFACE);
        let mut settings = Vec::new();
        for (setting, value) in [(2, 0), (4, MAX_WINDOW)] {
            // ENABLE_PUSH and INITIAL_WINDOW_SIZE
            settings.put_u16(setting);
            settings.put_u32(value);
        }
        self.put(kind::SETTINGS, 0, 0, &settings);
        self.put(kind::WINDOW_UPDATE, 0, 0, &(MAX_WINDOW - FIRST_WINDOW).to_be_bytes());
    }

    // The window of a stream suffices for all that one carries here; that of the connection may not.
    fn refill(&mut self) {
        if self.consumed > MAX_WINDOW / 4 {
            let consumed = std::mem::take(&mut self.consumed);
            self.put(kind::WINDOW_UPDATE, 0, 0, &consumed.to_be_bytes());
        }
    }

    fn put(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.out.put_uint(payload.len() as u64, 3);
        self.out.put_u8(kind);
        self.out.put_u8(flags);
        self.out.put_u32(stream);
        self.out.put_slice(payload);
    }

    async fn send(&mut self) -> Outcome {
        if !self.out.is_empty() {
            self.socket.write_all(&self.out).await?;
            self.out.clear();
        }
        Ok(())
    }
}

impl Head {
    fn of(bytes: &[u8]) -> Option<Self> {
        let &[l0, l1, l2, kind, flags, s0, s1, s2, s3] = bytes.first_chunk()?;
        let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        Some(Self { length, kind, flags, stream: u32::from_be_bytes([s0, s1, s2, s3]) })
    }
}

/// A request's headers in the plainest form of RFC 7541: from the static table, or literal and not indexed.
fn headers(address: SocketAddr, verb: &str) -> Vec<u8> {
    // :method POST, :scheme http
    let mut out = vec![0x83, 0x86];
    literal(&mut out, &[0x04], &format!("/eric.v1.DispatcherService/{verb}"));
    literal(&mut out, &[0x01], &address.to_string());
    // the static table's 31st, in a prefix of four bits
    literal(&mut out, &[0x0f, 0x10], "application/grpc");
    literal(&mut out, b"\x00\x02te", "trailers");
    out
}

fn literal(out: &mut Vec<u8>, name: &[u8], value: &str) {
    debug_assert!(value.len() < 127, "one byte holds the length");
    out.put_slice(name);
    out.put_u8(value.len() as u8);
    out.put_slice(value.as_bytes());
}
