//! What Eric's streams of events are measured against: a server that writes ready bytes to sockets, on one thread a core,
//! without queue or logic.
//!
//! It is this program started again with a hidden argument. What is posted to it is made into an event once, and goes
//! through a `tokio::sync::broadcast` to whoever has asked for anything.

use crate::Outcome;
use bytes::Bytes;
use std::{net::SocketAddr, thread};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Builder,
    sync::{broadcast, mpsc},
};

/// Makes this program the bare server of events; an address follows.
pub(crate) const ARGUMENT: &str = "bare-events";

/// No stream is so far behind in what is measured.
const KEPT: usize = 1 << 16;
const HEAD_END: &[u8] = b"\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
/// With a first word, as the others have one.
const STREAM: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\nconnection: close\r\n\r\n: hi\n\n";

/// Serves until it is killed.
pub(crate) fn serve(address: SocketAddr) -> Outcome {
    let (events, _) = broadcast::channel(KEPT);
    let cores = thread::available_parallelism()?.get();
    let cores: Vec<_> = (0..cores).map(|_| core(&events)).collect::<Result<_, _>>()?;
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(address).await?;
        for core in cores.iter().cycle() {
            core.send(listener.accept().await?.0.into_std()?).await?;
        }
        Ok(())
    })
}

/// A thread that serves what it is handed.
fn core(events: &broadcast::Sender<Bytes>) -> Outcome<mpsc::Sender<std::net::TcpStream>> {
    let (hand_over, mut taken) = mpsc::channel::<std::net::TcpStream>(64);
    let (runtime, events) = (Builder::new_current_thread().enable_all().build()?, events.clone());
    thread::Builder::new().spawn(move || {
        runtime.block_on(async {
            while let Some(stream) = taken.recv().await {
                let connection = connection(stream, events.clone());
                // a client that went away is nothing to tell
                tokio::spawn(async { drop(connection.await) });
            }
        });
    })?;
    Ok(hand_over)
}

async fn connection(stream: std::net::TcpStream, events: broadcast::Sender<Bytes>) -> Outcome {
    let mut stream = TcpStream::from_std(stream)?;
    stream.set_nodelay(true)?;
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
        let id = format!("id: {count:040}\nevent: price.changed\ndata: ");
        // nobody may have asked yet
        let _ = events.send([id.as_bytes(), &heard[body.clone()], b"\n\n"].concat().into());
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
