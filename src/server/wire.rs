//! A connection's socket, which sends once what its connection writes in a row.
//!
//! h2 gathers only frames below 256 bytes and flushes after every larger one: a system call for each delivery. Here a
//! write is put aside, a flush does nothing, and whoever drives the connection sends what has gathered after each turn.

use socket2::SockRef;
use std::{
    io::{self, ErrorKind},
    net::Shutdown,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

/// No more gathers: it is sent, and the writer waits. As much as a stream may have waiting.
const GATHERED_BYTES: usize = 64 * 1024;
/// What an idle connection keeps for the next turn.
const KEPT_BYTES: usize = 2 * 1024;

/// The socket as whoever drives the connection sees it.
#[derive(Clone, Debug)]
pub(super) struct Wire(Arc<Shared>);

/// The socket as the connection sees it.
#[derive(Debug)]
pub(super) struct Socket(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    stream: TcpStream,
    unsent: Mutex<Unsent>,
}

#[derive(Debug, Default)]
struct Unsent {
    bytes: Vec<u8>,
    sent: usize,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> (Self, Socket) {
        let shared = Arc::new(Shared { stream, unsent: Mutex::default() });
        (Self(Arc::clone(&shared)), Socket(shared))
    }

    /// Sends what has gathered.
    pub(super) fn poll_send(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_send(&mut self.0.unsent(), context)
    }

    /// Whether the client has closed its side, where nothing that it has said is unread.
    pub(super) fn poll_hung_up(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut said = [0];
        match ready!(self.0.stream.poll_peek(context, &mut ReadBuf::new(&mut said)))? {
            0 => Poll::Ready(Ok(())),
            // whoever reads it waits for what is behind it
            _ => Poll::Pending,
        }
    }

    /// The bare stream, and what has gathered; the socket is gone.
    pub(super) fn into_inner(self) -> io::Result<(TcpStream, Vec<u8>)> {
        let shared = Arc::into_inner(self.0).ok_or(ErrorKind::InvalidInput)?;
        let mut unsent = shared.unsent.into_inner().unwrap_or_else(PoisonError::into_inner);
        unsent.bytes.drain(..unsent.sent);
        Ok((shared.stream, unsent.bytes))
    }
}

impl Shared {
    /// The connection and its driver are one task: nobody else asks for it.
    fn unsent(&self) -> MutexGuard<'_, Unsent> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads once. Where less came than there is room for there is no more: whoever asks again waits, without a system
    /// call that would only tell so.
    fn read(&self, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
        let room = buffer.remaining();
        let mut read = Err(ErrorKind::WouldBlock.into());
        // what comes meanwhile makes it readable anew, and that is not forgotten: this forgets what it was when it began
        let _ = self.stream.try_io(Interest::READABLE, || {
            read = self.stream.try_read_buf(buffer);
            let some = cfg!(unix) && read.as_ref().is_ok_and(|read| (1..room).contains(read));
            if some { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        read.map(drop)
    }

    fn poll_send(&self, unsent: &mut Unsent, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Unsent { bytes, sent } = unsent;
        ready!(poll_write_all(&self.stream, context, bytes, sent))?;
        unsent.clear();
        Poll::Ready(Ok(()))
    }
}

/// Writes what is behind the first `sent` of these bytes, and counts it.
pub(super) fn poll_write_all(
    stream: &TcpStream,
    context: &mut Context<'_>,
    bytes: &[u8],
    sent: &mut usize,
) -> Poll<io::Result<()>> {
    while *sent < bytes.len() {
        match stream.try_write(&bytes[*sent..]) {
            Ok(0) => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
            Ok(more) => *sent += more,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                ready!(stream.poll_write_ready(context))?;
            }
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
    Poll::Ready(Ok(()))
}

impl Unsent {
    fn clear(&mut self) {
        self.sent = 0;
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut unsent = self.0.unsent();
        if unsent.bytes.len() >= GATHERED_BYTES {
            ready!(self.0.poll_send(&mut unsent, context))?;
        }
        let taken = bytes.len().min(GATHERED_BYTES);
        unsent.bytes.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.0.poll_send(&mut self.0.unsent(), context))?;
        let closed = SockRef::from(&self.0.stream).shutdown(Shutdown::Write);
        // a peer that is gone already has nothing to hear
        Poll::Ready(
            closed.or_else(|error| if error.kind() == ErrorKind::NotConnected { Ok(()) } else { Err(error) }),
        )
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match self.0.read(buffer) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(self.0.stream.poll_read_ready(context))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}
