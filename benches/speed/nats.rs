//! What one would pick in place of Eric over a directory: NATS JetStream, spoken to in its own protocol of text.
//!
//! It runs with file storage and `sync_interval: always`, so that what it acknowledges is on disk, and one stream.

use crate::{Outcome, child::Server, load::empty_histogram, messages};
use hdrhistogram::Histogram;
use prost::Message as _;
use std::{
    collections::VecDeque,
    ffi::OsString,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// The program, as `scripts/tool nats-server` prints it.
const PROGRAM: &str = "ERIC_NATS_SERVER";

const SUBJECT: &str = "bench.messages";
const END: &[u8] = b"\r\n";
const STREAM: &str = r#"{"name":"bench","subjects":["bench.>"],"storage":"file","num_replicas":1}"#;

/// nats-server, where the caller's environment names it.
pub(crate) fn program() -> Option<OsString> {
    std::env::var_os(PROGRAM).filter(|program| !program.is_empty())
}

/// Publishers with a stream to publish to.
pub(crate) struct Publishers {
    each: Vec<Publisher>,
    /// The server's version.
    pub(crate) version: String,
}

impl Publishers {
    /// So many, on a connection each, with so many messages in flight each.
    pub(crate) async fn open(server: &Server, count: usize, in_flight: usize) -> Outcome<Self> {
        let mut control = Publisher::open(server.address, 1).await?;
        control.ask("$JS.API.STREAM.CREATE.bench", STREAM.as_bytes()).await?;
        let mut each = Vec::with_capacity(count);
        for _ in 0..count {
            each.push(Publisher::open(server.address, in_flight).await?);
        }
        Ok(Self { each, version: control.version })
    }

    /// Publishes for so long, and on until all is acknowledged: how many messages were.
    pub(crate) async fn run(&mut self, time: Duration) -> Outcome<(u64, Histogram<u64>)> {
        let end = Instant::now() + time;
        let runs = self.each.iter_mut().map(|publisher| publisher.run(end));
        let (mut messages, mut latency) = (0, empty_histogram());
        for of_one in futures_util::future::try_join_all(runs).await? {
            messages += of_one.len();
            latency.add(of_one)?;
        }
        Ok((messages, latency))
    }
}

struct Publisher {
    input: BufReader<OwnedReadHalf>,
    output: OwnedWriteHalf,
    version: String,
    /// Where its answers come, and nobody else's.
    inbox: String,
    /// A message, ready to be sent.
    publication: Vec<u8>,
    in_flight: usize,
}

impl Publisher {
    async fn open(address: SocketAddr, in_flight: usize) -> Outcome<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let (input, output) = socket.into_split();
        let (input, version, inbox) = (BufReader::with_capacity(64 * 1024, input), String::new(), inbox());
        let publication = publication(SUBJECT, &inbox, &messages::message().encode_to_vec());
        let mut it = Self { input, output, version, inbox, publication, in_flight };
        it.greet().await?;
        Ok(it)
    }

    async fn greet(&mut self) -> Outcome {
        let line = self.line().await?;
        let information = line.strip_prefix("INFO ").ok_or("nats-server did not greet")?;
        let information: serde_json::Value = serde_json::from_str(information)?;
        information["version"].as_str().unwrap_or_default().clone_into(&mut self.version);
        let connect =
            r#"CONNECT {"verbose":false,"pedantic":false,"name":"bench","lang":"rust","version":"1"}"#;
        self.send(format!("{connect}\r\nSUB {} 1\r\n", self.inbox).as_bytes()).await
    }

    /// A call of JetStream's own interface.
    async fn ask(&mut self, subject: &str, request: &[u8]) -> Outcome {
        self.send(&publication(subject, &self.inbox, request)).await?;
        self.answer().await
    }

    /// Publishes until then, each message as soon as one is acknowledged: what each took, in nanoseconds.
    async fn run(&mut self, end: Instant) -> Outcome<Histogram<u64>> {
        let (mut latency, mut underway) = (empty_histogram(), VecDeque::with_capacity(self.in_flight));
        self.publish(self.in_flight, &mut underway).await?;
        while !underway.is_empty() {
            let mut answered = 0;
            loop {
                self.answer().await?;
                // one stream answers in the order in which it was asked
                let sent: Instant = underway.pop_front().ok_or("more was acknowledged than was published")?;
                latency.saturating_record(sent.elapsed().as_nanos() as u64);
                answered += 1;
                if self.input.buffer().is_empty() || underway.is_empty() {
                    break;
                }
            }
            if Instant::now() < end {
                self.publish(answered, &mut underway).await?;
            }
        }
        Ok(latency)
    }

    // What is ready goes out in one piece.
    async fn publish(&mut self, count: usize, underway: &mut VecDeque<Instant>) -> Outcome {
        underway.extend(std::iter::repeat_n(Instant::now(), count));
        self.send(&self.publication.repeat(count)).await
    }

    /// The next answer, which must be no error.
    async fn answer(&mut self) -> Outcome {
        loop {
            let line = self.line().await?;
            let mut words = line.split(' ');
            match words.next() {
                // subject, subscription, length
                Some("MSG") => {
                    let length = words.next_back().unwrap_or_default().parse()?;
                    return self.read_answer(length).await;
                }
                Some("PING") => self.send(b"PONG\r\n").await?,
                Some("INFO" | "PONG") => {}
                _ => return Err(format!("nats-server says {line}").into()),
            }
        }
    }

    async fn read_answer(&mut self, length: usize) -> Outcome {
        let mut text = vec![0; length + END.len()];
        self.input.read_exact(&mut text).await?;
        let answer: serde_json::Value = serde_json::from_slice(&text[..length])?;
        match answer.get("error") {
            None => Ok(()),
            Some(error) => Err(format!("nats-server answers {error}").into()),
        }
    }

    async fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        match self.input.read_line(&mut line).await? {
            0 => Err("nats-server closed the connection".into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Outcome {
        Ok(self.output.write_all(bytes).await?)
    }
}

fn inbox() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("_INBOX.bench.{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn publication(subject: &str, inbox: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("PUB {subject} {inbox} {}\r\n", payload.len());
    [head.as_bytes(), payload, END].concat()
}
