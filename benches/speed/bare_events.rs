//! What Eric's streams of events are measured against: a server that writes ready bytes to sockets, on one thread a core,
//! without queue or logic.
//!
//! It is this program started again with a hidden argument. What is posted to it is made into an event once, and goes
//! through a `tokio::sync::broadcast` to whoever has asked for anything. What is posted it reads by hand, which no server
//! does that others rely on, or has axum read it: what a publication comes to in a server that does nothing with it.

use crate::Outcome;
use axum::{Router, extract::State, http::StatusCode};
use bytes::Bytes;
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Builder,
    sync::{broadcast, mpsc},
};

/// Makes this program the bare server of events; an address follows.
pub(crate) const ARGUMENT: &str = "bare-events";
/// The same, where axum reads what is posted.
pub(crate) const BY_AXUM: &str = "bare-events-by-axum";

/// No stream is so far behind in what is measured.
const KEPT: usize = 1 << 16;
const HEAD_END: &[u8] = b"\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
/// With a first word, as the others have one.
const STREAM: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\nconnection: close\r\n\r\n: hi\n\n";

/// Who reads what is posted.
#[derive(Clone, Copy)]
pub(crate) enum Reads {
    ByHand,
    ByAxum,
}

/// Serves until it is killed.
pub(crate) fn serve(address: SocketAddr, reads: Reads) -> Outcome {
    let (events, _) = broadcast::channel(KEPT);
    let cores = thread::available_parallelism()?.get();
    let cores: Vec<_> = (0..cores).map(|_| core(&events, reads)).collect::<Result<_, _>>()?;
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(address).await?;
        for core in cores.iter().cycle() {
            core.send(listener.accept().await?.0.into_std()?).await?;
        }
        Ok(())
    })
}

/// A thread that serves what it is handed.
fn core(events: &broadcast::Sender<Bytes>, reads: Reads) -> Outcome<mpsc::Sender<std::net::TcpStream>> {
    let (hand_over, mut taken) = mpsc::channel::<std::net::TcpStream>(64);
    let (runtime, events) = (Builder::new_current_thread().enable_all().build()?, events.clone());
    thread::Builder::new().spawn(move || {
        runtime.block_on(async {
            while let Some(stream) = taken.recv().await {
                let connection = connection(stream, events.clone(), reads);
                // a client that went away is nothing to tell
                tokio::spawn(async { drop(connection.await) });
            }
        });
    })?;
    Ok(hand_over)
}

async fn connection(stream: std::net::TcpStream, events: broadcast::Sender<Bytes>, reads: Reads) -> Outcome {
    let stream = TcpStream::from_std(stream)?;
    stream.set_nodelay(true)?;
    let mut first = [0];
    stream.peek(&mut first).await?;
    match reads {
        Reads::ByAxum if first == *b"P" => by_axum(stream, events).await,
        Reads::ByAxum | Reads::ByHand => by_hand(stream, events).await,
    }
}

async fn by_axum(stream: TcpStream, events: broadcast::Sender<Bytes>) -> Outcome {
    let posts = Router::new().fallback(post).with_state(Posts { events, count: Arc::default() });
    Ok(http1::Builder::new().serve_connection(TokioIo::new(stream), TowerToHyperService::new(posts)).await?)
}

/// What comes by one connection.
#[derive(Clone)]
struct Posts {
    events: broadcast::Sender<Bytes>,
    count: Arc<AtomicU64>,
}

async fn post(State(Posts { events, count }): State<Posts>, body: Bytes) -> StatusCode {
    publish(&events, count.fetch_add(1, Ordering::Relaxed) + 1, &body);
    StatusCode::NO_CONTENT
}

/// Nobody may have asked yet.
fn publish(events: &broadcast::Sender<Bytes>, number: u64, body: &[u8]) {
    let id = format!("id: {number:040}\nevent: price.changed\ndata: ");
    let _ = events.send([id.as_bytes(), body, b"\n\n"].concat().into());
}

async fn by_hand(mut stream: TcpStream, events: broadcast::Sender<Bytes>) -> Outcome {
    let (mut heard, mut count) = (Vec::new(), 0_u64);
    loop {
        let Some(head) = heard.windows(HEAD_END.len()).position(|bytes| bytes == HEAD_END) else {
            if stream.read_buf(&mut heard).await? == 0 {
                return Ok(());
            }
            continue;
        };
        if heard.starts_with(b"GET") {
            return send_all(stream, events.subscribe()).await;
        }
        let body = head + HEAD_END.len()..head + HEAD_END.len() + body_length(&heard[..head])?;
        while heard.len() < body.end {
            stream.read_buf(&mut heard).await?;
        }
        count += 1;
        publish(&events, count, &heard[body.clone()]);
        heard.drain(..body.end);
        stream.write_all(ANSWER).await?;
    }
}

async fn send_all(mut stream: TcpStream, mut events: broadcast::Receiver<Bytes>) -> Outcome {
    stream.write_all(STREAM).await?;
    loop {
        stream.write_all(&events.recv().await?).await?;
    }
}

fn body_length(head: &[u8]) -> Outcome<usize> {
    let head = std::str::from_utf8(head)?.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    Ok(length.ok_or("a request has no length")?.trim().parse()?)
}
