//! Random lives of a hub, on either kind of desk, keep every promise of the model.

use super::{
    model::{Ear, Place, Room, start},
    *,
};
use proptest::{collection::vec, prelude::*, sample::select};
use std::collections::BTreeMap as Map;

const CHANNELS: [&str; 2] = ["red", "blue"];
const LISTENERS: [&str; 3] = ["l", "m", "n"];
const LARGE: u64 = 1 << 30;

#[derive(Clone, Copy, Debug)]
enum Token {
    None,
    Malformed,
    Foreign,
    Ahead,
    /// Where the newest message stands.
    Newest,
    /// So many positions before the newest.
    Back(u64),
}

/// One call, on a channel and a listener by number.
#[derive(Clone, Debug)]
enum Verb {
    Create(usize, ChannelSettings),
    RemoveChannel(usize),
    Update(usize, ChannelSettings),
    Register(usize, usize, From),
    Remove(usize, usize),
    Start(usize, usize),
    Stop(usize, usize),
    Purge(usize, usize, Option<u64>),
    Dispatch(usize, usize, usize),
    Broadcast(usize, usize),
    End(usize, Option<usize>),
    Listen(usize, usize, Token, Wish),
    Watch(usize, From, Token, Wish),
    /// Reads so many batches of a stream.
    Read(usize, usize),
    Drop(usize),
    /// So many seconds pass, and upkeep is done.
    Pass(u64),
    Inspect(usize, usize),
    /// The core hears its bell.
    Hear,
}
use Verb::*;

#[derive(Clone, Copy, Debug)]
struct Wish {
    only_dispatches: bool,
    max_messages: usize,
}

fn settings() -> impl Strategy<Value = ChannelSettings> {
    let overflow = || select(vec![Overflow::RejectNew, Overflow::DropOldest]);
    let backlog = (select(vec![1, 2, 3, 5, 1000]), select(vec![60, 100, LARGE, LARGE]));
    let replay = (select(vec![0, 1, 3, 1000, 1000]), select(vec![0, 60, LARGE, LARGE]));
    let window = select(vec![0, 5, 60]).prop_map(Duration::from_secs);
    let quota = |(messages, bytes)| Quota { messages, bytes };
    let all = (overflow(), overflow(), backlog.prop_map(quota), replay.prop_map(quota), window);
    all.prop_map(|(dispatch_overflow, broadcast_overflow, max_backlog, replay, replay_window)| {
        // where a channel's bytes are few, which of many listeners' oldest go depends on when that is looked at
        let max_replay = if max_backlog.bytes < LARGE { messages(1000) } else { replay };
        ChannelSettings {
            stream_delay: Duration::ZERO,
            dispatch_overflow,
            broadcast_overflow,
            max_backlog,
            replay_window,
            max_replay,
            ..ChannelSettings::default()
        }
    })
}

fn token() -> impl Strategy<Value = Token> {
    prop_oneof![
        6 => Just(Token::None),
        1 => Just(Token::Malformed),
        1 => Just(Token::Foreign),
        1 => Just(Token::Ahead),
        2 => Just(Token::Newest),
        6 => (0..12_u64).prop_map(Token::Back),
    ]
}

fn verb() -> impl Strategy<Value = Verb> {
    // most of what happens, happens in one channel to one listener
    let channel = || select(vec![0, 0, 0, 1]);
    let listener = || select(vec![0, 0, 0, 1, 2]);
    let from = || select(vec![From::New, From::New, From::Oldest]);
    let bytes = || select(vec![10, 20, 30, 50, 120]);
    let wish = || {
        (select(vec![false, false, true]), select(vec![1, 2, usize::MAX]))
            .prop_map(|(only_dispatches, max_messages)| Wish { only_dispatches, max_messages })
    };
    prop_oneof![
        1 => (channel(), settings()).prop_map(|(c, settings)| Create(c, settings)),
        1 => channel().prop_map(RemoveChannel),
        2 => (channel(), settings()).prop_map(|(c, settings)| Update(c, settings)),
        4 => (channel(), listener(), from()).prop_map(|(c, l, from)| Register(c, l, from)),
        1 => (channel(), listener()).prop_map(|(c, l)| Remove(c, l)),
        1 => (channel(), listener()).prop_map(|(c, l)| Start(c, l)),
        1 => (channel(), listener()).prop_map(|(c, l)| Stop(c, l)),
        2 => (channel(), listener(), prop::option::of(0..10_u64)).prop_map(|(c, l, back)| Purge(c, l, back)),
        12 => (channel(), listener(), bytes()).prop_map(|(c, l, bytes)| Dispatch(c, l, bytes)),
        8 => (channel(), bytes()).prop_map(|(c, bytes)| Broadcast(c, bytes)),
        2 => (channel(), prop::option::of(listener())).prop_map(|(c, l)| End(c, l)),
        10 => (channel(), listener(), token(), wish()).prop_map(|(c, l, token, wish)| Listen(c, l, token, wish)),
        2 => (channel(), from(), token(), wish()).prop_map(|(c, from, token, wish)| Watch(c, from, token, wish)),
        20 => (0..6_usize, 1..4_usize).prop_map(|(stream, batches)| Read(stream, batches)),
        3 => (0..6_usize).prop_map(Drop),
        3 => select(vec![1, 3, 7, 61]).prop_map(Pass),
        3 => (channel(), listener()).prop_map(|(c, l)| Inspect(c, l)),
        8 => Just(Hear),
    ]
}

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
    log: Arc<Surviving>,
    hub: Arc<Hub>,
    core: Option<Core>,
    foreign: String,
    rooms: Map<usize, Room>,
    streams: Vec<Open>,
    began: tokio::time::Instant,
}

