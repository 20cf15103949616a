//! An EXPLICIT reader that does not read slows nobody down and holds no more than its credit; when it comes back, everything
//! that it has not acknowledged is there, in order, and what was on its way is marked.

use crate::support::{
    Reader, TestServer, Wire,
    explicit::through,
    explicit_listeners,
    message::{rising, sequences, sized},
    peer::Peer,
    until,
    wire::subscription,
};
use eric::v1::{Acknowledgement, Credit, ListenRequest, Subscription};

const BYTES: usize = 16 << 10;
const BATCH: usize = 40;
const BATCHES: usize = 30;
const ALL: usize = BATCH * BATCHES;

fn with_credit(messages: i32, bytes: i64) -> Subscription {
    let credit = Credit { max_unacknowledged_messages: messages, max_unacknowledged_bytes: bytes };
    Subscription { credit: Some(credit), ..subscription("c", "slow", "") }
}

fn of(listener: &str, sequence: i64) -> Acknowledgement {
    Acknowledgement { listener: listener.into(), ..through(sequence) }
}

/// Broadcasts it all. Whoever reads along has each batch, and acknowledges it, before the next is sent.
async fn flood(wire: &Wire, along: &mut Reader) -> Vec<i64> {
    let mut sent = Vec::new();
    for _ in 0..BATCHES {
        let receipts = wire.broadcast_all("c", (0..BATCH).map(|_| sized(BYTES))).await;
        let batch = sequences(&along.take(BATCH).await);
        assert!(batch.iter().eq(receipts.iter().map(|receipt| &receipt.sequence)));
        wire.acknowledge(of("quick", batch[BATCH - 1])).await;
        sent.extend(batch);
    }
    assert_eq!(wire.listener("c", "quick").await.backlog_messages, 0);
    sent
}

async fn unacknowledged(wire: &Wire) -> usize {
    let standing = wire.listener("c", "slow").await;
    usize::try_from(standing.unacknowledged_messages).expect("a count is not negative")
}

/// A new stream brings all of it, marked as far as it was on its way before.
async fn comes_back(wire: &Wire, sent: &[i64]) {
    let on_its_way = unacknowledged(wire).await;
    let mut reader = wire.try_listen(with_credit(65_536, i64::MAX)).await.expect("the stream opens");
    let (mut came, mut marked) = (Vec::new(), 0);
    for place in 0..sent.len() {
        let (delivery, attempt, _) = reader.attempt().await;
        assert!(attempt.is_none() || place == marked, "what is marked comes first");
        marked += usize::from(attempt.is_some());
        came.push(delivery.sequence);
    }
    assert!(rising(&came));
    assert_eq!((came.as_slice(), marked), (sent, on_its_way));
    wire.acknowledge(of("slow", sent[sent.len() - 1])).await;
    until(async || {
        wire.server().await.log_bytes == 0 || wire.listener("c", "slow").await.backlog_messages == 0
    })
    .await;
}

/// A peer that takes whatever comes, as far as it knows, and reads none of it.
async fn silent(server: &TestServer, asked: Subscription) -> Peer {
    let mut peer = Peer::connect(server.address()).await;
    peer.begin_wide().await;
    peer.open(1, server.address(), "Listen").await;
    peer.ask(1, &ListenRequest { subscriptions: vec![asked], max_response_bytes: 0 }).await;
    peer
}

#[tokio::test]
async fn a_stream_that_is_not_read_delays_no_other_and_goes_on_where_it_was() {
    let (server, wire) = explicit_listeners(&["slow", "quick"]).await;
    let mut slow = Wire::narrow(server.url()).await.listen("c", "slow").await;
    let mut quick = server.wire().await.listen("c", "quick").await;
    let sent = flood(&wire, &mut quick).await;
    assert!(unacknowledged(&wire).await < ALL / 2, "what is not read waits where it is kept once");
    for batch in sent.chunks(BATCH) {
        assert_eq!(sequences(&slow.take(BATCH).await), batch);
        wire.acknowledge(of("slow", batch[batch.len() - 1])).await;
    }
    assert_eq!(wire.listener("c", "slow").await.backlog_messages, 0);
}

#[tokio::test]
async fn a_stream_that_is_not_read_delays_no_other_of_its_connection() {
    let (server, wire) = explicit_listeners(&["slow", "quick"]).await;
    let shared = Wire::narrow(server.url()).await;
    let slow = shared.listen("c", "slow").await;
    let mut quick = shared.listen("c", "quick").await;
    let sent = flood(&wire, &mut quick).await;
    shared.still_answers().await;
    comes_back(&wire, &sent).await;
    drop(slow);
}

#[tokio::test]
async fn a_connection_that_is_not_read_fills_up_and_holds_nobody_back() {
    let (server, wire) = explicit_listeners(&["slow", "quick"]).await;
    let peer = silent(&server, with_credit(65_536, i64::MAX)).await;
    until(async || wire.listener("c", "slow").await.connected).await;
    let mut quick = server.wire().await.listen("c", "quick").await;
    let sent = flood(&wire, &mut quick).await;
    assert!(unacknowledged(&wire).await < ALL, "its connection is full, and the rest waits");
    comes_back(&wire, &sent).await;
    drop(peer);
}

#[tokio::test]
async fn what_is_on_its_way_to_one_who_does_not_read_is_bounded_by_its_credit() {
    for (credit, most) in [(with_credit(7, 0), 7), (with_credit(0, 5 * BYTES as i64), 5)] {
        let (server, wire) = explicit_listeners(&["slow", "quick"]).await;
        let peer = silent(&server, credit).await;
        until(async || wire.listener("c", "slow").await.connected).await;
        let mut quick = server.wire().await.listen("c", "quick").await;
        let sent = flood(&wire, &mut quick).await;
        let on_its_way = unacknowledged(&wire).await;
        assert!((1..=most).contains(&on_its_way), "{on_its_way} of {most}");
        comes_back(&wire, &sent).await;
        drop(peer);
    }
}
