//! No stream sleeps over what came for it, on whichever core it waits.

use super::*;
use crate::log::held::Held;

fn two_cores() -> (Stage, [Core; 2]) {
    let stage = Stage::over(Arc::new(Memory::default()), UNLIMITED, 2, room());
    let cores = [0, 1].map(|number| Core::new(&stage.hub, number));
    (stage, cores)
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_wakes_every_core_and_a_dispatch_only_its_own() {
    let (stage, mut cores) = two_cores();
    stage.listeners(&["l", "m"]);
    let mut streams = ["l", "m"].map(|id| (id, id)).map(|(id, _)| {
        cores[usize::from(id == "m")].enter();
        stage.listen(id)
    });
    assert!(streams.iter_mut().all(|stream| stream.rest().is_empty()));
    let sent = stage.broadcast();
    cores.iter_mut().for_each(Core::answer);
    assert!(streams.iter_mut().all(|stream| stream.woken() && stream.rest() == got([sent])));
    let own = stage.dispatch("l");
    cores.iter_mut().for_each(Core::answer);
    assert!(streams[0].woken() && !streams[1].woken());
    assert_eq!(streams[0].rest(), got([own]));
}

#[tokio::test(start_paused = true)]
async fn a_bell_follows_its_listener_to_another_core() {
    let (stage, mut cores) = two_cores();
    stage.listener("l");
    cores[0].enter();
    let mut older = stage.listen("l");
    assert_eq!(older.rest(), []);
    let first = stage.dispatch("l");
    cores[1].enter();
    let mut newer = stage.listen("l");
    assert_eq!(newer.rest(), got([first]));
    let second = stage.dispatch("l");
    // the bell of the first dispatch is still on its way to the older stream's core
    cores.iter_mut().for_each(Core::answer);
    cores.iter_mut().for_each(Core::answer);
    assert!(newer.woken());
    assert_eq!(newer.rest(), got([second]));
}

#[tokio::test(start_paused = true)]
async fn streams_that_are_level_share_one_batch() {
    let (stage, [mut core, _]) = two_cores();
    core.enter();
    stage.listeners(&["l", "m"]);
    let mut streams = [stage.listen("l"), stage.listen("m"), stage.watch(From::New)];
    assert!(streams.iter_mut().all(|stream| stream.rest().is_empty()));
    stage.broadcast();
    core.answer();
    let batches = streams.each_mut().map(|stream| match stream.poll() {
        Poll::Ready(Ok(batch)) => batch,
        Poll::Ready(Err(_)) | Poll::Pending => panic!("there is something to read"),
    });
    assert!(Arc::ptr_eq(&batches[0], &batches[1]) && Arc::ptr_eq(&batches[0], &batches[2]));
    assert_eq!(["l", "m"].map(|id| stage.info(id).backlog.messages), [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_rests_once_it_has_all_that_the_bell_could_bring() {
    let (stage, [mut core, _]) = two_cores();
    core.enter();
    stage.listener("l");
    stage.explicit("e", ListenerSettings::default());
    let mut streams = [stage.listen("l"), stage.listen("e"), stage.watch(From::New)];
    assert!(streams.iter_mut().all(|stream| stream.rest().is_empty() && !stream.subscription.rests()));
    let first = stage.broadcast();
    core.answer();
    let level = |stream: &mut Stream| stream.next() == Some(got([first])) && stream.subscription.rests();
    assert!(streams.iter_mut().all(level));
    let (second, own) = (stage.broadcast(), [stage.dispatch("l"), stage.dispatch("e")]);
    core.answer();
    let [plain, explicit, watcher] = &mut streams;
    assert!(plain.next() == Some(got([second])) && !plain.subscription.rests());
    assert_eq!(plain.rest(), got([own[0]]));
    assert!(explicit.next().is_some() && !explicit.subscription.rests());
    assert!(watcher.next() == Some(got([second])) && watcher.subscription.rests());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_level_reads_for_itself_in_order() {
    let (stage, [mut core, _]) = two_cores();
    core.enter();
    stage.listener("l");
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), []);
    let sent = [stage.dispatch("l"), stage.broadcast(), stage.dispatch("l"), stage.broadcast()];
    core.answer();
    assert_eq!(stream.rest(), got(sent));
    let first = stage.broadcast();
    core.answer();
    let second = stage.broadcast();
    core.answer();
    assert_eq!(stream.rest(), got([first, second]), "the second bell has replaced what the first brought");
}

#[tokio::test(start_paused = true)]
async fn what_the_bell_brings_keeps_to_what_a_stream_takes_at_once() {
    let (stage, [mut core, _]) = two_cores();
    core.enter();
    stage.listeners(&["l", "m"]);
    let small = ListenOptions { max_bytes: 200, ..ListenOptions::default() };
    let mut streams = [stage.try_listen("l", at_most(2)).unwrap(), stage.try_listen("m", small).unwrap()];
    assert!(streams.iter_mut().all(|stream| stream.rest().is_empty()));
    let sent = stage.broadcasts(5);
    core.answer();
    for stream in &mut streams {
        let batches: Vec<_> = std::iter::from_fn(|| stream.next()).collect();
        assert_eq!(batches, [got(sent[..2].to_vec()), got(sent[2..4].to_vec()), got(sent[4..].to_vec())]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_for_one_bell_comes_with_the_next() {
    let (stage, [mut core, _]) = two_cores();
    core.enter();
    stage.listener("l");
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), []);
    let sent: Vec<_> = (0..10).map(|_| stage.try_broadcast(100_000).unwrap()).collect();
    core.answer();
    assert_eq!(stream.rest(), got(sent));
}

#[tokio::test(start_paused = true)]
async fn what_lies_on_a_desk_is_cleared_away_and_misses_nobody() {
    let (stage, [mut core, _]) = two_cores();
    core.enter();
    stage.listener("l");
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), []);
    let sent = stage.broadcast();
    core.answer();
    stage.hub.upkeep();
    let channel = stage.hub.channel(channel_id("room")).unwrap();
    assert!(channel.desks[1].look_up(9, Waker::noop(), Position(0)).tail.is_none());
    assert_eq!(stream.rest(), got([sent]));
}

#[tokio::test(start_paused = true)]
async fn what_was_trimmed_before_the_bell_was_heard_is_told_as_a_gap() {
    let (stage, [mut core, _]) = two_cores();
    core.enter();
    let birth = stage.listener("l");
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), []);
    let sent = stage.broadcast();
    stage.trim(1);
    core.answer();
    assert!(stream.woken());
    assert_eq!(stream.rest(), [Lost(GapReason::Trimmed, birth, sent, Some(1))]);
}

