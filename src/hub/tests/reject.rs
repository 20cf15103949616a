//! What is rejected comes again, when it is due.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_stream_that_begins_before_a_rejected_message_is_due_is_woken_when_it_is() {
    let stage = Stage::new(room());
    stage.explicit("l", ListenerSettings::default());
    let sent = stage.dispatch("l");
    assert_eq!(stage.listen("l").rest(), got([sent]));
    stage.reject("l", sent, 5000, false).unwrap();
    let listener = listener_id("l");
    // something else rings earlier, while nobody listens
    let idle = |settings| {
        Ok::<_, Error>(ListenerSettings { idle_timeout: Some(Duration::from_secs(2)), ..settings })
    };
    stage.hub.update_listener(channel_id("room"), listener, idle).unwrap();
    tokio::time::advance(Duration::from_millis(1500)).await;
    stage.acknowledge("l", None, &[]).unwrap();
    tokio::time::advance(Duration::from_millis(1000)).await;
    stage.hub.ring_alarms();
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), []);
    tokio::time::advance(Duration::from_millis(2500)).await;
    stage.hub.ring_alarms();
    assert!(stream.woken());
    assert_eq!(stream.rest(), got([sent]));
}

#[test]
fn acknowledging_what_held_the_rest_back_wakes_the_stream() {
    let stage = Stage::new(room());
    stage.explicit("l", ListenerSettings::default());
    let sent = stage.dispatches("l", 2);
    let credit = Some(Credit(messages(1)));
    let mut stream = stage.try_listen("l", ListenOptions { credit, ..ListenOptions::default() }).unwrap();
    assert_eq!(stream.rest(), got([sent[0]]));
    stage.reject("l", sent[0], 60_000, false).unwrap();
    assert_eq!(stream.rest(), []);
    stage.acknowledge("l", None, &[sent[0]]).unwrap();
    assert!(stream.woken());
    assert_eq!(stream.rest(), got([sent[1]]));
}

#[test]
fn back_in_strict_order_what_is_in_hand_comes_again() {
    let stage = Stage::new(ChannelSettings { redelivery: Redelivery::Overtaking, ..room() });
    stage.explicit("l", ListenerSettings::default());
    let sent = stage.dispatches("l", 2);
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), got(sent.clone()));
    stage.update(|settings| settings.redelivery = Redelivery::Strict);
    assert!(stream.woken());
    assert_eq!(stream.rest(), got(sent));
    assert_eq!(stage.info("l").generation, 1);
}

/// A rejection of what came once, as it is said where others overtake it.
fn first_attempt(sent: u64) -> Rejection {
    Rejection {
        life: Life::default(),
        generation: None,
        position: Position(sent),
        attempt: Some(1),
        reason: String::new(),
        delay: None,
        last: false,
    }
}

#[test]
fn a_gap_that_came_late_is_not_passed_by_what_was_delivered_before_it() {
    let overtaking = ChannelSettings { redelivery: Redelivery::Overtaking, max_attempts: 1, ..room() };
    let stage = Stage::new(overtaking);
    stage.explicit("l", ListenerSettings::default());
    let sent = stage.dispatches("l", 3);
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), got(sent.clone()));
    let rejection = Rejection { last: true, ..first_attempt(sent[0]) };
    stage.hub.reject(channel_id("room"), listener_id("l"), &[rejection]).unwrap();
    // it is said, and lost with the connection, while an acknowledgement of what came before is on its way
    assert_eq!(stream.rest().len(), 1);
    drop(stream);
    stage.acknowledge("l", Some(sent[2]), &[]).unwrap();
    assert_eq!(stage.listen("l").rest().len(), 1, "it is said again");
    stage.acknowledge("l", None, &[sent[0]]).unwrap();
    assert_eq!(stage.listen("l").rest(), [], "its end passes it");
}

#[test]
fn a_gap_over_what_was_in_hand_is_not_passed_by_one_message_of_it() {
    let dropping = ChannelSettings { max_backlog: messages(3), ..room() };
    let stage = Stage::new(dropping);
    stage.explicit("l", ListenerSettings::default());
    let sent = stage.broadcasts(3);
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), got(sent.clone()));
    let more = stage.broadcasts(3);
    let told = stream.rest();
    assert_eq!(told.len(), 4, "a gap, and three messages: {told:?}");
    drop(stream);
    // its client had the last of them in hand, and never heard that the two before are gone
    stage.acknowledge("l", None, &[sent[2]]).unwrap();
    assert_eq!(stage.listen("l").rest().len(), 4);
    stage.acknowledge("l", Some(more[2]), &[]).unwrap();
    assert_eq!(stage.listen("l").rest(), []);
}