impl Life {
    fn new(cores: usize) -> Self {
        let log = Arc::new(Surviving::default());
        let hub = Hub::new(Arc::clone(&log) as Arc<dyn Log>, UNLIMITED, cores).unwrap();
        let core = (cores > 0).then(|| Core::new(&hub, 0));
        core.iter().for_each(Core::enter);
        let other = Stage::new(room());
        let foreign = other.token(other.broadcast());
        let began = tokio::time::Instant::now();
        let mut life = Self { log, hub, core, foreign, rooms: Map::new(), streams: Vec::new(), began };
        life.create(0, room());
        life.register(0, 0, From::New);
        life
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_secs()
    }

    async fn live(mut self, verbs: Vec<Verb>) {
        for verb in verbs {
            self.step(verb).await;
            if self.core.is_none() {
                self.nobody_sleeps();
            }
        }
        restart::assert_kept(&self.hub, &self.log);
        self.hear();
        (0..self.streams.len()).for_each(|stream| self.read(stream, 1000));
        for (channel, listener) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
            self.inspect(channel, listener);
        }
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
            Dispatch(channel, listener, bytes) => self.send(channel, Some(listener), bytes),
            Broadcast(channel, bytes) => self.send(channel, None, bytes),
            End(channel, listener) => self.end(channel, listener),
            Listen(channel, listener, token, wish) => self.listen(channel, listener, token, wish),
            Watch(channel, from, token, wish) => self.watch(channel, from, token, wish),
            Read(stream, batches) => self.read(stream, batches),
            Drop(stream) => self.drop_stream(stream),
            Pass(seconds) => {
                tokio::time::advance(Duration::from_secs(seconds)).await;
                self.hub.upkeep();
            }
            Inspect(channel, listener) => self.inspect(channel, listener),
            Hear => self.hear(),
        }
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
            let more = room.more(ear, &open.place);
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
        assert_eq!(answer.unwrap(), room.backlog(listener).messages);
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
        let waited = self.rooms.get_mut(&channel).map(|room| room.purge(listener, purged.through.0));
        assert_eq!(Some(purged.messages), waited);
    }

    fn send(&mut self, channel: usize, to: Option<usize>, bytes: usize) {
        let (id, kind) = (channel_id(CHANNELS[channel]), if to.is_some() { "d" } else { "b" });
        let message = message(kind, bytes);
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
        }
    }

    /// The text of a token, and the position it names where it is one of this life.
    fn token(&self, channel: usize, token: Token) -> (Option<String>, Option<u64>) {
        let newest = self.hub.log.watermark().position().0;
        let sequence = match token {
            Token::None => return (None, None),
            Token::Malformed => return (Some("1.2.3".into()), None),
            Token::Foreign => return (Some(self.foreign.clone()), Some(0)),
            Token::Ahead => newest + 1,
            Token::Newest => newest,
            Token::Back(back) => newest.saturating_sub(back),
        };
        let birth = self.rooms.get(&channel).map_or(0, |room| room.birth);
        let incarnation = self.hub.incarnation();
        let token = ResumeToken { incarnation, birth: Position(birth), sequence: Position(sequence) };
        (Some(token.to_string()), Some(sequence))
    }

    fn subscribe(
        &mut self,
        channel: usize,
        receiver: Receiver<'_>,
        token: Token,
        wish: Wish,
    ) -> (Result<Stream, Error>, Option<u64>) {
        let (resume_token, sequence) = self.token(channel, token);
        let types = if wish.only_dispatches { vec!["d".to_owned()] } else { Vec::new() };
        let (max_messages, max_bytes) = (wish.max_messages, 1000);
        let options =
            ListenOptions { resume_token, types, max_messages, max_bytes, ..ListenOptions::default() };
        let answer = self.hub.subscribe(channel_id(CHANNELS[channel]), receiver, options);
        (answer.map(Stream::new), sequence)
    }

    fn listen(&mut self, channel: usize, listener: usize, token: Token, wish: Wish) {
        let (_, listener_id) = Self::ids(channel, listener);
        let (answer, sequence) = self.subscribe(channel, Receiver::Listener(listener_id), token, wish);
        if let Token::Malformed = token {
            return assert_eq!(answer.err(), Some(Error::ResumeTokenInvalid));
        }
        let now = self.now();
        let answer = answer.map_err(|error| (error, self.rooms.contains_key(&channel)));
        let Some(room) = self.rooms.get_mut(&channel) else { return assert!(answer.is_err()) };
        let Some(ear) = room.ears.get_mut(&listener) else { return assert!(answer.is_err()) };
        if let Token::Ahead = token {
            return assert_eq!(answer.err().map(|error| error.0), Some(Error::ResumeTokenAhead));
        }
        let stream = answer.unwrap();
        let other_life = sequence.is_some_and(|sequence| sequence < ear.start()).then(|| ear.start());
        let cursor = match (sequence, other_life) {
            (_, Some(start)) => start,
            (None, None) => ear.told,
            (Some(sequence), None) => {
                ear.skip_to(sequence, now, &room.sent);
                sequence
            }
        };
        let ending = Error::ListenerTakenOver {
            channel: CHANNELS[channel].into(),
            listener: LISTENERS[listener].into(),
        };
        self.ended(channel, Some(listener), &Ending::Failed(ending));
        self.open(stream, channel, Some(listener), Ear::default(), self.place(cursor, other_life, wish));
    }

    fn watch(&mut self, channel: usize, from: From, token: Token, wish: Wish) {
        let (newest, floor) = (self.hub.log.watermark().position().0, self.floor(channel));
        let (answer, sequence) = self.subscribe(channel, Receiver::Watcher(from), token, wish);
        let Some(room) = self.rooms.get(&channel) else { return assert!(answer.is_err()) };
        match token {
            Token::Malformed => return assert_eq!(answer.err(), Some(Error::ResumeTokenInvalid)),
            Token::Ahead => return assert_eq!(answer.err(), Some(Error::ResumeTokenAhead)),
            Token::None | Token::Foreign | Token::Newest | Token::Back(_) => {}
        }
        let other_life = sequence.is_some_and(|sequence| sequence < room.birth).then_some(room.birth);
        let start = match (sequence, other_life) {
            (_, Some(birth)) => birth,
            (Some(sequence), None) => sequence,
            (None, None) => start(from, newest, floor),
        };
        let place = self.place(start, other_life, wish);
        self.open(answer.unwrap(), channel, None, Ear::new(0, start), place);
    }

    fn place(&self, cursor: u64, other_life: Option<u64>, wish: Wish) -> Place {
        Place { cursor, other_life, only_dispatches: wish.only_dispatches, on_core: self.core.is_some() }
    }

    fn open(&mut self, stream: Stream, channel: usize, listener: Option<usize>, watcher: Ear, place: Place) {
        if self.streams.len() >= 6 {
            self.streams.remove(0);
        }
        self.streams.push(Open { stream, channel, listener, watcher, place, waits: false, ending: None });
    }

    fn read(&mut self, stream: usize, batches: usize) {
        if stream >= self.streams.len() {
            return;
        }
        for _ in 0..batches {
            if self.streams[stream].ending.is_some() {
                return assert_ended(&mut self.streams[stream]);
            }
            if !self.read_one(stream) {
                return;
            }
        }
    }

    fn read_one(&mut self, stream: usize) -> bool {
        let (now, open) = (self.now(), &mut self.streams[stream]);
        let room = self.rooms.get_mut(&open.channel).unwrap();
        let polled = open.stream.poll();
        let (ear, watches) = match open.listener {
            Some(listener) => (&room.ears[&listener], false),
            None => (&open.watcher, true),
        };
        open.waits = polled.is_pending();
        let (mut gaps, after) = (Vec::new(), open.place.cursor);
        match polled {
            Poll::Ready(batch) => {
                let batch = batch.unwrap();
                room.check(ear, watches, &mut open.place, &batch, now);
                gaps.clone_from(&batch.gaps);
            }
            Poll::Pending => {
                let at = open.stream.subscription.token().sequence.0;
                room.check_at(ear, &mut open.place, at);
            }
        }
        if let Some(ear) = open.listener.and_then(|listener| room.ears.get_mut(&listener)) {
            ear.find(&gaps, after, open.place.cursor);
            ear.hand_over(open.place.cursor, now, &room.sent);
        }
        !open.waits
    }

    fn drop_stream(&mut self, stream: usize) {
        if stream < self.streams.len() {
            self.streams.swap_remove(stream);
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
        assert_eq!(info.backlog, room.backlog(listener), "{ear:?}");
        assert!(info.lost <= ear.lost.len() as u64, "{} of {ear:?}", info.lost);
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

fn live(cores: usize, verbs: Vec<Verb>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async { Life::new(cores).live(verbs).await });
}

fn config() -> ProptestConfig {
    let given = ProptestConfig::default();
    ProptestConfig { cases: given.cases / 2, failure_persistence: None, max_shrink_iters: 20_000, ..given }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn streams_outside_of_the_cores_get_what_is_theirs(verbs in vec(verb(), 1..120)) {
        live(0, verbs);
    }

    #[test]
    fn streams_on_a_core_get_what_is_theirs(verbs in vec(verb(), 1..120)) {
        live(1, verbs);
    }
}
