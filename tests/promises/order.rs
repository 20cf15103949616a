//! A channel accepts messages in one total order, and every listener sees its part of it in rising sequence.

use crate::support::{
    Reader, TestServer, Wire, listener,
    message::{message, numbered, numbers, rising, sent, sequences},
    wire::{broadcast, receipt},
    within,
};
use eric::v1::{Delivery, Message, PublishRequest};
use std::collections::BTreeMap;
use tokio::task::JoinSet;

const STREAMS: usize = 4;
const CALLERS: usize = 4;
const BATCHES: i64 = 20;
const BATCH: i64 = 10;

fn from(sender: &str, n: i64) -> Message {
    Message { sender_id: sender.to_owned(), ..numbered(n) }
}

/// Broadcasts in batches on a stream; the sequences as its receipts told them.
async fn stream(wire: Wire, sender: String) -> Vec<i64> {
    let batch = |first: i64| PublishRequest {
        publications: (first..first + BATCH).map(|n| broadcast("c", from(&sender, n))).collect(),
        stop_at_error: false,
    };
    let answers = wire.publish_all((0..BATCHES).map(|n| batch(n * BATCH)).collect()).await;
    answers.iter().flat_map(|answer| &answer.results).map(|result| receipt(result).sequence).collect()
}

/// Broadcasts one message a call.
async fn call(wire: Wire, sender: String) -> Vec<i64> {
    let mut sequences = Vec::new();
    for n in 0..BATCHES {
        sequences.push(wire.broadcast("c", from(&sender, n)).await.sequence);
    }
    sequences
}

/// Dispatches one message a call.
async fn call_one(wire: Wire, sender: String) -> Vec<i64> {
    let mut sequences = Vec::new();
    for n in 0..BATCHES {
        sequences.push(wire.dispatch("c", "own", from(&sender, n)).await.sequence);
    }
    sequences
}

/// What a reader gets of each sender.
fn by_sender(deliveries: &[Delivery]) -> BTreeMap<String, Vec<i64>> {
    let mut senders: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for delivery in deliveries {
        senders.entry(sent(delivery).sender_id.clone()).or_default().push(delivery.sequence);
    }
    senders
}

async fn read_all(mut reader: Reader) -> Vec<Delivery> {
    reader.deliveries_before("mark").await
}

#[tokio::test]
async fn all_listeners_see_one_order_and_in_it_that_of_each_sender() {
    let server = TestServer::start();
    let wire = server.wire().await;
    wire.create("c").await;
    for listener in ["early", "own", "late"] {
        wire.register("c", listener).await;
    }
    let own = server.wire().await.listen("c", "own").await;
    let early = server.wire().await.listen("c", "early").await;
    let watcher = server.wire().await.watch("c").await;
    let reading = [early, own, watcher].map(|reader| tokio::spawn(read_all(reader)));

    let mut senders = JoinSet::new();
    let mut told = BTreeMap::new();
    for n in 0..STREAMS {
        let (wire, sender) = (server.wire().await, format!("stream-{n}"));
        senders.spawn(async move { (sender.clone(), stream(wire, sender).await) });
    }
    for n in 0..CALLERS {
        let (wire, sender) = (server.wire().await, format!("call-{n}"));
        senders.spawn(async move { (sender.clone(), call(wire, sender).await) });
        let (wire, sender) = (server.wire().await, format!("dispatch-{n}"));
        senders.spawn(async move { (sender.clone(), call_one(wire, sender).await) });
    }
    while let Some(sent) = within(senders.join_next()).await {
        let (sender, sequences) = sent.unwrap();
        assert!(rising(&sequences), "{sender}: {sequences:?}");
        told.insert(sender, sequences);
    }
    wire.mark("c").await;

    let mut readings = Vec::new();
    for reading in reading {
        readings.push(within(reading).await.unwrap());
    }
    readings.push(read_all(wire.listen("c", "late").await).await);
    for deliveries in &readings {
        assert!(rising(&sequences(deliveries)));
    }
    let [early, own, watcher, late] = readings.try_into().expect("there are four of them");
    // every sender's messages arrive where its receipts said, so each reader has each sender's own order
    assert_eq!(by_sender(&own), told);
    told.retain(|sender, _| !sender.starts_with("dispatch"));
    assert_eq!(by_sender(&early), told);
    assert_eq!(early, late);
    assert_eq!(early, watcher);
}

#[tokio::test]
async fn dispatches_and_broadcasts_of_one_sender_keep_their_order() {
    let (_server, wire) = listener().await;
    let mut open = wire.listen("c", "l").await;
    for n in 0..100 {
        match n % 3 {
            0 => wire.broadcast("c", numbered(n)).await,
            _ => wire.dispatch("c", "l", numbered(n)).await,
        };
    }
    assert_eq!(numbers(&open.take(100).await), (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_order_of_what_waited_is_that_of_what_comes() {
    let (_server, wire) = listener().await;
    for n in 0..50 {
        wire.dispatch("c", "l", numbered(2 * n)).await;
        wire.broadcast("c", numbered(2 * n + 1)).await;
    }
    let mut reader = wire.listen("c", "l").await;
    for n in 100..150 {
        wire.broadcast("c", numbered(n)).await;
    }
    assert_eq!(numbers(&reader.take(150).await), (0..150).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_receipt_tells_the_place_that_receivers_see() {
    let server = TestServer::start();
    let wire = server.wire().await;
    let channel = wire.create("c").await;
    let listener = wire.register("c", "l").await;
    assert!(channel.birth < listener.birth);
    let receipt = wire.dispatch("c", "l", message("t")).await;
    let delivery = wire.listen("c", "l").await.one().await;
    assert!(listener.birth < receipt.sequence);
    assert_eq!((delivery.sequence, &sent(&delivery).id), (receipt.sequence, &receipt.message_id));
    assert_eq!(wire.look_at("c").await.last_sequence, receipt.sequence);
}
