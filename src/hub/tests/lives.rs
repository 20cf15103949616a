//! Random lives of a hub, on either kind of desk, keep every promise of the model.

mod channel;
mod process;
mod streams;
mod verb;

use super::{
    dated::{Cut, Dated, Next},
    explicit_lives::perishable,
    model::{Ear, Place, Room, start},
    *,
};
use proptest::{collection::vec, prelude::*, sample::select};
use std::collections::BTreeMap as Map;
use verb::{Token, Verb, Verb::*, Wish, ending, verb};

const CHANNELS: [&str; 2] = ["red", "blue"];
const LISTENERS: [&str; 3] = ["l", "m", "n"];
const LARGE: u64 = 1 << 30;

/// A stream beside what the model knows of it.
struct Open {
    stream: Stream,
    channel: usize,
    /// The listener; a watcher brings its own ear.
    listener: Option<usize>,
    watcher: Ear,
    place: Place,
    waits: bool,
    ending: Option<Ending>,
}

/// A hub beside the model of it.
struct Life {
    log: Arc<Dated>,
    hub: Arc<Hub>,
    core: Option<Core>,
    foreign: String,
    rooms: Map<usize, Room>,
    streams: Vec<Open>,
    began: tokio::time::Instant,
    timed: bool,
    /// The last token that was told in a channel to a listener, or to a watcher, and the position it names.
    told: Map<(usize, Option<usize>), (String, u64)>,
}

impl Life {
    fn new(cores: usize, timed: bool) -> Self {
        let log = Arc::new(Dated::begin(Surviving::default(), crate::hub::unix_millis()));
        let hub = Hub::new(log.clone(), UNLIMITED, cores).unwrap();
        let core = (cores > 0).then(|| Core::new(&hub, 0));
        core.iter().for_each(Core::enter);
        let other = Stage::new(room());
        let foreign = other.token(other.broadcast());
        let began = tokio::time::Instant::now();
        let (rooms, streams, told) = Default::default();
        let mut life = Self { log, hub, core, foreign, rooms, streams, began, timed, told };
        life.create(0, room());
        life.register(0, 0, From::New);
        life
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    async fn live(mut self, verbs: Vec<Verb>) {
        for verb in verbs {
            self.step(verb).await;
            if self.core.is_none() {
                self.nobody_sleeps();
            }
        }
        restart::assert_kept(&self.hub, &self.log.inner);
        self.hear();
        (0..self.streams.len()).for_each(|stream| self.read(stream, 1000));
        self.nobody_sleeps();
        self.inspect_all();
        self.drain();
        (0..CHANNELS.len()).for_each(|channel| self.remove_channel(channel));
        self.streams.clear();
        let info = self.hub.info();
        assert_eq!((info.log_bytes, info.streams, info.listeners, info.channels), (0, 0, 0, 0));
    }

    async fn step(&mut self, verb: Verb) {
        match verb {
            Create(channel, settings) => self.create(channel, settings),
            RemoveChannel(channel) => self.remove_channel(channel),
            Update(channel, settings) => self.update(channel, settings),
            Register(channel, listener, from) => self.register(channel, listener, from),
            Remove(channel, listener) => self.remove(channel, listener),
            Start(channel, listener) => self.start(channel, listener),
            Stop(channel, listener) => self.stop(channel, listener),
            Purge(channel, listener, back) => self.purge(channel, listener, back),
            Dispatch(channel, listener, bytes) => self.send(channel, Some(listener), bytes, None),
            Broadcast(channel, bytes) => self.send(channel, None, bytes, None),
            Perish(channel, listener, seconds) => self.send(channel, listener, 0, Some(seconds)),
            End(channel, listener) => self.end(channel, listener),
            Listen(channel, listener, token, wish) => self.listen(channel, listener, token, wish),
            Watch(channel, from, token, wish) => self.watch(channel, from, token, wish),
            Read(stream, batches) => self.read(stream, batches),
            Drop(stream) => self.drop_stream(stream),
            Pass(seconds) => {
                tokio::time::advance(Duration::from_secs(seconds)).await;
                self.hub.ring_alarms();
                self.hub.upkeep();
                self.is_saved();
            }
            Wait(millis) => {
                tokio::time::advance(Duration::from_millis(millis)).await;
                self.hub.ring_alarms();
            }
            Trim(channel, count) => self.trim(channel, count),
            Inspect(channel, listener) => self.inspect(channel, listener),
            Hear => self.hear(),
            Save => self.save(),
            Cut(verb, records) => self.cut(*verb, records).await,
            Restart(in_order, later) => self.restart(in_order, later).await,
        }
    }

    fn inspect_all(&mut self) {
        for (channel, listener) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
            self.inspect(channel, listener);
        }
    }

