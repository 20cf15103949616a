//! `max_log_bytes` bounds the server: windows go first, then the oldest broadcasts that may, and then it is full.

use super::*;
use crate::{error::Limit, hub::GapReason::Trimmed};

const ONE: u64 = BESIDE + SIZE as u64;
fn reject() -> ChannelSettings {
    ChannelSettings { broadcast_overflow: Overflow::RejectNew, ..room() }
}

/// A hub whose log holds so many messages of the usual size.
fn stage(messages: u64, settings: ChannelSettings) -> Stage {
    let limits = Limits { max_log_bytes: messages * ONE, ..UNLIMITED };
    Stage::over(Arc::new(Memory::default()), limits, 0, settings)
}

fn full(result: Result<u64, Error>) -> bool {
    match result {
        Ok(_) => false,
        Err(Error::LimitReached { limit: Limit::LogBytes, .. }) => true,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn windows_go_first_and_nobody_misses_anything() {
    let stage = stage(4, room());
    stage.listeners(&["l", "m"]);
    let sent = [stage.broadcast(), stage.dispatch("l")];
    assert_eq!(stage.listen("l").rest(), got(sent));
    let rest = stage.listen("m").rest();
    assert_eq!(rest, got([sent[0]]));
    let later = stage.broadcasts(4);
    assert_eq!(stage.hub.info().log_bytes, 4 * ONE);
    assert_eq!(stage.listen("m").rest(), got(later.clone()));
    assert_eq!(
        stage.resume("l", sent[0]).rest(),
        [vec![Lost(Trimmed, sent[0], sent[1], None)], got(later)].concat()
    );
}

#[test]
fn then_the_oldest_broadcasts_go_as_a_gap_between_the_dispatches_that_stay() {
    let stage = stage(4, room());
    let birth = stage.listener("l");
    let sent = [stage.broadcast(), stage.dispatch("l"), stage.broadcast(), stage.dispatch("l")];
    let last = [stage.dispatch("l"), stage.dispatch("l")];
    assert!(full(stage.try_dispatch("l", SIZE)) && full(stage.try_broadcast(SIZE)));
    let mut stream = stage.listen("l");
    let expected = [
        Lost(Trimmed, birth, sent[0], None),
        Got(sent[1]),
        Lost(Trimmed, sent[1], sent[2], None),
        Got(sent[3]),
        Got(last[0]),
        Got(last[1]),
    ];
    assert_eq!(stream.rest(), expected);
    assert_eq!(stage.info("l").lost, 2);
}

#[test]
fn no_more_goes_than_must() {
    let stage = stage(100, room());
    stage.listener("l");
    stage.broadcasts(101);
    assert!(stage.kept() >= 97, "{} are kept", stage.kept());
}

#[test]
fn the_channel_that_has_the_oldest_loses_it() {
    let stage = stage(4, room());
    stage.channel("other", room());
    stage.hub.register(channel_id("other"), listener_id("l"), NewListener::default()).unwrap();
    let birth = stage.listener("l");
    let sent = stage.broadcasts(2);
    let other: Vec<_> = (0..3).map(|_| stage.broadcast_in("other")).collect();
    // a share more than is needed goes at once
    assert_eq!(stage.listen("l").rest(), [Lost(Trimmed, birth, sent[1], Some(2))]);
    let receiver = Receiver::Listener(listener_id("l"));
    let subscription = stage.hub.subscribe(channel_id("other"), receiver, ListenOptions::default()).unwrap();
    assert_eq!(Stream::new(subscription).rest(), got(other));
}

#[test]
fn broadcasts_that_were_promised_are_never_dropped_for_room() {
    let stage = stage(3, reject());
    stage.listener("l");
    let sent = stage.broadcasts(3);
    assert!(full(stage.try_broadcast(SIZE)) && full(stage.try_dispatch("l", SIZE)));
    assert_eq!(stage.listen("l").rest(), got(sent));
}

#[test]
fn a_full_log_has_room_again_when_its_messages_were_handed_over() {
    for settings in [room(), reject()] {
        let stage = stage(3, settings);
        stage.listener("l");
        let sent = stage.dispatches("l", 3);
        assert!(full(stage.try_dispatch("l", SIZE)));
        assert_eq!(stage.listen("l").rest(), got(sent));
        assert!(!full(stage.try_dispatch("l", SIZE)), "what was handed over is a window, and goes first");
    }
}

#[test]
fn a_full_log_has_room_again_when_a_token_skips_what_waits() {
    let stage = stage(3, room());
    stage.listener("l");
    let sent = stage.dispatches("l", 3);
    assert!(full(stage.try_dispatch("l", SIZE)));
    drop(stage.resume("l", sent[2]));
    assert!(!full(stage.try_dispatch("l", SIZE)));
}

#[test]
fn a_full_log_has_room_again_when_broadcasts_may_be_dropped() {
    let stage = stage(3, reject());
    stage.listener("l");
    stage.broadcasts(3);
    assert!(full(stage.try_broadcast(SIZE)));
    stage.update(|settings| settings.broadcast_overflow = Overflow::DropOldest);
    assert!(!full(stage.try_broadcast(SIZE)));
}

#[tokio::test(start_paused = true)]
async fn a_full_log_has_room_again_when_a_bell_has_handed_over() {
    let limits = Limits { max_log_bytes: 3 * ONE, ..UNLIMITED };
    let stage = Stage::over(Arc::new(Memory::default()), limits, 1, reject());
    let mut core = Core::new(&stage.hub, 0);
    core.enter();
    stage.listener("l");
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), []);
    let sent = stage.broadcasts(3);
    core.answer();
    assert!(full(stage.try_broadcast(SIZE)));
    assert_eq!(stream.rest(), got(sent));
    assert!(!full(stage.try_broadcast(SIZE)));
}

