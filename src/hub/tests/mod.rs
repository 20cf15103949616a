//! The promises of the hub, one a file, and the stage their tests are played on.

mod acceptance;
mod acknowledge;
mod backlog;
mod bells;
mod bundles;
mod crash;
mod dated;
mod dead_letters;
mod deadlines;
mod endings;
mod expiry;
mod explicit_lives;
mod explicit_model;
mod gaps;
mod idempotency;
mod idle;
mod lives;
mod log_bytes;
mod measure;
mod model;
mod presence;
mod pulls;
mod reject;
mod restart;
mod resume;
mod run;
mod serving;
mod threads;
mod window;

use super::*;
use crate::{
    log::{Change, Entry, Fetch, LogError, Memory, Recovered, Start, Watermark, surviving::Surviving},
    message::Message,
    v1,
};
use prost::Message as _;
use std::{
    future::Future,
    pin::Pin,
    sync::atomic::AtomicUsize,
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};
use tokio::sync::oneshot;

fn room() -> ChannelSettings {
    ChannelSettings { max_backlog: messages(1000), max_replay: messages(1000), ..ChannelSettings::default() }
}

const UNLIMITED: Limits = Limits {
    max_channels: 10,
    max_listeners: 1000,
    max_streams: 1000,
    max_log_bytes: 0,
    max_idempotency_bytes: 64 << 20,
};
/// What a message counts for in the log beside its own bytes.
const BESIDE: u64 = 128;
/// How large a message is where a test does not care.
const SIZE: usize = 20;

const fn messages(messages: u64) -> Quota {
    Quota { messages, bytes: 1 << 30 }
}

const fn bytes(bytes: u64) -> Quota {
    Quota { messages: 1000, bytes }
}

fn channel_id(id: &str) -> ChannelId<'_> {
    ChannelId::parse(id).unwrap()
}

fn listener_id(id: &str) -> ListenerId<'_> {
    ListenerId::parse(id).unwrap()
}

