//! One connection, from its first byte to its end.

use super::{bare, door::Door, front::Front, wire::Wire};
use crate::{config::Config, verbs::hung_up::HungUp};
use axum::Router;
use hyper::{
    rt::{Sleep, Timer},
    server::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use std::{
    future::poll_fn,
    io,
    net::TcpStream,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::{
    runtime::Handle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

/// What a stream may have waiting in its connection; the default, 400 KiB, would let ten thousand slow readers pin 4 GB.
const MAX_SEND_BUFFER_BYTES: usize = 64 * 1024;
/// What a client may send ahead on a stream and on a connection: a Publish stream is filled, not stalled.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// Calls at once on a connection. Our own limit of streams answers with an error; this one would let them hang.
const MAX_CONCURRENT_CALLS: u32 = 100_000;
/// What a request's headers may take, about, and how many there may be, where anybody's browser sends them.
const MAX_HEADER_BYTES: u32 = 32 * 1024;
const MAX_HEADERS: usize = 128;
/// Unanswered probes of a connection that has nothing to say.
const PROBES: u32 = 3;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How connections are kept.
#[derive(Clone, Debug)]
pub(super) struct Keeping {
    /// A dead peer is noticed after this and `ping_timeout`; `None`: never.
    ping_every: Option<Duration>,
    ping_timeout: Duration,
    header_timeout: Duration,
    clock: Clock,
}

impl Keeping {
    pub(super) fn new(config: &Config, clock: Handle) -> Self {
        Self {
            clock: Clock(clock),
            ping_every: Some(config.keep_alive_interval).filter(|interval| !interval.is_zero()),
            ping_timeout: config.keep_alive_timeout,
            header_timeout: config.header_timeout,
        }
    }

    fn http1(&self, door: Door) -> http1::Builder {
        let mut builder = http1::Builder::new();
        builder.timer(self.clock.clone()).header_read_timeout(self.header_timeout);
        if door == Door::Http {
            builder.max_buf_size(MAX_HEADER_BYTES as usize).max_headers(MAX_HEADERS);
            // who has asked may close his side, and is answered
            builder.half_close(true);
        }
        builder
    }

    fn http2(&self, door: Door) -> http2::Builder<TokioExecutor> {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(self.clock.clone())
            .keep_alive_interval(self.ping_every)
            .keep_alive_timeout(self.ping_timeout)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_concurrent_streams(MAX_CONCURRENT_CALLS)
            .max_send_buf_size(MAX_SEND_BUFFER_BYTES);
        if door == Door::Http {
            builder.max_header_list_size(MAX_HEADER_BYTES);
        }
        builder
    }

    /// HTTP/1.1 has no ping: the system asks in its place, and gives up a peer that has taken nothing for as long.
    fn watch_over(&self, stream: &tokio::net::TcpStream) -> io::Result<()> {
        let Some(every) = self.ping_every else { return Ok(()) };
        let (socket, probe) = (SockRef::from(stream), self.ping_timeout / PROBES);
        let probing = TcpKeepalive::new().with_time(every).with_interval(probe.max(Duration::from_secs(1)));
        socket.set_tcp_keepalive(&probing.with_retries(PROBES))?;
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(every + self.ping_timeout))?;
        Ok(())
    }
}

/// Timers of a runtime that is not the core's. A core that had one running would set an alarm each time it sleeps.
#[derive(Clone, Debug)]
struct Clock(Handle);

impl Timer for Clock {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        let _clock = self.0.enter();
        TokioTimer::new().sleep(duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let _clock = self.0.enter();
        TokioTimer::new().sleep_until(deadline)
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, deadline: Instant) {
        TokioTimer::new().reset(sleep, deadline);
    }
}

/// Serves a connection until it ends, or until what it has open has ended after `closing`.
pub(super) async fn serve(
    stream: TcpStream,
    door: Door,
    router: Router,
    keeping: Keeping,
    closing: CancellationToken,
) {
    // in a box: what a connection was needs no room once it carries a stream of events
    let spoken = Box::pin(speak(stream, door, router, keeping, closing)).await;
    let ended = match spoken {
        Ok(Some(bare)) => bare.serve().await.map_err(Into::into),
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = ended {
        // a peer that went away is its own business
        debug!(%error, "a connection ended");
    }
}

/// Speaks HTTP with a client to the end, or until nothing is left to do but to send it events.
async fn speak(
    stream: TcpStream,
    door: Door,
    router: Router,
    keeping: Keeping,
    closing: CancellationToken,
) -> Outcome<Option<bare::Bare>> {
    let stream = tokio::net::TcpStream::from_std(stream)?;
    // small frames are what this server is about
    stream.set_nodelay(true)?;
    if door == Door::Http {
        keeping.watch_over(&stream)?;
    }
    let protocol = tokio::select! {
        spoke = timeout(keeping.header_timeout, first_words(&stream)) => spoke??,
        () = closing.cancelled() => return Ok(None),
    };
    match protocol {
        Protocol::Http1 => speak_http1(stream, &keeping.http1(door), router, &closing).await,
        Protocol::Http2 => {
            let ended = speak_http2(stream, &keeping.http2(door), router, &closing).await;
            ended.map(|()| None)
        }
    }
}

async fn speak_http2(
    stream: tokio::net::TcpStream,
    builder: &http2::Builder<TokioExecutor>,
    router: Router,
    closing: &CancellationToken,
) -> Outcome {
    let (wire, socket) = Wire::new(stream);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), Front::new(router, None)));
    tokio::select! {
        ended = driven(connection.as_mut(), &wire) => return ended,
        () = closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    driven(connection, &wire).await
}

async fn speak_http1(
    stream: tokio::net::TcpStream,
    builder: &http1::Builder,
    router: Router,
    closing: &CancellationToken,
) -> Outcome<Option<bare::Bare>> {
    let (wire, socket) = Wire::new(stream);
    let hung_up = HungUp::new();
    let front = Front::new(router, Some(hung_up.clone()));
    let taken = front.taken();
    let mut connection = builder.serve_connection(TokioIo::new(socket), front);
    let (mut closed, mut told) = (pin!(closing.cancelled()), false);
    poll_fn(|context| {
        if !told && closed.as_mut().poll(context).is_ready() {
            told = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        let turn = turn(Pin::new(&mut connection), &wire, context);
        if taken.is_some() {
            return Poll::Ready(Ok(()));
        }
        // hyper does not look while it answers, and what it waits for may be told by this
        if turn.is_pending() && !hung_up.is_told() && wire.poll_hung_up(context)?.is_ready() {
            hung_up.tell();
            context.waker().wake_by_ref();
        }
        turn
    })
    .await?;
    let Some(events) = taken.take() else { return Ok(None) };
    // the request was read to its end, and nothing was said to it: what is left is the socket
    drop(connection);
    let (stream, unsent) = wire.into_inner()?;
    Ok(Some(bare::Bare::new(stream, unsent, events)))
}

/// Drives a connection, and sends after each turn what it has written.
async fn driven<C, E>(mut connection: Pin<&mut C>, wire: &Wire) -> Outcome
where
    C: Future<Output = Result<(), E>>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    poll_fn(|context| turn(connection.as_mut(), wire, context)).await
}

fn turn<C, E>(connection: Pin<&mut C>, wire: &Wire, context: &mut Context<'_>) -> Poll<Outcome>
where
    C: Future<Output = Result<(), E>>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let turn = connection.poll(context).map_err(Into::into);
    match wire.poll_send(context) {
        Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
        Poll::Ready(Ok(())) | Poll::Pending => turn,
    }
}

/// What a client speaks.
enum Protocol {
    Http1,
    Http2,
}

/// Waits until the client has shown which protocol it speaks. One that connects and says nothing, or stops half way, has
/// no timer of its own further in.
async fn first_words(stream: &tokio::net::TcpStream) -> io::Result<Protocol> {
    let mut words = [0; PREFACE.len()];
    loop {
        stream.readable().await?;
        let heard = stream.peek(&mut words).await?;
        if words == PREFACE {
            return Ok(Protocol::Http2);
        }
        let half_way = heard > 0 && PREFACE.starts_with(&words[..heard]);
        if !half_way {
            return Ok(Protocol::Http1);
        }
        // it stays readable with what is there already
        sleep(Duration::from_millis(10)).await;
    }
}