/// A stream has it in hand, ends, and another client comes; tells the attempt in which it comes again.
fn attempt_after_it_was_left(stage: &Stage) -> Option<u32> {
    let mut stream = stage.listen("l");
    let waker = Waker::noop();
    match stream.subscription.poll_batch(&mut Context::from_waker(waker)) {
        Poll::Ready(Ok(handed)) => handed.repeats.first().map(|repeat| repeat.attempt),
        Poll::Ready(Err(ending)) => panic!("{ending:?}"),
        Poll::Pending => None,
    }
}

#[test]
fn what_is_left_again_and_again_is_buried_where_others_overtake_it() {
    for redelivery in [Redelivery::Strict, Redelivery::Overtaking] {
        let stage = Stage::new(ChannelSettings { redelivery, max_attempts: 3, ..room() });
        stage.explicit("l", ListenerSettings::default());
        let sent = stage.dispatch("l");
        let attempts = [(); 3].map(|()| attempt_after_it_was_left(&stage));
        assert_eq!(attempts, [None, Some(2), Some(3)]);
        assert_eq!(stage.listen("l").rest(), [Lost(GapReason::Rejected, sent - 1, sent, Some(1))]);
    }
}

#[tokio::test(start_paused = true)]
async fn several_that_are_due_at_once_all_come_again_alone() {
    let stage = Stage::new(ChannelSettings { redelivery: Redelivery::Overtaking, ..room() });
    stage.explicit("l", ListenerSettings::default());
    let sent = stage.dispatches("l", 3);
    let mut stream = stage.try_listen("l", at_most(1)).unwrap();
    assert_eq!(stream.rest(), got(sent.clone()));
    let delay = Some(Duration::from_secs(1));
    let rejections: Vec<_> = sent.iter().map(|sent| Rejection { delay, ..first_attempt(*sent) }).collect();
    stage.hub.reject(channel_id("room"), listener_id("l"), &rejections).unwrap();
    assert_eq!(stream.rest(), []);
    tokio::time::advance(Duration::from_secs(1)).await;
    stage.hub.ring_alarms();
    assert_eq!(stream.rest(), got(sent));
}

#[test]
fn a_log_that_refuses_leaves_what_was_left_to_be_counted() {
    let log = Arc::new(Meddled::default());
    let stage = Stage::over(log.clone(), UNLIMITED, 0, ChannelSettings { max_attempts: 1, ..room() });
    stage.explicit("l", ListenerSettings::default());
    let sent = stage.dispatch("l");
    assert_eq!(stage.listen("l").rest(), got([sent]));
    log.fails.store(true, Ordering::SeqCst);
    assert!(matches!(stage.try_listen("l", ListenOptions::default()), Err(Error::Log(_))));
    log.fails.store(false, Ordering::SeqCst);
    assert_eq!(stage.listen("l").rest(), [Lost(GapReason::Rejected, sent - 1, sent, Some(1))]);
}

#[test]
fn what_came_again_alone_stays_in_hand_when_what_stands_before_it_is_acknowledged() {
    let stage = Stage::new(ChannelSettings { redelivery: Redelivery::Overtaking, ..room() });
    stage.explicit("l", ListenerSettings::default());
    let sent = stage.dispatches("l", 3);
    let mut older = stage.try_listen("l", at_most(1)).unwrap();
    assert_eq!((older.next(), older.next()), (Some(got([sent[0]])), Some(got([sent[1]]))));
    let credit = Some(Credit(messages(2)));
    let mut stream = stage.try_listen("l", ListenOptions { credit, ..ListenOptions::default() }).unwrap();
    let rejection = Rejection { delay: Some(Duration::ZERO), last: false, ..first_attempt(sent[1]) };
    stage.hub.reject(channel_id("room"), listener_id("l"), &[rejection]).unwrap();
    assert_eq!(stream.rest(), got([sent[0], sent[1]]));
    stage.acknowledge("l", Some(sent[0]), &[]).unwrap();
    assert_eq!((stage.info("l").unacknowledged.messages, stream.rest()), (1, got([sent[2]])));
}

/// It was told on a stream of another, who read nothing of it.
#[test]
fn a_gap_is_not_passed_by_who_acknowledges_what_came_before_it_was_told() {
    let stage = Stage::new(ChannelSettings { redelivery: Redelivery::Overtaking, ..room() });
    stage.explicit("l", ListenerSettings::default());
    let sent = stage.dispatches("l", 3);
    let mut of_one = stage.listen("l");
    assert_eq!(of_one.rest(), got(sent.clone()));
    let rejection = Rejection { last: true, ..first_attempt(sent[1]) };
    stage.hub.reject(channel_id("room"), listener_id("l"), &[rejection]).unwrap();
    let gap = Lost(GapReason::Rejected, sent[1] - 1, sent[1], Some(1));
    let mut of_another = stage.listen("l");
    assert_eq!(of_another.rest(), [Got(sent[0]), gap, Got(sent[2])]);
    stage.acknowledge("l", Some(sent[2]), &[]).unwrap();
    let mut again = stage.listen("l");
    assert_eq!(again.rest(), [gap]);
    let behind = stage.dispatch("l");
    assert_eq!(again.rest(), [Got(behind)]);
    stage.acknowledge("l", Some(behind), &[]).unwrap();
    assert_eq!(stage.listen("l").rest(), [], "what came behind it was told with it");
}

