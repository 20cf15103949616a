//! Many subscriptions on one stream: each has its own beginning, turn and end, and none delays another.

use super::*;
use crate::error::Limit;
use std::collections::HashMap;

/// A bundle that is polled by hand.
struct Read {
    bundle: Bundle,
    wakes: Arc<Wakes>,
}

/// What a stream says, in short.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Started(u32),
    Batch(u32, Vec<Said>),
    Ended(u32, Ending),
    Over(Ending),
}
use Heard::{Batch as Handed, Ended, Over};

impl Read {
    fn open(stage: &Stage, kind: StreamKind, max_bytes: u64) -> Self {
        Self { bundle: stage.hub.open_stream(kind, max_bytes).unwrap(), wakes: Arc::default() }
    }

    /// A stream for these listeners, which has said that they have begun.
    fn of(stage: &Stage, listeners: &[&str]) -> Self {
        let mut stream = Self::open(stage, StreamKind::Listen, u64::MAX);
        for (listener, number) in listeners.iter().zip(1..) {
            assert_eq!(stream.add(listener), Ok(number));
        }
        let started: Vec<_> = (1..=listeners.len() as u32).map(Heard::Started).collect();
        assert_eq!(stream.rest(), started);
        stream
    }

    fn add(&self, listener: &str) -> Result<u32, Error> {
        let receiver = Receiver::Listener(listener_id(listener));
        self.bundle.add(channel_id("room"), receiver, ListenOptions::default())
    }

    fn next(&mut self) -> Option<Heard> {
        self.wakes.0.store(0, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&self.wakes));
        match self.bundle.poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => None,
            Poll::Ready(Event::Started(number, _)) => Some(Heard::Started(number)),
            Poll::Ready(Event::Batch(number, handed)) => Some(Handed(number, said(&handed.batch))),
            Poll::Ready(Event::Only(handed)) => Some(Handed(1, said(&handed.batch))),
            Poll::Ready(Event::Presence(..)) => panic!("nobody asked for it"),
            Poll::Ready(Event::Ended(number, ending)) => Some(Ended(number, ending)),
            Poll::Ready(Event::Over(ending)) => Some(Over(ending)),
        }
    }

    fn rest(&mut self) -> Vec<Heard> {
        std::iter::from_fn(|| self.next()).collect()
    }

    fn woken(&self) -> bool {
        self.wakes.0.load(Ordering::SeqCst) > 0
    }

    fn change(&self, stage: &Stage) -> StreamChange {
        stage.hub.change_stream(&self.bundle.id().to_string()).unwrap()
    }
}

fn add(change: &StreamChange, listener: &str) -> Result<u32, Error> {
    change.add(channel_id("room"), Receiver::Listener(listener_id(listener)), ListenOptions::default())
}

fn taken_over(listener: &str) -> Ending {
    Ending::Failed(Error::ListenerTakenOver { channel: "room".into(), listener: listener.into() })
}

fn stage(listeners: &[&str]) -> Stage {
    let stage = Stage::new(room());
    stage.listeners(listeners);
    stage
}

#[test]
fn each_gets_its_own_and_the_stream_is_woken_for_all() {
    let stage = stage(&["a", "b", "c"]);
    let mut stream = Read::of(&stage, &["a", "b", "c"]);
    let to_b = stage.dispatch("b");
    assert!(stream.woken());
    assert_eq!(stream.rest(), [Handed(2, got([to_b]))]);
    let to_all = stage.broadcast();
    assert!(stream.woken());
    assert_eq!(stream.rest(), [1, 2, 3].map(|number| Handed(number, got([to_all]))));
    assert!(!stream.woken());
}

#[test]
fn one_that_is_refused_at_opening_takes_a_number_and_nothing_else() {
    let stage = stage(&["a", "b"]);
    let mut stream = Read::open(&stage, StreamKind::Listen, u64::MAX);
    assert!(matches!(stream.add("no"), Err(Error::ListenerNotFound { .. })));
    assert_eq!((stream.bundle.skip(), stream.add("a")), (1, Ok(2)));
    assert!(matches!(stream.add("a"), Err(Error::InvalidSetting { field: "listener", .. })));
    assert_eq!((stream.bundle.skip(), stream.add("b")), (3, Ok(4)));
    assert_eq!(stream.rest(), [Heard::Started(2), Heard::Started(4)]);
    stage.hub.stop_listener(channel_id("room"), listener_id("a")).unwrap();
    assert_eq!(stream.rest(), [Ended(2, Ending::Stopped)], "it is not a stream of one");
}

