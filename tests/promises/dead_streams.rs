//! A dead stream swallows nothing, also one whose connection stays open and never answers: what it had not acknowledged, or
//! not taken into its transport, comes on the next stream.

use crate::support::{
    Reader, TestServer, Wire,
    explicit::{explicit, through},
    listener,
    message::{numbered, numbers, rising, sequences, sized},
    peer::Peer,
    proxy::Proxy,
    until,
    wire::{pull, subscription},
    within,
};
use eric::v1::{ListenRequest, PullRequest, Receipt};
use std::time::Duration;

#[tokio::test]
async fn a_dead_stream_swallows_nothing() {
    let (server, wire) = explicit().await;
    // a client that takes what comes, says nothing, and is then cut off in the middle
    let proxy = Proxy::before(server.address()).await;
    let mut vanishing = Peer::connect(proxy.address).await;
    vanishing.begin().await;
    vanishing.open(1, proxy.address, "Listen").await;
    let subscriptions = vec![subscription("c", "l", "")];
    vanishing.ask(1, &ListenRequest { subscriptions, max_response_bytes: 0 }).await;
    until(async || wire.listener("c", "l").await.connected).await;
    wire.dispatch_all("c", "l", (0..100).map(numbered)).await;
    until(async || wire.listener("c", "l").await.unacknowledged_messages == 100).await;
    proxy.cut();
    until(async || !wire.listener("c", "l").await.connected).await;
    wire.dispatch_all("c", "l", (100..110).map(numbered)).await;
    assert_eq!(numbers(&wire.listen("c", "l").await.take(110).await), (0..110).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_client_that_vanished_without_a_word_holds_nobody_up() {
    let (server, wire) = explicit().await;
    // it never answers anything, and its connection stays open
    let mut silent = Peer::connect(server.address()).await;
    silent.begin().await;
    silent.open(1, server.address(), "Listen").await;
    let subscriptions = vec![subscription("c", "l", "")];
    silent.ask(1, &ListenRequest { subscriptions, max_response_bytes: 0 }).await;
    until(async || wire.listener("c", "l").await.connected).await;
    wire.dispatch_all("c", "l", (0..10).map(numbered)).await;
    until(async || wire.listener("c", "l").await.unacknowledged_messages == 10).await;
    // its successor takes over, with everything
    let mut next = wire.listen("c", "l").await;
    let deliveries = next.take(10).await;
    assert_eq!(numbers(&deliveries), (0..10).collect::<Vec<_>>());
    wire.acknowledge(through(deliveries[9].sequence)).await;
    wire.dispatch("c", "l", numbered(10)).await;
    assert_eq!(numbers(&next.take(1).await), [10]);
}

/// A stream that has read the first of ten messages and said so, when its peer falls silent; and what is sent meanwhile.
async fn fallen_silent(server: &TestServer, wire: &Wire) -> (Proxy, Reader, Vec<Receipt>) {
    let proxy = Proxy::before(server.address()).await;
    let mut reader = Wire::connect(proxy.url()).await.listen("c", "l").await;
    let mut sent = wire.dispatch_all("c", "l", (0..10).map(numbered)).await;
    reader.take(10).await;
    wire.acknowledge(through(sent[0].sequence)).await;
    proxy.fall_silent();
    sent.extend(wire.dispatch_all("c", "l", (10..20).map(numbered)).await);
    until(async || wire.listener("c", "l").await.unacknowledged_messages == 19).await;
    (proxy, reader, sent)
}

#[tokio::test]
async fn what_a_silent_peer_did_not_acknowledge_comes_on_the_stream_that_takes_over() {
    let (server, wire) = explicit().await;
    let (proxy, silent, sent) = fallen_silent(&server, &wire).await;
    assert!(wire.listener("c", "l").await.connected, "nobody knows that it is dead");
    let mut next = wire.listen("c", "l").await;
    for receipt in &sent[1..] {
        let (delivery, attempt, _) = next.attempt().await;
        assert_eq!((delivery.sequence, attempt), (receipt.sequence, Some(1)), "it failed nobody");
    }
    wire.acknowledge(through(sent[19].sequence)).await;
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 0);
    drop((proxy, silent));
}

#[tokio::test]
async fn a_silent_peer_is_noticed_and_what_it_did_not_acknowledge_waits_for_the_next() {
    let server = TestServer::with(|config| {
        config.keep_alive_interval = Duration::from_secs(1);
        config.keep_alive_timeout = Duration::from_secs(1);
    });
    let wire = server.wire().await;
    wire.create("c").await;
    wire.register_explicit("c", "l").await;
    let (proxy, silent, sent) = fallen_silent(&server, &wire).await;
    until(async || !wire.listener("c", "l").await.connected).await;
    let mut next = wire.listen("c", "l").await;
    let (first, attempt, _) = next.attempt().await;
    assert_eq!((first.sequence, attempt), (sent[1].sequence, Some(2)), "its client went away with it");
    let rest = sequences(&next.take(18).await);
    assert!(rest.iter().eq(sent[2..].iter().map(|receipt| &receipt.sequence)));
    drop((proxy, silent));
}

const LARGE: usize = 64 << 10;
const MANY: usize = 300;

/// An AUTOMATIC stream that has read nothing when its peer falls silent; much more is sent than its transport takes.
async fn full(server: &TestServer, wire: &Wire) -> (Proxy, Reader, Vec<i64>) {
    let proxy = Proxy::before(server.address()).await;
    let reader = Wire::connect(proxy.url()).await.listen("c", "l").await;
    proxy.fall_silent();
    let mut sent = Vec::new();
    for _ in 0..MANY / 30 {
        let receipts = wire.dispatch_all("c", "l", (0..30).map(|_| sized(LARGE))).await;
        sent.extend(receipts.iter().map(|receipt| receipt.sequence));
    }
    (proxy, reader, sent)
}

#[tokio::test]
async fn what_the_transport_of_a_silent_peer_did_not_take_comes_on_the_next_stream() {
    let (server, wire) = listener().await;
    let (proxy, silent, sent) = full(&server, &wire).await;
    let mut next = wire.listen("c", "l").await;
    let first = next.one().await.sequence;
    let place = sent.iter().position(|sequence| *sequence == first).expect("it was sent");
    assert!(place < MANY / 2, "a transport takes what it has room for: {place}");
    assert_eq!(sequences(&next.take(MANY - place - 1).await), sent[place + 1..]);
    assert_eq!(wire.listener("c", "l").await.lost_messages, 0);
    drop((proxy, silent));
}

#[tokio::test]
async fn with_its_token_all_comes_that_a_silent_peer_has_not_seen() {
    let (server, wire) = listener().await;
    let (proxy, silent, sent) = full(&server, &wire).await;
    let mut next = wire.listen_from("c", "l", &silent.token).await;
    let came = sequences(&next.take(MANY).await);
    assert!(came == sent && rising(&came));
    drop((proxy, silent));
}

/// A pull that was answered, and its answer never came.
async fn lose_an_answer(server: &TestServer, wire: &Wire, request: PullRequest) {
    let proxy = Proxy::before(server.address()).await;
    let client = Wire::connect(proxy.url()).await;
    let wait = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    let mut call = client.call();
    let waiting = tokio::spawn(async move { call.pull(PullRequest { wait, ..request }).await });
    until(async || wire.listener("c", "l").await.connected).await;
    proxy.fall_silent();
    wire.dispatch("c", "l", numbered(2)).await;
    until(async || !wire.listener("c", "l").await.connected).await;
    wire.dispatch("c", "l", numbered(3)).await;
    proxy.cut();
    assert!(within(waiting).await.expect("it does not panic").is_err());
}

#[tokio::test]
async fn a_pull_whose_answer_was_lost_is_made_again_with_the_token_of_the_one_before() {
    for (server, wire) in [listener().await, explicit().await] {
        for session in ["", "s"] {
            let ask = |token: &str| PullRequest {
                session: session.into(),
                resume_token: token.into(),
                max_messages: 100,
                ..pull("c", "l")
            };
            wire.purge("c", "l", None).await;
            let current = within(wire.call().pull(ask(""))).await.unwrap().into_inner();
            let token = current.batch.unwrap().resume_token;
            wire.dispatch_all("c", "l", (0..2).map(numbered)).await;
            let first = within(wire.call().pull(ask(&token))).await.unwrap().into_inner().batch.unwrap();
            assert_eq!(numbers(&first.deliveries), [0, 1]);
            let explicit = wire.listener("c", "l").await.unacknowledged_messages == 2;
            if explicit {
                wire.acknowledge(through(first.deliveries[1].sequence)).await;
            }
            lose_an_answer(&server, &wire, ask(&first.resume_token)).await;
            let again = within(wire.call().pull(ask(&first.resume_token))).await.unwrap().into_inner();
            let again = again.batch.unwrap();
            assert_eq!(numbers(&again.deliveries), [2, 3], "{session:?}, {explicit}");
            let attempts: Vec<_> = again.repeats.iter().map(|repeat| repeat.attempt).collect();
            assert_eq!(attempts, if explicit { vec![1] } else { Vec::new() });
            // the one behind it goes on
            wire.dispatch("c", "l", numbered(4)).await;
            let next = within(wire.call().pull(ask(&again.resume_token))).await.unwrap().into_inner();
            let numbers = numbers(&next.batch.unwrap().deliveries);
            let goes_on = !explicit || !session.is_empty();
            assert_eq!(numbers, if goes_on { vec![4] } else { vec![2, 3, 4] });
        }
    }
}
