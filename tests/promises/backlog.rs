//! A listener's backlog is bounded: at its limit the new message is refused, or the oldest give way.

use crate::support::{
    Refused, listener, listener_of,
    message::{numbered, numbers, sized},
    until,
};
use eric::v1::{ChannelSettings, GapReason, Overflow};
use tonic::Code;

fn at_most(messages: i64) -> ChannelSettings {
    ChannelSettings { max_backlog_messages: Some(messages), ..Default::default() }
}

#[tokio::test]
async fn a_dispatch_to_a_full_listener_is_refused() {
    let (_server, wire) = listener_of(at_most(3)).await;
    wire.dispatch_all("c", "l", (0..3).map(numbered)).await;
    let full = Refused::of(&wire.try_dispatch("c", "l", numbered(3)).await.unwrap_err());
    full.is(Code::ResourceExhausted, "BACKLOG_FULL", &[]).tells("channel", "c").tells("listener", "l");
    full.tells("max_backlog_messages", "3");
    assert!(full.limits.iter().any(|limit| limit.contains("max_backlog_messages")), "{full:?}");
    assert!(full.retry.is_some());

    assert_eq!(numbers(&wire.pull("c", "l", 1).await.0.deliveries), [0]);
    wire.dispatch("c", "l", numbered(3)).await;
    assert!(wire.try_dispatch("c", "l", numbered(4)).await.is_err());
    assert_eq!(numbers(&wire.listen("c", "l").await.take(3).await), [1, 2, 3]);
    assert_eq!(wire.listener("c", "l").await.lost_messages, 0);
}

#[tokio::test]
async fn a_listener_that_is_full_does_not_refuse_for_another() {
    let (_server, wire) = listener_of(at_most(1)).await;
    wire.register("c", "other").await;
    wire.dispatch("c", "l", numbered(0)).await;
    wire.dispatch("c", "other", numbered(1)).await;
    assert!(wire.try_dispatch("c", "l", numbered(2)).await.is_err());
    assert_eq!(numbers(&wire.listen("c", "other").await.take(1).await), [1]);
}

#[tokio::test]
async fn a_broadcast_drops_the_oldest_for_those_alone_who_are_far_behind() {
    let settings = ChannelSettings { max_replay_messages: Some(0), ..at_most(10) };
    let (_server, wire) = listener_of(settings).await;
    wire.register("c", "near").await;
    let mut near = wire.listen("c", "near").await;
    for first in (0..50).step_by(5) {
        wire.broadcast_all("c", (first..first + 5).map(numbered)).await;
        assert_eq!(numbers(&near.take(5).await), (first..first + 5).collect::<Vec<_>>());
    }
    let listener = wire.listener("c", "l").await;
    assert_eq!((listener.backlog_messages, listener.lost_messages), (10, 40));
    let mut far = wire.listen("c", "l").await;
    far.gap_of(GapReason::Overflow, Some(40)).await;
    assert_eq!(numbers(&far.take(10).await), (40..50).collect::<Vec<_>>());
    assert_eq!(wire.listener("c", "near").await.lost_messages, 0);
}

#[tokio::test]
async fn a_broadcast_is_refused_as_a_whole_while_one_listener_is_full() {
    let settings = ChannelSettings { broadcast_overflow: Some(Overflow::RejectNew.into()), ..at_most(3) };
    let (_server, wire) = listener_of(settings).await;
    wire.register("c", "near").await;
    let mut near = wire.listen("c", "near").await;
    let mut watcher = wire.watch("c").await;
    wire.broadcast_all("c", (0..3).map(numbered)).await;
    near.take(3).await;
    let full = Refused::of(&wire.try_broadcast("c", numbered(3)).await.unwrap_err());
    full.is(Code::ResourceExhausted, "BACKLOG_FULL", &[]).tells("channel", "c").tells("listener", "l");

    wire.pull("c", "l", 1).await;
    wire.broadcast("c", numbered(4)).await;
    assert!(wire.try_broadcast("c", numbered(5)).await.is_err());
    wire.remove("c", "l").await;
    wire.broadcast("c", numbered(6)).await;
    assert_eq!(numbers(&near.take(2).await), [4, 6]);
    assert_eq!(numbers(&watcher.take(5).await), [0, 1, 2, 4, 6]);
}

