//! A watch sees what is broadcast, and leaves nothing behind.

use crate::support::{
    Reader, Wire, channel,
    message::{message, numbered, numbers, sent, sequences},
    until,
};
use eric::v1::{ChannelSettings, GapReason, StartAt, WatchSubscription};

async fn from_oldest(wire: &Wire) -> Reader {
    let from =
        WatchSubscription { channel: "c".into(), start_at: StartAt::Oldest.into(), ..Default::default() };
    wire.try_watch(from).await.expect("the stream opens")
}

#[tokio::test]
async fn a_watch_begins_with_what_comes() {
    let (_server, wire) = channel().await;
    wire.broadcast("c", numbered(1)).await;
    let mut watcher = wire.watch("c").await;
    wire.broadcast("c", numbered(2)).await;
    assert_eq!(numbers(&watcher.take(1).await), [2]);
    assert_eq!(
        (watcher.started.listener.as_str(), watcher.started.birth),
        ("", wire.look_at("c").await.birth)
    );
}

#[tokio::test]
async fn a_watch_may_begin_with_the_oldest_that_is_kept() {
    let (_server, wire) = channel().await;
    wire.broadcast_all("c", (0..10).map(numbered)).await;
    let mut watcher = from_oldest(&wire).await;
    wire.broadcast("c", numbered(10)).await;
    assert_eq!(numbers(&watcher.take(11).await), (0..=10).collect::<Vec<_>>());
    // where nothing is gone, nothing is missing
    wire.update("c", ChannelSettings { max_replay_messages: Some(3), ..Default::default() }).await;
    until(async || wire.look_at("c").await.kept_broadcasts == 3).await;
    assert_eq!(numbers(&from_oldest(&wire).await.take(3).await), [8, 9, 10]);
}

#[tokio::test]
async fn a_watch_leaves_nothing_behind() {
    let (_server, wire) = channel().await;
    wire.register("c", "l").await;
    let listener = wire.listener("c", "l").await;
    let watchers = [wire.watch("c").await, wire.watch("c").await];
    assert_eq!(wire.look_at("c").await.streams, 2);
    let receipt = wire.broadcast("c", message("t")).await;
    assert_eq!(receipt.receivers, Some(1), "a watcher is no receiver");
    drop(watchers);
    until(async || wire.look_at("c").await.streams == 0).await;
    assert_eq!(wire.server().await.streams, 0);
    assert_eq!(wire.look_at("c").await.listeners, 1);
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 1);
    assert_eq!(wire.listener("c", "l").await.birth, listener.birth);
}

#[tokio::test]
async fn a_watch_pins_no_message() {
    let (server, wire) = channel().await;
    let none = ChannelSettings {
        max_replay_messages: Some(0),
        max_backlog_messages: Some(1000),
        ..Default::default()
    };
    wire.update("c", none).await;
    let slow = Wire::narrow(server.url()).await.watch("c").await;
    for _ in 0..20 {
        wire.broadcast_all("c", (0..100).map(numbered)).await;
    }
    until(async || wire.server().await.log_bytes == 0).await;
    drop(slow);
}

#[tokio::test]
async fn a_watcher_that_comes_back_too_late_is_told() {
    let (_server, wire) = channel().await;
    let mut watcher = wire.watch("c").await;
    wire.broadcast("c", numbered(0)).await;
    watcher.take(1).await;
    let token = watcher.token.clone();
    drop(watcher);
    wire.update("c", ChannelSettings { max_replay_messages: Some(2), ..Default::default() }).await;
    wire.broadcast_all("c", (1..10).map(numbered)).await;
    until(async || wire.look_at("c").await.kept_broadcasts == 2).await;
    let from = WatchSubscription { channel: "c".into(), resume_token: token, ..Default::default() };
    let mut watcher = wire.try_watch(from).await.unwrap();
    let gap = watcher.gap().await;
    assert!(matches!(gap.reason(), GapReason::Trimmed | GapReason::Overflow), "{gap:?}");
    assert!(gap.count.is_none_or(|count| count == 7), "{gap:?}");
    assert_eq!(numbers(&watcher.take(2).await), [8, 9]);
}

#[tokio::test]
async fn a_watch_may_select_types() {
    let (_server, wire) = channel().await;
    let types = vec!["b".to_owned()];
    let from = WatchSubscription { channel: "c".into(), types, ..Default::default() };
    let mut watcher = wire.try_watch(from).await.unwrap();
    for kind in ["a", "b", "c", "b"] {
        wire.broadcast("c", message(kind)).await;
    }
    let kinds: Vec<_> = watcher.take(2).await.iter().map(|it| sent(it).r#type.clone()).collect();
    assert_eq!(kinds, ["b", "b"]);
}

#[tokio::test]
async fn watchers_on_many_connections_see_the_same() {
    let (server, wire) = channel().await;
    let mut watchers = Vec::new();
    for _ in 0..20 {
        watchers.push(server.wire().await.watch("c").await);
    }
    let receipts = wire.broadcast_all("c", (0..200).map(numbered)).await;
    let expected: Vec<_> = receipts.iter().map(|receipt| receipt.sequence).collect();
    for watcher in &mut watchers {
        assert_eq!(sequences(&watcher.take(200).await), expected);
    }
}
