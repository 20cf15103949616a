//! Random lives of EXPLICIT listeners keep every promise of the model.

use super::{
    explicit_model::{Ear, Failing, Fate, Message as Accepted_, Room, Sent},
    *,
};
use proptest::{collection::vec, prelude::*, sample::select};

const LISTENERS: [&str; 3] = ["l", "m", "grave"];
const GRAVE: usize = 2;
const LARGE: u64 = 1 << 30;
/// What the facts of a dead letter count for beside its reason.
const FACTS_BYTES: u64 = 256;

/// Which of a listener's messages, counted back from the newest.
type Pick = usize;

#[derive(Clone, Debug)]
enum Verb {
    Update(ChannelSettings),
    /// Dead letters are kept from now on, or no longer.
    Name(bool),
    Register(usize),
    Remove(usize),
    Deadline(usize, Option<u64>),
    Dispatch(usize, usize, Option<u64>),
    Broadcast(usize, Option<u64>),
    Listen(usize, Option<&'static str>, Quota, usize),
    Pull(usize, Option<&'static str>, usize),
    Read(usize, usize),
    Leave(usize),
    Stop(usize),
    Acknowledge(usize, Option<Pick>, Vec<Pick>, u64),
    Reject(usize, Vec<Pick>, Option<u64>, bool, u64),
    /// More time for what is picked, in milliseconds.
    Extend(usize, Pick, u64, u64),
    /// What is meant for an earlier listener of that id.
    Stale(usize),
    /// While the log takes nothing.
    Refuse(usize),
    Purge(usize, Option<Pick>),
    Requeue(Pick),
    /// The oldest broadcasts go, as where the log is full.
    Trim(usize),
    /// So many milliseconds.
    Pass(u64),
    Inspect(usize),
    Hear,
}
use Verb::*;

fn settings(timed: bool, overtaking: bool) -> impl Strategy<Value = ChannelSettings> {
    let overflow = || select(vec![Overflow::RejectNew, Overflow::DropOldest]);
    let backlog = (select(vec![1, 2, 3, 5, 1000]), select(vec![60, 100, LARGE, LARGE]));
    let redelivery = select(if overtaking {
        vec![Redelivery::Strict, Redelivery::Overtaking, Redelivery::Overtaking]
    } else {
        vec![Redelivery::Strict]
    });
    let attempts = select(vec![1, 2, 5]);
    (overflow(), overflow(), backlog, redelivery, attempts, select(vec![0, 5])).prop_map(
        move |(
            dispatch_overflow,
            broadcast_overflow,
            (messages, bytes),
            redelivery,
            max_attempts,
            window,
        )| {
            let tight = Quota { messages, bytes };
            ChannelSettings {
                dispatch_overflow,
                broadcast_overflow,
                max_backlog: if timed { super::messages(1000) } else { tight },
                max_replay: super::messages(1000),
                replay_window: Duration::from_secs(window),
                redelivery,
                max_attempts,
                ..ChannelSettings::default()
            }
        },
    )
}

fn verb(timed: bool, overtaking: bool) -> impl Strategy<Value = Verb> {
    let listener = || select(vec![0, 0, 0, 0, 1, GRAVE]);
    let bytes = || select(vec![10, 20, 30, 50, 120]);
    let ttl = move || select(if timed { vec![None, None, Some(500), Some(2500)] } else { vec![None] });
    let session = || select(vec![None, Some("a"), Some("a"), Some("b")]);
    let credit = (select(vec![1, 2, 3, 1000]), select(vec![60, LARGE, LARGE]))
        .prop_map(|(messages, bytes)| Quota { messages, bytes });
    let most = || select(vec![1, 2, usize::MAX]);
    let delay = select(vec![None, Some(0), Some(0), Some(700), Some(3000)]);
    let back = || select(vec![0, 0, 0, 0, 0, 1, 2]);
    prop_oneof![
        2 => settings(timed, overtaking).prop_map(Update),
        1 => any::<bool>().prop_map(Name),
        2 => listener().prop_map(Register),
        1 => listener().prop_map(Remove),
        1 => (listener(), select(vec![None, Some(400), Some(2000)])).prop_map(|(l, deadline)| Deadline(l, deadline)),
        14 => (listener(), bytes(), ttl()).prop_map(|(l, bytes, ttl)| Dispatch(l, bytes, ttl)),
        14 => (bytes(), ttl()).prop_map(|(bytes, ttl)| Broadcast(bytes, ttl)),
        8 => (listener(), session(), credit, most()).prop_map(|(l, s, credit, most)| Listen(l, s, credit, most)),
        3 => (listener(), session(), select(vec![1, 3])).prop_map(|(l, s, most)| Pull(l, s, most)),
        24 => (listener(), 1..4_usize).prop_map(|(l, batches)| Read(l, batches)),
        2 => listener().prop_map(Leave),
        1 => listener().prop_map(Stop),
        14 => (listener(), prop::option::of(0..8_usize), vec(0..8_usize, 0..3), back())
            .prop_map(|(l, through, singles, back)| Acknowledge(l, through, singles, back)),
        8 => (listener(), vec(0..8_usize, 1..3), delay, prop::bool::weighted(0.2), back())
            .prop_map(|(l, picks, delay, last, back)| Reject(l, picks, delay, last, back)),
        2 => (listener(), 0..8_usize, select(vec![1, 300, 3000]), back())
            .prop_map(|(l, pick, by, back)| Extend(l, pick, by, back)),
        1 => listener().prop_map(Stale),
        2 => listener().prop_map(Refuse),
        1 => (listener(), prop::option::of(0..8_usize)).prop_map(|(l, back)| Purge(l, back)),
        1 => (0..4_usize).prop_map(Requeue),
        1 => (1..3_usize).prop_map(Trim),
        4 => select(vec![1, 300, 700, 1000, 5000, 61_000]).prop_map(Pass),
        3 => listener().prop_map(Inspect),
        6 => Just(Hear),
    ]
}

struct Open {
    stream: Stream,
    waits: bool,
}

struct Life {
    hub: Arc<Hub>,
    log: Arc<Meddled>,
    core: Option<Core>,
    room: Room,
    streams: [Option<Open>; 3],
    began: tokio::time::Instant,
    timed: bool,
}

impl Life {
    fn new(cores: usize, timed: bool) -> Self {
        let log = Arc::new(Meddled::default());
        let hub = Hub::new(log.clone(), UNLIMITED, cores).unwrap();
        let core = (cores > 0).then(|| Core::new(&hub, 0));
        core.iter().for_each(Core::enter);
        let settings = room();
        let created = hub.create_channel(channel_id("room"), settings.clone(), false).unwrap();
        let room = Room::new(settings, created.channel.birth.0);
        let began = tokio::time::Instant::now();
        let mut life = Self { hub, log, core, room, streams: [None, None, None], began, timed };
        life.register(0);
        life.register(GRAVE);
        life.name(true);
        life
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    fn mark(&self) -> u64 {
        self.hub.log.watermark().position().0
    }

    async fn live(mut self, verbs: Vec<Verb>) {
        for verb in verbs {
            self.step(verb).await;
            self.follow_ring(false);
            if self.core.is_none() {
                self.nobody_sleeps();
            }
        }
        restart::assert_kept(&self.hub, &self.log.inner);
        self.drain().await;
    }

    async fn step(&mut self, verb: Verb) {
        match verb {
            Update(settings) => self.update(&settings),
            Name(named) => self.name(named),
            Register(listener) => self.register(listener),
            Remove(listener) => self.remove(listener),
            Deadline(listener, deadline) => self.set_deadline(listener, deadline),
            Dispatch(listener, bytes, ttl) => self.send(Some(listener), bytes, ttl),
            Broadcast(bytes, ttl) => self.send(None, bytes, ttl),
            Listen(listener, session, credit, most) => {
                self.listen(listener, session, Some(credit), most, false)
            }
            Pull(listener, session, most) => self.pull(listener, session, most),
            Read(listener, batches) => self.read(listener, batches),
            Leave(listener) => self.leave(listener),
            Stop(listener) => self.stop(listener),
            Acknowledge(listener, through, singles, back) => {
                self.acknowledge(listener, through, &singles, back)
            }
            Reject(listener, picks, delay, last, back) => self.reject(listener, &picks, delay, last, back),
            Extend(listener, pick, by, back) => self.extend(listener, pick, by, back),
            Stale(listener) => self.stale(listener),
            Refuse(listener) => self.refuse(listener),
            Purge(listener, back) => self.purge(listener, back),
            Requeue(pick) => self.requeue(pick),
            Trim(count) => self.trim(count),
            Pass(millis) => self.pass(millis).await,
            Inspect(listener) => self.inspect(listener),
            Hear => self.hear(),
        }
    }

    fn hear(&mut self) {
        if let Some(core) = &mut self.core {
            core.answer();
        }
        self.nobody_sleeps();
    }

    fn nobody_sleeps(&self) {
        for (listener, open) in self.streams.iter().enumerate() {
            if let Some(open) = open.as_ref().filter(|open| open.waits && !open.stream.woken()) {
                self.room.ears[&listener].check_idle(self.room.overtaking(), self.now(), true);
                assert!(!open.stream.woken());
            }
        }
    }

    /// What the channel's ring has dropped is lost for those who had it before them.
    fn follow_ring(&mut self, expired: bool) {
        let floor = self.hub.channel(channel_id("room")).unwrap().lock().ring.floor().0;
        let now = self.now();
        self.room.trim(floor, expired, now);
    }

    fn update(&mut self, settings: &ChannelSettings) {
        let dead_letter_listener = self.room.settings.dead_letter_listener.clone();
        let settings = ChannelSettings { dead_letter_listener, ..settings.clone() };
        (0..3).for_each(|listener| self.inspect(listener));
        // the change itself; where the room stands with it comes behind
        let (mark, now) = (self.mark() + 1, self.now());
        self.hub.update_channel(channel_id("room"), |_| Ok::<_, Error>(settings.clone())).unwrap();
        self.room.update(settings, mark, now);
    }

    fn name(&mut self, named: bool) {
        (0..3).for_each(|listener| self.inspect(listener));
        let grave = named.then_some(GRAVE).filter(|grave| self.room.ears.contains_key(grave));
        let settings = ChannelSettings {
            dead_letter_listener: grave.map(|grave| LISTENERS[grave].into()),
            ..self.room.settings.clone()
        };
        // the change itself; where the room stands with it comes behind
        let (mark, now) = (self.mark() + 1, self.now());
        self.hub.update_channel(channel_id("room"), |_| Ok::<_, Error>(settings.clone())).unwrap();
        self.room.settings = settings;
        self.room.name(grave, mark, now);
    }

    fn register(&mut self, listener: usize) {
        let new = NewListener { mode: AcknowledgementMode::Explicit, ..NewListener::default() };
        let answer = self.hub.register(channel_id("room"), listener_id(LISTENERS[listener]), new);
        assert_eq!(answer.is_err(), self.room.ears.contains_key(&listener));
        if let Ok(registered) = answer {
            let mut ear = Ear::new(registered.listener.birth.0);
            ear.on_core = self.core.is_some();
            self.room.ears.insert(listener, ear);
        }
    }

    fn remove(&mut self, listener: usize) {
        self.inspect(listener);
        let answer = self.hub.remove_listener(channel_id("room"), listener_id(LISTENERS[listener]));
        if self.room.grave == Some(listener) {
            return assert!(matches!(answer, Err(Error::InUse { .. })));
        }
        assert_eq!(answer.is_ok(), self.room.ears.remove(&listener).is_some());
        if let Some(mut open) = self.streams[listener].take() {
            assert!(matches!(open.stream.ending(), Ending::Failed(Error::ListenerRemoved { .. })));
        }
    }

    fn set_deadline(&mut self, listener: usize, deadline: Option<u64>) {
        let Some(ear) = self.room.ears.get_mut(&listener) else { return };
        ear.ack_deadline = deadline;
        let ack_deadline = deadline.map(Duration::from_millis);
        let changed = |settings| Ok::<_, Error>(ListenerSettings { ack_deadline, ..settings });
        self.hub.update_listener(channel_id("room"), listener_id(LISTENERS[listener]), changed).unwrap();
    }

    fn send(&mut self, to: Option<usize>, bytes: usize, ttl: Option<u64>) {
        if to.is_some_and(|to| !self.room.ears.contains_key(&to)) {
            return;
        }
        let kind = if to.is_some() { "d" } else { "b" };
        let message = match ttl {
            None => message(kind, bytes),
            Some(ttl) => perishable(kind, ttl),
        };
        let bytes = message.len() as u64;
        let answer = match to {
            Some(to) => self.hub.dispatch(channel_id("room"), listener_id(LISTENERS[to]), message),
            None => self.hub.broadcast(channel_id("room"), message),
        };
        let full = self.room.refuses(to, bytes);
        let now = self.now();
        match answer {
            Ok(accepted) => {
                assert!(full.is_empty(), "{full:?} are full");
                assert_eq!(accepted.receivers, Some(to.map_or(self.room.hearers(), |_| 1)));
                let message = Accepted_ { bytes, ttl, letter: false };
                self.room.accept(accepted.position.0, message, to, now);
            }
            Err(Error::BacklogFull { listener, .. }) => {
                assert!(full.iter().any(|full| LISTENERS[*full] == listener), "{listener} has room");
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn listen(
        &mut self,
        listener: usize,
        session: Option<&'static str>,
        credit: Option<Quota>,
        most: usize,
        pull: bool,
    ) {
        let Some(ear) = self.room.ears.get(&listener) else { return };
        let now = self.now();
        let goes_on = pull && ear.goes_on(session, now);
        let left = ear.left_behind(session, now).filter(|_| !goes_on);
        if let Some(position) = left {
            self.fail(
                listener,
                &[Failing { position, delay: Some(0), last: false }],
                false,
                "its client went away",
            );
        }
        let options = ListenOptions {
            session: session.map(Into::into),
            credit: credit.map(Credit),
            max_messages: most,
            max_bytes: 1000,
            pull,
            ..ListenOptions::default()
        };
        let receiver = Receiver::Listener(listener_id(LISTENERS[listener]));
        let stream = Stream::new(self.hub.subscribe(channel_id("room"), receiver, options).unwrap());
        let older = self.streams[listener].replace(Open { stream, waits: false });
        if let Some(mut older) = older {
            assert!(!older.waits || older.stream.woken(), "it sleeps over its end");
            assert!(matches!(older.stream.ending(), Ending::Failed(Error::ListenerTakenOver { .. })));
        }
        let ear = self.room.ears.get_mut(&listener).unwrap();
        ear.begin(session, Some(credit.unwrap_or(Credit::default().0)), goes_on);
    }

    fn pull(&mut self, listener: usize, session: Option<&'static str>, most: usize) {
        if !self.room.ears.contains_key(&listener) {
            return;
        }
        self.listen(listener, session, None, most, true);
        self.read(listener, 1);
        self.streams[listener] = None;
        let now = self.now();
        self.room.ears.get_mut(&listener).unwrap().leave(true, now);
    }

    fn read(&mut self, listener: usize, batches: usize) {
        for _ in 0..batches {
            let (now, overtaking) = (self.now(), self.room.overtaking());
            let Some(open) = &mut self.streams[listener] else { return };
            let ear = self.room.ears.get_mut(&listener).unwrap();
            open.stream.wakes.0.store(0, Ordering::SeqCst);
            let waker = Waker::from(Arc::clone(&open.stream.wakes));
            match open.stream.subscription.poll_batch(&mut Context::from_waker(&waker)) {
                Poll::Ready(handed) => {
                    open.waits = false;
                    ear.check(&handed.unwrap(), overtaking, now);
                }
                Poll::Pending => {
                    open.waits = true;
                    if self.core.is_none() && !open.stream.woken() {
                        ear.check_idle(overtaking, now, false);
                    }
                    return;
                }
            }
        }
    }

    fn leave(&mut self, listener: usize) {
        let now = self.now();
        if self.streams[listener].take().is_some() {
            self.room.ears.get_mut(&listener).unwrap().leave(false, now);
        }
    }

    fn stop(&mut self, listener: usize) {
        let Some(ear) = self.room.ears.get_mut(&listener) else { return };
        ear.stop();
        self.hub.stop_listener(channel_id("room"), listener_id(LISTENERS[listener])).unwrap();
        if let Some(mut open) = self.streams[listener].take() {
            assert_eq!(open.stream.ending(), Ending::Stopped);
        }
    }

    /// The positions that are picked; a listener that has had nothing has none.
    fn picked(&self, listener: usize, picks: &[Pick]) -> Vec<u64> {
        let Some(ear) = self.room.ears.get(&listener) else { return Vec::new() };
        let mut positions = ear.positions();
        // seldom one that was not delivered yet
        let delivered = positions.iter().filter(|position| **position <= ear.delivered).count();
        positions.truncate(delivered + 1);
        picks.iter().filter_map(|pick| positions.iter().rev().nth(*pick).copied()).collect()
    }

    fn acknowledge(&mut self, listener: usize, through: Option<Pick>, singles: &[Pick], back: u64) {
        let through = through.and_then(|through| self.picked(listener, &[through]).first().copied());
        let singles = self.picked(listener, singles);
        let (now, overtaking) = (self.now(), self.room.overtaking());
        let Some(ear) = self.room.ears.get_mut(&listener) else { return };
        let back = back.min(ear.generation);
        let (attempts, plain): (Vec<u64>, Vec<u64>) =
            singles.iter().copied().partition(|single| overtaking && ear.sent[single].failed > 0);
        let attempts = attempts.into_iter().map(|single| (Position(single), ear.sent[&single].failed + 1));
        let acknowledgement = Acknowledgement {
            generation: Some(ear.generation - back),
            through: through.map(Position),
            attempts: attempts.collect(),
            singles: plain.into_iter().map(Position).collect(),
            ..Acknowledgement::default()
        };
        let answer =
            self.hub.acknowledge(channel_id("room"), listener_id(LISTENERS[listener]), acknowledgement);
        match (answer, ear.acknowledge(through, &singles, back, overtaking, now)) {
            (Ok(done), Ok((least, most))) => {
                assert!((least..=most).contains(&done.covered), "{} of {least}..={most}", done.covered);
                assert_eq!(done.generation, ear.generation);
                ear.check_passed(done.through.0, now);
            }
            (Err(Error::NotDelivered { .. }), Err(())) => {}
            (answer, expected) => panic!("{answer:?}, not {expected:?}"),
        }
    }

    fn reject(&mut self, listener: usize, picks: &[Pick], delay: Option<u64>, last: bool, back: u64) {
        let positions = self.picked(listener, picks);
        let (now, overtaking) = (self.now(), self.room.overtaking());
        let Some(ear) = self.room.ears.get(&listener).filter(|_| !positions.is_empty()) else { return };
        let back = if overtaking { 0 } else { back.min(ear.generation) };
        let rejection = |position: &u64| Rejection {
            life: Life_::default(),
            generation: Some(ear.generation - back),
            position: Position(*position),
            attempt: overtaking.then(|| ear.sent[position].failed + 1),
            reason: "no".into(),
            delay: delay.map(Duration::from_millis),
            last,
        };
        let rejections: Vec<_> = positions.iter().map(rejection).collect();
        let answers =
            self.hub.reject(channel_id("room"), listener_id(LISTENERS[listener]), &rejections).unwrap();
        let mut failing: Vec<Failing> = Vec::new();
        for (position, answer) in positions.iter().zip(&answers) {
            let expected = ear.may_reject(*position, back, overtaking);
            let certain = !ear.is_uncertain(*position, now);
            match (answer, expected) {
                (Ok(_), Ok(())) => {}
                // how often one has failed that is gone is not remembered
                (Err(Error::NotDelivered { .. }), Err(Error::NotOutstanding { .. })) if overtaking => {}
                (Err(error), Err(expected)) => assert_eq!(
                    std::mem::discriminant(error),
                    std::mem::discriminant(&expected),
                    "{error:?}, not {expected:?}"
                ),
                (Err(Error::NotOutstanding { .. }), Ok(())) if !certain => {}
                (Err(Error::NotDelivered { .. }), Ok(())) if !certain && overtaking => {}
                (answer, expected) => panic!("{answer:?}, not {expected:?} for {position} of {ear:?}"),
            }
            if answer.is_ok() && failing.iter().all(|failing| failing.position != *position) {
                failing.push(Failing { position: *position, delay, last });
            }
        }
        let attempts = self.fail(listener, &failing, true, "no");
        let generation = self.room.ears[&listener].generation;
        for (position, answer) in positions.iter().zip(answers) {
            let Ok(rejected) = answer else { continue };
            let index = failing.iter().position(|failing| failing.position == *position).unwrap();
            assert_eq!((rejected.attempts, rejected.generation), (attempts[index], generation));
        }
    }

    fn extend(&mut self, listener: usize, pick: Pick, by: u64, back: u64) {
        let picked = self.picked(listener, &[pick]);
        let (now, overtaking) = (self.now(), self.room.overtaking());
        let Some(ear) = self.room.ears.get_mut(&listener) else { return };
        let Some(position) = picked.first().copied() else { return };
        let back = if overtaking { 0 } else { back.min(ear.generation) };
        let extension = Extension {
            life: Life_::default(),
            generation: Some(ear.generation - back),
            position: Position(position),
            attempt: overtaking.then(|| ear.sent[&position].failed + 1),
            by: Duration::from_millis(by),
        };
        let answer = self.hub.extend(channel_id("room"), listener_id(LISTENERS[listener]), &extension);
        match (answer, ear.may_reject(position, back, overtaking)) {
            (Ok(given), Ok(())) => assert_eq!(given.is_some(), ear.extend(position, now + by)),
            (Err(Error::NotDelivered { .. }), Err(Error::NotOutstanding { .. })) if overtaking => {}
            (Err(Error::NotOutstanding { .. }), Ok(())) if ear.is_uncertain(position, now) => {}
            (Err(Error::NotDelivered { .. }), Ok(())) if ear.is_uncertain(position, now) && overtaking => {}
            (Err(error), Err(expected)) => {
                assert_eq!(std::mem::discriminant(&error), std::mem::discriminant(&expected));
            }
            (answer, expected) => panic!("{answer:?}, not {expected:?} for {position} of {ear:?}"),
        }
    }

    /// Nothing of it is done, and each says so.
    fn stale(&self, listener: usize) {
        let Some(ear) = self.room.ears.get(&listener) else { return };
        let (channel, id) = (channel_id("room"), listener_id(LISTENERS[listener]));
        let birth = self.hub.get_listener(channel, id).unwrap().birth;
        let life = Life_ { birth: Some(birth.before()), incarnation: None };
        let (through, position) = (Some(Position(ear.delivered)), Position(ear.delivered));
        let acknowledgement = Acknowledgement { life, through, ..Acknowledgement::default() };
        let refused = |error| matches!(error, Some(Error::OtherLife { .. }));
        assert!(refused(self.hub.acknowledge(channel, id, acknowledgement).err()));
        let by = Duration::from_millis(1);
        let extension = Extension { life, generation: None, position, attempt: None, by };
        assert!(refused(self.hub.extend(channel, id, &extension).err()));
        let answers = self.hub.reject(channel, id, &[final_rejection(life, position)]).unwrap();
        assert!(answers.into_iter().all(|answer| refused(answer.err())));
    }

    /// While the log takes nothing each verb that needs it says so, and nothing is changed.
    fn refuse(&self, listener: usize) {
        let Some(ear) = self.room.ears.get(&listener) else { return };
        let (channel, id) = (channel_id("room"), listener_id(LISTENERS[listener]));
        self.log.fails.store(true, Ordering::SeqCst);
        let refused = |error: Option<Error>| {
            let in_use = matches!(error, Some(Error::InUse { .. } | Error::BacklogFull { .. }));
            assert!(in_use || matches!(error, Some(Error::Log(_))), "{error:?}");
        };
        refused(self.hub.dispatch(channel, id, message("d", 10)).err());
        refused(self.hub.broadcast(channel, message("b", 10)).err());
        refused(self.hub.purge_listener(channel, id, None).err());
        refused(self.hub.remove_listener(channel, id).err());
        let through = Some(Position(ear.delivered));
        let acknowledgement = Acknowledgement { through, ..Acknowledgement::default() };
        refused(self.hub.acknowledge(channel, id, acknowledgement).err());
        for position in ear.positions() {
            let rejection = final_rejection(Life_::default(), Position(position));
            let answer = self.hub.reject(channel, id, &[rejection]);
            answer.map_or_else(
                |error| refused(Some(error)),
                |answers| assert!(answers.iter().all(Result::is_err), "{answers:?}"),
            );
            let answers = self.hub.requeue(channel, id, &[Position(position)]).unwrap();
            assert!(answers.iter().all(Result::is_err), "{answers:?}");
        }
        self.log.fails.store(false, Ordering::SeqCst);
    }

    /// Deliveries have failed; what is buried is found in the dead letter listener. Tells how often each has failed.
    fn fail(&mut self, listener: usize, failing: &[Failing], rewinds: bool, reason: &str) -> Vec<u32> {
        let (now, settings, mark) = (self.now(), self.room.settings.clone(), self.mark());
        let Some(ear) = self.room.ears.get_mut(&listener) else { return Vec::new() };
        let letter = |sent: Sent| {
            let bytes = sent.bytes + reason.len() as u64 + FACTS_BYTES;
            Accepted_ { bytes, ttl: sent.ttl, letter: true }
        };
        let before: Vec<_> = failing.iter().map(|failing| letter(ear.sent[&failing.position])).collect();
        let verdicts = ear.fail(failing, rewinds, &settings, now);
        let buried = verdicts.iter().zip(before).filter(|(verdict, _)| verdict.buried);
        let letters: Vec<_> = buried.map(|(_, letter)| letter).collect();
        if let Some(grave) = self.room.grave.filter(|grave| *grave != listener) {
            // a stream that begins has not buried yet
            let first = if rewinds { mark - letters.len() as u64 + 1 } else { mark + 2 };
            for (position, letter) in (first..).zip(letters) {
                self.room.accept(position, letter, Some(grave), now);
            }
        }
        verdicts.into_iter().map(|verdict| verdict.attempts).collect()
    }

    fn purge(&mut self, listener: usize, back: Option<Pick>) {
        let through = back.and_then(|back| self.picked(listener, &[back]).first().copied());
        let now = self.now();
        if !self.room.ears.contains_key(&listener) {
            return;
        }
        let id = listener_id(LISTENERS[listener]);
        let purged = self.hub.purge_listener(channel_id("room"), id, through.map(Position)).unwrap();
        assert_eq!(purged.messages, self.room.purge(listener, purged.through.0, now), "{purged:?}");
    }

    fn requeue(&mut self, pick: Pick) {
        let Some(ear) = self.room.ears.get(&GRAVE) else { return };
        let positions = ear.positions();
        let Some(position) = positions.iter().rev().nth(pick).copied() else { return };
        let Sent { fate, ttl, .. } = ear.sent[&position];
        let mut answers = self
            .hub
            .requeue(channel_id("room"), listener_id(LISTENERS[GRAVE]), &[Position(position)])
            .unwrap();
        let Ok(requeued) = answers.remove(0) else { return };
        assert_eq!(fate, Fate::Waits);
        let page = |listener: &&usize| {
            let id = listener_id(LISTENERS[**listener]);
            let after = Position(requeued.accepted.position.0 - 1);
            let page = self.hub.list_messages(channel_id("room"), id, after, 1, LARGE).unwrap();
            page.entries.first().map(|entry| entry.message.len() as u64)
        };
        let now = self.now();
        let to = self.room.ears.keys().find(|listener| page(listener).is_some()).copied().unwrap();
        let bytes = page(&&to).unwrap();
        let message = Accepted_ { bytes, ttl, letter: false };
        self.room.accept(requeued.accepted.position.0, message, Some(to), now);
        let grave = self.room.ears.get_mut(&GRAVE).unwrap();
        grave.take_out(position, now);
    }

    fn trim(&mut self, count: usize) {
        (0..3).for_each(|listener| self.inspect(listener));
        let channel = self.hub.channel(channel_id("room")).unwrap();
        let mut dropped = Vec::new();
        for _ in 0..count {
            channel.lock().ring.drop_first(&mut dropped);
        }
        self.hub.forget(&dropped);
        self.follow_ring(false);
        // a stream finds out when somebody looks
        self.streams.iter_mut().flatten().for_each(|open| open.waits = false);
        (0..3).for_each(|listener| self.inspect(listener));
    }

    /// Time passes; alarms ring, and upkeep is done at the end.
    async fn pass(&mut self, millis: u64) {
        // what was too much is gone since now, and another is the first
        (0..3).for_each(|listener| self.inspect(listener));
        let until = self.now() + millis;
        let mut rings = 0;
        loop {
            let (now, overtaking) = (self.now(), self.room.overtaking());
            let deadlines = self.room.ears.values().flat_map(|ear| ear.deadlines(overtaking, now));
            let due = self.room.ears.values().filter_map(|ear| ear.next_due(now));
            let soonest = deadlines.map(|(moment, _)| moment).chain(due).min().unwrap_or(u64::MAX);
            let alarm = self.hub.alarms.next();
            assert!(
                soonest > until || alarm.is_some_and(|alarm| alarm <= soonest.max(now + 1)),
                "an alarm at {soonest} is not set: {alarm:?}, now {now} {:?}",
                self.room.ears
            );
            let Some(alarm) = alarm.filter(|alarm| *alarm <= until) else { break };
            rings += 1;
            assert!(rings < 300, "it rings without end");
            tokio::time::advance(Duration::from_millis(alarm.saturating_sub(now))).await;
            self.ring();
        }
        tokio::time::advance(Duration::from_millis(until - self.now())).await;
        self.hub.upkeep();
        self.follow_ring(true);
        // what nobody was told of yet is told
        (0..3).for_each(|listener| self.inspect(listener));
    }

    fn ring(&mut self) {
        let (now, overtaking) = (self.now(), self.room.overtaking());
        let mut overdue = Vec::new();
        for (listener, ear) in &self.room.ears {
            let failing: Vec<_> = ear
                .deadlines(overtaking, now)
                .into_iter()
                .filter(|(moment, _)| *moment <= now)
                .map(|(_, position)| Failing { position, delay: None, last: false })
                .collect();
            if !failing.is_empty() {
                overdue.push((*listener, failing));
            }
        }
        self.hub.ring_alarms();
        let buries = overdue.len() > 1;
        for (listener, failing) in overdue {
            // of two at once it is not known whose letters come first
            if buries && self.room.grave.is_some() {
                self.fail_unknown(listener, &failing);
            } else {
                self.fail(listener, &failing, true, "it was not acknowledged in time");
            }
        }
    }

    fn fail_unknown(&mut self, listener: usize, failing: &[Failing]) {
        let (now, settings) = (self.now(), self.room.settings.clone());
        let buried = self.room.ears.get_mut(&listener).unwrap().fail(failing, true, &settings, now);
        assert!(buried.len() == failing.len());
    }

    fn inspect(&mut self, listener: usize) {
        let now = self.now();
        let Some(ear) = self.room.ears.get(&listener) else { return };
        let info = self.hub.get_listener(channel_id("room"), listener_id(LISTENERS[listener])).unwrap();
        let backlog = ear.backlog();
        assert!(
            info.backlog == backlog
                || self.timed && (ear.fresh(now)..=backlog.messages).contains(&info.backlog.messages),
            "{:?}, not {backlog:?} {ear:?}",
            info.backlog
        );
        if ear.open {
            assert_eq!(info.unacknowledged, ear.outstanding(), "{ear:?}");
        }
        assert_eq!(info.generation, ear.generation);
        assert_eq!(info.connected, ear.open);
        ear.check_passed(info.passed.0, now);
        assert!(self.timed || info.lost <= ear.lost(), "{} lost: {ear:?}", info.lost);
    }

    /// Everything that waits can be had, and nothing stays behind.
    async fn drain(&mut self) {
        self.hear();
        self.update(&ChannelSettings { max_attempts: 1000, ..room() });
        for listener in 0..3 {
            self.set_deadline(listener, None);
            self.listen(listener, None, None, usize::MAX, false);
        }
        for _ in 0..5 {
            for listener in 0..3 {
                self.read(listener, 10_000);
                // what was taken out before it was delivered is none of it
                let Some(ear) = self.room.ears.get(&listener) else { continue };
                let later = ear.positions().iter().filter(|position| **position > ear.delivered).count();
                let later = later.min(1);
                let singles: Vec<_> = (later..1000).collect();
                self.acknowledge(listener, None, &singles, 0);
                self.acknowledge(listener, Some(later), &[], 0);
                self.read(listener, 10_000);
            }
            self.pass(61_000).await;
            self.hear();
        }
        for ear in self.room.ears.values() {
            assert_eq!(ear.backlog(), Tally::default(), "{ear:?}");
        }
        (0..3).for_each(|listener| self.inspect(listener));
        for _ in 0..3 {
            self.pass(61_000).await;
        }
        assert_eq!(self.hub.info().log_bytes, 0, "{:?}", self.room);
    }
}

use crate::hub::acknowledge::Life as Life_;

fn final_rejection(life: Life_, position: Position) -> Rejection {
    let (generation, attempt, delay) = (None, Some(1), None);
    Rejection { life, generation, position, attempt, reason: "no".into(), delay, last: true }
}

fn perishable(kind: &str, ttl: u64) -> Message {
    let ttl = prost_types::Duration { seconds: (ttl / 1000) as i64, nanos: (ttl % 1000 * 1_000_000) as i32 };
    let raw = v1::Message { id: "m".into(), r#type: kind.into(), ttl: Some(ttl), ..Default::default() };
    Message::parse(&raw.encode_to_vec(), 1 << 20, 0).unwrap().named_by_the_server()
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
    fn what_is_not_acknowledged_comes_in_strict_order(verbs in vec(verb(false, false), 1..80)) {
        live(0, false, verbs);
    }

    #[test]
    fn what_is_not_acknowledged_comes_where_others_overtake_it(verbs in vec(verb(false, true), 1..80)) {
        live(0, false, verbs);
    }

    #[test]
    fn what_expires_is_told(verbs in vec(verb(true, false), 1..80)) {
        live(0, true, verbs);
    }

    #[test]
    fn what_expires_is_told_where_others_overtake_it(verbs in vec(verb(true, true), 1..80)) {
        live(0, true, verbs);
    }

    #[test]
    fn bells_bring_what_may_be_in_hand(verbs in vec(verb(false, false), 1..80)) {
        live(1, false, verbs);
    }
}

/// Nothing waits where a channel goes back to strict order; a client that names the generation before then acknowledges a
/// gap that it was told of in this one.
#[test]
fn a_gap_is_passed_by_an_acknowledgement_of_the_generation_before() {
    let with = |redelivery| ChannelSettings {
        dispatch_overflow: Overflow::RejectNew,
        broadcast_overflow: Overflow::RejectNew,
        max_backlog: super::messages(1000),
        max_replay: super::messages(1000),
        replay_window: Duration::ZERO,
        redelivery,
        max_attempts: 1,
        ..ChannelSettings::default()
    };
    let verbs = vec![
        Dispatch(0, 10, Some(500)),
        Broadcast(10, Some(500)),
        Update(with(Redelivery::Overtaking)),
        Pass(700),
        Update(with(Redelivery::Strict)),
        Pull(0, None, 1),
        Dispatch(0, 10, None),
        Acknowledge(0, Some(1), vec![], 1),
    ];
    live(0, true, verbs);
}
