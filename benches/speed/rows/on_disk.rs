//! Rows where accepted means on disk: Eric over a directory, the store alone with as many messages a commit as Eric's
//! commits had, a bare tonic server over such a store, and NATS JetStream with as many messages in flight; by turns, on one
//! disk.

use super::{
    Row,
    beside_bare::{BATCH, CALLERS_A_CONNECTION},
};
use crate::{
    Outcome,
    args::Plan,
    child::Server,
    client::Connection,
    compare::median,
    disk,
    load::{Load, Publish, Publishers, Timed, empty_histogram},
    messages::{MESSAGE_BYTES, Template},
    nats, proc,
    report::{Kept, Latency, OnDisk},
    setup,
    store::{FILE, Shrinks, Store},
};
use eric::v1::publication::Receiver;
use hdrhistogram::Histogram;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::time::sleep;

const CHANNEL: &str = "prices";
const LISTENER: &str = "north";

/// How messages come.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// From so many publishers, each with one batch in flight.
    Batches(usize),
    /// By unary calls of so many callers.
    Calls(usize),
}

impl Way {
    /// Connections, and the messages in flight on each.
    fn shape(self) -> (usize, usize) {
        match self {
            Self::Batches(publishers) => (publishers, BATCH),
            Self::Calls(callers) => {
                let connections = callers.div_ceil(CALLERS_A_CONNECTION);
                (connections, callers / connections)
            }
        }
    }
}

pub(super) async fn kept(plan: &Plan, row: &Row, way: Way) -> Outcome<OnDisk> {
    let [eric, bare] = [disk::directory()?, disk::directory()?];
    let servers = [Server::eric_over(eric.path(), &[]).await?, Server::bare_over(bare.path()).await?];
    let [eric, bare] = [(eric, "eric.db", "Eric"), (bare, FILE, "bare tonic over the store")];
    match way {
        Way::Batches(_) => {
            let [of_eric, of_bare] =
                [publishers(&servers[0], way).await?, publishers(&servers[1], way).await?];
            let [server, bare_server] = servers;
            let (eric, bare) =
                (Served::over(eric, server, of_eric)?, Served::over(bare, bare_server, of_bare)?);
            beside(plan, row, way, eric, bare).await
        }
        Way::Calls(callers) => {
            let [of_eric, of_bare] =
                [dispatches(&servers[0], way, callers).await?, dispatches(&servers[1], way, callers).await?];
            let [server, bare_server] = servers;
            let (eric, bare) =
                (Served::over(eric, server, of_eric)?, Served::over(bare, bare_server, of_bare)?);
            beside(plan, row, way, eric, bare).await
        }
    }
}

async fn connected(server: &Server, way: Way) -> Outcome<Vec<Connection>> {
    let connections = Connection::open_many(server.address, way.shape().0).await?;
    setup::channel(&connections[0], CHANNEL, setup::bottomless()).await?;
    setup::register(&connections[0], CHANNEL, LISTENER).await?;
    Ok(connections)
}

async fn publishers(server: &Server, way: Way) -> Outcome<Publishers> {
    let template = || Template::batch(CHANNEL, &Receiver::Listener(LISTENER.to_owned()), BATCH);
    let publish = |connection| Publish::new(connection, template(), 1);
    Ok(Publishers(connected(server, way).await?.into_iter().map(publish).collect()))
}

async fn dispatches(server: &Server, way: Way, callers: usize) -> Outcome<Timed> {
    Ok(Timed::dispatch(&connected(server, way).await?, callers, CHANNEL, LISTENER))
}

async fn beside(
    plan: &Plan,
    row: &Row,
    way: Way,
    mut eric: Served<impl Load>,
    mut bare: Served<impl Load>,
) -> Outcome<OnDisk> {
    let (mut store, mut nats) = (Alone::open(Shrinks::No)?, JetStream::start(way).await?);
    let mut shrinking = Alone::open(Shrinks::Yes)?;
    for time in std::iter::once(plan.warm_up).chain(std::iter::repeat_n(plan.time, plan.repetitions)) {
        let batch = eric.run(time).await?;
        store = store.run(batch, time).await?;
        shrinking = shrinking.run(batch, time).await?;
        bare.run(time).await?;
        if let Some(nats) = &mut nats {
            nats.run(time).await?;
        }
    }
    if !plan.quick {
        sleep(disk::CHECKPOINT).await;
    }
    let store = store.end("the store alone").await?;
    let shrinking = shrinking.end("the store alone, whose file can shrink").await?;
    let mut sides = vec![store, eric.end()?, bare.end()?, shrinking];
    sides.extend(nats.map(JetStream::end).transpose()?);
    Ok(OnDisk { name: row.name.to_owned(), sides, goal: row.goal })
}

