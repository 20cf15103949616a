//! Open streams, and the record of what they receive.

use crate::{
    Outcome,
    client::{self, Connection, verb},
    messages,
    scan::Scan,
    setup,
};
use futures_util::future::try_join_all;
use h2::RecvStream;
use hdrhistogram::Histogram;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};
use tokio::{sync::Notify, task::JoinSet, time::timeout};

/// Nothing takes so long, however slow the machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who receives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Receivers {
    /// Watch streams.
    Watchers,
    /// Registered listeners, with a Listen stream each.
    Listeners,
}

/// How many streams, on how many connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Audience {
    pub(crate) receivers: Receivers,
    pub(crate) streams: u64,
    pub(crate) per_connection: u64,
}

impl Audience {
    /// Connections it needs.
    pub(crate) fn connections(&self) -> u64 {
        self.streams.div_ceil(self.per_connection)
    }
}

/// The open streams of one channel. They end when this is dropped.
pub(crate) struct Streams {
    pub(crate) record: Arc<Record>,
    readers: JoinSet<()>,
    opened: u64,
    channel: &'static str,
}

impl Streams {
    /// None yet, in a new channel.
    pub(crate) async fn none(connection: &Connection, channel: &'static str) -> Outcome<Self> {
        setup::channel(connection, channel, setup::defaults()).await?;
        Ok(Self { record: Arc::default(), readers: JoinSet::new(), opened: 0, channel })
    }

    /// Opens more; whatever is broadcast from now reaches them.
    pub(crate) async fn open(&mut self, address: SocketAddr, audience: Audience) -> Outcome {
        for number in 0..audience.connections() {
            let connection = Connection::open(address).await?;
            let count = audience.per_connection.min(audience.streams - number * audience.per_connection);
            let numbers = self.opened..self.opened + count;
            let one = |number| subscribe(&connection, audience.receivers, self.channel, number);
            for body in try_join_all(numbers.map(one)).await? {
                self.readers.spawn(read(body, self.record.clone()));
            }
            self.opened += count;
        }
        Ok(())
    }

    /// How many are open.
    pub(crate) fn len(&self) -> u64 {
        self.opened
    }
}

async fn subscribe(
    connection: &Connection,
    who: Receivers,
    channel: &str,
    number: u64,
) -> Outcome<RecvStream> {
    match who {
        Receivers::Watchers => {
            let request = messages::frame(&messages::watch(channel));
            connection.subscribe(verb::WATCH, request).await
        }
        Receivers::Listeners => {
            let listener = format!("listener-{number}");
            setup::register(connection, channel, &listener).await?;
            let request = messages::frame(&messages::listen(channel, &listener));
            connection.subscribe(verb::LISTEN, request).await
        }
    }
}

async fn read(mut body: RecvStream, record: Arc<Record>) {
    let mut scan = Scan::deliveries();
    loop {
        match client::next(&mut body).await {
            Ok(Some(bytes)) => {
                let seen = scan.items;
                scan.feed(&bytes);
                record.received(seen, scan.items);
            }
            Ok(None) => return record.fail("a stream ended"),
            Err(error) => return record.fail(&error.to_string()),
        }
    }
}

/// What was sent and what arrived, with the time in between.
pub(crate) struct Record {
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    /// When the message of this number was sent. One publisher, so all streams count alike.
    sent: Vec<Instant>,
    latency: Histogram<u64>,
    expected: u64,
    received: u64,
    fault: Option<String>,
}

impl Default for Record {
    fn default() -> Self {
        let latency = empty_histogram();
        let state = State { sent: Vec::new(), latency, expected: 0, received: 0, fault: None };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }
}

fn empty_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, PATIENCE.as_nanos() as u64, 3).expect("these bounds are in order")
}

impl Record {
    /// Notes that so many messages go out now, each to so many streams.
    pub(crate) fn sent(&self, messages: usize, copies: u64) {
        let mut state = self.lock();
        let count = state.sent.len() + messages;
        state.sent.resize(count, Instant::now());
        state.expected += messages as u64 * copies;
    }

    /// Waits until everything has arrived.
    pub(crate) async fn complete(&self) -> Outcome {
        while !self.is_complete()? {
            if timeout(PATIENCE, self.changed.notified()).await.is_err() {
                let state = self.lock();
                return Err(format!("{} of {} deliveries arrived", state.received, state.expected).into());
            }
        }
        Ok(())
    }

    fn is_complete(&self) -> Outcome<bool> {
        let state = self.lock();
        match &state.fault {
            Some(fault) => Err(fault.as_str().into()),
            None => Ok(state.received == state.expected),
        }
    }

    /// The latencies since the last time, in nanoseconds.
    pub(crate) fn take_latency(&self) -> Histogram<u64> {
        std::mem::replace(&mut self.lock().latency, empty_histogram())
    }

    // One stream got the messages of these numbers.
    fn received(&self, from: u64, to: u64) {
        let mut state = self.lock();
        let now = Instant::now();
        for number in from..to {
            match state.sent.get(number as usize).map(|sent| now - *sent) {
                Some(latency) => state.latency.saturating_record(latency.as_nanos() as u64),
                None => state.fault = Some("a stream got more than was sent".to_owned()),
            }
        }
        state.received += to - from;
        if state.received >= state.expected || state.fault.is_some() {
            self.changed.notify_one();
        }
    }

    fn fail(&self, fault: &str) {
        self.lock().fault.get_or_insert_with(|| fault.to_owned());
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while it is locked")
    }
}
