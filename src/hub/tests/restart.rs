//! A start over a log that has outlived a process finds everything as it was left.

use super::*;
use crate::hub::{expiry::Expiry, standing::Standing, state::State};

/// What can be seen of one listener, or of a channel's ring.
fn seen(standing: &Standing, state: &State) -> (kept::ListenerKept, Tally, Vec<(u64, u64)>) {
    let ring = state.ring_for(standing);
    let waiting = standing.merged(ring, Position::ZERO);
    let waiting = waiting.map(|next| (next.position.0, next.ordinal.unwrap_or_default()));
    (standing.kept_state(), standing.backlog(ring), waiting.collect())
}

/// The messages that a hub has, of all channels and listeners, whose content is to be had.
fn held(hub: &Hub) -> Vec<Position> {
    let mut held = Vec::new();
    for channel in hub.channels().by_id.values() {
        let state = channel.lock();
        let there = state.ring.after(Position::ZERO).filter(|broadcast| broadcast.expiry != Expiry::PAST);
        held.extend(there.map(|broadcast| broadcast.position));
        for listener in state.listeners_after(Position::ZERO) {
            held.extend(listener.lock().queue.after(Position::ZERO).map(|own| own.position));
        }
    }
    held.sort_unstable();
    held
}

/// The log has just what its hub has, so that everything in it may go one day, and is counted once.
fn assert_no_more(hub: &Hub, log: &Surviving) {
    assert_eq!(log.rows(), held(hub), "the log has others than its hub");
}

/// The hub that begins where another is cut off.
fn after_a_crash(hub: &Hub, log: &Surviving) -> Arc<Hub> {
    let left = log.left();
    let again = Hub::new(Arc::clone(&left) as Arc<dyn Log>, hub.limits, 0).unwrap();
    assert_no_more(&again, &left);
    again
}

/// Everything of a hub is found again by another one that begins where this one is cut off after a save.
pub(super) fn assert_kept(hub: &Arc<Hub>, log: &Surviving) {
    assert_no_more(hub, log);
    after_a_crash(hub, log);
    hub.save();
    let again = after_a_crash(hub, log);
    let channels = hub.channels();
    assert_eq!(channels.by_id.len(), again.channels().by_id.len());
    for channel in channels.by_id.values() {
        let other = Arc::clone(again.channels().by_id.get(&channel.id).unwrap());
        assert_eq!((channel.birth, channel.created_at), (other.birth, other.created_at));
        let (state, other) = (channel.lock(), other.lock());
        assert_eq!((&state.settings, state.kept_state()), (&other.settings, other.kept_state()));
        assert_eq!((state.ring.total(), state.ring.kept()), (other.ring.total(), other.ring.kept()));
        assert_eq!(state.listeners(), other.listeners());
        for listener in state.listeners_after(Position::ZERO) {
            let found = other.listener(&listener.id).unwrap();
            assert_eq!((listener.birth, listener.mode), (found.birth, found.mode));
            let (standing, found) = (listener.lock(), found.lock());
            assert_eq!(standing.settings, found.settings);
            assert_eq!(seen(&standing, &state), seen(&found, &other), "listener {}", listener.id);
        }
    }
}

/// The stage after the end of its hub's process.
pub(super) fn again(stage: &Stage, log: &Surviving) -> (Stage, Arc<Surviving>) {
    let left = log.left();
    let hub = Hub::new(Arc::clone(&left) as Arc<dyn Log>, stage.hub.limits, 0).unwrap();
    assert_no_more(&hub, &left);
    (Stage { hub }, left)
}

pub(super) fn stage(settings: ChannelSettings) -> (Stage, Arc<Surviving>) {
    let log = Arc::new(Surviving::default());
    (Stage::over(Arc::clone(&log) as Arc<dyn Log>, UNLIMITED, 0, settings), log)
}