#[test]
fn a_stream_ends_with_its_only_subscription_and_with_none_of_several() {
    let stage = stage(&["a", "b", "c"]);
    let mut only = Read::of(&stage, &["a"]);
    let mut several = Read::of(&stage, &["b", "c"]);
    let _newer = [stage.listen("a"), stage.listen("b")];
    assert!(only.woken() && several.woken());
    assert_eq!(only.next(), Some(Over(taken_over("a"))));
    assert_eq!(several.rest(), [Ended(1, taken_over("b"))]);
    let sent = stage.dispatch("c");
    assert_eq!(several.rest(), [Handed(2, got([sent]))]);
    stage.remove("c");
    assert!(matches!(several.rest()[..], [Ended(2, Ending::Failed(Error::ListenerRemoved { .. }))]));
    assert_eq!(several.rest(), [], "it stays open, for others to be added");
}

#[test]
fn a_flooded_one_and_a_quiet_one_take_turns() {
    let stage = stage(&["flooded", "quiet"]);
    let mut stream = Read::open(&stage, StreamKind::Listen, 200);
    assert_eq!((stream.add("flooded"), stream.add("quiet")), (Ok(1), Ok(2)));
    stream.rest();
    stage.dispatches("flooded", 100);
    assert!(matches!(stream.next(), Some(Handed(1, _))));
    let sent = stage.dispatch("quiet");
    let next: Vec<_> = (0..2).filter_map(|_| stream.next()).collect();
    assert!(next.contains(&Handed(2, got([sent]))), "{next:?}");
    let flooded: usize =
        stream.rest().iter().map(|heard| if let Handed(1, said) = heard { said.len() } else { 0 }).sum();
    assert!(flooded > 90, "nothing is left behind: {flooded}");
    assert_eq!(stage.info("flooded").backlog.messages, 0);
}

#[test]
fn what_is_added_and_removed_disturbs_no_other_and_no_number_comes_again() {
    let stage = stage(&["a", "b", "c"]);
    let mut stream = Read::of(&stage, &["a"]);
    let change = stream.change(&stage);
    assert_eq!((add(&change, "b"), add(&change, "c")), (Ok(2), Ok(3)));
    assert!(stream.woken());
    stage.dispatches("a", 1);
    assert_eq!(change.remove(2), Ok(()));
    let heard = stream.rest();
    assert_eq!(heard.len(), 2, "of what came and went unheard nothing is said: {heard:?}");
    assert!(heard.contains(&Heard::Started(3)));
    assert!(!stage.info("b").running);

    assert_eq!((change.remove(3), add(&change, "c")), (Ok(()), Ok(4)));
    let heard = stream.rest();
    assert_eq!((heard.len(), heard.contains(&Ended(3, Ending::Stopped))), (2, true), "{heard:?}");
    for unknown in [0, 2, 3, 5, u32::MAX] {
        let error = Error::SubscriptionNotFound { subscription: unknown.into() };
        assert_eq!(change.remove(unknown), Err(error));
    }
    let sent = [stage.dispatch("a"), stage.dispatch("c")];
    assert_eq!(stream.rest(), [Handed(1, got([sent[0]])), Handed(4, got([sent[1]]))]);
}

#[test]
fn the_only_one_may_be_removed_and_the_stream_waits_for_the_next() {
    let stage = stage(&["a"]);
    let mut stream = Read::of(&stage, &["a"]);
    let change = stream.change(&stage);
    assert!(change.remove(7).is_err(), "and leaves the stream as it is");
    assert_eq!(change.remove(1), Ok(()));
    assert!(stream.woken());
    assert_eq!(stream.rest(), [Ended(1, Ending::Stopped)]);
    assert_eq!((stream.bundle.heartbeat(true), stream.bundle.heartbeat(false)), (Some(Vec::new()), None));
    assert_eq!(add(&change, "a"), Ok(2));
    assert!(stream.woken());
    let sent = stage.dispatch("a");
    assert_eq!(stream.rest(), [Heard::Started(2), Handed(2, got([sent]))]);
}

