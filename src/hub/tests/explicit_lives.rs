//! Random lives of EXPLICIT listeners keep every promise of the model.

mod channel;
mod cut;
mod process;
mod said;
mod streams;
mod time;
mod verb;

use super::{
    dated::{Cut, Dated, Next},
    explicit_model::{Ear, Failing, Fate, Message as Accepted_, Room, Sent},
    *,
};
use proptest::{collection::vec, prelude::*, sample::select};
use verb::{Verb, Verb::*, ending, verb};

const LISTENERS: [&str; 3] = ["l", "m", "grave"];
const GRAVE: usize = 2;
const LARGE: u64 = 1 << 30;
/// What the facts of a dead letter count for beside its reason.
const FACTS_BYTES: u64 = 256;

/// Which of a listener's messages, counted back from the newest.
type Pick = usize;

struct Open {
    stream: Stream,
    waits: bool,
}

struct Life {
    hub: Arc<Hub>,
    log: Arc<Dated>,
    core: Option<Core>,
    room: Room,
    streams: [Option<Open>; 3],
    began: tokio::time::Instant,
    timed: bool,
    /// The next stream wants dispatches alone.
    choosy: bool,
    /// Of each listener's last pull whose answer arrived, and how often something had been brought by then.
    tokens: [Option<(String, u64)>; 3],
}

impl Life {
    fn new(cores: usize, timed: bool) -> Self {
        let log = Arc::new(Dated::begin(Surviving::default(), crate::hub::unix_millis()));
        let hub = Hub::new(log.clone(), UNLIMITED, cores).unwrap();
        let core = (cores > 0).then(|| Core::new(&hub, 0));
        core.iter().for_each(Core::enter);
        let settings = room();
        let created = hub.create_channel(channel_id("room"), settings.clone(), false).unwrap();
        let room = Room::new(settings, created.channel.birth.0);
        let began = tokio::time::Instant::now();
        let mut life = Self {
            hub,
            log,
            core,
            room,
            streams: [None, None, None],
            began,
            timed,
            choosy: false,
            tokens: [None, None, None],
        };
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
            Listen(listener, session, credit, most, choosy) => {
                self.choosy = choosy;
                self.listen(listener, session, Some(credit), most, false);
                self.choosy = false;
            }
            Pull(listener, session, most, lost) => self.pull(listener, session, most, lost),
            Read(listener, batches) => self.read(listener, batches),
            Leave(listener) => self.leave(listener),
            Stop(listener) => self.stop(listener),
            Acknowledge(listener, through, singles, heard, back) => {
                self.acknowledge(listener, through, &singles, heard, back)
            }
            Reject(listener, picks, delay, last, back) => self.reject(listener, &picks, delay, last, back),
            Extend(listener, pick, by, back) => self.extend(listener, pick, by, back),
            Stale(listener) => self.stale(listener),
            Refuse(listener) => self.refuse(listener),
            Purge(listener, back) => self.purge(listener, back),
            Requeue(pick) => self.requeue(pick),
            Trim(count) => self.trim(count),
            Pass(millis) => self.pass(millis).await,
            Wait(millis) => self.wait(millis).await,
            Inspect(listener) => self.inspect(listener),
            Hear => self.hear(),
            Save => self.save(),
            Cut(verb, records) => self.cut(*verb, records).await,
            Restart(in_order, later) => self.restart(in_order, later).await,
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

    fn floor(&self) -> u64 {
        self.hub.channel(channel_id("room")).unwrap().lock().ring.floor().0
    }

    /// What the channel's ring has dropped is lost for those who had it before them.
    fn follow_ring(&mut self, expired: bool) {
        let (floor, now) = (self.floor(), self.now());
        self.room.trim(floor, expired, now);
    }
}

use crate::hub::acknowledge::Life as Life_;

fn final_rejection(life: Life_, position: Position) -> Rejection {
    let (generation, attempt, delay) = (None, Some(1), None);
    Rejection { life, generation, position, attempt, reason: "no".into(), delay, last: true }
}

pub(super) fn perishable(kind: &str, ttl: u64) -> Message {
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
    fn what_was_answered_outlives_processes_in_strict_order(verbs in vec(ending(false, false), 1..80)) {
        live(0, false, verbs);
    }

    #[test]
    fn what_was_answered_outlives_processes_where_others_overtake_it(verbs in vec(ending(false, true), 1..80)) {
        live(0, false, verbs);
    }

    #[test]
    fn what_expires_while_no_process_is_there_is_told(verbs in vec(ending(true, false), 1..80)) {
        live(0, true, verbs);
    }

    #[test]
    fn what_expires_while_no_process_is_there_is_told_where_others_overtake_it(verbs in vec(ending(true, true), 1..80)) {
        live(0, true, verbs);
    }

    #[test]
    fn bells_of_every_process_bring_what_may_be_in_hand(verbs in vec(ending(false, false), 1..80)) {
        live(1, false, verbs);
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
        Pull(0, None, 1, false),
        Dispatch(0, 10, None),
        Acknowledge(0, Some(1), vec![], false, 1),
    ];
    live(0, true, verbs);
    let credit = Quota { messages: 1, bytes: 60 };
    let purged = vec![
        Deadline(0, None),
        Dispatch(0, 10, None),
        Update(with(Redelivery::Overtaking)),
        Listen(0, None, credit, 1, false),
        Purge(0, None),
        Update(with(Redelivery::Strict)),
        Pull(0, None, 1, false),
        Acknowledge(0, None, vec![], true, 1),
    ];
    live(0, true, purged);
}