fn named(id: &str) -> Message {
    let raw = v1::Message { id: id.into(), r#type: "t".into(), ..Default::default() }.encode_to_vec();
    Message::parse(&raw, 1 << 20, 0).unwrap()
}

/// A message that expires in a second.
fn soon() -> Message {
    let ttl = prost_types::Duration { seconds: 1, nanos: 0 };
    let raw = v1::Message { id: "m".into(), r#type: "t".into(), ttl: Some(ttl), ..Default::default() };
    Message::parse(&raw.encode_to_vec(), 1 << 20, 0).unwrap().named_by_the_server()
}

#[test]
fn what_was_accepted_comes_in_order_after_a_crash() {
    let (stage, log) = stage(room());
    stage.listeners(&["a", "b"]);
    stage.explicit("c", ListenerSettings::default());
    let sent = [stage.broadcast(), stage.dispatch("a"), stage.broadcast(), stage.dispatch("c")];
    let (stage, _) = again(&stage, &log);
    assert_eq!(stage.listen("a").rest(), got([sent[0], sent[1], sent[2]]));
    assert_eq!(stage.listen("b").rest(), got([sent[0], sent[2]]));
    assert_eq!(stage.listen("c").rest(), got([sent[0], sent[2], sent[3]]));
}

#[test]
fn what_was_acknowledged_comes_again_only_where_it_was_not_saved() {
    let (stage, log) = stage(room());
    stage.explicit("a", ListenerSettings::default());
    let sent =
        [stage.dispatch("a"), stage.broadcast(), stage.dispatch("a"), stage.broadcast(), stage.dispatch("a")];
    assert_eq!(stage.listen("a").rest(), got(sent));
    stage.acknowledge("a", Some(sent[0]), &[sent[2], sent[3]]).unwrap();
    stage.hub.save();
    stage.acknowledge("a", Some(sent[1]), &[]).unwrap();
    let (stage, _) = again(&stage, &log);
    assert_eq!(stage.listen("a").rest(), got([sent[1], sent[4]]));
}

#[test]
fn what_is_there_after_a_crash_counts_as_delivered_also_where_nothing_was_saved() {
    let (stage, log) = stage(room());
    stage.explicit("a", ListenerSettings::default());
    let sent = [stage.broadcast(), stage.dispatch("a"), stage.dispatch("a")];
    assert_eq!(stage.listen("a").rest(), got(sent));
    let (stage, _) = again(&stage, &log);
    // who received it before the crash says so before another stream begins
    assert_eq!(stage.acknowledge("a", None, &[sent[2]]).unwrap().covered, 1);
    assert_eq!(stage.reject("a", sent[1], 0, false).unwrap().attempts, 1);
    assert_eq!(stage.listen("a").rest(), got([sent[0], sent[1]]));
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_is_kept_well_within_a_second() {
    let (stage, log) = stage(room());
    stage.explicit("a", ListenerSettings::default());
    let keeper = tokio::spawn(crate::hub::upkeep::keep(Arc::downgrade(&stage.hub)));
    let sent = stage.dispatch("a");
    assert_eq!(stage.listen("a").rest(), got([sent]));
    tokio::time::sleep(Duration::from_millis(100)).await;
    stage.acknowledge("a", Some(sent), &[]).unwrap();
    // the rest of the second is for a commit that takes long
    tokio::time::sleep(Duration::from_millis(600)).await;
    let (stage, _) = again(&stage, &log);
    assert_eq!(stage.listen("a").rest(), []);
    keeper.abort();
}

#[test]
fn a_crash_that_forgets_an_acknowledgement_makes_no_backlog_overflow() {
    let full = ChannelSettings {
        max_backlog: messages(2),
        dispatch_overflow: Overflow::RejectNew,
        broadcast_overflow: Overflow::RejectNew,
        ..room()
    };
    let (stage, log) = stage(full);
    stage.explicit("a", ListenerSettings::default());
    let sent = [stage.dispatch("a"), stage.broadcast()];
    assert_eq!(stage.listen("a").rest(), got(sent));
    stage.hub.save();
    // room for one more
    stage.acknowledge("a", None, &[sent[1]]).unwrap();
    let last = stage.dispatch("a");
    let (stage, _) = again(&stage, &log);
    assert_eq!(stage.listen("a").rest(), got([sent[0], sent[1], last]));
    // what waits beyond the limit is not dropped for what is refused, nor when there is room again
    stage.try_broadcast(50).unwrap_err();
    stage.acknowledge("a", None, &[sent[1]]).unwrap();
    stage.try_broadcast(50).unwrap_err();
    stage.acknowledge("a", None, &[last]).unwrap();
    let new = stage.broadcast();
    assert_eq!(stage.listen("a").rest(), got([sent[0], new]));
}

#[test]
fn a_rejection_that_was_answered_is_not_forgotten() {
    let (stage, log) = stage(ChannelSettings { max_attempts: 3, ..room() });
    stage.explicit("a", ListenerSettings::default());
    let sent = stage.dispatch("a");
    assert_eq!(stage.listen("a").rest(), got([sent]));
    stage.reject("a", sent, 0, false).unwrap();
    let (stage, log) = again(&stage, &log);
    assert_eq!(stage.info("a").generation, 1);
    // all that is there counts as delivered
    let told = stage.reject("a", sent, 60_000, false).unwrap();
    assert_eq!(told.attempts, 2);
    let (stage, _) = again(&stage, &log);
    assert_eq!(stage.listen("a").rest(), got([sent]), "the delay ends with a start");
    assert!(stage.reject("a", sent, 0, false).unwrap().delay.is_none(), "the third is the last");
}

#[test]
fn a_dead_letter_is_with_its_listener_alone_with_its_facts() {
    let (stage, log) = stage(room());
    stage.explicit("a", ListenerSettings::default());
    stage.explicit("grave", ListenerSettings::default());
    stage.bury_in("grave");
    let sent = [stage.dispatch("a"), stage.broadcast()];
    let letters = sent.map(|at| {
        assert_eq!(stage.listen("a").rest().last(), Some(&Got(sent[1])));
        stage.reject("a", at, 0, true).unwrap().dead_letter.unwrap().0
    });
    let (stage, _) = again(&stage, &log);
    let lost = |at| Lost(GapReason::Rejected, at - 1, at, Some(1));
    assert_eq!(stage.listen("a").rest(), [lost(sent[0]), lost(sent[1])]);
    assert_eq!(stage.listen("grave").rest(), got(letters));
    let told = stage.hub.requeue(channel_id("room"), listener_id("grave"), &[Position(letters[0])]);
    let told = told.unwrap().remove(0).unwrap();
    assert_eq!(stage.listen("a").rest().last(), Some(&Got(told.accepted.position.0)));
    stage.broadcast();
    assert_eq!(stage.listen("grave").rest(), got([letters[1]]), "it hears no broadcasts");
}

#[test]
fn what_was_buried_behind_others_is_with_its_dead_letter_listener_alone() {
    for grave in [Some("grave"), None] {
        let (stage, log) = stage(room());
        stage.explicit("a", ListenerSettings::default());
        stage.explicit("grave", ListenerSettings::default());
        grave.into_iter().for_each(|grave| stage.bury_in(grave));
        let sent = stage.dispatches("a", 3);
        assert_eq!(stage.listen("a").rest(), got(sent.clone()));
        let letter = stage.reject("a", sent[1], 0, true).unwrap().dead_letter;
        let (stage, _) = again(&stage, &log);
        let lost = Lost(GapReason::Rejected, sent[1] - 1, sent[1], Some(1));
        assert_eq!(stage.info("a").backlog.messages, 2);
        assert_eq!(stage.listen("a").rest(), [Got(sent[0]), lost, Got(sent[2])]);
        // nor once the gap is passed
        stage.acknowledge("a", None, &[sent[1]]).unwrap();
        assert_eq!(stage.listen("a").rest(), got([sent[0], sent[2]]));
        assert_eq!(stage.listen("grave").rest(), got(letter.map(|letter| letter.0)));
    }
}

#[test]
fn a_dead_letter_that_was_sent_back_is_with_its_receiver_alone() {
    let (stage, log) = stage(room());
    stage.explicit("a", ListenerSettings::default());
    stage.listener("grave");
    stage.bury_in("grave");
    let sent = stage.dispatch("a");
    stage.listen("a").rest();
    let letter = stage.reject("a", sent, 0, true).unwrap().dead_letter.unwrap();
    let told = stage.hub.requeue(channel_id("room"), listener_id("grave"), &[letter]).unwrap();
    let back = told[0].as_ref().unwrap().accepted.position.0;
    let (stage, _) = again(&stage, &log);
    assert_eq!(stage.listen("grave").rest(), []);
    assert_eq!(stage.listen("a").rest().last(), Some(&Got(back)));
}

/// What is acknowledged is kept with the next save, how often others have failed at once. So a crash brings again what
/// was acknowledged in its last second, and that it had failed before is forgotten: what is done with has no attempts.
#[test]
fn what_is_not_acknowledged_keeps_its_attempts_whatever_becomes_of_others() {
    let (stage, log) = stage(room());
    stage.explicit("a", ListenerSettings::default());
    let sent = stage.dispatches("a", 4);
    let mut stream = stage.listen("a");
    assert_eq!(stream.rest(), got(sent.clone()));
    for (at, times) in [(sent[1], 2), (sent[3], 3)] {
        for time in 1..=times {
            assert_eq!(stage.reject("a", at, 0, false).unwrap().attempts, time);
            stream.rest();
        }
    }
    stage.acknowledge("a", None, &[sent[1]]).unwrap();
    stage.reject("a", sent[2], 0, false).unwrap();
    let (stage, _) = again(&stage, &log);
    let mut stream = stage.listen("a");
    assert_eq!(stream.rest(), got(sent.clone()));
    let attempts = |at: &u64| stage.reject("a", *at, 0, false).unwrap().attempts;
    // the last first: a rejection has what is behind it come again
    let attempts: Vec<_> = sent.iter().rev().map(attempts).collect();
    assert_eq!(attempts, [4, 2, 1, 1]);
}

#[test]
fn a_gap_is_told_also_after_a_crash() {
    let (stage, log) = stage(ChannelSettings { max_backlog: messages(2), max_replay: messages(2), ..room() });
    stage.listeners(&["a"]);
    stage.explicit("b", ListenerSettings::default());
    let sent = stage.broadcasts(5);
    let gap = Lost(GapReason::Overflow, sent[0] - 1, sent[2], Some(3));
    stage.hub.save();
    let (stage, log) = again(&stage, &log);
    let of = |said: Vec<Said>| (said[0], said[1..].to_vec());
    for id in ["a", "b"] {
        let (first, rest) = of(stage.listen(id).rest());
        assert!(
            matches!((first, gap), (Lost(a, _, b, c), Lost(d, _, e, f)) if (a, b, c) == (d, e, f)),
            "{first:?}"
        );
        assert_eq!(rest, got([sent[3], sent[4]]));
    }
    // what was told and not passed is told again
    stage.hub.save();
    let (stage, _) = again(&stage, &log);
    assert!(matches!(stage.listen("b").rest()[0], Lost(GapReason::Overflow, ..)));
}

#[tokio::test(start_paused = true)]
async fn what_has_expired_is_told_also_after_a_crash() {
    let (stage, log) = stage(room());
    stage.explicit("a", ListenerSettings::default());
    let dispatch = || stage.hub.dispatch(channel_id("room"), listener_id("a"), soon()).unwrap().position.0;
    let lost = [dispatch(), dispatch()];
    let kept = stage.dispatch("a");
    let broadcast = stage.hub.broadcast(channel_id("room"), soon()).unwrap().position.0;
    let last = stage.broadcast();
    tokio::time::advance(Duration::from_secs(3)).await;
    stage.hub.upkeep();
    stage.hub.ring_alarms();
    stage.hub.save();
    let (stage, _) = again(&stage, &log);
    let expired = |after, through, count| Lost(GapReason::Expired, after, through, Some(count));
    let said = stage.listen("a").rest();
    assert_eq!(said[1..], [Got(kept), expired(kept, broadcast, 1), Got(last)]);
    assert!(
        matches!(said[0], Lost(GapReason::Expired, _, through, Some(2)) if through == lost[1]),
        "{said:?}"
    );
}

/// Where a channel stands may be kept before what it lets go is deleted: the rest of that is the next start's.
#[tokio::test(start_paused = true)]
async fn what_was_let_go_and_not_deleted_before_a_crash_is_deleted_after_it() {
    let few = ChannelSettings { max_backlog: messages(4), max_replay: messages(4), ..room() };
    let (stage, log) = stage(few);
    stage.listeners(&["a"]);
    stage.broadcasts(10);
    stage.hub.broadcast(channel_id("room"), soon()).unwrap();
    stage.broadcast();
    stage.explicit("e", ListenerSettings::default());
    let own = stage.dispatches("e", 3);
    stage.listen("e").rest();
    stage.acknowledge("e", Some(own[1]), &[]).unwrap();
    tokio::time::advance(Duration::from_secs(3)).await;
    let mut expired = Vec::new();
    stage.hub.channel(channel_id("room")).unwrap().lock().expire(stage.hub.clock_ms(), &mut expired);
    assert_eq!(expired.len(), 1);
    stage.hub.forget(&expired);
    stage.reject("e", own[2], 0, false).unwrap();
    stage.update(|settings| settings.sse_retry = Duration::from_millis(5));
    let (mut stage, mut log) = (stage, log);
    for _ in 0..3 {
        let before = log.rows();
        assert_eq!(before.len(), 4);
        (stage, log) = again(&stage, &log);
        assert_eq!(log.rows(), before);
    }
}

#[test]
fn an_id_is_remembered_also_of_a_message_that_is_gone() {
    let (stage, log) = stage(room());
    stage.explicit("a", ListenerSettings::default());
    let dispatch = |stage: &Stage, id: &str| {
        stage.hub.dispatch(channel_id("room"), listener_id("a"), named(id)).unwrap()
    };
    let broadcast = |stage: &Stage, id: &str| stage.hub.broadcast(channel_id("room"), named(id)).unwrap();
    let first = [dispatch(&stage, "gone"), dispatch(&stage, "there"), broadcast(&stage, "gone")];
    stage.listen("a").rest();
    stage.acknowledge("a", None, &[first[0].position.0]).unwrap();
    stage.hub.save();
    let (stage, _) = again(&stage, &log);
    let second = [dispatch(&stage, "gone"), dispatch(&stage, "there"), broadcast(&stage, "gone")];
    assert_eq!(second.map(|accepted| accepted.duplicate), [true; 3]);
    assert_eq!(second.map(|accepted| accepted.position), first.map(|accepted| accepted.position));
    assert!(!dispatch(&stage, "new").duplicate);
}

#[test]
fn what_was_purged_stays_so() {
    let (stage, log) = stage(room());
    stage.listeners(&["a"]);
    stage.explicit("b", ListenerSettings::default());
    stage.broadcasts(3);
    let purged = [stage.purge("a", None), stage.purge("b", None)];
    let (stage, _) = again(&stage, &log);
    for (id, purged) in ["a", "b"].into_iter().zip(purged) {
        assert_eq!(purged.messages, 3);
        assert!(matches!(stage.listen(id).rest()[..], [Lost(GapReason::Purged, _, _, Some(3))]), "{id}");
    }
}

#[test]
fn the_newest_message_stays_so_when_it_is_gone() {
    let (stage, log) = stage(room());
    stage.explicit("a", ListenerSettings::default());
    let last = stage.dispatch("a");
    assert_eq!(stage.listen("a").rest(), got([last]));
    stage.acknowledge("a", Some(last), &[]).unwrap();
    stage.hub.save();
    let (stage, _) = again(&stage, &log);
    assert_eq!(stage.hub.get_channel(channel_id("room")).unwrap().last, Position(last));
    let purged = stage.purge("a", Some(last));
    assert_eq!((purged.through, purged.messages), (Position(last), 0));
}

#[test]
fn what_was_removed_is_gone_and_told_so() {
    let (stage, log) = stage(room());
    stage.listeners(&["a", "b"]);
    stage.dispatch("a");
    stage.remove("a");
    stage.channel("other", room());
    stage.hub.remove_channel(channel_id("other")).unwrap();
    let (stage, _) = again(&stage, &log);
    let found = |id| stage.hub.get_listener(channel_id("room"), listener_id(id)).map(|_| ());
    assert!(matches!(found("a"), Err(Error::ListenerRemoved { .. })));
    assert!(found("b").is_ok());
    assert!(matches!(stage.hub.get_channel(channel_id("other")), Err(Error::ChannelRemoved { .. })));
    assert_eq!(stage.hub.info().listeners, 1);
}

#[test]
fn a_token_of_the_start_before_goes_on_where_it_stands() {
    let (stage, log) = stage(room());
    stage.listeners(&["a"]);
    let sent = stage.broadcasts(4);
    assert_eq!(stage.listen("a").rest(), got(sent.clone()));
    let token = stage.token(sent[1]);
    stage.hub.save();
    let (stage, _) = again(&stage, &log);
    assert_eq!(stage.try_listen("a", after(token)).unwrap().rest(), got([sent[2], sent[3]]));
    let last = stage.broadcast();
    assert_eq!(stage.listen("a").rest(), got([last]), "what was handed over does not come without a token");
}

#[test]
fn positions_that_an_older_copy_never_had_are_of_another_life() {
    let (stage, log) = stage(room());
    stage.listeners(&["a"]);
    stage.explicit("b", ListenerSettings::default());
    let copied = log.left();
    let lost = stage.broadcasts(4);
    let token = stage.token(lost[3]);
    let incarnation = stage.hub.incarnation();
    let stage = Stage { hub: Hub::new(copied as Arc<dyn Log>, UNLIMITED, 0).unwrap() };
    let sent = stage.broadcasts(6);
    let said = stage.try_listen("a", after(token)).unwrap().rest();
    assert!(matches!(said[0], Lost(GapReason::OtherLife, ..)), "{said:?}");
    assert_eq!(said[1..], got(sent.clone()));
    stage.listen("b").rest();
    let life = Life { birth: None, incarnation: Some(Some(incarnation)) };
    let acknowledgement =
        Acknowledgement { life, through: Some(Position(lost[3])), ..Acknowledgement::default() };
    let told = stage.hub.acknowledge(channel_id("room"), listener_id("b"), acknowledgement);
    assert!(matches!(told, Err(Error::OtherLife { .. })), "{told:?}");
}

#[test]
fn settings_and_numbers_survive() {
    let (stage, log) =
        stage(ChannelSettings { max_attempts: 9, stream_delay: Duration::from_millis(3), ..room() });
    let idle =
        ListenerSettings { idle_timeout: Some(Duration::from_secs(90)), ..ListenerSettings::default() };
    let birth = stage.explicit("a", idle);
    stage.update(|settings| settings.sse_retry = Duration::from_millis(5));
    let before = (stage.info("a"), stage.hub.get_channel(channel_id("room")).unwrap());
    let (stage, _) = again(&stage, &log);
    assert_eq!((stage.info("a"), stage.hub.get_channel(channel_id("room")).unwrap()), before);
    assert!(stage.broadcast() > birth, "no position is given twice");
}

#[test]
fn what_was_acknowledged_by_itself_may_be_so_again_with_what_stands_before_it() {
    let (stage, log) = stage(room());
    stage.explicit("l", ListenerSettings::default());
    let sent = stage.dispatches("l", 2);
    assert_eq!(stage.listen("l").rest(), got(sent.clone()));
    stage.acknowledge("l", None, &[sent[1]]).unwrap();
    stage.hub.save();
    let (stage, _) = again(&stage, &log);
    assert_eq!(stage.acknowledge("l", Some(sent[1]), &[]).unwrap().covered, 1);
    assert_eq!(stage.listen("l").rest(), []);
}

#[tokio::test(start_paused = true)]
async fn a_log_is_told_nothing_of_those_who_have_not_changed() {
    let (stage, log) = stage(ChannelSettings { replay_window: Duration::from_secs(3), ..room() });
    stage.listener("automatic");
    stage.explicit("explicit", ListenerSettings::default());
    stage.broadcast();
    stage.dispatch("automatic");
    let mut streams = ["automatic", "explicit"].map(|id| stage.listen(id));
    streams.iter_mut().for_each(|stream| _ = stream.rest());
    for _ in 0..10 {
        tokio::time::advance(Duration::from_secs(1)).await;
        stage.hub.upkeep();
    }
    let before = log.told.load(Ordering::SeqCst);
    for _ in 0..10 {
        tokio::time::advance(Duration::from_secs(1)).await;
        stage.hub.ring_alarms();
        stage.hub.upkeep();
    }
    assert_eq!(log.told.load(Ordering::SeqCst), before);
}