#[test]
fn one_that_is_there_keeps_its_number_unless_another_stream_has_taken_it_over() {
    let stage = stage(&["a", "b"]);
    let mut stream = Read::of(&stage, &["a", "b"]);
    let change = stream.change(&stage);
    assert_eq!((add(&change, "a"), add(&change, "b")), (Ok(1), Ok(2)));
    assert_eq!(stream.rest(), []);
    let credit = ListenOptions { credit: Some(Credit::default()), ..ListenOptions::default() };
    let with_credit = change.add(channel_id("room"), Receiver::Listener(listener_id("a")), credit);
    assert!(matches!(with_credit, Err(Error::NotExplicit { .. })));
    let mut other = Read::of(&stage, &["a"]);
    assert_eq!(add(&change, "a"), Ok(3), "it is taken back");
    assert_eq!(other.next(), Some(Over(taken_over("a"))));
    let heard = stream.rest();
    assert!(heard.contains(&Ended(1, taken_over("a"))) && heard.contains(&Heard::Started(3)), "{heard:?}");
}

#[test]
fn a_shutdown_hands_over_what_is_ready_for_all_and_ends_a_stream_of_nobody_too() {
    let stage = stage(&["a", "b", "c"]);
    let mut stream = Read::open(&stage, StreamKind::Listen, 200);
    assert_eq!((stream.add("a"), stream.add("b")), (Ok(1), Ok(2)));
    stream.rest();
    let mut empty = Read::of(&stage, &["c"]);
    assert_eq!(empty.change(&stage).remove(1), Ok(()));
    empty.rest();
    let sent = [stage.dispatches("a", 20), stage.dispatches("b", 20)];
    stage.hub.close();
    assert!(stream.woken() && empty.woken());
    let over = Ending::Failed(Error::ShuttingDown);
    assert_eq!(empty.next(), Some(Over(over.clone())));
    let mut handed = [Vec::new(), Vec::new()];
    loop {
        match stream.next() {
            Some(Handed(number, said)) => handed[number as usize - 1].extend(said),
            Some(other) => break assert_eq!(other, Over(over)),
            None => panic!("it does not wait"),
        }
    }
    assert_eq!(handed, sent.map(got));
}

#[test]
fn a_heartbeat_tells_of_those_who_moved_without_a_word_and_of_one_where_none_did() {
    let stage = stage(&["a", "b"]);
    let mut stream = Read::open(&stage, StreamKind::Listen, u64::MAX);
    for listener in ["a", "b"] {
        let types = if listener == "a" { vec!["none".to_owned()] } else { Vec::new() };
        let options = ListenOptions { types, ..ListenOptions::default() };
        let receiver = Receiver::Listener(listener_id(listener));
        stream.bundle.add(channel_id("room"), receiver, options).unwrap();
    }
    stream.rest();
    assert_eq!(stream.bundle.heartbeat(true).unwrap().len(), 1);
    assert_eq!(stream.bundle.heartbeat(false), None);
    let passed = stage.broadcast();
    assert_eq!(stream.rest(), [Handed(2, got([passed]))]);
    let told = stream.bundle.heartbeat(false).unwrap();
    assert_eq!(
        told.iter().map(|(number, token)| (*number, token.sequence.0)).collect::<Vec<_>>(),
        [(1, passed)]
    );
    assert_eq!(stream.bundle.heartbeat(false), None);
}

#[test]
fn heartbeats_ask_thousands_in_their_turn() {
    const WATCHERS: u32 = 5_000;
    let limits = Limits { max_listeners: 10_000, ..UNLIMITED };
    let stage = Stage::over(Arc::new(Memory::default()), limits, 0, room());
    let mut stream = Read::open(&stage, StreamKind::Watch, u64::MAX);
    for _ in 0..WATCHERS {
        let options = ListenOptions { types: vec!["none".into()], ..ListenOptions::default() };
        stream.bundle.add(channel_id("room"), Receiver::Watcher(From::New), options).unwrap();
    }
    stream.rest();
    stage.broadcast();
    // so many come to nothing that the stream lets others have a turn between them
    while stream.woken() {
        assert_eq!(stream.rest(), []);
    }
    let told: Vec<_> = (0..3).filter_map(|_| stream.bundle.heartbeat(false)).collect();
    assert_eq!(told.iter().map(Vec::len).collect::<Vec<_>>(), [2048, 2048, 904]);
    let numbers = told.iter().flatten().map(|(number, _)| *number);
    assert!(numbers.eq(1..=WATCHERS));
    assert_eq!(stream.bundle.heartbeat(false), None);
}

