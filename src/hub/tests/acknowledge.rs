//! What is acknowledged never comes again, and nothing sleeps over what may be sent.

use super::*;

fn stage() -> Stage {
    let stage = Stage::new(room());
    stage.explicit("l", ListenerSettings::default());
    stage
}

#[test]
fn a_stream_with_something_in_hand_gets_what_comes_later() {
    let stage = stage();
    let mut stream = stage.listen("l");
    let first = stage.broadcast();
    assert_eq!(stream.rest(), got([first]));
    let second = stage.broadcast();
    assert!(stream.woken());
    assert_eq!(stream.rest(), got([second]));
}

#[test]
fn broadcasts_that_go_while_a_dispatch_is_in_hand_do_not_hold_back_the_rest() {
    let stage = stage();
    let mut stream = stage.listen("l");
    let dispatched = stage.dispatch("l");
    assert_eq!(stream.rest(), got([dispatched]));
    let gone = stage.broadcast();
    let kept = stage.broadcast();
    stage.trim(1);
    let gap = Lost(GapReason::Trimmed, dispatched, gone, Some(1));
    assert_eq!(stream.rest(), [gap, Got(kept)]);
}

#[test]
fn what_was_acknowledged_before_it_went_is_no_gap_and_holds_nothing_back() {
    let stage = stage();
    let sent = stage.broadcasts(3);
    assert_eq!(stage.listen("l").rest(), got(sent.clone()));
    stage.acknowledge("l", None, &[sent[1]]).unwrap();
    stage.trim(1);
    assert_eq!(stage.info("l").passed.0, sent[1]);
    stage.trim(1);
    let gap = Lost(GapReason::Trimmed, sent[0] - 1, sent[0], Some(1));
    assert_eq!(stage.listen("l").rest(), [gap, Got(sent[2])]);
    assert_eq!(stage.info("l").lost, 1);
}

#[test]
fn what_goes_by_a_refused_acknowledgement_is_forgotten() {
    let stage = stage();
    stage.dispatches("l", 3);
    stage.update(|settings| settings.max_backlog = messages(1));
    stage.broadcast();
    assert!(matches!(stage.acknowledge("l", Some(1000), &[]), Err(Error::NotDelivered { .. })));
    assert_eq!(stage.info("l").backlog.messages, 1);
    assert_eq!(stage.hub.info().log_bytes, BESIDE + SIZE as u64);
}

#[test]
fn another_life_acknowledges_nothing() {
    let log: Arc<dyn Log> = Arc::new(Memory::default());
    let stage = Stage::over(Arc::clone(&log), UNLIMITED, 0, room());
    let birth = stage.explicit("l", ListenerSettings::default());
    let (sent, before) = (stage.dispatch("l"), stage.hub.incarnation());
    drop(stage);
    let stage = Stage::over(log, UNLIMITED, 0, room());
    stage.explicit("l", ListenerSettings::default());
    let again = stage.dispatch("l");
    assert_eq!(stage.listen("l").rest(), got([again]));
    let lives = [
        Life { birth: Some(Position(birth)), incarnation: None },
        Life { birth: None, incarnation: Some(Some(before)) },
        Life { birth: None, incarnation: Some(None) },
    ];
    for life in lives {
        let of_then = Acknowledgement { life, through: Some(Position(sent)), ..Acknowledgement::default() };
        let answer = stage.hub.acknowledge(channel_id("room"), listener_id("l"), of_then);
        assert!(matches!(answer, Err(Error::OtherLife { .. })), "{life:?}: {answer:?}");
    }
}