#[test]
fn a_broadcast_that_fits_beside_a_refused_one_may_go_later() {
    let stage = stage(3, room());
    stage.listener("l");
    stage.dispatches("l", 2);
    assert!(full(stage.try_dispatch("l", 2 * SIZE)));
    stage.broadcast();
    assert!(!full(stage.try_dispatch("l", SIZE)), "the broadcast goes");
}

#[test]
fn memory_is_given_back_with_what_it_held() {
    let stage = stage(10, room());
    stage.listeners(&["l", "m"]);
    stage.dispatches("l", 5);
    stage.dispatches("m", 5);
    assert!(full(stage.try_dispatch("m", SIZE)));
    stage.hub.remove_listener(channel_id("room"), listener_id("l")).unwrap();
    assert!(!full(stage.try_dispatch("m", SIZE)));
    stage.purge("m", None);
    assert_eq!(stage.hub.info().log_bytes, 0);
}

#[test]
fn a_log_without_a_limit_takes_everything() {
    let stage = Stage::new(room());
    stage.listener("l");
    stage.dispatches("l", 500);
    assert_eq!(stage.hub.info().log_bytes, 500 * ONE);
}

#[test]
fn what_is_not_acknowledged_stays_where_it_was_dispatched_and_goes_where_it_was_broadcast() {
    let stage = stage(4, room());
    let birth = stage.explicit("l", ListenerSettings::default());
    let sent = [stage.broadcast(), stage.dispatch("l"), stage.broadcast(), stage.dispatch("l")];
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), got(sent));
    stage.acknowledge("l", None, &[sent[2]]).unwrap();
    let last = [stage.dispatch("l"), stage.dispatch("l")];
    assert!(full(stage.try_dispatch("l", SIZE)) && full(stage.try_broadcast(SIZE)));
    // it was in hand, and is lost for those who come again
    assert_eq!(stream.rest(), [Lost(Trimmed, sent[1], sent[2], Some(1)), Got(last[0]), Got(last[1])]);
    assert_eq!((stage.info("l").lost, stage.info("l").backlog.messages, birth < sent[0]), (1, 4, true));
    stage.acknowledge("l", Some(last[0]), &[]).unwrap();
    assert!(!full(stage.try_dispatch("l", SIZE)), "what is acknowledged is gone at once");
}