#[test]
fn a_stream_carries_no_more_than_its_limit_and_nobody_fills_it_by_not_reading() {
    let limits = Limits { max_listeners: 70_000, ..UNLIMITED };
    let stage = Stage::over(Arc::new(Memory::default()), limits, 0, room());
    let stream = Read::open(&stage, StreamKind::Listen, u64::MAX);
    let watch =
        || stream.bundle.add(channel_id("room"), Receiver::Watcher(From::New), ListenOptions::default());
    let full = Error::LimitReached { limit: Limit::Subscriptions, value: 65_536 };
    (1..=65_536).for_each(|number| assert_eq!(watch(), Ok(number)));
    assert_eq!(watch(), Err(full.clone()));
    let change = stream.change(&stage);
    let (mut number, mut added) = (1, 0);
    while change.remove(number) == Ok(()) && watch().is_ok() {
        (number, added) = (number + 1, added + 1);
    }
    assert_eq!((watch(), added), (Err(full), 65_536));
    drop(stream);
    assert_eq!((stage.hub.info().streams, stage.hub.sharing.load(Ordering::Relaxed)), (0, 0));
}

#[test]
fn those_who_share_streams_are_as_many_as_listeners_and_streams() {
    let limits = Limits { max_listeners: 2, max_streams: 1, ..UNLIMITED };
    let stage = Stage::over(Arc::new(Memory::default()), limits, 0, room());
    let stream = Read::open(&stage, StreamKind::Watch, u64::MAX);
    let watch =
        || stream.bundle.add(channel_id("room"), Receiver::Watcher(From::New), ListenOptions::default());
    assert_eq!([watch(), watch(), watch()], [Ok(1), Ok(2), Ok(3)]);
    assert_eq!(watch(), Err(Error::LimitReached { limit: Limit::Listeners, value: 2 }));
    let second = stage.hub.open_stream(StreamKind::Listen, 1);
    assert_eq!(second.unwrap_err(), Error::LimitReached { limit: Limit::Streams, value: 1 });
}

