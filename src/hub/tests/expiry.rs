//! What has expired costs next to nothing to pass.

use super::*;

fn large() -> ChannelSettings {
    ChannelSettings { max_backlog: messages(2_000_000), ..room() }
}

#[tokio::test(start_paused = true)]
async fn any_number_of_dispatches_that_have_expired_is_one_gap() {
    let stage = Stage::new(large());
    stage.explicit("l", ListenerSettings::default());
    let send =
        |ttl| stage.hub.dispatch(channel_id("room"), listener_id("l"), perishable(ttl)).unwrap().position.0;
    let sent: Vec<_> = (0..1_000_000).map(|_| send(1)).collect();
    let last = send(0);
    tokio::time::advance(Duration::from_secs(3)).await;
    stage.hub.ring_alarms();
    assert_eq!(stage.info("l").backlog.messages, 1);
    let mut stream = stage.listen("l");
    let batch = stream.next().unwrap();
    let gap = Lost(GapReason::Expired, batch_after(&batch), *sent.last().unwrap(), Some(1_000_000));
    assert_eq!(batch, [gap, Got(last)]);
    assert_eq!(stream.next(), None);
}

#[tokio::test(start_paused = true)]
async fn broadcasts_that_have_expired_are_gone_before_anybody_looks() {
    let stage = Stage::new(large());
    stage.explicit("l", ListenerSettings::default());
    let send = |ttl| stage.hub.broadcast(channel_id("room"), perishable(ttl)).unwrap().position.0;
    let sent: Vec<_> = (0..1_000_000).map(|_| send(1)).collect();
    let last = send(0);
    tokio::time::advance(Duration::from_secs(3)).await;
    stage.hub.upkeep();
    assert_eq!(stage.kept(), 1);
    let batch = stage.listen("l").next().unwrap();
    let gap = Lost(GapReason::Expired, batch_after(&batch), *sent.last().unwrap(), Some(1_000_000));
    assert_eq!(batch, [gap, Got(last)]);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_comes_back_is_told_why_he_missed_something() {
    let send =
        |stage: &Stage, ttl| stage.hub.broadcast(channel_id("room"), perishable(ttl)).unwrap().position.0;
    let of = |stage: Stage, reason| {
        let sent = [send(&stage, 1), send(&stage, 1), send(&stage, 0)];
        (stage, reason, sent)
    };
    let one = ChannelSettings { max_backlog: messages(1), max_replay: messages(1), ..room() };
    let cases = [of(Stage::new(room()), GapReason::Expired), of(Stage::new(one), GapReason::Trimmed)];
    tokio::time::advance(Duration::from_secs(3)).await;
    for (stage, reason, sent) in cases {
        stage.hub.upkeep();
        assert_eq!(stage.watch_from(sent[0]).rest(), [Lost(reason, sent[0], sent[1], None), Got(sent[2])]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_expires_while_it_is_held_back_holds_nothing_back_any_longer() {
    let stage = Stage::new(large());
    stage.explicit("l", ListenerSettings::default());
    let send = |ttl| stage.hub.broadcast(channel_id("room"), perishable(ttl)).unwrap().position.0;
    let sent = [send(5), send(0)];
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), got(sent));
    stage.reject("l", sent[0], 3_600_000, false).unwrap();
    assert_eq!(stream.rest(), []);
    tokio::time::advance(Duration::from_secs(5)).await;
    stage.hub.ring_alarms();
    assert!(stream.woken());
    let gap = Lost(GapReason::Expired, sent[0] - 1, sent[0], Some(1));
    assert_eq!(stream.rest(), [gap, Got(sent[1])]);
}

/// A client has got two messages; a stream of another tells that both have expired, and nobody reads that.
#[tokio::test(start_paused = true)]
async fn who_acknowledges_a_message_that_ends_a_gap_has_not_heard_of_the_gap() {
    let stage = Stage::new(room());
    stage.explicit("l", ListenerSettings::default());
    let send = |ttl| stage.hub.broadcast(channel_id("room"), perishable(ttl)).unwrap().position.0;
    let sent = [send(0), send(1), send(1), send(0)];
    assert_eq!(stage.listen("l").rest(), got(sent));
    tokio::time::advance(Duration::from_secs(3)).await;
    let gap = Lost(GapReason::Expired, sent[0], sent[2], Some(2));
    let again = [Got(sent[0]), gap, Got(sent[3])];
    assert_eq!(stage.listen("l").rest(), again);
    stage.acknowledge("l", None, &[sent[0], sent[2]]).unwrap();
    assert_eq!(stage.listen("l").rest(), again[1..], "the second was acknowledged by nobody");
    stage.acknowledge("l", Some(sent[3]), &[]).unwrap();
    assert_eq!(stage.listen("l").rest(), [gap], "nor has who acknowledges what came before the gap");
    stage.pass("l", &gap).unwrap();
    assert_eq!(stage.listen("l").rest(), []);
}

#[tokio::test(start_paused = true)]
async fn acknowledging_the_last_of_several_that_expired_does_not_swallow_the_rest() {
    let stage = Stage::new(room());
    stage.explicit("l", ListenerSettings::default());
    let send =
        |ttl| stage.hub.dispatch(channel_id("room"), listener_id("l"), perishable(ttl)).unwrap().position.0;
    let sent = [send(0), send(1), send(1)];
    assert_eq!(stage.listen("l").rest(), got(sent));
    tokio::time::advance(Duration::from_secs(3)).await;
    stage.hub.ring_alarms();
    stage.acknowledge("l", None, &[sent[2]]).unwrap();
    let gap = Lost(GapReason::Expired, sent[0], sent[2], Some(2));
    assert_eq!(stage.listen("l").rest(), [Got(sent[0]), gap]);
}

fn batch_after(batch: &[Said]) -> u64 {
    match batch.first() {
        Some(Lost(_, after, ..)) => *after,
        Some(Got(_)) | None => panic!("{batch:?} has no gap"),
    }
}

/// Seven dispatches, of which the middle five have expired, told or not.
async fn expired(mode: AcknowledgementMode) -> (Stage, Vec<u64>) {
    let stage = Stage::new(room());
    let new = NewListener { mode, ..NewListener::default() };
    stage.hub.register(channel_id("room"), listener_id("l"), new).unwrap();
    let send =
        |ttl| stage.hub.dispatch(channel_id("room"), listener_id("l"), perishable(ttl)).unwrap().position.0;
    let sent = [0, 1, 1, 1, 1, 1, 0].map(send).to_vec();
    tokio::time::advance(Duration::from_secs(3)).await;
    stage.hub.ring_alarms();
    (stage, sent)
}

fn counted(said: &[Said]) -> Vec<(GapReason, u64)> {
    let gap = |said: &Said| match *said {
        Lost(reason, _, _, count) => Some((reason, count.unwrap())),
        Got(_) => None,
    };
    said.iter().filter_map(gap).collect()
}

#[tokio::test(start_paused = true)]
async fn a_purge_into_what_has_expired_tells_of_each_message_once() {
    for mode in [AcknowledgementMode::Automatic, AcknowledgementMode::Explicit] {
        let (stage, sent) = expired(mode).await;
        assert_eq!(stage.purge("l", Some(sent[3])).messages, 1);
        let told = stage.listen("l").rest();
        // a gap that goes beyond the purge and was told to nobody becomes part of it
        let expected = match mode {
            AcknowledgementMode::Automatic => vec![(GapReason::Purged, 6)],
            AcknowledgementMode::Explicit => vec![(GapReason::Purged, 1), (GapReason::Expired, 5)],
        };
        assert_eq!(counted(&told), expected);
        assert_eq!((told.last(), stage.info("l").lost), (Some(&Got(sent[6])), 6));
    }
}

#[tokio::test(start_paused = true)]
async fn a_purge_beyond_what_has_expired_tells_of_each_message_once() {
    for mode in [AcknowledgementMode::Automatic, AcknowledgementMode::Explicit] {
        let (stage, _) = expired(mode).await;
        assert_eq!(stage.purge("l", None).messages, 2);
        let told = counted(&stage.listen("l").rest());
        assert_eq!((told.iter().map(|(_, count)| count).sum::<u64>(), stage.info("l").lost), (7, 7));
    }
}

#[tokio::test(start_paused = true)]
async fn a_trim_among_what_has_expired_tells_of_each_message_once() {
    let (stage, sent) = expired(AcknowledgementMode::Explicit).await;
    let more = [stage.broadcast(), stage.dispatch("l"), stage.broadcast()];
    stage.trim(2);
    let told = stage.listen("l").rest();
    let missing = counted(&told).iter().map(|(_, count)| count).sum::<u64>();
    assert_eq!((missing, stage.info("l").lost), (7, 7));
    let messages: Vec<_> = told.into_iter().filter(|said| matches!(said, Got(_))).collect();
    assert_eq!(messages, got([sent[0], sent[6], more[1]]));
}

#[tokio::test(start_paused = true)]
async fn what_expires_bit_by_bit_is_one_gap() {
    let stage = Stage::new(room());
    stage.explicit("l", ListenerSettings::default());
    let send =
        |ttl| stage.hub.dispatch(channel_id("room"), listener_id("l"), perishable(ttl)).unwrap().position.0;
    let sent: Vec<_> = (1..=200).map(send).collect();
    for _ in 0..210 {
        tokio::time::advance(Duration::from_secs(1)).await;
        stage.hub.ring_alarms();
    }
    let gap = Lost(GapReason::Expired, sent[0] - 1, sent[199], Some(200));
    assert_eq!(stage.listen("l").rest(), [gap]);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_message_that_expires_holds_nothing_back() {
    let stage = Stage::new(room());
    stage.explicit("l", ListenerSettings::default());
    let send =
        |ttl| stage.hub.dispatch(channel_id("room"), listener_id("l"), perishable(ttl)).unwrap().position.0;
    let sent = [send(1), send(0)];
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), got(sent));
    stage.reject("l", sent[0], 60_000, false).unwrap();
    assert_eq!(stream.rest(), []);
    tokio::time::advance(Duration::from_secs(3)).await;
    stage.hub.ring_alarms();
    assert!(stream.woken());
    assert_eq!(stream.rest(), [Lost(GapReason::Expired, sent[0] - 1, sent[0], Some(1)), Got(sent[1])]);
}

#[tokio::test(start_paused = true)]
async fn what_came_again_alone_does_not_expire_in_hand() {
    let stage = Stage::new(ChannelSettings { redelivery: Redelivery::Overtaking, ..room() });
    for broadcast in [false, true] {
        stage.explicit("l", ListenerSettings::default());
        let accepted = match broadcast {
            false => stage.hub.dispatch(channel_id("room"), listener_id("l"), perishable(1)),
            true => stage.hub.broadcast(channel_id("room"), perishable(1)),
        };
        let sent = accepted.unwrap().position.0;
        assert_eq!(stage.listen("l").rest(), got([sent]));
        // its client went away, and another one has it by itself
        let mut stream = stage.listen("l");
        assert_eq!(stream.rest(), got([sent]));
        tokio::time::advance(Duration::from_secs(3)).await;
        stage.hub.ring_alarms();
        stage.hub.upkeep();
        assert_eq!((stream.rest(), stage.info("l").backlog.messages), (vec![], 1));
        stage.remove("l");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_left_behind_one_that_expired_has_failed() {
    let stage = Stage::new(ChannelSettings { max_attempts: 1, ..room() });
    stage.explicit("l", ListenerSettings::default());
    let send =
        |ttl| stage.hub.dispatch(channel_id("room"), listener_id("l"), perishable(ttl)).unwrap().position.0;
    let sent = [send(1), send(0)];
    assert_eq!(stage.listen("l").rest(), got(sent));
    // whether it was found to have expired makes no difference
    tokio::time::advance(Duration::from_millis(1100)).await;
    assert_eq!(counted(&stage.listen("l").rest()), [(GapReason::Expired, 1), (GapReason::Rejected, 1)]);
}

#[tokio::test(start_paused = true)]
async fn broadcasts_that_have_expired_behind_a_live_one_are_told_once_and_go_with_it() {
    let stage = Stage::new(ChannelSettings { replay_window: Duration::ZERO, ..large() });
    stage.explicit("l", ListenerSettings::default());
    let send = |ttl| stage.hub.broadcast(channel_id("room"), perishable(ttl)).unwrap().position.0;
    let live = send(0);
    let alone = stage.hub.info().log_bytes;
    let sent: Vec<_> = (0..20_000).map(|_| send(1)).collect();
    tokio::time::advance(Duration::from_secs(3)).await;
    stage.hub.upkeep();
    assert_eq!(stage.hub.info().log_bytes, alone, "their content is gone");
    let mut stream = stage.listen("l");
    let gap = Lost(GapReason::Expired, live, *sent.last().unwrap(), Some(20_000));
    assert_eq!(stream.rest(), [Got(live), gap]);
    assert_eq!((stage.info("l").backlog.messages, stage.info("l").unacknowledged.messages), (1, 1));
    stage.acknowledge("l", Some(*sent.last().unwrap()), &[]).unwrap();
    for _ in 0..2 {
        tokio::time::advance(Duration::from_secs(2)).await;
        stage.hub.upkeep();
    }
    assert_eq!((stage.kept(), stream.rest()), (0, vec![]));
}

/// Counts how often the log is read from now on.
fn count_reads(log: &Arc<Meddled>, reads: &Arc<AtomicUsize>) {
    let (again, count) = (Arc::downgrade(log), Arc::clone(reads));
    log.after_read(move || {
        count.fetch_add(1, Ordering::SeqCst);
        again.upgrade().into_iter().for_each(|log| count_reads(&log, &count));
    });
}

/// What is counted is what others wait for: turns of a core, batches, reads of the log. Under the channel's lock they are
/// walked over in memory, each time a stream passes them.
#[tokio::test(start_paused = true)]
async fn a_million_broadcasts_that_have_expired_behind_a_live_one_take_no_turn_and_no_read() {
    const EXPIRED: u64 = 1_000_000;
    let log = Arc::new(Meddled::default());
    let stage = Stage::over(Arc::clone(&log) as Arc<dyn Log>, UNLIMITED, 0, large());
    stage.listener("l");
    stage.explicit("e", ListenerSettings::default());
    let send = |ttl| stage.hub.broadcast(channel_id("room"), perishable(ttl)).unwrap().position.0;
    let live = send(0);
    let alone = stage.hub.info().log_bytes;
    (0..EXPIRED).for_each(|_| _ = send(1));
    let last = send(0);
    tokio::time::advance(Duration::from_secs(3)).await;
    stage.hub.upkeep();
    assert_eq!(stage.hub.info().log_bytes, 2 * alone, "their content is gone");
    let reads = Arc::default();
    count_reads(&log, &reads);
    let gap = Lost(GapReason::Expired, live, last - 1, Some(EXPIRED));
    let passes = |mut stream: Stream, batches: &[&[Said]], read: usize| {
        let told: Vec<_> = std::iter::from_fn(|| stream.next()).collect();
        assert_eq!(told, batches);
        assert!(!stream.woken(), "it asks for no other turn");
        assert_eq!(reads.swap(0, Ordering::SeqCst), read);
        stream
    };
    let all: [&[Said]; 2] = [&[Got(live)], &[gap, Got(last)]];
    passes(stage.watch(From::Oldest), &all, 2);
    passes(stage.watch_from(live), &all[1..], 1);
    passes(stage.listen("l"), &all, 2);
    passes(stage.resume("l", live), &all[1..], 1);
    // what is acknowledged may not lie further apart
    let stream = passes(stage.listen("e"), &[&[Got(live)], &[gap]], 2);
    stage.acknowledge("e", Some(live), &[]).unwrap();
    stage.pass("e", &gap).unwrap();
    passes(stream, &[&[Got(last)]], 1);
}

/// A broadcast that expired when its client had left, in the generation before, and what comes then.
async fn expired_in_hand() -> (Stage, [u64; 2]) {
    let stage = Stage::new(room());
    stage.explicit("l", ListenerSettings::default());
    let send = |ttl| stage.hub.broadcast(channel_id("room"), perishable(ttl)).unwrap().position.0;
    let sent = [send(1), send(0)];
    assert_eq!(stage.listen("l").rest(), got(sent));
    stage.reject("l", sent[1], 0, false).unwrap();
    tokio::time::advance(Duration::from_secs(3)).await;
    stage.hub.upkeep();
    (stage, sent)
}

fn of_the_generation_before(position: u64) -> Acknowledgement {
    let singles = vec![Position(position)];
    Acknowledgement { generation: Some(0), singles, ..Acknowledgement::default() }
}

#[tokio::test(start_paused = true)]
async fn what_has_expired_in_nobodys_hand_is_a_gap_and_not_covered() {
    let (stage, sent) = expired_in_hand().await;
    let acknowledge = || {
        let late = of_the_generation_before(sent[0]);
        stage.hub.acknowledge(channel_id("room"), listener_id("l"), late).unwrap()
    };
    assert_eq!((acknowledge().covered, stage.info("l").lost), (0, 1));
    let gap = Lost(GapReason::Expired, sent[0] - 1, sent[0], Some(1));
    assert_eq!(stage.listen("l").rest(), [gap, Got(sent[1])]);
    // its client has it, or the gap, and is done with either: nobody is told again
    assert_eq!((acknowledge().covered, stage.info("l").lost), (0, 1));
    assert_eq!(stage.listen("l").rest(), got([sent[1]]));
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_that_expires_while_it_is_read_is_told_and_not_handed_over() {
    let log = Arc::new(Meddled::default());
    let stage = Stage::over(log.clone(), UNLIMITED, 0, room());
    let ack_deadline = Some(Duration::from_millis(400));
    stage.explicit("l", ListenerSettings { ack_deadline, ..ListenerSettings::default() });
    let before = stage.broadcast();
    let sent = stage.hub.broadcast(channel_id("room"), perishable(1)).unwrap().position.0;
    let hub = Arc::clone(&stage.hub);
    log.after_read(move || {
        let channel = hub.channel(channel_id("room")).unwrap();
        let mut expired = Vec::new();
        channel.lock().expire(1001, &mut expired);
        assert_eq!(expired, [Position(sent)]);
    });
    let gap = Lost(GapReason::Expired, sent - 1, sent, Some(1));
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), [Got(before), gap]);
    stage.acknowledge("l", Some(before), &[]).unwrap();
    tokio::time::advance(Duration::from_millis(400)).await;
    stage.hub.ring_alarms();
    assert_eq!(stage.hub.alarms.next(), None, "nothing is in hand");
}