#[tokio::test]
async fn dispatches_count_for_what_refuses_a_broadcast() {
    let settings = ChannelSettings { broadcast_overflow: Some(Overflow::RejectNew.into()), ..at_most(3) };
    let (_server, wire) = listener_of(settings).await;
    wire.dispatch("c", "l", numbered(0)).await;
    wire.broadcast("c", numbered(1)).await;
    wire.dispatch("c", "l", numbered(2)).await;
    let full = Refused::of(&wire.try_broadcast("c", numbered(3)).await.unwrap_err());
    full.is(Code::ResourceExhausted, "BACKLOG_FULL", &[]).tells("listener", "l");
    assert_eq!(numbers(&wire.listen("c", "l").await.take(3).await), [0, 1, 2]);
    wire.broadcast("c", numbered(3)).await;
}

#[tokio::test]
async fn a_backlog_is_bounded_in_bytes_and_one_message_always_fits() {
    let settings = ChannelSettings { max_backlog_bytes: Some(1000), ..Default::default() };
    let (_server, wire) = listener_of(settings).await;
    wire.dispatch("c", "l", sized(5000)).await;
    let full = Refused::of(&wire.try_dispatch("c", "l", sized(1)).await.unwrap_err());
    full.is(Code::ResourceExhausted, "BACKLOG_FULL", &[]).tells("max_backlog_bytes", "1000");
    wire.pull("c", "l", 1).await;
    wire.dispatch("c", "l", sized(400)).await;
    wire.dispatch("c", "l", sized(400)).await;
    assert!(wire.try_dispatch("c", "l", sized(400)).await.is_err());
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 2);
    // a broadcast of any size comes through: the oldest give way
    wire.broadcast("c", sized(900)).await;
    let mut reader = wire.listen("c", "l").await;
    reader.gap_of(GapReason::Overflow, Some(2)).await;
    reader.one().await;
}

#[tokio::test]
async fn what_waits_is_counted() {
    let (_server, wire) = listener().await;
    wire.dispatch_all("c", "l", (0..3).map(numbered)).await;
    let three = wire.listener("c", "l").await;
    assert_eq!(three.backlog_messages, 3);
    assert!(three.backlog_bytes > 0);
    let last = wire.broadcast_all("c", (3..5).map(numbered)).await[1].sequence;
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 5);
    let mut reader = wire.listen("c", "l").await;
    reader.take(5).await;
    until(async || wire.listener("c", "l").await.backlog_messages == 0).await;
    let none = wire.listener("c", "l").await;
    assert_eq!((none.backlog_bytes, none.passed_sequence), (0, last));
}

#[tokio::test]
async fn a_lowered_limit_drops_nothing_by_itself() {
    let settings = ChannelSettings { dispatch_overflow: Some(Overflow::DropOldest.into()), ..at_most(10) };
    let (_server, wire) = listener_of(settings).await;
    wire.dispatch_all("c", "l", (0..10).map(numbered)).await;
    wire.update("c", at_most(4)).await;
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 10);
    assert_eq!(numbers(&wire.listen("c", "l").await.take(10).await), (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_lowered_limit_holds_for_what_is_accepted_later() {
    let settings = ChannelSettings { dispatch_overflow: Some(Overflow::DropOldest.into()), ..at_most(10) };
    let (_server, wire) = listener_of(settings).await;
    wire.dispatch_all("c", "l", (0..10).map(numbered)).await;
    wire.update("c", at_most(4)).await;
    wire.dispatch("c", "l", numbered(10)).await;
    let mut reader = wire.listen("c", "l").await;
    reader.gap_of(GapReason::Overflow, Some(7)).await;
    assert_eq!(numbers(&reader.take(4).await), [7, 8, 9, 10]);
}

#[tokio::test]
async fn a_listener_nobody_listens_to_never_grows_the_server_without_bound() {
    const BATCH: i64 = 1000;
    const BATCHES: i64 = 10;
    let (_server, wire) = listener_of(ChannelSettings {
        max_backlog_bytes: Some(64 << 10),
        max_replay_bytes: Some(64 << 10),
        ..Default::default()
    })
    .await;
    for first in 0..BATCHES {
        wire.broadcast_all("c", (first * BATCH..(first + 1) * BATCH).map(numbered)).await;
        // each message counts for its tables, too
        assert!(wire.server().await.log_bytes < 8 * (64 << 10), "{:?}", wire.server().await);
    }
    let listener = wire.listener("c", "l").await;
    assert!(listener.backlog_bytes <= 64 << 10);
    assert_eq!(listener.backlog_messages + listener.lost_messages, BATCH * BATCHES);
}