#[test]
fn a_stream_that_is_let_go_ends_all_that_it_carried_and_is_known_no_more() {
    let stage = stage(&["a", "b"]);
    let stream = Read::of(&stage, &["a", "b"]);
    let (id, change) = (stream.bundle.id().to_string(), stream.change(&stage));
    assert!(stage.info("a").connected && stage.info("b").running);
    drop(stream);
    assert!(!stage.info("a").connected && !stage.info("b").running);
    let unknown = Error::StreamNotFound { stream: id.clone() };
    assert_eq!(stage.hub.change_stream(&id).unwrap_err(), unknown);
    assert_eq!((add(&change, "a"), change.remove(1)), (Err(unknown.clone()), Err(unknown)));
    let watch = Read::open(&stage, StreamKind::Watch, u64::MAX);
    for none in [watch.bundle.id().to_string().as_str(), "", "s", "s0", "1", &"s1".repeat(100)] {
        let error = stage.hub.change_stream(none).unwrap_err();
        assert!(matches!(error, Error::StreamNotFound { stream } if stream.len() <= 32));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_added_on_another_core_waits_on_the_streams_own() {
    let stage = Stage::over(Arc::new(Memory::default()), UNLIMITED, 2, room());
    stage.listeners(&["a", "b"]);
    let [mut first, second] = [0, 1].map(|number| Core::new(&stage.hub, number));
    first.enter();
    let mut stream = Read::of(&stage, &["a"]);
    second.enter();
    assert_eq!(add(&stream.change(&stage), "b"), Ok(2));
    assert!(stream.woken());
    assert_eq!(stream.rest(), [Heard::Started(2)]);
    let sent = [stage.dispatch("b"), stage.broadcast()];
    assert!(!stream.woken(), "its core has not answered yet");
    first.answer();
    assert!(stream.woken());
    assert_eq!(stream.rest(), [Handed(2, got(sent)), Handed(1, got([sent[1]]))]);
}

/// A stream in a random life: which listener each number is, and whether it waits.
struct Live {
    stream: Read,
    listeners: HashMap<u32, usize>,
    begun: HashMap<u32, bool>,
    waits: bool,
}

impl Live {
    fn open(stage: &Stage, listener: usize) -> Self {
        let stream = Read::open(stage, StreamKind::Listen, 100);
        let number = stream.add(IDS[listener]).unwrap();
        Self { stream, listeners: HashMap::from([(number, listener)]), begun: HashMap::new(), waits: false }
    }

    fn add(&mut self, stage: &Stage, listener: usize) {
        let number = add(&self.stream.change(stage), IDS[listener]).unwrap();
        assert_eq!(*self.listeners.entry(number).or_insert(listener), listener, "no number comes again");
    }

    /// One event; false where it is over.
    fn step(&mut self, received: &mut [Vec<Said>]) -> bool {
        let asleep = self.waits && !self.stream.woken();
        let event = self.stream.next();
        self.waits = event.is_none();
        assert!(!asleep || event.is_none(), "it slept over {event:?}");
        match event {
            Some(Heard::Started(number)) => assert_eq!(self.begun.insert(number, true), None),
            Some(Handed(number, said)) => {
                assert_eq!(self.begun.get(&number), Some(&true), "{number} has begun, and not ended");
                received[self.listeners[&number]].extend(said);
            }
            Some(Ended(number, _)) => assert_eq!(self.begun.insert(number, false), Some(true)),
            Some(Over(_)) => return false,
            None => {}
        }
        true
    }
}

const IDS: [&str; 4] = ["a", "b", "c", "d"];

#[test]
fn whatever_is_added_removed_and_taken_over_each_gets_its_own_once_and_in_order() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let stage = stage(&IDS);
        let (mut sent, mut received) = ([const { Vec::new() }; 4], [const { Vec::new() }; 4]);
        let mut streams = [0, 1].map(|listener| Live::open(&stage, listener));
        for _ in 0..200 {
            let listener = random.usize(..4);
            let at = random.usize(..2);
            match random.u8(..10) {
                0..3 => sent[listener].push(stage.dispatch(IDS[listener])),
                3 => {
                    let position = stage.broadcast();
                    sent.iter_mut().for_each(|sent| sent.push(position));
                }
                4 => streams[at].add(&stage, listener),
                5 => drop(streams[at].stream.change(&stage).remove(random.u32(..8))),
                6 if random.u8(..5) == 0 => streams[at] = Live::open(&stage, listener),
                _ => {
                    if !streams[at].step(&mut received) {
                        streams[at] = Live::open(&stage, listener);
                    }
                }
            }
        }
        let mut last = Live::open(&stage, 0);
        (1..4).for_each(|listener| last.add(&stage, listener));
        while !last.waits {
            last.step(&mut received);
        }
        assert_eq!(received, sent.map(got), "seed {seed}");
    }
}

#[test]
fn credit_may_be_changed_before_anybody_has_heard_of_a_subscription() {
    let stage = stage(&["a", "b"]);
    let explicit = NewListener { mode: AcknowledgementMode::Explicit, ..NewListener::default() };
    stage.hub.register(channel_id("room"), listener_id("e"), explicit).unwrap();
    // whether news or deliveries have the next turn
    for polls in 0..2 {
        let mut stream = Read::of(&stage, &["a", "b"]);
        (0..polls).for_each(|_| assert_eq!(stream.next(), None));
        let change = stream.change(&stage);
        for _ in 0..2 {
            let options = ListenOptions { credit: Some(Credit::default()), ..ListenOptions::default() };
            let number = change.add(channel_id("room"), Receiver::Listener(listener_id("e")), options);
            assert_eq!(number, Ok(3));
        }
        assert_eq!(stream.rest(), [Heard::Started(3)]);
        let sent = stage.dispatch("e");
        assert_eq!(stream.rest(), [Handed(3, got([sent]))]);
        stage.acknowledge("e", Some(sent), &[]).unwrap();
    }
}
