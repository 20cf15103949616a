//! Open streams, and the record of what they receive.

use super::Heard;
use crate::{
    Outcome,
    client::{Connection, Subscriber, verb},
    messages, setup,
};
use bytes::Bytes;
use futures_util::future::try_join_all;
use hdrhistogram::Histogram;
use std::{
    net::SocketAddr,
    ops::Range,
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
        Ok(Self::none_yet(channel))
    }

    /// None yet, in a channel that is there.
    pub(crate) fn none_yet(channel: &'static str) -> Self {
        Self { record: Arc::default(), readers: JoinSet::new(), opened: 0, channel }
    }

    /// Opens more; whatever is broadcast from now reaches them.
    pub(crate) async fn open(&mut self, address: SocketAddr, audience: Audience) -> Outcome {
        let control = Connection::open(address).await?;
        let end = self.opened + audience.streams;
        while self.opened < end {
            let numbers = self.opened..end.min(self.opened + audience.per_connection);
            self.opened = numbers.end;
            let (verb, requests) = self.requests(&control, audience.receivers, numbers).await?;
            let subscriber = Subscriber::open(address, verb, &requests).await?;
            self.readers.spawn(read(subscriber, self.record.clone()));
        }
        Ok(())
    }

    async fn requests(
        &self,
        control: &Connection,
        receivers: Receivers,
        numbers: Range<u64>,
    ) -> Outcome<(&'static str, Vec<Bytes>)> {
        match receivers {
            Receivers::Watchers => {
                let watch = messages::frame(&messages::watch(self.channel));
                Ok((verb::WATCH, numbers.map(|_| watch.clone()).collect()))
            }
            Receivers::Listeners => {
                let listeners: Vec<_> = numbers.map(stream_listener).collect();
                try_join_all(listeners.iter().map(|it| setup::register(control, self.channel, it))).await?;
                let listen = |listener| messages::frame(&messages::listen(self.channel, listener));
                Ok((verb::LISTEN, listeners.iter().map(|it| listen(it)).collect()))
            }
        }
    }

    /// How many are open.
    pub(crate) fn len(&self) -> u64 {
        self.opened
    }
}

impl Heard for Streams {
    fn record(&self) -> &Record {
        &self.record
    }

    fn len(&self) -> u64 {
        self.opened
    }
}

/// The listener of a stream.
pub(crate) fn stream_listener(number: u64) -> String {
    format!("listener-{number}")
}

async fn read(mut subscriber: Subscriber, record: Arc<Record>) {
    let mut arrivals = Vec::new();
    loop {
        arrivals.clear();
        let read = subscriber.read(|from, to| arrivals.push(from..to)).await;
        record.received(&arrivals);
        match read {
            Ok(()) if subscriber.ended => return record.fail("a stream ended"),
            Ok(()) => {}
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

/// Of nanoseconds.
pub(crate) fn empty_histogram() -> Histogram<u64> {
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

    // Some streams got the messages of these numbers.
    pub(super) fn received(&self, arrivals: &[Range<u64>]) {
        let mut state = self.lock();
        let now = Instant::now();
        for number in arrivals.iter().cloned().flatten() {
            match state.sent.get(number as usize).map(|sent| now - *sent) {
                Some(latency) => state.latency.saturating_record(latency.as_nanos() as u64),
                None => state.fault = Some("a stream got more than was sent".to_owned()),
            }
            state.received += 1;
        }
        if state.received >= state.expected || state.fault.is_some() {
            self.changed.notify_one();
        }
    }

    pub(super) fn fail(&self, fault: &str) {
        self.lock().fault.get_or_insert_with(|| fault.to_owned());
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while it is locked")
    }
}
