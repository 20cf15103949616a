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

#[test]
fn what_lies_below_its_birth_was_for_another_of_its_name() {
    let stage = Stage::new(room());
    stage.explicit("l", ListenerSettings::default());
    let before = stage.dispatch("l");
    assert_eq!(stage.listen("l").rest(), got([before]));
    stage.hub.remove_listener(channel_id("room"), listener_id("l")).unwrap();
    stage.explicit("l", ListenerSettings::default());
    let sent = stage.dispatch("l");
    assert_eq!(stage.listen("l").rest(), got([sent]));
    let told = [
        stage.acknowledge("l", Some(before), &[]).err(),
        stage.acknowledge("l", None, &[before]).err(),
        stage.reject("l", before, 0, true).err(),
    ];
    for error in told {
        assert!(matches!(error, Some(Error::OtherLife { .. })), "{error:?}");
    }
    assert_eq!(stage.info("l").backlog.messages, 1);
    assert_eq!(stage.acknowledge("l", Some(sent), &[]).unwrap().covered, 1);
}

/// One who begins with the oldest has messages that are older than he is.
#[test]
fn what_was_meant_for_it_from_before_its_birth_is_its_own() {
    let stage = Stage::new(room());
    stage.explicit("behind", ListenerSettings::default());
    let sent = [stage.broadcast(), stage.broadcast()];
    let oldest =
        NewListener { from: From::Oldest, mode: AcknowledgementMode::Explicit, ..NewListener::default() };
    stage.hub.register(channel_id("room"), listener_id("l"), oldest).unwrap();
    assert_eq!(stage.listen("l").rest(), got(sent));
    assert_eq!(stage.acknowledge("l", Some(sent[0]), &[]).unwrap().covered, 1);
}

#[test]
fn of_what_stands_behind_the_first_in_hand_so_much_is_sent_and_no_more_until_that_is_acknowledged() {
    const MOST: usize = 65_536;
    let stage = Stage::new(ChannelSettings { max_backlog: messages(100_000), ..room() });
    stage.explicit("l", ListenerSettings::default());
    let credit = Some(Credit(messages(Credit::MAX_MESSAGES)));
    let mut stream = stage.try_listen("l", ListenOptions { credit, ..ListenOptions::default() }).unwrap();
    let sent = stage.broadcasts(67_000);
    let mut came = 0;
    while let Some(batch) = stream.next() {
        let positions = &sent[came..came + batch.len()];
        assert_eq!(batch, got(positions.to_vec()));
        let others: Vec<_> = positions.iter().copied().filter(|position| *position != sent[0]).collect();
        assert_eq!(stage.acknowledge("l", None, &others).unwrap().covered, others.len() as u64);
        came += batch.len();
    }
    assert_eq!(came, MOST);
    assert_eq!(stage.info("l").unacknowledged.messages, 1, "there is credit enough");
    assert_eq!(stage.acknowledge("l", Some(sent[0]), &[]).unwrap().covered, 1);
    assert!(stream.woken());
    assert_eq!(stream.rest(), got(sent[MOST..].to_vec()));
    assert_eq!(stage.info("l").lost, 0);
}

/// A token may be told of it, also where nothing was delivered.
#[test]
fn where_a_stream_stands_may_be_acknowledged_and_nothing_beyond_it() {
    let stage = stage();
    let options = ListenOptions { types: vec!["x".into()], ..ListenOptions::default() };
    let mut stream = stage.try_listen("l", options).unwrap();
    let send: [fn(&Stage) -> Vec<u64>; 2] = [|stage| stage.broadcasts(3), |stage| stage.dispatches("l", 2)];
    for send in send {
        let last = *send(&stage).last().unwrap();
        assert!(matches!(stage.acknowledge("l", Some(last), &[]), Err(Error::NotDelivered { .. })));
        assert_eq!(stream.rest(), []);
        let token = stream.subscription.token().sequence.0;
        assert_eq!(token, last);
        assert!(matches!(stage.acknowledge("l", Some(token + 1), &[]), Err(Error::NotDelivered { .. })));
        assert_eq!(stage.acknowledge("l", Some(token), &[]).unwrap().through, Position(token));
        assert!(matches!(stage.acknowledge("l", Some(token + 1), &[]), Err(Error::NotDelivered { .. })));
    }
}
