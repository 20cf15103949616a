//! What is accepted is visible when it is safe, in order, whatever becomes of its caller.

use super::*;
use crate::{hub::GapReason::Purged as Cleared, log::held::Held};
use futures_util::FutureExt;

fn stage(settings: ChannelSettings) -> (Arc<Held>, Stage) {
    let log = Arc::new(Held::default());
    let stage = Stage::over(Arc::clone(&log) as Arc<dyn Log>, UNLIMITED, 0, settings);
    (log, stage)
}

#[test]
fn nothing_is_visible_before_it_is_safe() {
    let (log, stage) = stage(room());
    stage.listener("l");
    let mut streams = [stage.listen("l"), stage.watch(From::New)];
    let sent = [stage.broadcast(), stage.dispatch("l")];
    assert!(streams.iter_mut().all(|stream| stream.rest().is_empty()));
    assert!(stage.hub.durable(Position(sent[0])).now_or_never().is_none());
    log.release();
    assert!(streams.iter().all(Stream::woken), "nobody waits for the caller");
    let [mut listener, mut watcher] = streams;
    assert_eq!((listener.rest(), watcher.rest()), (got(sent), got([sent[0]])));
    assert!(stage.hub.durable(Position(sent[1])).now_or_never().is_some());
}

#[test]
fn a_stream_that_begins_meanwhile_waits_too() {
    let (log, stage) = stage(room());
    stage.listener("l");
    let sent = [stage.broadcast(), stage.dispatch("l")];
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), []);
    assert_eq!(stage.info("l").backlog.messages, 2, "its room is reserved");
    log.release();
    assert!(stream.woken());
    assert_eq!(stream.rest(), got(sent));
}

/// Notes when a caller's task is woken: tasks run in the order in which they are woken.
struct Turn {
    caller: u64,
    turns: Arc<Mutex<Vec<u64>>>,
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.turns.lock().unwrap().push(self.caller);
    }
}

type Durable<'h> = Pin<Box<dyn Future<Output = Result<(), Error>> + 'h>>;

/// Callers who wait until what they have sent is safe.
struct Callers<'h> {
    waiting: Vec<(u64, Durable<'h>)>,
    turns: Arc<Mutex<Vec<u64>>>,
}

impl<'h> Callers<'h> {
    /// They come to wait in the order given.
    fn of(stage: &'h Stage, sent: &[u64]) -> Self {
        let durable = |sent: &u64| (*sent, Box::pin(stage.hub.durable(Position(*sent))) as Durable<'_>);
        let mut callers = Self { waiting: sent.iter().map(durable).collect(), turns: Arc::default() };
        assert!(callers.answered().is_empty(), "nothing is safe");
        callers
    }

    /// Polls all of them, and tells who is answered.
    fn answered(&mut self) -> Vec<u64> {
        let mut answered = Vec::new();
        let turns = &self.turns;
        self.waiting.retain_mut(|(caller, durable)| {
            let waker = Waker::from(Arc::new(Turn { caller: *caller, turns: Arc::clone(turns) }));
            let there = durable.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            answered.extend(there.then_some(*caller));
            !there
        });
        answered
    }

    fn turns(&self) -> Vec<u64> {
        std::mem::take(&mut self.turns.lock().unwrap())
    }
}

#[test]
fn two_callers_never_finish_out_of_order() {
    let (log, stage) = stage(room());
    stage.listener("l");
    let first = stage.dispatch("l");
    // it is safe, and nobody has been told yet
    log.release_unheard();
    let second = stage.broadcast();
    let mut late = Callers::of(&stage, &[second]);
    let mut early = Box::pin(stage.hub.durable(Position(first)));
    assert!(early.as_mut().now_or_never().is_some(), "what is safe is answered");
    assert!(late.answered().is_empty(), "and nothing that came later");
    log.release();
    assert_eq!((late.turns(), late.answered()), (vec![second], vec![second]));
}

/// They do not wait in the order in which they were accepted: a caller's task may be polled late.
#[tokio::test(start_paused = true)]
async fn callers_finish_in_the_order_in_which_they_were_accepted_in_whichever_they_wait() {
    for cores in [0, 1] {
        let log = Arc::new(Held::default());
        let stage = Stage::over(Arc::clone(&log) as Arc<dyn Log>, UNLIMITED, cores, room());
        let mut core = (cores > 0).then(|| Core::new(&stage.hub, 0));
        core.iter().for_each(Core::enter);
        stage.listener("l");
        let sent = [stage.dispatch("l"), stage.broadcast(), stage.broadcast(), stage.dispatch("l")];
        let mut callers = Callers::of(&stage, &[sent[2], sent[0], sent[3], sent[1]]);
        log.release();
        core.iter_mut().for_each(Core::answer);
        assert_eq!(callers.turns(), sent, "with {cores} cores");
        assert_eq!(callers.answered().len(), sent.len());
    }
}

#[test]
fn a_gap_is_not_said_before_what_it_is_about_is_safe() {
    let (log, stage) = stage(ChannelSettings { max_backlog: messages(2), ..room() });
    let birth = stage.listener("l");
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), []);
    let sent = [stage.broadcast(), stage.broadcast(), stage.broadcast()];
    assert_eq!((stage.info("l").lost, stream.rest()), (1, vec![]));
    let token = stream.subscription.token().to_string();
    assert!(stage.try_listen("l", after(token)).is_ok(), "no stream gives a token that is ahead");
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), []);
    log.release();
    let overflow = Lost(GapReason::Overflow, birth, sent[0], Some(1));
    assert_eq!(stream.rest(), [overflow, Got(sent[1]), Got(sent[2])]);
}

