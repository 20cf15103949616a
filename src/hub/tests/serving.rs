//! How a subscription wants to be served: its types, its pace, how much at once.

use super::*;
use tokio::time::{Instant, advance};

const SECOND: Duration = Duration::from_secs(1);

fn of_types(types: &[&str]) -> ListenOptions {
    ListenOptions { types: types.iter().map(ToString::to_string).collect(), ..ListenOptions::default() }
}

#[test]
fn what_does_not_match_counts_as_delivered_without_a_gap() {
    let stage = Stage::new(room());
    stage.listener("l");
    let _ = stage.broadcast();
    let wanted = stage.dispatch("l");
    stage.broadcast();
    let (_, end) = stage.hub.notify_end(channel_id("room")).unwrap();
    let mut stream = stage.try_listen("l", of_types(&["d"])).unwrap();
    assert_eq!(stream.rest(), got([wanted, end.position.0]), "the server's own types always match");
    assert_eq!(stage.info("l").backlog.messages, 0);
    stage.broadcast();
    assert!(stream.woken());
    assert_eq!(stream.rest(), []);
    assert_eq!((stage.info("l").backlog.messages, stage.info("l").lost), (0, 0));
}

#[test]
fn a_long_run_of_what_does_not_match_is_passed_without_being_woken_anew() {
    let stage = Stage::new(ChannelSettings { max_backlog: messages(100_000), ..room() });
    stage.listener("l");
    stage.broadcasts(5000);
    let wanted = stage.dispatch("l");
    let mut stream = stage.try_listen("l", of_types(&["d"])).unwrap();
    let mut said = stream.rest();
    while stream.woken() {
        said.extend(stream.rest());
    }
    assert_eq!(said, got([wanted]));
}

