//! Random lives of a hub, on either kind of desk, keep every promise of the model.

mod process;
mod streams;
mod verb;

use super::{
    dated::{Cut, Dated},
    explicit_lives::perishable,
    model::{Ear, Next, Place, Room, start},
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

    fn create(&mut self, channel: usize, settings: ChannelSettings) {
        let answer = self.hub.create_channel(channel_id(CHANNELS[channel]), settings.clone(), false);
        assert_eq!(answer.is_err(), self.rooms.contains_key(&channel));
        if let Ok(created) = answer {
            self.rooms.insert(channel, Room::new(created.channel.birth.0, settings));
        }
    }

    fn remove_channel(&mut self, channel: usize) {
        let answer = self.hub.remove_channel(channel_id(CHANNELS[channel]));
        let room = self.rooms.remove(&channel);
        assert_eq!(answer.ok().map(|gone| gone.0), room.map(|room| room.ears.len() as u64));
        let error = Error::ChannelRemoved { channel: CHANNELS[channel].into() };
        self.ended(channel, None, &Ending::Failed(error));
    }

    /// The streams of a channel, or of a listener in it, must end so.
    fn ended(&mut self, channel: usize, listener: Option<usize>, ending: &Ending) {
        let there =
            |open: &&mut Open| open.channel == channel && (listener.is_none() || open.listener == listener);
        for open in self.streams.iter_mut().filter(there) {
            open.ending.get_or_insert_with(|| ending.clone());
        }
    }

    fn update(&mut self, channel: usize, settings: ChannelSettings) {
        // what is too much now is dropped now: a later limit may be higher
        (0..LISTENERS.len()).for_each(|listener| self.inspect(channel, listener));
        // the change itself; where the channel stands with it comes behind
        let change = self.hub.log.watermark().position().0 + 1;
        let answer =
            self.hub.update_channel(channel_id(CHANNELS[channel]), |_| Ok::<_, Error>(settings.clone()));
        assert_eq!(answer.is_ok(), self.rooms.contains_key(&channel));
        if let Some(room) = self.rooms.get_mut(&channel) {
            room.update(settings, change);
            // the second record has where the channel stands
            if self.took(2) {
                self.channel_is_kept(channel);
            }
        }
    }

    fn floor(&self, channel: usize) -> u64 {
        let channel = self.hub.channel(channel_id(CHANNELS[channel]));
        channel.map_or(0, |channel| channel.lock().ring.floor().0)
    }

    fn register(&mut self, channel: usize, listener: usize, from: From) {
        let (channel_id, listener_id) = Self::ids(channel, listener);
        let floor = self.floor(channel);
        let answer =
            self.hub.register(channel_id, listener_id, NewListener { from, ..NewListener::default() });
        let Some(room) = self.rooms.get_mut(&channel) else { return assert!(answer.is_err()) };
        if room.ears.contains_key(&listener) {
            return assert!(matches!(answer, Err(Error::ListenerExists { .. })));
        }
        let birth = answer.unwrap().listener.birth.0;
        room.register(listener, birth, start(from, birth, floor));
    }

    fn remove(&mut self, channel: usize, listener: usize) {
        self.inspect(channel, listener);
        let (channel_id, listener_id) = Self::ids(channel, listener);
        let answer = self.hub.remove_listener(channel_id, listener_id);
        if !self.there(channel, listener, &answer) {
            return;
        }
        let error = Error::ListenerRemoved {
            channel: CHANNELS[channel].into(),
            listener: LISTENERS[listener].into(),
        };
        self.ended(channel, Some(listener), &Ending::Failed(error));
        let Some(room) = self.rooms.get_mut(&channel) else { return };
        let (all, fresh) =
            (room.backlog(listener).messages, room.fresh(listener, self.began.elapsed().as_millis() as u64));
        assert!((fresh..=all).contains(&answer.unwrap()));
        room.ears.remove(&listener);
        // its streams have nothing more to say but their end
        self.streams.retain_mut(|open| {
            let gone = (open.channel, open.listener) == (channel, Some(listener));
            if gone {
                assert_ended(open);
            }
            !gone
        });
    }

    fn start(&mut self, channel: usize, listener: usize) {
        let (channel_id, listener_id) = Self::ids(channel, listener);
        let answer = self.hub.start_listener(channel_id, listener_id);
        if self.there(channel, listener, &answer) {
            assert!(answer.unwrap().running);
        }
    }

    fn stop(&mut self, channel: usize, listener: usize) {
        let (channel_id, listener_id) = Self::ids(channel, listener);
        let answer = self.hub.stop_listener(channel_id, listener_id);
        if self.there(channel, listener, &answer) {
            assert!(answer.is_ok_and(|info| !info.running && !info.connected));
            self.ended(channel, Some(listener), &Ending::Stopped);
        }
    }

    fn purge(&mut self, channel: usize, listener: usize, back: Option<u64>) {
        let (channel_id, listener_id) = Self::ids(channel, listener);
        let last = self.rooms.get(&channel).map_or(0, Room::last);
        // 0 is one too far
        let through = back.map(|back| Position((last + 1).saturating_sub(back)));
        let answer = self.hub.purge_listener(channel_id, listener_id, through);
        if !self.there(channel, listener, &answer) {
            return;
        }
        if back == Some(0) {
            return assert!(matches!(answer, Err(Error::InvalidSetting { .. })));
        }
        let purged = answer.unwrap();
        assert!(through.map_or(purged.through.0 > last, |through| purged.through == through));
        let now = self.now();
        let Some(room) = self.rooms.get_mut(&channel) else { return };
        let expired = room.backlog(listener).messages - room.fresh(listener, now);
        let waited = room.purge(listener, purged.through.0);
        assert!((waited.saturating_sub(expired)..=waited).contains(&purged.messages));
        // the second record has where it stands
        if self.took(2) {
            self.is_kept(channel, listener);
        }
    }

    fn trim(&mut self, channel: usize, count: usize) {
        // what is too much is gone before
        (0..LISTENERS.len()).for_each(|listener| self.inspect(channel, listener));
        let Ok(there) = self.hub.channel(channel_id(CHANNELS[channel])) else { return };
        let mut dropped = Vec::new();
        (0..count).for_each(|_| _ = there.lock().ring.drop_first(&mut dropped));
        self.hub.forget(&dropped);
        let floor = self.floor(channel);
        self.rooms.get_mut(&channel).into_iter().for_each(|room| room.trim(floor));
    }

    fn send(&mut self, channel: usize, to: Option<usize>, bytes: usize, ttl: Option<u64>) {
        let (id, kind) = (channel_id(CHANNELS[channel]), if to.is_some() { "d" } else { "b" });
        let message = match ttl {
            None => message(kind, bytes),
            Some(seconds) => perishable(kind, 1000 * seconds),
        };
        let bytes = message.len();
        let answer = match to {
            Some(to) => self.hub.dispatch(id, listener_id(LISTENERS[to]), message),
            None => self.hub.broadcast(id, message),
        };
        let now = self.now();
        let Some(room) = self.rooms.get_mut(&channel) else { return assert!(answer.is_err()) };
        if to.is_some_and(|to| !room.ears.contains_key(&to)) {
            return assert!(answer.is_err());
        }
        let full = room.refuses(to, bytes as u64);
        match answer {
            Ok(accepted) => {
                assert!(full.is_empty(), "{full:?} are full");
                assert_eq!(accepted.receivers, Some(to.map_or(room.ears.len(), |_| 1) as u64));
                room.accept(accepted.position.0, bytes as u64, to, false, now);
                ttl.into_iter().for_each(|seconds| room.perish(1000 * seconds));
            }
            Err(Error::BacklogFull { listener, .. }) => {
                assert!(full.iter().any(|full| LISTENERS[*full] == listener), "{listener} has room");
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn end(&mut self, channel: usize, to: Option<usize>) {
        let id = channel_id(CHANNELS[channel]);
        let answer = match to {
            Some(to) => self.hub.notify_end_of(id, listener_id(LISTENERS[to])),
            None => self.hub.notify_end(id),
        };
        let now = self.now();
        let Some(room) = self.rooms.get_mut(&channel) else { return assert!(answer.is_err()) };
        if to.is_some_and(|to| !room.ears.contains_key(&to)) {
            return assert!(answer.is_err());
        }
        let (message, accepted) = answer.unwrap();
        let earlier = to.and_then(|to| room.undelivered_end(to));
        assert_eq!(accepted.duplicate.then_some(accepted.position.0), earlier);
        if !accepted.duplicate {
            room.accept(accepted.position.0, message.len() as u64, to, true, now);
            // where it stands may be kept with it
            let kept = self.hub.log.watermark().position() > accepted.position;
            to.filter(|_| kept).into_iter().for_each(|to| self.is_kept(channel, to));
        }
    }

    fn inspect(&mut self, channel: usize, listener: usize) {
        let (channel_id, listener_id) = Self::ids(channel, listener);
        let answer = self.hub.get_listener(channel_id, listener_id);
        if !self.there(channel, listener, &answer) {
            return;
        }
        let (info, room) = (answer.unwrap(), &self.rooms[&channel]);
        let ear = &room.ears[&listener];
        let (backlog, fresh) = (room.backlog(listener), room.fresh(listener, self.now()));
        let counted = info.backlog == backlog
            || self.timed && (fresh..=backlog.messages).contains(&info.backlog.messages);
        assert!(counted, "{:?}, not {backlog:?} {ear:?}", info.backlog);
        assert!(self.timed || info.lost <= ear.lost.len() as u64, "{} of {ear:?}", info.lost);
        let mine = |open: &&Open| (open.channel, open.listener) == (channel, Some(listener));
        let connected = self.streams.iter().filter(mine).any(|open| open.ending.is_none());
        assert_eq!(info.connected, connected);
        assert!(info.running || !connected);
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
