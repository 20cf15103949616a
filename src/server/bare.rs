//! A connection of HTTP/1.1 that carries a stream of events to its end: a socket, and what is to be written to it.
//!
//! Source: RFC 9112.

use super::{front::Events, wire::poll_write_all};
use crate::http::Live;
use bytes::{Buf, Bytes};
use http::HeaderMap;
use socket2::SockRef;
use std::{
    future::poll_fn,
    io::{self, ErrorKind, Write as _},
    net::Shutdown,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker, ready},
    time::SystemTime,
};
use tokio::net::TcpStream;

/// A client has nothing to say behind its request. What it says all the same is passed over, up to this.
const MAX_IGNORED_BYTES: usize = 64 * 1024;
/// So many chunks in a row, then the core's other streams have a turn.
const CHUNKS_AT_ONCE: usize = 4;
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

pub(super) struct Bare {
    stream: TcpStream,
    unsent: Bytes,
    live: Option<Live>,
    client: Option<Arc<Client>>,
    ignored: usize,
}

/// Who is told that there is something to read. A stream is woken for its events a thousand times before its client says
/// anything: to ask the socket each time would be a good part of the work.
struct Client {
    stirred: AtomicBool,
    task: Waker,
}

impl Wake for Client {
    fn wake(self: Arc<Self>) {
        self.stirred.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

impl Bare {
    /// `unsent` is what was answered before and is not sent yet.
    pub(super) fn new(stream: TcpStream, mut unsent: Vec<u8>, events: Events) -> Self {
        put_head(&mut unsent, &events.headers);
        Self { stream, unsent: unsent.into(), live: Some(events.live), client: None, ignored: 0 }
    }

    /// Sends events until there are no more, or nobody is there for them.
    pub(super) async fn serve(mut self) -> io::Result<()> {
        poll_fn(|context| self.poll_serve(context)).await
    }

    fn poll_serve(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.poll_gone(context)?.is_ready() {
            return Poll::Ready(Ok(()));
        }
        for _ in 0..CHUNKS_AT_ONCE {
            ready!(self.poll_send(context))?;
            let Some(live) = &mut self.live else { return Poll::Ready(self.close()) };
            match ready!(live.poll_chunk(context)) {
                Some(chunk) => {
                    self.unsent = chunk;
                    if live.rests() {
                        ready!(self.poll_send(context))?;
                        return Poll::Pending;
                    }
                }
                None => {
                    self.live = None;
                    self.unsent = Bytes::from_static(LAST_CHUNK);
                }
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sent = 0;
        let all = poll_write_all(&self.stream, context, &self.unsent, &mut sent);
        self.unsent.advance(sent);
        all
    }

    /// Whether the client has closed its side, as hyper, too, takes for its end.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let known = |client: &&Arc<Client>| client.task.will_wake(context.waker());
        if self.client.as_ref().filter(known).is_some_and(|client| !client.stirred.load(Ordering::Acquire)) {
            return Poll::Pending;
        }
        let task = context.waker().clone();
        let client = Arc::new(Client { stirred: AtomicBool::new(false), task });
        let waker = Waker::from(Arc::clone(&client));
        self.client = Some(client);
        let mut ignored = [0; 256];
        loop {
            ready!(self.stream.poll_read_ready(&mut Context::from_waker(&waker)))?;
            match self.stream.try_read(&mut ignored) {
                Ok(0) => return Poll::Ready(Ok(())),
                Ok(heard) => self.ignored += heard,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            if self.ignored > MAX_IGNORED_BYTES {
                return Poll::Ready(Err(ErrorKind::InvalidData.into()));
            }
        }
    }

    fn close(&self) -> io::Result<()> {
        SockRef::from(&self.stream).shutdown(Shutdown::Write)
    }
}

fn put_head(head: &mut Vec<u8>, headers: &HeaderMap) {
    head.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    let date = httpdate::HttpDate::from(SystemTime::now());
    // a vector takes everything
    let _ = write!(head, "date: {date}\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n");
}
