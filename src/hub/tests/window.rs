//! Delivered messages are kept for those who resume: by age, by count and by bytes.

use super::*;
use crate::hub::GapReason::Trimmed;
use tokio::time::advance;

/// Sends one of each kind, and hands them over.
fn delivered(stage: &Stage) -> [u64; 2] {
    let sent = [stage.broadcast(), stage.dispatch("l")];
    assert_eq!(stage.listen("l").rest(), got(sent));
    sent
}

async fn pass(stage: &Stage, seconds: u64) {
    for _ in 0..seconds {
        advance(Duration::from_secs(1)).await;
        stage.hub.upkeep();
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_stays_for_as_long_as_the_window_lasts_and_then_goes() {
    let stage = Stage::new(room());
    let birth = stage.listener("l");
    pass(&stage, 5).await;
    let sent = delivered(&stage);
    pass(&stage, 60).await;
    assert_eq!(stage.resume("l", birth).rest(), got(sent));
    pass(&stage, 3).await;
    assert_eq!(stage.resume("l", birth).rest(), [Lost(Trimmed, birth, sent[1], None)]);
    assert_eq!(stage.hub.info().log_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn the_first_second_of_a_hub_has_a_window_like_every_other() {
    let stage = Stage::new(room());
    let birth = stage.listener("l");
    let sent = delivered(&stage);
    stage.hub.upkeep();
    pass(&stage, 59).await;
    assert_eq!(stage.resume("l", birth).rest(), got(sent));
}

/// Nobody has a channel for as long as it takes to look at all of its listeners.
#[tokio::test(start_paused = true)]
async fn the_windows_of_thousands_grow_old_in_parts() {
    let limits = Limits { max_listeners: 10_000, ..UNLIMITED };
    let stage = Stage::over(Arc::new(Memory::default()), limits, 0, room());
    let ids: Vec<_> = (0..2_500).map(|n| format!("l{n}")).collect();
    ids.iter().for_each(|id| _ = stage.listener(id));
    let sent = stage.broadcast();
    for id in &ids {
        stage.dispatch(id);
        assert_eq!(stage.listen(id).rest().len(), 2, "{id}, of {sent} and its own");
    }
    let channel = stage.hub.channel(channel_id("room")).unwrap();
    let parts = || {
        let mut dropped = Vec::new();
        let mut trim = || channel.lock().trim(stage.hub.clock(), &mut dropped);
        let parts = std::iter::from_fn(|| trim().then_some(())).count();
        stage.hub.forget(&dropped);
        parts
    };
    assert_eq!((parts(), parts()), (2, 0), "of broadcasts");
    advance(Duration::from_secs(62)).await;
    assert_eq!((parts(), parts()), (2, 0), "of dispatches");
    pass(&stage, 3).await;
    assert_eq!(stage.hub.info().log_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn what_waits_does_not_grow_old() {
    let stage = Stage::new(room());
    stage.listener("l");
    let sent = [stage.broadcast(), stage.dispatch("l")];
    pass(&stage, 200).await;
    assert_eq!(stage.listen("l").rest(), got(sent));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_one_who_came_later_does_not_grow_old_either() {
    let stage = Stage::new(room());
    let sent = stage.broadcast();
    stage.hub.upkeep();
    pass(&stage, 59).await;
    stage
        .hub
        .register(
            channel_id("room"),
            listener_id("l"),
            NewListener { from: From::Oldest, ..NewListener::default() },
        )
        .unwrap();
    pass(&stage, 10).await;
    assert_eq!(stage.listen("l").rest(), got([sent]));
    pass(&stage, 63).await;
    assert_eq!(stage.kept(), 0);
}

#[tokio::test(start_paused = true)]
async fn no_listener_waits_for_another_ones_window() {
    let stage = Stage::new(room());
    stage.listeners(&["l", "m"]);
    pass(&stage, 1).await;
    stage.dispatch("l");
    stage.listen("l").rest();
    pass(&stage, 50).await;
    stage.dispatch("l");
    stage.listen("l").rest();
    pass(&stage, 9).await;
    stage.dispatch("m");
    stage.listen("m").rest();
    // the second one's age of 63 s is looked at though the third has 6 s left
    pass(&stage, 54).await;
    assert_eq!(stage.hub.info().log_bytes, BESIDE + SIZE as u64);
}

#[tokio::test(start_paused = true)]
async fn a_window_that_was_made_shorter_is_shorter_at_once() {
    let stage = Stage::new(ChannelSettings { replay_window: Duration::from_secs(3600), ..room() });
    stage.listener("l");
    delivered(&stage);
    pass(&stage, 10).await;
    stage.update(|settings| settings.replay_window = Duration::from_secs(5));
    pass(&stage, 1).await;
    assert_eq!(stage.hub.info().log_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn dispatches_that_a_token_skipped_grow_old_too() {
    let stage = Stage::new(room());
    stage.listener("l");
    let skipped = stage.dispatch("l");
    drop(stage.resume("l", skipped));
    pass(&stage, 62).await;
    assert_eq!(stage.hub.info().log_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_window_of_no_time_lasts_until_the_next_upkeep() {
    let stage = Stage::new(ChannelSettings { replay_window: Duration::ZERO, ..room() });
    stage.listener("l");
    delivered(&stage);
    pass(&stage, 2).await;
    assert_eq!(stage.hub.info().log_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_window_has_a_limit_of_messages_and_of_bytes_for_each_kind() {
    let two = Quota { messages: 1000, bytes: 2 * SIZE as u64 };
    for quota in [messages(2), two] {
        let stage = Stage::new(ChannelSettings { max_replay: quota, ..room() });
        stage.listener("l");
        for _ in 0..4 {
            delivered(&stage);
        }
        stage.hub.upkeep();
        assert_eq!(stage.hub.info().log_bytes, 4 * (BESIDE + SIZE as u64));
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_of_nothing_keeps_nothing() {
    for quota in [messages(0), bytes(0)] {
        let stage = Stage::new(ChannelSettings { max_replay: quota, ..room() });
        let birth = stage.listener("l");
        let sent = delivered(&stage);
        stage.hub.upkeep();
        assert_eq!(stage.hub.info().log_bytes, 0);
        assert_eq!(stage.resume("l", birth).rest(), [Lost(Trimmed, birth, sent[1], None)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_watcher_begins_with_the_oldest_of_the_window_and_pins_nothing() {
    let stage = Stage::new(room());
    let sent = [stage.broadcast(), stage.broadcast()];
    let mut watcher = stage.watch(From::Oldest);
    assert_eq!(stage.watch(From::New).rest(), []);
    stage.hub.upkeep();
    pass(&stage, 70).await;
    assert_eq!(stage.kept(), 0);
    assert!(matches!(watcher.rest()[..], [Lost(Trimmed, _, through, Some(2))] if through == sent[1]));
    let later = stage.broadcast();
    assert_eq!(watcher.rest(), got([later]));
}