#[tokio::test(start_paused = true)]
async fn a_crowd_pauses_between_two_rings_and_nobody_else_does() {
    let (stage, [mut core, _]) = two_cores();
    core.enter();
    stage.listener("l");
    let mut own = stage.listen("l");
    let mut crowd: Vec<_> = (0..30).map(|_| stage.watch(From::New)).collect();
    assert!(crowd.iter_mut().chain([&mut own]).all(|stream| stream.rest().is_empty()));
    let first = stage.broadcast();
    core.answer();
    assert!(crowd.iter_mut().chain([&mut own]).all(|stream| stream.woken() && stream.rest() == got([first])));
    let later = stage.broadcasts(2);
    core.answer();
    assert!(crowd.iter().chain([&own]).all(|stream| !stream.woken()));
    let dispatched = stage.dispatch("l");
    core.answer();
    assert!(own.woken() && crowd.iter().all(|stream| !stream.woken()));
    assert_eq!(own.rest(), got([later[0], later[1], dispatched]));
    tokio::time::advance(Duration::from_millis(2)).await;
    core.answer();
    assert!(crowd.iter_mut().all(|stream| stream.woken() && stream.rest() == got(later.clone())));
}

#[tokio::test(start_paused = true)]
async fn what_is_too_much_for_one_bell_comes_with_the_next_also_while_a_crowd_pauses() {
    let (stage, [mut core, _]) = two_cores();
    core.enter();
    let mut crowd: Vec<_> = (0..30).map(|_| stage.watch(From::New)).collect();
    assert!(crowd.iter_mut().all(|stream| stream.rest().is_empty()));
    let other = channel_id("other");
    stage.hub.create_channel(other, room(), false).unwrap();
    let mut stream = Stream::new(
        stage.hub.subscribe(other, Receiver::Watcher(From::New), ListenOptions::default()).unwrap(),
    );
    assert_eq!(stream.rest(), []);
    stage.broadcast();
    core.answer();
    let large = || message("large", 100_000);
    let sent: Vec<_> = (0..3).map(|_| stage.hub.broadcast(other, large()).unwrap().position.0).collect();
    core.answer();
    assert!(stream.woken());
    assert_eq!(stream.rest(), got(sent));
}

#[test]
fn a_desk_never_sees_less_than_before() {
    let desk = desk::Desk::default();
    desk.sit(1, Position(5));
    // two who broadcast ring in the other order
    desk.wake_all(Position(11));
    desk.wake_all(Position(10));
    assert_eq!(desk.seen(), Position(11));
}

#[tokio::test(start_paused = true)]
async fn what_a_bell_brought_before_it_was_too_much_is_in_hand_until_it_is_told_as_a_gap() {
    let stage = Stage::over(Arc::new(Memory::default()), UNLIMITED, 1, room());
    let mut core = Core::new(&stage.hub, 0);
    core.enter();
    let birth = stage.explicit("l", ListenerSettings::default());
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), []);
    stage.update(|settings| settings.max_backlog = messages(1));
    let first = stage.broadcast();
    core.answer();
    let second = stage.broadcast();
    assert_eq!(stream.next(), Some(got([first])));
    core.answer();
    assert_eq!(stream.rest(), got([second]));
    // looking at it is what makes the rule true
    assert_eq!(stage.info("l").unacknowledged.messages, 1);
    assert_eq!(stream.rest(), [Lost(GapReason::Overflow, birth, first, Some(1))]);
    assert_eq!(stage.acknowledge("l", Some(second), &[]).unwrap().covered, 1);
}

#[test]
fn what_has_just_become_safe_rings_also_under_its_channels_lock() {
    let log = Arc::new(Held::default());
    let stage = Stage::over(log.clone(), UNLIMITED, 0, room());
    stage.listener("l");
    let mut stream = stage.listen("l");
    assert_eq!(stream.rest(), []);
    let sent = [stage.broadcast(), stage.dispatch("l")];
    log.release_unheard();
    let (told, rung) = std::sync::mpsc::sync_channel(1);
    let hub = Arc::clone(&stage.hub);
    // a deadlock is to be a failure
    std::thread::spawn(move || {
        let channel = hub.channel(channel_id("room")).unwrap();
        let state = channel.lock();
        let listener = state.listener("l").cloned().unwrap();
        hub.bells.ring_later(hub.log.watermark(), Position(sent[1]), &channel, Some(&listener));
        drop(state);
        told.send(()).unwrap();
    });
    assert!(rung.recv_timeout(Duration::from_secs(10)).is_ok(), "it waits for itself");
    assert!(stream.woken());
    assert_eq!(stream.rest(), got(sent));
}