/// What the runs of one of them came to. The first warms up, and counts alone for what is written.
struct Runs {
    messages: u64,
    per_second: Vec<f64>,
    a_commit: Vec<f64>,
    latency: Histogram<u64>,
}

impl Runs {
    fn none() -> Self {
        Self { messages: 0, per_second: Vec::new(), a_commit: Vec::new(), latency: empty_histogram() }
    }

    fn take(&mut self, messages: u64, elapsed: Duration, latency: Option<&Histogram<u64>>) -> Outcome {
        let first = self.messages == 0;
        self.messages += messages;
        if !first {
            self.per_second.push(messages as f64 / elapsed.as_secs_f64());
            latency.map_or(Ok(()), |latency| self.latency.add(latency))?;
        }
        Ok(())
    }

    fn end(self, who: String, written: u64) -> Kept {
        let median = |values: Vec<f64>| (!values.is_empty()).then(|| median(values.into_iter()));
        Kept {
            who,
            per_second: median(self.per_second).unwrap_or_default(),
            a_commit: median(self.a_commit),
            latency: (!self.latency.is_empty()).then(|| Latency::of(&self.latency)),
            written_a_byte: written as f64 / (self.messages * MESSAGE_BYTES as u64) as f64,
        }
    }
}

/// A server over gRPC that keeps what it gets in a file.
struct Served<L> {
    load: L,
    server: Server,
    file: &'static str,
    who: &'static str,
    runs: Runs,
    written_before: u64,
    // dropped last: the server writes to it
    directory: TempDir,
}

impl<L: Load> Served<L> {
    fn over(
        (directory, file, who): (TempDir, &'static str, &'static str),
        server: Server,
        load: L,
    ) -> Outcome<Self> {
        let written_before = proc::written_bytes(server.pid())?;
        Ok(Self { load, server, file, who, runs: Runs::none(), written_before, directory })
    }

    /// The mean of the messages in a commit.
    async fn run(&mut self, time: Duration) -> Outcome<u64> {
        let (before, start) = (disk::commits(self.directory.path(), self.file)?, Instant::now());
        let messages = self.load.run(time).await?;
        let elapsed = start.elapsed();
        let commits = disk::commits(self.directory.path(), self.file)?.wrapping_sub(before).max(1);
        let a_commit = messages as f64 / f64::from(commits);
        self.runs.take(messages, elapsed, self.load.take_latency().as_ref())?;
        self.runs.a_commit.push(a_commit);
        Ok(a_commit.round().max(1.0) as u64)
    }

    fn end(self) -> Outcome<Kept> {
        let written = proc::written_bytes(self.server.pid())? - self.written_before;
        Ok(self.runs.end(self.who.to_owned(), written))
    }
}

struct Alone {
    store: Store,
    runs: Runs,
    // dropped last
    _directory: TempDir,
}

impl Alone {
    fn open(shrinks: Shrinks) -> Outcome<Self> {
        let directory = disk::directory()?;
        Ok(Self { store: Store::open(directory.path(), shrinks)?, runs: Runs::none(), _directory: directory })
    }

    async fn run(self, batch: u64, time: Duration) -> Outcome<Self> {
        let (store, stored) = self.store.run(batch, time).await?;
        let mut runs = self.runs;
        runs.take(stored.messages, stored.elapsed, Some(&stored.latency))?;
        runs.a_commit.push(batch as f64);
        Ok(Self { store, runs, ..self })
    }

    async fn end(self, who: &str) -> Outcome<Kept> {
        let store = self.store.settle().await?;
        Ok(self.runs.end(who.to_owned(), store.written))
    }
}

struct JetStream {
    publishers: nats::Publishers,
    server: Server,
    runs: Runs,
    written_before: u64,
    // dropped last: the server writes to it
    _directory: TempDir,
}

impl JetStream {
    async fn start(way: Way) -> Outcome<Option<Self>> {
        let Some(program) = nats::program() else { return Ok(None) };
        let (directory, (count, in_flight)) = (disk::directory()?, way.shape());
        let server = Server::nats(&program, directory.path()).await?;
        let publishers = nats::Publishers::open(&server, count, in_flight).await?;
        let written_before = proc::written_bytes(server.pid())?;
        let runs = Runs::none();
        Ok(Some(Self { publishers, server, runs, written_before, _directory: directory }))
    }

    async fn run(&mut self, time: Duration) -> Outcome {
        let start = Instant::now();
        let (messages, latency) = self.publishers.run(time).await?;
        self.runs.take(messages, start.elapsed(), Some(&latency))
    }

    fn end(self) -> Outcome<Kept> {
        let written = proc::written_bytes(self.server.pid())? - self.written_before;
        Ok(self.runs.end(format!("NATS JetStream {}", self.publishers.version), written))
    }
}
