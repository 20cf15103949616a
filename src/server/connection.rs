//! One connection, from its first byte to its end.

use super::{door::Door, wire::Wire};
use crate::config::Config;
use axum::Router;
use hyper::rt::{Sleep, Timer};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use std::{
    future::poll_fn,
    io,
    net::TcpStream,
    pin::{Pin, pin},
    task::Poll,
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
/// What a request's headers may take, and how many there may be, where anybody's browser sends them.
const MAX_HEADER_BYTES: u32 = 64 * 1024;
const MAX_HEADERS: usize = 128;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

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

    fn builder(&self, door: Door) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(self.clock.clone()).header_read_timeout(self.header_timeout);
        if door == Door::Http {
            builder.http1().max_buf_size(MAX_SEND_BUFFER_BYTES).max_headers(MAX_HEADERS);
            builder.http2().max_header_list_size(MAX_HEADER_BYTES);
        }
        builder
            .http2()
            .timer(self.clock.clone())
            .keep_alive_interval(self.ping_every)
            .keep_alive_timeout(self.ping_timeout)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_concurrent_streams(MAX_CONCURRENT_CALLS)
            .max_send_buf_size(MAX_SEND_BUFFER_BYTES);
        builder
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
    if let Err(error) = try_serve(stream, door, router, keeping, closing).await {
        // a peer that went away is its own business
        debug!(%error, "a connection ended");
    }
}

async fn try_serve(
    stream: TcpStream,
    door: Door,
    router: Router,
    keeping: Keeping,
    closing: CancellationToken,
) -> Outcome {
    let stream = tokio::net::TcpStream::from_std(stream)?;
    // small frames are what this server is about
    stream.set_nodelay(true)?;
    tokio::select! {
        spoke = timeout(keeping.header_timeout, first_words(&stream)) => spoke??,
        () = closing.cancelled() => return Ok(()),
    }
    let (wire, socket) = Wire::new(stream);
    let builder = keeping.builder(door);
    let service = TowerToHyperService::new(router);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), service));
    tokio::select! {
        ended = driven(connection.as_mut(), &wire) => return ended,
        () = closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    driven(connection, &wire).await
}

/// Drives a connection, and sends after each turn what it has written.
async fn driven<C: Future<Output = Outcome>>(mut connection: Pin<&mut C>, wire: &Wire) -> Outcome {
    poll_fn(|context| {
        let turn = connection.as_mut().poll(context);
        match wire.poll_send(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
            Poll::Ready(Ok(())) | Poll::Pending => turn,
        }
    })
    .await
}

/// Waits until the client has shown which protocol it speaks. One that connects and says nothing, or stops half way, has
/// no timer of its own further in.
async fn first_words(stream: &tokio::net::TcpStream) -> io::Result<()> {
    let mut words = [0; PREFACE.len()];
    loop {
        stream.readable().await?;
        let heard = stream.peek(&mut words).await?;
        let half_way = heard > 0 && heard < PREFACE.len() && PREFACE.starts_with(&words[..heard]);
        if !half_way {
            return Ok(());
        }
        // it stays readable with what is there already
        sleep(Duration::from_millis(10)).await;
    }
}
