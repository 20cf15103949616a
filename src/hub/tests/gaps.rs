//! A gap stands where messages are missing, and counts them where that is known.

use super::*;
use crate::hub::GapReason::{Overflow as Overflown, Purged as Cleared, Trimmed};

#[test]
fn a_purge_is_a_gap_of_what_waited() {
    let stage = Stage::new(room());
    let birth = stage.listener("l");
    let sent = [stage.broadcast(), stage.dispatch("l"), stage.broadcast()];
    let mut stream = stage.listen("l");
    assert_eq!(stage.purge("l", Some(sent[1])), Purged { messages: 2, through: Position(sent[1]) });
    assert_eq!(stream.rest(), [Lost(Cleared, birth, sent[1], Some(2)), Got(sent[2])]);
    assert_eq!(stage.info("l").lost, 2);
}

#[test]
fn a_purge_of_all_wakes_the_stream_that_waits() {
    let stage = Stage::new(room());
    let birth = stage.listener("l");
    let sent = stage.broadcast();
    let mut slow = stage.try_listen("l", at_most(1)).unwrap();
    assert_eq!(slow.rest(), got([sent]));
    stage.broadcast();
    let mark = stage.purge("l", None).through.0;
    assert!(slow.woken());
    assert_eq!(slow.rest(), [Lost(Cleared, sent, mark, Some(1))]);
    assert!(birth < sent);
}

#[test]
fn beyond_the_newest_message_nothing_can_be_purged() {
    let stage = Stage::new(room());
    stage.listener("l");
    let last = stage.broadcast();
    let purge = |through| {
        stage.hub.purge_listener(channel_id("room"), listener_id("l"), Some(Position(through))).is_ok()
    };
    assert!(!purge(last + 1) && purge(last));
}

#[test]
fn trimmed_broadcasts_leave_the_dispatches_between_them() {
    let stage = Stage::new(room());
    let birth = stage.listener("l");
    let before = [stage.broadcast(), stage.broadcast()];
    let own = stage.dispatch("l");
    let after = [stage.broadcast(), stage.broadcast()];
    let last = stage.broadcast();
    stage.trim(4);
    assert_eq!(stage.info("l").backlog.messages, 2);
    let around =
        [Lost(Trimmed, birth, before[1], None), Got(own), Lost(Trimmed, own, after[1], None), Got(last)];
    assert_eq!(stage.listen("l").rest(), around);
    assert_eq!(stage.info("l").lost, 4);
}

#[test]
fn what_was_trimmed_and_what_overflowed_is_counted_once() {
    let stage = Stage::new(ChannelSettings { dispatch_overflow: Overflow::DropOldest, ..room() });
    let birth = stage.listener("l");
    let own = stage.dispatch("l");
    let trimmed = stage.broadcasts(2);
    stage.trim(2);
    stage.update(|settings| settings.max_backlog = messages(1));
    let last = stage.dispatch("l");
    // where one begins and the other ends is not known any more
    let gaps = [Lost(Overflown, birth, own, None), Lost(Trimmed, own, trimmed[1], None)];
    assert_eq!(stage.listen("l").rest(), [gaps[0], gaps[1], Got(last)]);
    assert_eq!(stage.info("l").lost, 3);
}

/// How many messages the gaps say are missing, if each knows.
fn counted(said: &[Said]) -> Option<u64> {
    let count = |said: &Said| match said {
        Lost(_, _, _, count) => *count,
        Got(_) => Some(0),
    };
    said.iter().map(count).sum()
}

#[test]
fn a_purge_counts_what_waited_and_not_what_was_trimmed() {
    let stage = Stage::new(room());
    let birth = stage.listener("l");
    let trimmed = [stage.broadcast(), stage.broadcast()];
    let purged = [stage.broadcast(), stage.dispatch("l")];
    let last = stage.broadcast();
    stage.trim(2);
    assert_eq!(stage.purge("l", Some(purged[1])).messages, 2);
    let gaps = [Lost(Trimmed, birth, trimmed[1], Some(2)), Lost(Cleared, trimmed[1], purged[1], Some(2))];
    assert_eq!(stage.listen("l").rest(), [gaps[0], gaps[1], Got(last)]);
    assert_eq!(stage.info("l").lost, 4);
}

#[test]
fn a_purge_amid_what_was_trimmed_counts_nothing_twice() {
    let stage = Stage::new(room());
    stage.listener("l");
    let own = stage.dispatch("l");
    let trimmed = [stage.broadcast(), stage.broadcast()];
    let last = stage.broadcast();
    stage.trim(2);
    assert_eq!(stage.purge("l", Some(trimmed[0])).messages, 1);
    let said = stage.listen("l").rest();
    assert_eq!(said.last(), Some(&Got(last)));
    assert_eq!(stage.info("l").lost, 3, "{own} and {trimmed:?}");
}

