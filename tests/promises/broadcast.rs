//! A broadcast reaches exactly those that are registered when it is accepted, and a dispatch its listener alone.

use crate::support::{
    TestServer, Wire, listener, listeners,
    message::{message, numbered, numbers, sequences},
    within,
};
use eric::v1::{DeliveryKind, Receipt, StartAt};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Broadcasts until it is told that it is enough.
async fn broadcast_on(wire: Wire, enough: Arc<AtomicBool>) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    while !enough.load(Ordering::Relaxed) || receipts.len() < 50 {
        receipts.push(wire.broadcast("c", numbered(receipts.len() as i64)).await);
    }
    receipts
}

#[tokio::test]
async fn a_broadcast_reaches_exactly_those_that_are_registered_when_it_is_accepted() {
    let server = TestServer::start();
    let wire = server.wire().await;
    wire.create("c").await;
    let enough = Arc::new(AtomicBool::new(false));
    let sending = tokio::spawn(broadcast_on(server.wire().await, Arc::clone(&enough)));
    let (mut staying, mut going) = (Vec::new(), Vec::new());
    for n in 0..30 {
        staying.push(wire.register("c", &format!("stays-{n}")).await);
        going.push(wire.register("c", &format!("goes-{n}")).await);
        if n >= 5 {
            wire.remove("c", &format!("goes-{}", n - 5)).await;
        }
    }
    enough.store(true, Ordering::Relaxed);
    let receipts = within(sending).await.unwrap();
    wire.mark("c").await;

    for listener in &staying {
        let mut reader = wire.listen("c", &listener.id).await;
        let expected: Vec<i64> =
            receipts.iter().map(|receipt| receipt.sequence).filter(|at| *at > listener.birth).collect();
        assert_eq!(sequences(&reader.deliveries_before("mark").await), expected, "{}", listener.id);
    }
    for receipt in &receipts {
        let born = |listener: &&eric::v1::Listener| listener.birth < receipt.sequence;
        let least = staying.iter().filter(born).count() as i64;
        let most = least + going.iter().filter(born).count() as i64;
        assert!((least..=most).contains(&receipt.receivers.unwrap()), "{least} {most} {receipt:?}");
    }
}

#[tokio::test]
async fn a_listener_that_is_registered_behind_a_broadcast_does_not_get_it() {
    let server = TestServer::start();
    let wire = server.wire().await;
    wire.create("c").await;
    wire.register("c", "before").await;
    let first = wire.broadcast("c", numbered(1)).await;
    wire.register("c", "after").await;
    let second = wire.broadcast("c", numbered(2)).await;
    assert_eq!((first.receivers, second.receivers), (Some(1), Some(2)));
    assert_eq!(numbers(&wire.listen("c", "before").await.take(2).await), [1, 2]);
    assert_eq!(numbers(&wire.listen("c", "after").await.take(1).await), [2]);
}

#[tokio::test]
async fn a_listener_that_starts_at_the_oldest_gets_the_broadcasts_that_are_kept() {
    let server = TestServer::start();
    let wire = server.wire().await;
    wire.create("c").await;
    wire.broadcast_all("c", (0..5).map(numbered)).await;
    wire.register_at("c", "new", StartAt::New).await;
    wire.register_at("c", "old", StartAt::Oldest).await;
    wire.broadcast("c", numbered(5)).await;
    assert_eq!(numbers(&wire.listen("c", "new").await.take(1).await), [5]);
    assert_eq!(numbers(&wire.listen("c", "old").await.take(6).await), [0, 1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn a_dispatch_reaches_its_listener_alone() {
    let (_server, wire) = listeners(&["a", "b"]).await;
    let mut watcher = wire.watch("c").await;
    let receipt = wire.dispatch("c", "a", message("own")).await;
    assert_eq!(receipt.receivers, Some(1));
    wire.mark("c").await;
    assert_eq!(wire.listen("c", "a").await.deliveries_before("mark").await.len(), 1);
    assert!(wire.listen("c", "b").await.deliveries_before("mark").await.is_empty());
    assert!(watcher.deliveries_before("mark").await.is_empty());
}

#[tokio::test]
async fn a_delivery_says_whether_it_was_for_one_or_for_all() {
    let (_server, wire) = listener().await;
    wire.dispatch("c", "l", message("own")).await;
    wire.broadcast("c", message("for all")).await;
    let deliveries = wire.listen("c", "l").await.take(2).await;
    assert_eq!(deliveries[0].kind(), DeliveryKind::Dispatch);
    assert_eq!(deliveries[1].kind(), DeliveryKind::Broadcast);
}

#[tokio::test]
async fn a_channel_without_listeners_accepts_a_broadcast() {
    let server = TestServer::start();
    let wire = server.wire().await;
    wire.create("c").await;
    assert_eq!(wire.broadcast("c", message("t")).await.receivers, Some(0));
}

#[tokio::test]
async fn channels_do_not_hear_each_other() {
    let server = TestServer::start();
    let wire = server.wire().await;
    for channel in ["a", "b"] {
        wire.create(channel).await;
        wire.register(channel, "l").await;
    }
    wire.broadcast("a", message("a")).await;
    wire.dispatch("a", "l", message("a")).await;
    wire.mark("b").await;
    assert!(wire.listen("b", "l").await.deliveries_before("mark").await.is_empty());
}

#[tokio::test]
async fn a_channel_counts_what_it_has_accepted() {
    let (_server, wire) = listener().await;
    wire.broadcast_all("c", (0..3).map(numbered)).await;
    wire.dispatch("c", "l", numbered(3)).await;
    let named = eric::v1::Message { id: "once".to_owned(), ..message("t") };
    for _ in 0..2 {
        wire.broadcast("c", named.clone()).await;
    }
    wire.notify_end("c", None).await;
    assert_eq!(wire.look_at("c").await.accepted_messages, 6, "what came twice was accepted once");
}