/// Whoever acknowledges everything through a gap's end must have had what stands before it.
#[tokio::test(start_paused = true)]
async fn what_expires_before_it_comes_again_alone_is_told_at_its_place() {
    let stage = Stage::new(ChannelSettings { redelivery: Redelivery::Overtaking, ..room() });
    stage.explicit("l", ListenerSettings::default());
    let send = |ttl| stage.hub.broadcast(channel_id("room"), perishable(ttl)).unwrap().position.0;
    let sent = [send(0), send(1), send(0)];
    let mut first = stage.listen("l");
    assert_eq!(first.rest(), got(sent));
    let delay = Some(Duration::from_secs(60));
    let rejection = Rejection { delay, ..first_attempt(sent[1]) };
    stage.hub.reject(channel_id("room"), listener_id("l"), &[rejection]).unwrap();
    tokio::time::advance(Duration::from_secs(2)).await;
    let gap = Lost(GapReason::Expired, sent[0], sent[1], Some(1));
    assert_eq!(stage.listen("l").rest(), [Got(sent[0]), gap, Got(sent[2])]);
}

/// Whoever acknowledges through it must have had what stands before it.
#[test]
fn what_comes_again_alone_comes_at_its_place_on_a_new_stream() {
    let stage = Stage::new(ChannelSettings { redelivery: Redelivery::Overtaking, ..room() });
    stage.explicit("l", ListenerSettings::default());
    let sent = stage.dispatches("l", 4);
    let mut first = stage.listen("l");
    assert_eq!(first.rest(), got(sent.clone()));
    let rejection = Rejection { delay: Some(Duration::ZERO), ..first_attempt(sent[2]) };
    stage.hub.reject(channel_id("room"), listener_id("l"), &[rejection]).unwrap();
    assert_eq!(stage.listen("l").rest(), got(sent));
}

#[tokio::test(start_paused = true)]
async fn what_is_due_again_comes_once_there_is_credit_for_it() {
    let stage = Stage::new(ChannelSettings { redelivery: Redelivery::Overtaking, ..room() });
    stage.explicit("l", ListenerSettings::default());
    let sent = stage.dispatches("l", 2);
    let credit = Some(Credit(messages(1)));
    let mut stream = stage.try_listen("l", ListenOptions { credit, ..ListenOptions::default() }).unwrap();
    assert_eq!(stream.rest(), got([sent[0]]));
    let delay = Some(Duration::from_millis(700));
    let rejection = Rejection { delay, ..first_attempt(sent[0]) };
    stage.hub.reject(channel_id("room"), listener_id("l"), &[rejection]).unwrap();
    assert_eq!(stream.rest(), got([sent[1]]));
    tokio::time::advance(Duration::from_millis(700)).await;
    stage.hub.ring_alarms();
    assert_eq!(stream.rest(), []);
    stage.acknowledge("l", Some(sent[1]), &[]).unwrap();
    assert_eq!((stream.woken(), stream.rest()), (true, got([sent[0]])));
}

/// A stream that begins with gaps does not sleep over it, nor tells first what stands behind it: whoever passes that has
/// had all before. What has expired is found as it is told, or was noted before.
#[tokio::test(start_paused = true)]
async fn one_that_is_due_again_comes_at_its_place_among_what_has_expired() {
    for noted in [false, true] {
        let stage = Stage::new(ChannelSettings { redelivery: Redelivery::Overtaking, ..room() });
        stage.explicit("l", ListenerSettings::default());
        let send = |ttl| {
            stage.hub.dispatch(channel_id("room"), listener_id("l"), perishable(ttl)).unwrap().position.0
        };
        let sent = [1, 0, 1].map(send);
        let mut stream = stage.listen("l");
        assert_eq!(stream.rest(), got(sent));
        let rejection = Rejection { delay: Some(Duration::ZERO), last: false, ..first_attempt(sent[1]) };
        stage.hub.reject(channel_id("room"), listener_id("l"), &[rejection]).unwrap().remove(0).unwrap();
        drop(stream);
        tokio::time::advance(Duration::from_secs(3)).await;
        if noted {
            stage.hub.ring_alarms();
        }
        let mut stream = stage.listen("l");
        let expired = |at: u64| Lost(GapReason::Expired, at - 1, at, Some(1));
        assert_eq!(stream.rest(), [expired(sent[0]), Got(sent[1]), expired(sent[2])], "{noted}");
    }
}