    /// Whatever waits for a listener comes, or is told as a gap.
    fn drain(&mut self) {
        for (channel, listener) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
            let wish = Wish { only_dispatches: false, max_messages: usize::MAX };
            self.listen(channel, listener, Token::None, wish);
            (0..self.streams.len()).for_each(|stream| self.read(stream, 1000));
            self.nobody_sleeps();
        }
        self.inspect_all();
    }

    fn hear(&mut self) {
        if let Some(core) = &mut self.core {
            core.answer();
        }
        self.nobody_sleeps();
    }

    /// A stream that waits, and was not woken, has seen everything and was not ended.
    fn nobody_sleeps(&self) {
        for open in self.streams.iter().filter(|open| open.waits && !open.stream.woken()) {
            assert_eq!(open.ending, None, "its stream sleeps");
            let Some(room) = self.rooms.get(&open.channel) else { continue };
            let ear = open.listener.map_or(&open.watcher, |listener| &room.ears[&listener]);
            let more = room.more(ear, &open.place, self.now());
            assert!(more.is_none(), "{:?} sleeps over {more:?}", open.place);
        }
    }

    fn ids(channel: usize, listener: usize) -> (ChannelId<'static>, ListenerId<'static>) {
        (channel_id(CHANNELS[channel]), listener_id(LISTENERS[listener]))
    }

    /// Whether the model has the listener; the hub's answer must say the same.
    fn there<T: std::fmt::Debug>(&self, channel: usize, listener: usize, answer: &Result<T, Error>) -> bool {
        use Error::{ChannelNotFound, ChannelRemoved, ListenerNotFound, ListenerRemoved};
        let room = self.rooms.get(&channel);
        let there = room.is_some_and(|room| room.ears.contains_key(&listener));
        let missing = match room {
            None => matches!(answer, Err(ChannelNotFound { .. } | ChannelRemoved { .. })),
            Some(_) => matches!(answer, Err(ListenerNotFound { .. } | ListenerRemoved { .. })),
        };
        assert_eq!(there, !missing, "{answer:?}");
        there
    }
}

fn assert_ended(open: &mut Open) {
    assert!(!open.waits || open.stream.woken(), "it sleeps over its end");
    open.waits = false;
    assert_eq!(Some(open.stream.ending()), open.ending);
}

fn live(cores: usize, timed: bool, verbs: Vec<Verb>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async { Life::new(cores, timed).live(verbs).await });
}

fn config() -> ProptestConfig {
    let given = ProptestConfig::default();
    ProptestConfig { cases: given.cases / 2, failure_persistence: None, max_shrink_iters: 20_000, ..given }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn streams_outside_of_the_cores_get_what_is_theirs(verbs in vec(verb(false), 1..120)) {
        live(0, false, verbs);
    }

    #[test]
    fn streams_are_told_what_has_expired(verbs in vec(verb(true), 1..120)) {
        live(0, true, verbs);
    }

    #[test]
    fn streams_on_a_core_are_told_what_has_expired(verbs in vec(verb(true), 1..120)) {
        live(1, true, verbs);
    }

    #[test]
    fn streams_on_a_core_get_what_is_theirs(verbs in vec(verb(false), 1..120)) {
        live(1, false, verbs);
    }

    #[test]
    fn what_was_accepted_outlives_processes(verbs in vec(ending(false), 1..120)) {
        live(0, false, verbs);
    }

    #[test]
    fn what_was_accepted_outlives_processes_with_cores(verbs in vec(ending(false), 1..120)) {
        live(1, false, verbs);
    }

    #[test]
    fn what_expires_while_no_process_is_there_is_told(verbs in vec(ending(true), 1..120)) {
        live(0, true, verbs);
    }

    #[test]
    fn what_expires_while_no_process_is_there_is_told_on_a_core(verbs in vec(ending(true), 1..120)) {
        live(1, true, verbs);
    }
}

/// A stream comes back to what it was told long ago: of that a dispatch is forgotten, and broadcasts have expired.
#[test]
fn a_gap_of_what_has_expired_counts_nothing_that_was_forgotten_among_it() {
    let s = ChannelSettings {
        stream_delay: Duration::ZERO,
        dispatch_overflow: Overflow::RejectNew,
        broadcast_overflow: Overflow::RejectNew,
        max_backlog: messages(1000),
        replay_window: Duration::ZERO,
        max_replay: messages(1000),
        ..ChannelSettings::default()
    };
    let wish = |max_messages| Wish { only_dispatches: false, max_messages };
    live(
        1,
        true,
        vec![
            Listen(0, 0, Token::Newest, wish(1)),
            Listen(0, 0, Token::Newest, wish(2)),
            Broadcast(0, 10),
            Perish(0, None, 1),
            Dispatch(0, 0, 10),
            Update(0, s),
            Perish(0, None, 1),
            Read(1, 2),
            Pass(1),
            Listen(0, 0, Token::Foreign, wish(1)),
            Watch(0, From::New, Token::None, wish(1)),
        ],
    );
}

/// A dispatch expires between broadcasts that are gone, of which it is not known how many stood before it.
#[test]
fn what_has_expired_is_told_in_one_gap_whoever_finds_it_first() {
    let wish = |max_messages| Wish { only_dispatches: false, max_messages };
    live(
        0,
        true,
        vec![
            Dispatch(0, 0, 10),
            Dispatch(0, 0, 10),
            Perish(0, None, 1),
            Perish(0, Some(0), 5),
            Pass(1),
            Dispatch(0, 0, 10),
            Listen(0, 0, Token::None, wish(1)),
            Perish(0, None, 1),
            Listen(0, 0, Token::Foreign, wish(1)),
            Read(1, 2),
            Pass(7),
        ],
    );
}
