//! A stream ends for a reason that it is told, and at once, even where it waits.

use super::*;

fn id() -> (ChannelId<'static>, ListenerId<'static>) {
    (channel_id("room"), listener_id("l"))
}

/// A stage with a stream that waits.
fn waiting() -> (Stage, Stream) {
    let stage = Stage::new(room());
    stage.listener("l");
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), []);
    (stage, stream)
}

fn ended(stream: &mut Stream) -> Ending {
    assert!(stream.woken());
    stream.ending()
}

#[test]
fn a_newer_stream_takes_over() {
    let (stage, mut older) = waiting();
    let mut newer = stage.listen("l");
    let (channel, listener) = ("room".into(), "l".into());
    assert_eq!(ended(&mut older), Ending::Failed(Error::ListenerTakenOver { channel, listener }));
    drop(older);
    let sent = stage.dispatch("l");
    assert_eq!(newer.rest(), got([sent]));
    assert!(stage.info("l").running && stage.info("l").connected, "the end of the older one stops nothing");
}

#[test]
fn a_stop_ends_the_stream_for_good_and_keeps_the_queue() {
    let (stage, mut stream) = waiting();
    let sent = stage.dispatch("l");
    let info = stage.hub.stop_listener(id().0, id().1).unwrap();
    assert!(!info.running && !info.connected);
    assert_eq!(ended(&mut stream), Ending::Stopped);
    assert_eq!(stage.info("l").backlog.messages, 1);
    assert_eq!(stage.listen("l").rest(), got([sent]));
    assert!(!stage.info("l").running, "the end of a stream stops its listener");
}

#[test]
fn a_removed_listener_ends_its_stream() {
    let (stage, mut stream) = waiting();
    stage.dispatch("l");
    assert_eq!(stage.hub.remove_listener(id().0, id().1), Ok(1));
    let (channel, listener) = ("room".to_owned(), "l".to_owned());
    let removed = Error::ListenerRemoved { channel, listener };
    assert_eq!(ended(&mut stream), Ending::Failed(removed.clone()));
    assert_eq!(stage.hub.remove_listener(id().0, id().1), Err(removed));
    assert_eq!((stage.hub.info().log_bytes, stage.hub.info().listeners), (0, 0));
}

#[test]
fn a_removed_channel_ends_its_streams_and_leaves_nothing() {
    let (stage, mut stream) = waiting();
    let mut watcher = stage.watch(From::New);
    assert_eq!(watcher.rest(), []);
    stage.dispatch("l");
    stage.broadcast();
    assert_eq!(stage.hub.remove_channel(id().0), Ok((1, 2)));
    let removed = Error::ChannelRemoved { channel: "room".into() };
    assert_eq!(ended(&mut stream), Ending::Failed(removed.clone()));
    assert_eq!(ended(&mut watcher), Ending::Failed(removed.clone()));
    drop((stream, watcher));
    assert_eq!(stage.try_broadcast(SIZE), Err(removed));
    let info = stage.hub.info();
    assert_eq!((info.log_bytes, info.listeners, info.streams, info.channels), (0, 0, 0, 0));
}

#[test]
fn a_shutdown_leaves_what_is_ready_for_the_last_batches() {
    let (stage, stream) = waiting();
    drop(stream);
    let sent = stage.dispatches("l", 5);
    let mut stream = stage.try_listen("l", at_most(2)).unwrap();
    assert_eq!(stream.next(), Some(got(sent[..2].to_vec())));
    stage.hub.close();
    assert_eq!(stream.ending(), Ending::Failed(Error::ShuttingDown));
    let last = std::iter::from_fn(|| stream.subscription.last_batch().map(|handed| said(&handed.batch)));
    assert_eq!(last.flatten().collect::<Vec<_>>(), got(sent[2..].to_vec()));
    assert_eq!(stage.try_listen("l", ListenOptions::default()).err(), Some(Error::ShuttingDown));
    assert_eq!(stage.info("l").backlog.messages, 0);
}

#[test]
fn a_shutdown_wakes_a_stream_that_waits() {
    let (stage, mut stream) = waiting();
    stage.hub.close();
    stage.hub.close();
    assert_eq!(ended(&mut stream), Ending::Failed(Error::ShuttingDown));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_waits_for_its_delay_ends_at_once() {
    let stage = Stage::new(ChannelSettings { stream_delay: Duration::from_secs(60), ..room() });
    stage.listener("l");
    let sent = [stage.dispatch("l"), stage.dispatch("l")];
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), got([sent[0]]));
    stage.hub.stop_listener(id().0, id().1).unwrap();
    assert_eq!(ended(&mut stream), Ending::Stopped);
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), got([sent[1]]));
    stage.hub.close();
    assert_eq!(ended(&mut stream), Ending::Failed(Error::ShuttingDown));
}

#[test]
fn an_ending_that_comes_late_ends_no_other_stream() {
    let desk = desk::Desk::default();
    let seat = desk.sit(1, Position(1));
    desk.leave(seat);
    assert_eq!(desk.sit(2, Position(1)), seat, "seats are given again");
    desk.end(seat, 1, Ending::Stopped);
    assert_eq!(desk.look_up(seat, Waker::noop(), Position(1)).ending, None);
}

#[test]
fn a_refused_stream_leaves_no_trace() {
    let stage = Stage::over(Arc::new(Memory::default()), Limits { max_streams: 1, ..UNLIMITED }, 0, room());
    stage.listener("l");
    let missing = stage.try_listen("m", ListenOptions::default()).err();
    assert!(matches!(missing, Some(Error::ListenerNotFound { .. })));
    let first = stage.listen("l");
    let limit = Error::LimitReached { limit: crate::error::Limit::Streams, value: 1 };
    assert_eq!(stage.try_listen("l", ListenOptions::default()).err(), Some(limit));
    drop(first);
    assert_eq!(stage.listen("l").rest(), []);
    assert_eq!(stage.hub.info().streams, 0);
}