#[tokio::test(start_paused = true)]
async fn a_delay_waits_between_deliveries_one_a_batch() {
    let stage = Stage::new(ChannelSettings { stream_delay: SECOND, ..room() });
    stage.listener("l");
    let sent = [stage.broadcast(), stage.dispatch("l"), stage.broadcast()];
    let mut stream = stage.listen("l");
    for position in sent {
        assert_eq!(stream.rest(), got([position]));
        advance(SECOND / 2).await;
        assert_eq!(stream.next(), None);
        advance(SECOND / 2 + Duration::from_millis(1)).await;
    }
    let sent = stage.broadcast();
    assert_eq!(stream.rest(), got([sent]), "after a pause the next comes at once");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_match_is_not_waited_for() {
    let stage = Stage::new(ChannelSettings { stream_delay: SECOND, ..room() });
    stage.listener("l");
    stage.broadcasts(20);
    let sent = stage.dispatch("l");
    let mut stream = stage.try_listen("l", of_types(&["d"])).unwrap();
    let began = Instant::now();
    let batch = Hub::pull(&mut stream.subscription, 60 * SECOND).await.unwrap().unwrap();
    assert_eq!((said(&batch.batch), began.elapsed()), (got([sent]), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_pull_waits_for_what_comes_first_or_for_nothing() {
    let stage = Stage::new(room());
    stage.listener("l");
    let mut stream = stage.try_listen("l", at_most(1)).unwrap();
    assert!(Hub::pull(&mut stream.subscription, SECOND).await.unwrap().is_none());
    let sent = [stage.dispatch("l"), stage.dispatch("l")];
    for position in sent {
        let batch = Hub::pull(&mut stream.subscription, Duration::ZERO).await.unwrap().unwrap();
        assert_eq!(said(&batch.batch), got([position]));
    }
    stage.hub.stop_listener(channel_id("room"), listener_id("l")).unwrap();
    assert!(Hub::pull(&mut stream.subscription, SECOND).await.unwrap().is_none());
}

/// A listener whose messages are all on disk.
fn on_disk() -> (Arc<Meddled>, Stage) {
    let log = Arc::new(Meddled::default());
    let stage = Stage::over(log.clone(), UNLIMITED, 0, room());
    log.reads_from_disk.store(true, Ordering::SeqCst);
    stage.listener("l");
    (log, stage)
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_does_not_wait_has_what_is_there_read_from_the_disk() {
    let (_log, stage) = on_disk();
    let sent = [stage.dispatch("l"), stage.broadcast()];
    for position in sent {
        let mut stream = stage.try_listen("l", at_most(1)).unwrap();
        let batch = Hub::pull(&mut stream.subscription, Duration::ZERO).await.unwrap().unwrap();
        assert_eq!(said(&batch.batch), got([position]));
    }
    let began = Instant::now();
    let mut stream = stage.listen("l");
    assert!(Hub::pull(&mut stream.subscription, SECOND).await.unwrap().is_none());
    assert!(began.elapsed() < 2 * SECOND, "nothing is read, so nothing is waited for");
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_does_not_wait_passes_over_all_that_does_not_match() {
    let (log, stage) = on_disk();
    for from_disk in [true, false] {
        log.reads_from_disk.store(from_disk, Ordering::SeqCst);
        stage.broadcasts(900);
        let wanted = stage.dispatch("l");
        let options = ListenOptions { max_messages: 1, ..of_types(&["d"]) };
        let mut stream = stage.try_listen("l", options).unwrap();
        let batch = Hub::pull(&mut stream.subscription, Duration::ZERO).await.unwrap().unwrap();
        assert_eq!(said(&batch.batch), got([wanted]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pull_from_a_log_that_gives_nothing_back_says_so_in_time() {
    let (log, stage) = on_disk();
    let sent = stage.dispatch("l");
    log.holds.store(true, Ordering::SeqCst);
    let began = Instant::now();
    let mut stream = stage.listen("l");
    let answer = Hub::pull(&mut stream.subscription, SECOND).await;
    assert_eq!(answer.unwrap_err(), Error::Log(LogError::Unavailable));
    assert!(began.elapsed() < 10 * SECOND);
    drop(stream);
    log.holds.store(false, Ordering::SeqCst);
    let mut stream = stage.listen("l");
    let batch = Hub::pull(&mut stream.subscription, Duration::ZERO).await.unwrap().unwrap();
    assert_eq!(said(&batch.batch), got([sent]));
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_is_ended_while_its_log_reads_ends() {
    let (log, stage) = on_disk();
    stage.dispatch("l");
    log.holds.store(true, Ordering::SeqCst);
    let mut stream = stage.listen("l");
    let pull = Hub::pull(&mut stream.subscription, Duration::ZERO);
    let ends = async {
        tokio::task::yield_now().await;
        stage.hub.close();
    };
    assert_eq!(tokio::join!(pull, ends).0.unwrap_err(), Error::ShuttingDown);
}

#[test]
fn a_batch_has_at_most_so_many_messages_and_bytes_and_one_always_fits() {
    let stage = Stage::new(room());
    stage.listener("l");
    let sent = [stage.try_dispatch("l", 500).unwrap(), stage.try_dispatch("l", 20).unwrap()];
    let mut stream =
        stage.try_listen("l", ListenOptions { max_bytes: 100, ..ListenOptions::default() }).unwrap();
    assert_eq!(stream.next(), Some(got([sent[0]])));
    assert_eq!(stream.next(), Some(got([sent[1]])));
}

#[test]
fn a_watcher_sees_broadcasts_and_is_no_receiver() {
    let stage = Stage::new(room());
    stage.listener("l");
    let earlier = stage.broadcast();
    let mut watcher = stage.watch(From::New);
    stage.dispatch("l");
    let accepted = stage.hub.broadcast(channel_id("room"), message("b", SIZE)).unwrap();
    assert_eq!(accepted.receivers, Some(1));
    assert_eq!(watcher.rest(), got([accepted.position.0]));
    assert_eq!(stage.watch(From::Oldest).rest(), got([earlier, accepted.position.0]));
    drop(watcher);
    assert_eq!(stage.hub.info().streams, 0);
}
