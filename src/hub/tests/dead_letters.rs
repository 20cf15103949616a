//! Dead letters, and who receives them.

use super::*;

fn perishable(seconds: i64) -> Message {
    let ttl = Some(prost_types::Duration { seconds, nanos: 0 });
    let raw = v1::Message { id: "m".into(), r#type: "b".into(), ttl, ..Default::default() };
    Message::parse(&raw.encode_to_vec(), 1 << 20, 0).unwrap().named_by_the_server()
}

#[tokio::test(start_paused = true)]
async fn a_bell_brings_no_broadcast_to_who_receives_dead_letters() {
    let stage = Stage::over(Arc::new(Memory::default()), UNLIMITED, 1, room());
    let mut core = Core::new(&stage.hub, 0);
    core.enter();
    stage.explicit("grave", ListenerSettings::default());
    stage.bury_in("grave");
    let mut stream = stage.listen("grave");
    assert_eq!(stream.rest(), []);
    stage.broadcast();
    core.answer();
    assert_eq!(stream.rest(), []);
    stage.update(|settings| settings.dead_letter_listener = None);
    assert_eq!(stream.rest(), [], "what was broadcast meanwhile was not for it");
    let heard = stage.broadcast();
    core.answer();
    assert_eq!(stream.rest(), got([heard]));
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_that_expires_in_hand_can_still_become_a_dead_letter() {
    let stage = Stage::new(room());
    stage.explicit("l", ListenerSettings::default());
    stage.explicit("grave", ListenerSettings::default());
    stage.bury_in("grave");
    let mut stream = stage.listen("l");
    let sent = stage.hub.broadcast(channel_id("room"), perishable(1)).unwrap().position.0;
    assert_eq!(stream.rest(), got([sent]));
    tokio::time::advance(Duration::from_secs(5)).await;
    stage.hub.upkeep();
    let rejected = stage.reject("l", sent, 0, true).unwrap();
    assert_eq!(stage.listen("grave").rest(), got(rejected.dead_letter.map(|letter| letter.0)));
}

#[tokio::test(start_paused = true)]
async fn what_was_broadcast_while_it_received_dead_letters_is_not_kept_for_it() {
    let stage = Stage::new(ChannelSettings { replay_window: Duration::ZERO, ..room() });
    stage.explicit("grave", ListenerSettings::default());
    stage.bury_in("grave");
    stage.broadcast();
    stage.update(|settings| settings.dead_letter_listener = None);
    for _ in 0..3 {
        tokio::time::advance(Duration::from_secs(2)).await;
        stage.hub.upkeep();
    }
    assert_eq!(stage.kept(), 0);
}

#[test]
fn what_waits_before_a_gap_is_not_skipped_when_its_stream_comes_back() {
    let stage = Stage::new(room());
    stage.listener("grave");
    drop(stage.listen("grave"));
    let (own, heard) = (stage.dispatch("grave"), stage.broadcast());
    stage.bury_in("grave");
    let told = stage.listen("grave").rest();
    assert_eq!(told.first(), Some(&Got(own)));
    assert!(matches!(told[..], [_, Lost(GapReason::Purged, _, through, Some(1))] if through > heard));
}

#[test]
fn sending_a_dead_letter_back_makes_room_for_the_next() {
    let stage = Stage::new(ChannelSettings { max_attempts: 1, ..room() });
    stage.explicit("l", ListenerSettings::default());
    stage.explicit("grave", ListenerSettings::default());
    stage.bury_in("grave");
    let bury = |sent: u64| {
        assert_eq!(stage.listen("l").rest().last(), Some(&Got(sent)));
        stage.reject("l", sent, 0, true).unwrap().dead_letter.unwrap().0
    };
    let letters = [bury(stage.dispatch("l")), bury(stage.dispatch("l"))];
    let credit = Some(Credit(messages(1)));
    let mut stream = stage.try_listen("grave", ListenOptions { credit, ..ListenOptions::default() }).unwrap();
    assert_eq!(stream.rest(), got([letters[0]]));
    let sent_back =
        stage.hub.requeue(channel_id("room"), listener_id("grave"), &[Position(letters[0])]).unwrap();
    assert!(sent_back[0].is_ok() && stream.woken());
    assert_eq!(stream.rest(), got([letters[1]]));
}

#[tokio::test(start_paused = true)]
async fn who_begins_to_receive_dead_letters_has_no_more_time_for_what_it_has_in_hand() {
    let stage = Stage::new(room());
    let settings =
        ListenerSettings { ack_deadline: Some(Duration::from_millis(400)), ..ListenerSettings::default() };
    stage.explicit("grave", settings);
    let own = stage.dispatch("grave");
    let mut stream = stage.listen("grave");
    assert_eq!(stream.rest(), got([own]));
    tokio::time::advance(Duration::from_millis(300)).await;
    stage.bury_in("grave");
    tokio::time::advance(Duration::from_millis(100)).await;
    stage.hub.ring_alarms();
    assert_eq!(stage.info("grave").generation, 1, "it was not acknowledged in time");
}

/// A listener with its deliveries in hand, two dispatches around a broadcast, and one that receives dead letters.
fn in_hand(log: &Arc<Meddled>, redelivery: Redelivery) -> (Stage, Vec<u64>) {
    let stage = Stage::over(log.clone(), UNLIMITED, 0, ChannelSettings { redelivery, ..room() });
    stage.explicit("l", ListenerSettings::default());
    stage.explicit("grave", ListenerSettings::default());
    stage.bury_in("grave");
    let sent = vec![stage.dispatch("l"), stage.broadcast(), stage.dispatch("l"), stage.broadcast()];
    (stage, sent)
}

#[test]
fn a_log_that_fails_at_the_last_moment_leaves_a_rejected_message_where_it_was() {
    for redelivery in [Redelivery::Strict, Redelivery::Overtaking] {
        for last in [true, false] {
            let log = Arc::new(Meddled::default());
            let (stage, sent) = in_hand(&log, redelivery);
            let mut stream = stage.listen("l");
            assert_eq!(stream.rest(), got(sent.clone()));
            // what is not first leaves a hole when it goes
            let rejection = |position: u64| Rejection {
                life: Life::default(),
                generation: None,
                position: Position(position),
                attempt: Some(1),
                reason: "no".into(),
                delay: Some(Duration::ZERO),
                last,
            };
            let rejections: Vec<_> = sent[..3].iter().map(|sent| rejection(*sent)).collect();
            let before = stage.info("l");
            log.fails_unforeseen.store(true, Ordering::SeqCst);
            let refused = stage.hub.reject(channel_id("room"), listener_id("l"), &rejections);
            assert_eq!(refused.unwrap_err(), Error::Log(LogError::Unavailable));
            assert_eq!(stage.info("l"), before);
            assert_eq!(stage.info("grave").backlog.messages, 0);
            assert_eq!(stream.rest(), []);
            log.fails_unforeseen.store(false, Ordering::SeqCst);
            let told = stage.hub.reject(channel_id("room"), listener_id("l"), &rejections).unwrap();
            let told: Vec<_> = told.into_iter().map(Result::unwrap).collect();
            assert!(told.iter().all(|told| told.attempts == 1 && told.dead_letter.is_some() == last));
            drop(stream);
            let expected = if last { 3 } else { 0 };
            assert_eq!(stage.listen("grave").rest().len(), expected);
            let again = stage.listen("l").rest().into_iter().filter(|said| matches!(said, Got(_))).count();
            assert_eq!(again, if last { 1 } else { 4 });
        }
    }
}

#[test]
fn a_letter_that_is_sent_back_while_its_stream_reads_it_is_its_receivers_alone() {
    let log = Arc::new(Meddled::default());
    let stage = Stage::over(log.clone(), UNLIMITED, 0, room());
    stage.explicit("l", ListenerSettings::default());
    stage.listener("grave");
    stage.bury_in("grave");
    let sent = stage.dispatch("l");
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), got([sent]));
    let letter = stage.reject("l", sent, 0, true).unwrap().dead_letter.unwrap();
    assert_eq!(stream.rest(), [Lost(GapReason::Rejected, sent - 1, sent, Some(1))]);
    let hub = Arc::clone(&stage.hub);
    log.after_read(move || {
        let answers = hub.requeue(channel_id("room"), listener_id("grave"), &[letter]).unwrap();
        assert!(answers[0].is_ok());
    });
    assert_eq!(stage.listen("grave").rest(), []);
    assert_eq!(stream.rest().len(), 1);
}

#[test]
fn who_hears_broadcasts_again_while_his_stream_reads_a_letter_has_no_backlog_of_them() {
    let log = Arc::new(Meddled::default());
    let stage = Stage::over(log.clone(), UNLIMITED, 0, room());
    stage.explicit("l", ListenerSettings::default());
    stage.listener("grave");
    stage.bury_in("grave");
    stage.broadcasts(3);
    let sent = stage.dispatch("l");
    let mut stream = stage.listen("l");
    stream.rest();
    let letter = stage.reject("l", sent, 0, true).unwrap().dead_letter.unwrap();
    let hub = Arc::clone(&stage.hub);
    log.after_read(move || {
        let nobody = |settings| Ok::<_, Error>(ChannelSettings { dead_letter_listener: None, ..settings });
        hub.update_channel(channel_id("room"), nobody).unwrap();
    });
    assert_eq!(stage.listen("grave").rest(), got([letter.0]));
    assert_eq!(stage.info("grave").backlog.messages, 0);
}
