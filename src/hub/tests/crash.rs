//! A process that is cut off before the next save undoes nothing that anybody was told.

use super::{
    restart::{again, stage},
    *,
};
use crate::log::Whom;

/// A change of settings keeps how far the channel's broadcasts are gone; a listener that was registered since the last save
/// is kept as it was born.
#[test]
fn one_that_was_born_just_before_a_crash_is_told_what_is_gone() {
    for mode in [AcknowledgementMode::Automatic, AcknowledgementMode::Explicit] {
        let (stage, log) = stage(room());
        let new = NewListener { mode, ..NewListener::default() };
        stage.hub.register(channel_id("room"), listener_id("a"), new).unwrap();
        let sent = stage.broadcasts(2);
        stage.trim(1);
        stage.update(|settings| settings.sse_retry = Duration::from_millis(5));
        let (stage, _) = again(&stage, &log);
        let later = stage.broadcast();
        let said = stage.listen("a").rest();
        let [gone, there] = sent[..] else { panic!("two were sent") };
        let told = matches!(said[..], [Lost(_, _, through, _), _, _] if through == gone);
        let told = told && said[1..] == got([there, later]);
        assert!(told, "{mode:?}: {said:?}, not a gap through {gone}, {there} and {later}");
    }
}

/// A delivery that fails keeps at once where its listener stands; what its channel has let go of is kept with the next save.
#[test]
fn what_was_told_as_a_gap_does_not_wait_after_a_crash() {
    let (stage, log) = stage(room());
    stage.explicit("a", ListenerSettings::default());
    let (own, sent) = (stage.dispatch("a"), stage.broadcast());
    stage.trim(1);
    let gap = Lost(GapReason::Trimmed, own, sent, Some(1));
    assert_eq!(stage.listen("a").rest(), [Got(own), gap]);
    // it keeps where the listener stands, with the gap
    stage.reject("a", own, 0, false).unwrap();
    let (stage, _) = again(&stage, &log);
    assert_eq!(stage.listen("a").rest(), [Got(own), gap]);
    stage.acknowledge("a", None, &[own]).unwrap();
    stage.pass("a", &gap).unwrap();
    assert_eq!((stage.listen("a").rest(), stage.info("a").backlog.messages), (vec![], 0));
}

/// It is kept at once with a gap of what has expired since the last save; that this is gone comes with the next one.
#[tokio::test(start_paused = true)]
async fn what_was_told_to_have_expired_does_not_wait_after_a_crash() {
    let (stage, log) = stage(room());
    stage.explicit("a", ListenerSettings::default());
    let first = stage.dispatch("a");
    let soon = stage.hub.dispatch(channel_id("room"), listener_id("a"), perishable(1)).unwrap().position.0;
    tokio::time::advance(Duration::from_secs(3)).await;
    let gap = Lost(GapReason::Expired, first, soon, Some(1));
    assert_eq!(stage.listen("a").rest(), [Got(first), gap]);
    stage.reject("a", first, 0, false).unwrap();
    let (stage, _) = again(&stage, &log);
    assert_eq!(stage.listen("a").rest(), [Got(first), gap]);
    assert_eq!(stage.info("a").backlog.messages, 1);
    stage.acknowledge("a", None, &[first]).unwrap();
    stage.pass("a", &gap).unwrap();
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(stage.listen("a").rest(), [], "it was told and acknowledged");
}

/// Back in strict order a channel begins a generation of its listeners.
#[test]
fn a_generation_that_was_told_is_known_after_a_crash() {
    let (stage, log) = stage(room());
    stage.explicit("a", ListenerSettings::default());
    let sent = stage.dispatch("a");
    for redelivery in [Redelivery::Overtaking, Redelivery::Strict] {
        stage.update(|settings| settings.redelivery = redelivery);
    }
    assert_eq!(stage.listen("a").rest(), got([sent]));
    let generation = Some(stage.info("a").generation);
    let (stage, _) = again(&stage, &log);
    let acknowledgement =
        Acknowledgement { generation, through: Some(Position(sent)), ..Acknowledgement::default() };
    let told = stage.hub.acknowledge(channel_id("room"), listener_id("a"), acknowledgement);
    assert!(told.is_ok(), "{told:?} of generation {generation:?}, now {}", stage.info("a").generation);
}

/// A start finds out who no longer receives dead letters, where a crash came before the log was told so of him.
#[test]
fn a_broadcast_comes_to_who_hears_again_since_a_start_also_after_the_next() {
    let (stage, log) = stage(room());
    stage.explicit("grave", ListenerSettings::default());
    stage.bury_in("grave");
    // the first record of a change, and then a crash
    let channel = stage.hub.channel(channel_id("room")).unwrap().birth;
    let settings = kept::write(&ChannelSettings { dead_letter_listener: None, ..room() });
    let change = Change { whom: Whom::Channel(channel), settings: Some(settings), state: None };
    log.append(Record::Changed(change)).unwrap();
    let (stage, log) = again(&stage, &log);
    let accepted = stage.hub.broadcast(channel_id("room"), message("b", SIZE)).unwrap();
    assert_eq!(accepted.receivers, Some(1));
    let (stage, _) = again(&stage, &log);
    assert_eq!(stage.listen("grave").rest(), got([accepted.position.0]));
}

/// While one is undelivered another is a duplicate. Which message is its end is kept with where a listener stands, by the
/// next save.
#[test]
fn an_end_that_waits_is_known_after_a_crash() {
    let (stage, log) = stage(room());
    stage.listener("a");
    let end = |stage: &Stage| stage.hub.notify_end_of(channel_id("room"), listener_id("a")).unwrap().1;
    let first = end(&stage);
    let (stage, _) = again(&stage, &log);
    let second = end(&stage);
    assert_eq!((second.position, second.duplicate), (first.position, true));
    assert_eq!(stage.listen("a").rest(), got([first.position.0]));
}

/// A position that was told may be named: that a message is gone is known after a crash, and that it was there is not.
#[test]
fn what_was_purged_or_whose_receiver_was_removed_just_before_a_crash_may_be_named_after_it() {
    for removed in [false, true] {
        let (stage, log) = stage(room());
        stage.listeners(&["a", "b"]);
        let sent = stage.dispatch("a");
        if removed {
            stage.remove("a");
        } else {
            stage.purge("a", None);
        }
        let (stage, _) = again(&stage, &log);
        let through = Some(Position(sent));
        let purged = stage.hub.purge_listener(channel_id("room"), listener_id("b"), through);
        assert_eq!(purged.map(|purged| purged.through.0), Ok(sent), "removed: {removed}");
    }
}