/// A message of a type of one letter that has just so many bytes. Its id counts as the server's: it may be sent again.
fn message(kind: &str, bytes: usize) -> Message {
    let text = |n| v1::message::Payload::Binary(vec![0; n].into());
    let of =
        |n| v1::Message { id: "m".into(), r#type: kind.into(), payload: Some(text(n)), ..Default::default() };
    // what stands beside the payload grows with it
    let beside = of(bytes).encoded_len() - bytes;
    let payload = (bytes - beside..bytes).find(|n| of(*n).encoded_len() == bytes).unwrap();
    let message = Message::parse(&of(payload).encode_to_vec(), 1 << 20, 0).unwrap();
    assert_eq!(message.len(), bytes);
    message.named_by_the_server()
}

/// A hub with one channel.
struct Stage {
    hub: Arc<Hub>,
}

fn perishable(seconds: i64) -> Message {
    let ttl = (seconds > 0).then_some(prost_types::Duration { seconds, nanos: 0 });
    let raw = v1::Message { id: "m".into(), r#type: "d".into(), ttl, ..Default::default() };
    Message::parse(&raw.encode_to_vec(), 1 << 20, 0).unwrap().named_by_the_server()
}

impl Stage {
    fn new(settings: ChannelSettings) -> Self {
        Self::over(Arc::new(Memory::default()), UNLIMITED, 0, settings)
    }

    fn over(log: Arc<dyn Log>, limits: Limits, cores: usize, settings: ChannelSettings) -> Self {
        let hub = Hub::new(log, limits, cores).unwrap();
        let stage = Self { hub };
        stage.channel("room", settings);
        stage
    }

    fn channel(&self, id: &str, settings: ChannelSettings) {
        self.hub.create_channel(channel_id(id), settings, false).unwrap();
    }

    fn update(&self, change: impl FnOnce(&mut ChannelSettings)) {
        let changed = |mut settings| {
            change(&mut settings);
            Ok::<_, Error>(settings)
        };
        self.hub.update_channel(channel_id("room"), changed).unwrap();
    }

    fn listener(&self, id: &str) -> u64 {
        self.hub
            .register(channel_id("room"), listener_id(id), NewListener::default())
            .unwrap()
            .listener
            .birth
            .0
    }

    fn explicit(&self, id: &str, settings: ListenerSettings) -> u64 {
        let new = NewListener { mode: AcknowledgementMode::Explicit, settings, ..NewListener::default() };
        self.hub.register(channel_id("room"), listener_id(id), new).unwrap().listener.birth.0
    }

    fn acknowledge(&self, id: &str, through: Option<u64>, singles: &[u64]) -> Result<Acknowledged, Error> {
        let acknowledgement = Acknowledgement {
            through: through.map(Position),
            singles: singles.iter().copied().map(Position).collect(),
            ..Acknowledgement::default()
        };
        self.hub.acknowledge(channel_id("room"), listener_id(id), acknowledgement)
    }

    /// Its client knows of this gap.
    fn pass(&self, id: &str, gap: &Said) -> Result<Acknowledged, Error> {
        let Said::Gap(_, after, through, _) = *gap else { panic!("{gap:?} is no gap") };
        let gaps = vec![(Position(after), Position(through))];
        let acknowledgement = Acknowledgement { gaps, ..Acknowledgement::default() };
        self.hub.acknowledge(channel_id("room"), listener_id(id), acknowledgement)
    }

    fn reject(&self, id: &str, position: u64, delay: u64, last: bool) -> Result<Rejected, Error> {
        let rejection = Rejection {
            life: Life::default(),
            generation: None,
            position: Position(position),
            attempt: None,
            reason: "no".into(),
            delay: Some(Duration::from_millis(delay)),
            last,
        };
        self.hub.reject(channel_id("room"), listener_id(id), &[rejection]).map(|mut told| told.remove(0))?
    }

    fn bury_in(&self, id: &str) {
        self.update(|settings| settings.dead_letter_listener = Some(id.into()));
    }

    fn listeners(&self, ids: &[&str]) {
        ids.iter().for_each(|id| assert!(self.listener(id) > 0));
    }

    fn remove(&self, id: &str) {
        self.hub.remove_listener(channel_id("room"), listener_id(id)).unwrap();
    }

    fn dispatches(&self, id: &str, count: usize) -> Vec<u64> {
        (0..count).map(|_| self.dispatch(id)).collect()
    }

    fn broadcasts(&self, count: usize) -> Vec<u64> {
        (0..count).map(|_| self.broadcast()).collect()
    }

    fn try_dispatch(&self, id: &str, bytes: usize) -> Result<u64, Error> {
        let message = message("d", bytes);
        self.hub.dispatch(channel_id("room"), listener_id(id), message).map(|accepted| accepted.position.0)
    }

    fn dispatch(&self, id: &str) -> u64 {
        self.try_dispatch(id, SIZE).unwrap()
    }

    fn try_broadcast(&self, bytes: usize) -> Result<u64, Error> {
        let message = message("b", bytes);
        self.hub.broadcast(channel_id("room"), message).map(|accepted| accepted.position.0)
    }

    fn broadcast(&self) -> u64 {
        self.try_broadcast(SIZE).unwrap()
    }

    fn broadcast_in(&self, channel: &str) -> u64 {
        self.hub.broadcast(channel_id(channel), message("b", SIZE)).unwrap().position.0
    }

    fn purge(&self, id: &str, through: Option<u64>) -> Purged {
        self.hub.purge_listener(channel_id("room"), listener_id(id), through.map(Position)).unwrap()
    }

    fn info(&self, id: &str) -> ListenerInfo {
        self.hub.get_listener(channel_id("room"), listener_id(id)).unwrap()
    }

    fn kept(&self) -> u64 {
        self.hub.get_channel(channel_id("room")).unwrap().kept.messages
    }

    /// Lets the oldest broadcasts go as a log does that is full.
    fn trim(&self, count: usize) {
        let mut dropped = Vec::new();
        let channel = self.hub.channel(channel_id("room")).unwrap();
        (0..count).for_each(|_| assert!(channel.lock().ring.drop_first(&mut dropped)));
        self.hub.forget(&dropped);
    }

    fn token(&self, sequence: u64) -> String {
        let channel = self.hub.channel(channel_id("room")).unwrap();
        self.hub.token(&channel, Position(sequence)).to_string()
    }

    fn try_listen(&self, id: &str, options: ListenOptions) -> Result<Stream, Error> {
        let receiver = Receiver::Listener(listener_id(id));
        self.hub.subscribe(channel_id("room"), receiver, options).map(Stream::new)
    }

    fn listen(&self, id: &str) -> Stream {
        self.try_listen(id, ListenOptions::default()).unwrap()
    }

    fn resume(&self, id: &str, sequence: u64) -> Stream {
        self.try_listen(id, after(self.token(sequence))).unwrap()
    }

    fn watch(&self, from: From) -> Stream {
        self.watch_with(from, ListenOptions::default())
    }

    fn watch_from(&self, sequence: u64) -> Stream {
        self.watch_with(From::New, after(self.token(sequence)))
    }

    fn watch_with(&self, from: From, options: ListenOptions) -> Stream {
        Stream::new(self.hub.subscribe(channel_id("room"), Receiver::Watcher(from), options).unwrap())
    }
}

fn after(token: String) -> ListenOptions {
    ListenOptions { resume_token: Some(token), ..ListenOptions::default() }
}

fn at_most(max_messages: usize) -> ListenOptions {
    ListenOptions { max_messages, ..ListenOptions::default() }
}

/// What a stream says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Message(u64),
    Gap(GapReason, u64, u64, Option<u64>),
}
use Said::{Gap as Lost, Message as Got};

fn said(batch: &Batch) -> Vec<Said> {
    let gaps = batch.gaps.iter().map(|gap| Lost(gap.reason, gap.after.0, gap.through.0, gap.count));
    gaps.chain(batch.entries.iter().map(|entry| Got(entry.position.0))).collect()
}

fn got(positions: impl IntoIterator<Item = u64>) -> Vec<Said> {
    positions.into_iter().map(Got).collect()
}

/// A subscription that is polled by hand, and tells whether it was woken since.
struct Stream {
    subscription: Subscription,
    wakes: Arc<Wakes>,
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Stream {
    fn new(subscription: Subscription) -> Self {
        Self { subscription, wakes: Arc::default() }
    }

    fn poll(&mut self) -> Poll<Result<Arc<Batch>, Ending>> {
        self.wakes.0.store(0, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&self.wakes));
        self.subscription.poll_batch(&mut Context::from_waker(&waker)).map_ok(|handed| handed.batch)
    }

    fn woken(&self) -> bool {
        self.wakes.0.load(Ordering::SeqCst) > 0
    }

    /// One batch; nothing where it waits.
    fn next(&mut self) -> Option<Vec<Said>> {
        match self.poll() {
            Poll::Ready(Ok(batch)) => Some(said(&batch)),
            Poll::Ready(Err(ending)) => panic!("the stream ended: {ending:?}"),
            Poll::Pending => None,
        }
    }

    /// Everything until it waits.
    fn rest(&mut self) -> Vec<Said> {
        std::iter::from_fn(|| self.next()).flatten().collect()
    }

    fn ending(&mut self) -> Ending {
        match self.poll() {
            Poll::Ready(Err(ending)) => ending,
            Poll::Ready(Ok(_)) | Poll::Pending => panic!("the stream goes on"),
        }
    }
}

/// A core whose bell is answered when a test says so.
struct Core {
    number: usize,
    attend: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Core {
    fn new(hub: &Arc<Hub>, number: usize) -> Self {
        let hub = Arc::clone(hub);
        // polled by hand, it must not stop for what tokio grants a task at once
        let attend = tokio::task::unconstrained(async move { hub.attend().await });
        Self { number, attend: Box::pin(attend) }
    }

    /// What is done on this core from now on is done by this thread.
    fn enter(&self) {
        on_core(self.number);
    }

    /// Answers every bell. It needs a runtime for its clock.
    fn answer(&mut self) {
        self.enter();
        let mut context = Context::from_waker(Waker::noop());
        // a ring takes some polls: the bell yields to the streams it woke
        (0..20).for_each(|_| assert!(self.attend.as_mut().poll(&mut context).is_pending()));
    }
}

/// A log that lets a test do something just after a stream has read, before it takes what it read.
#[derive(Default)]
struct Meddled {
    inner: Surviving,
    meddle: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    fails: AtomicBool,
    /// It says that it can write, and then cannot.
    fails_unforeseen: AtomicBool,
    /// Nothing is at hand.
    reads_from_disk: AtomicBool,
    /// What is fetched does not come.
    holds: AtomicBool,
    held: Mutex<Vec<Asked>>,
}

/// Who waits for what is fetched.
type Asked = oneshot::Sender<Result<Vec<Entry>, LogError>>;

impl Meddled {
    fn after_read(&self, meddle: impl FnOnce() + Send + 'static) {
        *self.meddle.lock().unwrap() = Some(Box::new(meddle));
    }
}

impl Log for Meddled {
    fn append(&self, record: Record) -> Result<Position, LogError> {
        if self.fails.load(Ordering::SeqCst) { Err(LogError::Unavailable) } else { self.inner.append(record) }
    }

    fn append_all(&self, records: Vec<Record>, gone: &[Position]) -> Result<Position, LogError> {
        self.check()?;
        if self.fails_unforeseen.load(Ordering::SeqCst) {
            return Err(LogError::Unavailable);
        }
        self.inner.append_all(records, gone)
    }

    fn watermark(&self) -> &Watermark {
        self.inner.watermark()
    }

    fn last(&self) -> Position {
        self.inner.last()
    }

    fn read(&self, positions: &[Position], found: &mut Vec<Entry>) -> Result<(), LogError> {
        self.inner.read(positions, found)?;
        let meddle = self.meddle.lock().unwrap().take();
        meddle.into_iter().for_each(|meddle| meddle());
        Ok(())
    }

    fn read_at_hand(&self, positions: &[Position], found: &mut Vec<Entry>) -> Result<bool, LogError> {
        if self.reads_from_disk.load(Ordering::SeqCst) {
            return Ok(false);
        }
        self.read(positions, found).map(|()| true)
    }

    fn fetch(&self, positions: &[Position]) -> Fetch {
        let (answer, fetch) = oneshot::channel();
        if self.holds.load(Ordering::SeqCst) {
            self.held.lock().unwrap().push(answer);
            return fetch;
        }
        let (mut found, positions) = (Vec::new(), positions.to_vec());
        let read = self.read(&positions, &mut found).map(|()| found);
        // as the thread of a log on disk does: later
        tokio::spawn(async move { answer.send(read) });
        fetch
    }

    fn delete(&self, positions: &[Position]) {
        self.inner.delete(positions);
    }

    fn save(&self, changes: &mut dyn FnMut(&mut dyn FnMut(Change))) {
        self.inner.save(changes);
    }

    fn recover(&self, found: &mut dyn FnMut(Recovered)) -> Result<(), LogError> {
        self.inner.recover(found)
    }

    fn starts(&self) -> Vec<Start> {
        self.inner.starts()
    }

    fn check(&self) -> Result<(), LogError> {
        if self.fails.load(Ordering::SeqCst) { Err(LogError::Unavailable) } else { Ok(()) }
    }

    fn bytes(&self) -> u64 {
        self.inner.bytes()
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }
}
