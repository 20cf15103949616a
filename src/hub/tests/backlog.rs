//! A backlog is bounded: what is beyond it is refused, or drops the oldest as a gap.

use super::*;
use crate::hub::GapReason::Overflow as Overflown;

fn reject() -> ChannelSettings {
    ChannelSettings { broadcast_overflow: Overflow::RejectNew, ..room() }
}

fn refused(result: Result<u64, Error>) -> bool {
    match result {
        Ok(_) => false,
        Err(Error::BacklogFull { .. }) => true,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_dispatch_to_a_full_listener_is_refused_and_to_another_not() {
    let stage = Stage::new(ChannelSettings { max_backlog: messages(2), ..room() });
    stage.listeners(&["l", "m"]);
    let sent = [stage.dispatch("l"), stage.dispatch("l")];
    assert!(refused(stage.try_dispatch("l", SIZE)));
    assert!(!refused(stage.try_dispatch("m", SIZE)));
    assert_eq!(stage.listen("l").rest(), got(sent));
    assert!(!refused(stage.try_dispatch("l", SIZE)));
}

#[test]
fn bytes_are_bounded_too_and_one_message_always_fits() {
    let stage = Stage::new(ChannelSettings { max_backlog: bytes(50), ..reject() });
    stage.listener("l");
    let sent = stage.try_dispatch("l", 90).unwrap();
    assert!(refused(stage.try_dispatch("l", 10)) && refused(stage.try_broadcast(10)));
    assert_eq!(stage.listen("l").rest(), got([sent]));
    let sent = [stage.try_broadcast(30).unwrap(), stage.try_dispatch("l", 20).unwrap()];
    assert!(refused(stage.try_dispatch("l", 10)) && refused(stage.try_broadcast(10)));
    assert_eq!(stage.listen("l").rest(), got(sent));
}

#[test]
fn a_broadcast_is_refused_while_one_listener_is_full_and_names_it() {
    let stage = Stage::new(ChannelSettings { max_backlog: messages(2), ..reject() });
    stage.listeners(&["l", "m", "n"]);
    let sent = [stage.dispatch("m"), stage.broadcast()];
    match stage.try_broadcast(SIZE) {
        Err(Error::BacklogFull { listener, max_messages, .. }) => {
            assert_eq!((listener.as_str(), max_messages), ("m", 2));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(stage.listen("m").rest(), got(sent));
    assert!(!refused(stage.try_broadcast(SIZE)));
    assert!(refused(stage.try_broadcast(SIZE)), "l and n have two now");
    ["l", "n"].iter().for_each(|id| stage.remove(id));
    assert!(!refused(stage.try_broadcast(SIZE)));
}

#[test]
fn what_is_refused_leaves_nothing_behind() {
    let stage = Stage::new(ChannelSettings { max_backlog: messages(1), ..reject() });
    stage.listener("l");
    let sent = stage.dispatch("l");
    let bytes = stage.hub.info().log_bytes;
    assert!(refused(stage.try_dispatch("l", SIZE)) && refused(stage.try_broadcast(SIZE)));
    assert_eq!((stage.hub.info().log_bytes, stage.info("l").backlog.messages), (bytes, 1));
    assert_eq!(stage.listen("l").rest(), got([sent]));
}

#[test]
fn a_broadcast_drops_the_oldest_of_those_that_are_so_far_behind() {
    let stage = Stage::new(ChannelSettings { max_backlog: messages(2), ..room() });
    let births = ["l", "m"].map(|id| stage.listener(id));
    let own = stage.dispatch("l");
    let sent = [stage.broadcast(), stage.broadcast()];
    assert_eq!(
        stage.listen("l").rest(),
        [Lost(Overflown, births[0], own, Some(1)), Got(sent[0]), Got(sent[1])]
    );
    assert_eq!(stage.listen("m").rest(), got(sent));
}

#[test]
fn a_dispatch_drops_the_oldest_where_the_channel_says_so() {
    let drop_oldest = ChannelSettings { dispatch_overflow: Overflow::DropOldest, ..room() };
    let stage = Stage::new(ChannelSettings { max_backlog: messages(2), ..drop_oldest });
    let birth = stage.listener("l");
    let sent = stage.dispatches("l", 4);
    assert_eq!(stage.hub.info().log_bytes, 2 * (BESIDE + SIZE as u64));
    let expected = [Lost(Overflown, birth, sent[1], Some(2)), Got(sent[2]), Got(sent[3])];
    assert_eq!(stage.listen("l").rest(), expected);
    assert_eq!((stage.info("l").lost, stage.info("l").passed.0), (2, sent[3]));
}

#[test]
fn a_lowered_limit_drops_nothing_by_itself_and_the_next_message_does() {
    let stage = Stage::new(room());
    let birth = stage.listener("l");
    let sent = [stage.broadcast(), stage.dispatch("l"), stage.broadcast()];
    stage.update(|settings| settings.max_backlog = messages(1));
    assert_eq!(stage.info("l").backlog.messages, 3);
    assert!(refused(stage.try_dispatch("l", SIZE)));
    assert_eq!(stage.info("l").backlog.messages, 3);
    let last = stage.broadcast();
    assert_eq!(stage.info("l").backlog.messages, 1);
    assert_eq!(stage.listen("l").rest(), [Lost(Overflown, birth, sent[2], Some(3)), Got(last)]);
}

#[test]
fn a_lowered_limit_takes_nothing_from_a_stream() {
    let stage = Stage::new(room());
    stage.listener("l");
    let sent = [stage.broadcast(), stage.dispatch("l"), stage.broadcast()];
    stage.update(|settings| settings.max_backlog = messages(1));
    assert_eq!(stage.listen("l").rest(), got(sent));
}

#[test]
fn an_end_stands_beside_a_full_backlog_and_is_told_once() {
    for quota in [messages(2), bytes(2 * SIZE as u64)] {
        let stage = Stage::new(ChannelSettings { max_backlog: quota, ..reject() });
        stage.listener("l");
        let sent = [stage.dispatch("l"), stage.dispatch("l")];
        let end = || stage.hub.notify_end_of(channel_id("room"), listener_id("l")).unwrap();
        let (message, first) = end();
        let (again, second) = end();
        assert_eq!((first.duplicate, second.duplicate, second.position), (false, true, first.position));
        assert_eq!(message.id(), again.id());
        assert_eq!(stage.info("l").backlog.messages, 3);
        assert_eq!(stage.listen("l").rest(), got([sent[0], sent[1], first.position.0]));
        assert!(!end().1.duplicate, "the first was delivered");
    }
}

#[test]
fn an_end_for_all_drops_the_oldest_where_a_backlog_is_full() {
    let stage = Stage::new(ChannelSettings { max_backlog: messages(2), ..reject() });
    let birth = stage.listener("l");
    let sent = [stage.dispatch("l"), stage.dispatch("l")];
    let (_, end) = stage.hub.notify_end(channel_id("room")).unwrap();
    assert_eq!(end.receivers, Some(1));
    let expected = [Lost(Overflown, birth, sent[0], Some(1)), Got(sent[1]), Got(end.position.0)];
    assert_eq!(stage.listen("l").rest(), expected);
}

#[test]
fn what_was_dropped_is_forgotten_even_if_the_log_then_takes_nothing() {
    let log = Arc::new(Meddled::default());
    let drop_oldest = ChannelSettings { dispatch_overflow: Overflow::DropOldest, ..room() };
    let settings = ChannelSettings { max_backlog: messages(2), ..drop_oldest };
    let stage = Stage::over(Arc::clone(&log) as Arc<dyn Log>, UNLIMITED, 0, settings);
    stage.listener("l");
    stage.dispatch("l");
    stage.broadcasts(2);
    log.fails.store(true, Ordering::SeqCst);
    assert!(matches!(stage.try_dispatch("l", SIZE), Err(Error::Log(LogError::Unavailable))));
    assert_eq!(stage.hub.info().log_bytes, 2 * (BESIDE + SIZE as u64));
}

#[test]
fn a_slow_reader_costs_the_log_no_more_than_the_limits() {
    let stage = Stage::new(ChannelSettings { max_backlog: messages(10), max_replay: messages(10), ..room() });
    let birth = stage.listener("l");
    let mut stream = stage.listen("l");
    stage.broadcasts(1000);
    assert_eq!(stage.hub.info().log_bytes, 10 * (BESIDE + SIZE as u64));
    assert_eq!(stream.next().map(|said| said[0]), Some(Lost(Overflown, birth, birth + 990, Some(990))));
    assert_eq!(stage.info("l").lost, 990);
}

#[test]
fn a_listener_is_not_full_of_what_an_end_has_dropped() {
    let stage = Stage::new(ChannelSettings { max_backlog: bytes(100), ..reject() });
    stage.listener("l");
    stage.try_broadcast(70).unwrap();
    let kept = stage.try_broadcast(20).unwrap();
    let (_, end) = stage.hub.notify_end(channel_id("room")).unwrap();
    assert!(!refused(stage.try_broadcast(10)), "the end has dropped 70 bytes");
    assert!(
        matches!(stage.listen("l").rest()[..], [Lost(..), Got(a), Got(b), Got(_)] if (a, b) == (kept, end.position.0))
    );
}

#[test]
fn a_raised_limit_saves_what_no_one_has_missed_yet() {
    let stage = Stage::new(ChannelSettings { max_backlog: messages(2), ..room() });
    stage.listener("l");
    let sent = stage.broadcasts(3);
    stage.update(|settings| settings.max_backlog = messages(3));
    assert_eq!(stage.listen("l").rest(), got(sent));
}

#[test]
fn an_end_that_was_dropped_is_not_waited_for() {
    let stage = Stage::new(ChannelSettings { max_backlog: messages(1), ..room() });
    stage.listener("l");
    let end = || stage.hub.notify_end_of(channel_id("room"), listener_id("l")).unwrap().1;
    end();
    let sent = stage.broadcasts(2);
    let second = end();
    assert!(!second.duplicate);
    assert_eq!(stage.listen("l").rest()[1..], got([sent[1], second.position.0]));
}

#[test]
fn an_end_that_was_purged_is_said_again() {
    let stage = Stage::new(room());
    stage.explicit("l", ListenerSettings::default());
    let end = || stage.hub.notify_end_of(channel_id("room"), listener_id("l")).unwrap().1;
    assert!(!end().duplicate);
    assert!(end().duplicate, "it waits");
    stage.purge("l", None);
    assert!(!end().duplicate);
}