#[test]
fn what_overflows_while_a_stream_reads_is_not_handed_over_beside_its_gap() {
    let log = Arc::new(Meddled::default());
    let settings =
        ChannelSettings { dispatch_overflow: Overflow::DropOldest, max_backlog: messages(2), ..room() };
    let stage = Arc::new(Stage::over(Arc::clone(&log) as Arc<dyn Log>, UNLIMITED, 0, settings));
    let birth = stage.listener("l");
    let sent = [stage.dispatch("l"), stage.dispatch("l")];
    let mut stream = stage.listen("l");
    let sender = Arc::clone(&stage);
    log.after_read(move || assert!(sender.dispatch("l") > 0));
    let later = sent[1] + 1;
    assert_eq!(stream.rest(), [Lost(Overflown, birth, sent[0], Some(1)), Got(sent[1]), Got(later)]);
}

#[test]
fn what_is_purged_while_a_stream_reads_is_not_handed_over() {
    let log = Arc::new(Meddled::default());
    let stage = Arc::new(Stage::over(Arc::clone(&log) as Arc<dyn Log>, UNLIMITED, 0, room()));
    let birth = stage.listener("l");
    let sent = [stage.broadcast(), stage.broadcast()];
    let mut stream = stage.listen("l");
    let operator = Arc::clone(&stage);
    log.after_read(move || assert_eq!(operator.purge("l", Some(sent[0])).messages, 1));
    assert_eq!(stream.rest(), [Lost(Cleared, birth, sent[0], Some(1)), Got(sent[1])]);
}

#[test]
fn beyond_the_limit_of_gaps_none_is_lost_and_none_is_told_twice() {
    let stage = Stage::new(room());
    let birth = stage.listener("l");
    let mut stream = stage.listen("l");
    for _ in 0..80 {
        stage.broadcast();
        stage.purge("l", None);
        assert_eq!(counted(&stream.rest()), Some(1));
    }
    assert_eq!(counted(&stage.resume("l", birth).rest()), Some(80));
}

#[test]
fn beyond_the_limit_of_gaps_each_that_is_missing_is_counted_once_until_it_is_acknowledged() {
    let stage = Stage::new(ChannelSettings { redelivery: Redelivery::Overtaking, ..room() });
    stage.explicit("l", ListenerSettings::default());
    let sent = stage.dispatches("l", 300);
    assert_eq!(stage.listen("l").rest(), got(sent.clone()));
    let buried = sent.iter().skip(1).step_by(2).map(|sent| Rejection {
        life: Life::default(),
        generation: None,
        position: Position(*sent),
        attempt: Some(1),
        reason: String::new(),
        delay: None,
        last: true,
    });
    let buried: Vec<_> = buried.collect();
    stage.hub.reject(channel_id("room"), listener_id("l"), &buried).unwrap();
    for _ in 0..2 {
        let told = stage.listen("l").rest();
        let count = |said: &Said| if let Lost(_, _, _, count) = said { *count } else { None };
        let counts: Vec<_> = told.iter().filter_map(count).collect();
        assert_eq!((counts.len(), counts.iter().sum::<u64>()), (64, 150));
        let messages: Vec<_> = told.into_iter().filter(|said| matches!(said, Got(_))).collect();
        assert_eq!(messages, got(sent.iter().copied().step_by(2)));
    }
    let last = stage.dispatch("l");
    assert_eq!(stage.listen("l").rest().last(), Some(&Got(last)));
    stage.acknowledge("l", Some(last), &sent).unwrap();
    // the first comes again alone: its streams had ended with it
    assert_eq!(stage.listen("l").rest(), got([sent[0]]));
}

/// The gap of the second is noted before, by its alarm; that the first has expired is found out by the stream, and what is
/// gone between them only afterwards. It is so for the first after a crash as well: that it was noted is forgotten.
#[tokio::test(start_paused = true)]
async fn what_is_gone_between_what_has_expired_is_told() {
    let stage = Stage::new(room());
    stage.listener("a");
    let send =
        |ttl| stage.hub.dispatch(channel_id("room"), listener_id("a"), perishable(ttl)).unwrap().position.0;
    let (first, gone, last) = (send(5), stage.broadcast(), send(1));
    stage.trim(1);
    tokio::time::advance(Duration::from_secs(3)).await;
    stage.hub.ring_alarms();
    tokio::time::advance(Duration::from_secs(3)).await;
    let spans = |said: Vec<Said>| {
        let span = |said: &Said| match *said {
            Lost(reason, after, through, _) => Some((reason, after, through)),
            Got(_) => None,
        };
        said.iter().map(span).collect::<Vec<_>>()
    };
    let expired = |at: u64| Some((GapReason::Expired, at - 1, at));
    let trimmed = Some((GapReason::Trimmed, first, gone));
    assert_eq!(spans(stage.listen("a").rest()), [expired(first), trimmed, expired(last)]);
}