#[test]
fn a_purge_that_is_not_safe_yet_is_said_later() {
    let (log, stage) = stage(room());
    let birth = stage.listener("l");
    let mut stream = stage.listen("l");
    stage.broadcast();
    assert_eq!(stream.rest(), []);
    let mark = stage.purge("l", None).through.0;
    assert_eq!(stream.rest(), []);
    log.release();
    assert!(stream.woken());
    assert_eq!(stream.rest(), [Lost(Cleared, birth, mark, Some(1))]);
}

#[test]
fn what_is_safe_is_handed_over_up_to_what_is_not() {
    let (log, stage) = stage(room());
    stage.listener("l");
    let mut stream = stage.listen("l");
    let first = [stage.broadcast(), stage.dispatch("l")];
    log.release();
    let second = [stage.dispatch("l"), stage.broadcast()];
    assert_eq!(stream.rest(), got(first));
    log.release();
    assert_eq!(stream.rest(), got(second));
}

#[tokio::test(start_paused = true)]
async fn a_core_waits_for_what_is_safe_too() {
    let log = Arc::new(Held::default());
    let stage = Stage::over(Arc::clone(&log) as Arc<dyn Log>, UNLIMITED, 1, room());
    let mut core = Core::new(&stage.hub, 0);
    core.enter();
    stage.listener("l");
    let mut stream = stage.listen("l");
    let sent = [stage.broadcast(), stage.dispatch("l"), stage.broadcast()];
    core.answer();
    assert_eq!(stream.rest(), []);
    log.release();
    core.answer();
    assert!(stream.woken());
    assert_eq!(stream.rest(), got(sent));
}

#[test]
fn what_follows_from_a_rejection_is_told_when_that_is_safe() {
    for last in [false, true] {
        let (log, stage) = stage(room());
        stage.explicit("l", ListenerSettings::default());
        let sent = [stage.dispatch("l"), stage.broadcast()];
        log.release();
        let mut stream = stage.listen("l");
        assert_eq!(stream.rest(), got(sent));
        let told = stage.reject("l", sent[0], 0, last).unwrap();
        assert_eq!(stream.rest(), [], "a crash could undo it");
        log.release();
        assert!(stream.woken());
        let first =
            if last { Lost(GapReason::Rejected, sent[0] - 1, sent[0], Some(1)) } else { Got(sent[0]) };
        assert_eq!((stream.rest(), told.generation), (vec![first, Got(sent[1])], 1));
    }
}

/// Who purges, and what is appended before and not safe yet.
fn purge_while_the_disk_is_slow(stage: &Stage, through: u64) {
    stage.listener("other");
    stage.dispatch("other");
    assert_eq!(stage.purge("l", Some(through)).messages, 1);
}

#[test]
fn a_purge_of_what_has_been_safe_for_long_is_said_when_it_is_safe_itself() {
    for explicit in [false, true] {
        let (log, stage) = stage(room());
        let birth =
            if explicit { stage.explicit("l", ListenerSettings::default()) } else { stage.listener("l") };
        let sent = [stage.dispatch("l"), stage.broadcast()];
        log.release();
        let mut stream = stage.listen("l");
        purge_while_the_disk_is_slow(&stage, sent[0]);
        assert_eq!((stream.rest(), stage.listen("l").rest()), (vec![], vec![]), "a crash could undo it");
        let mut stream = stage.listen("l");
        assert_eq!(stream.rest(), []);
        log.release();
        assert!(stream.woken());
        assert_eq!(stream.rest(), [Lost(Cleared, birth, sent[0], Some(1)), Got(sent[1])]);
    }
}

#[test]
fn what_a_token_cannot_bring_back_is_said_when_that_is_safe() {
    let (log, stage) = stage(room());
    let birth = stage.listener("l");
    let sent = [stage.dispatch("l"), stage.broadcast(), stage.broadcast()];
    log.release();
    assert_eq!(stage.listen("l").rest(), got(sent));
    stage.listener("other");
    stage.dispatch("other");
    assert_eq!(stage.purge("l", Some(sent[1])).messages, 0, "they are in the window");
    let mut stream = stage.resume("l", birth);
    assert_eq!(stream.rest(), []);
    log.release();
    assert!(stream.woken());
    assert_eq!(stream.rest(), [Lost(Cleared, birth, sent[1], None), Got(sent[2])]);
}

#[test]
fn who_is_named_for_dead_letters_is_told_what_he_no_longer_hears_when_that_is_safe() {
    let (log, stage) = stage(room());
    stage.explicit("l", ListenerSettings::default());
    stage.listener("other");
    let sent = [stage.broadcast(), stage.broadcast()];
    log.release();
    let credit = Some(Credit(messages(1)));
    let mut stream = stage.try_listen("l", ListenOptions { credit, ..ListenOptions::default() }).unwrap();
    assert_eq!(stream.rest(), got([sent[0]]));
    // its bell is not for him
    stage.dispatch("other");
    stage.update(|settings| settings.dead_letter_listener = Some("l".into()));
    assert_eq!(stream.rest(), [], "a crash could undo it");
    log.release();
    assert!(stream.woken());
    let told = stream.rest();
    let [Lost(Cleared, after, through, Some(2))] = told[..] else { panic!("{told:?}") };
    assert!(after < sent[0] && through > sent[1], "{told:?}");
}
