//! Clients that vanish: what was accepted stays accepted, what was not delivered stays, and the server notices.

use crate::support::{
    TestServer, Wire, listener,
    message::{message, number, numbered, numbers, rising, sent},
    peer::Peer,
    proxy::Proxy,
    server::client,
    until,
    wire::{dispatch, publication, subscription},
    within,
};
use eric::{
    client::{Event, Message},
    v1::{ListenRequest, PublishRequest},
};
use futures_util::{StreamExt as _, stream};
use std::{collections::BTreeSet, time::Duration};
use tokio::{
    task::{JoinSet, yield_now},
    time::timeout,
};

#[tokio::test]
async fn calls_that_are_cancelled_break_nothing_and_what_they_had_accepted_is_delivered() {
    const CALLS: i64 = 400;
    let (server, wire) = listener().await;
    let mut reader = wire.listen("c", "l").await;
    let mut calls = JoinSet::new();
    for n in 0..CALLS {
        let wire = server.wire().await;
        calls.spawn(async move {
            let mut call = wire.call();
            let call = call.dispatch(dispatch("c", "l", numbered(n)));
            // a cancelled call resets its stream: at once, after a while, or never
            let patience = Duration::from_micros(u64::try_from(n % 8).unwrap() * 200);
            match n % 8 {
                7 => Some((n, within(call).await.unwrap().into_inner().receipt.unwrap().sequence)),
                _ => timeout(patience, call)
                    .await
                    .ok()
                    .map(|answer| (n, answer.unwrap().into_inner().receipt.unwrap().sequence)),
            }
        });
        if n % 16 == 15 {
            yield_now().await;
        }
    }
    let mut answered = BTreeSet::new();
    while let Some(call) = within(calls.join_next()).await {
        answered.extend(call.unwrap());
    }
    assert!(answered.len() >= usize::try_from(CALLS / 8).unwrap());
    wire.mark("c").await;
    let delivered: Vec<_> = reader.deliveries_before("mark").await;
    let delivered: Vec<(i64, i64)> = delivered.iter().map(|it| (number(it), it.sequence)).collect();
    assert!(rising(&delivered.iter().map(|(_, sequence)| *sequence).collect::<Vec<_>>()));
    let each: BTreeSet<_> = delivered.iter().copied().collect();
    assert_eq!(each.len(), delivered.len(), "none comes twice");
    assert!(answered.is_subset(&each), "what was answered was accepted");
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 0);
    wire.still_answers().await;
}

#[tokio::test]
async fn batches_of_a_stream_that_broke_off_are_accepted_in_their_order_or_not_at_all() {
    let (server, wire) = listener().await;
    let batch = |first: i64| PublishRequest {
        publications: (first..first + 10).map(|n| publication("c", "l", numbered(n))).collect(),
        stop_at_error: false,
    };
    let sender = server.wire().await;
    let requests = stream::iter((0..50).map(move |n| batch(n * 10))).chain(stream::pending());
    let mut answers = sender.publish(requests).await;
    within(answers.message()).await.unwrap().unwrap();
    drop((answers, sender));
    // the connection is closed: nothing more of it comes
    wire.mark("c").await;
    let mut reader = wire.listen("c", "l").await;
    let mut all = reader.deliveries_before("mark").await;
    wire.broadcast("c", message("later mark")).await;
    all.extend(reader.deliveries_before("later mark").await);
    let numbers = numbers(&all);
    assert_eq!(numbers, (0..i64::try_from(numbers.len()).unwrap()).collect::<Vec<_>>());
    assert!(numbers.len() >= 10 && numbers.len().is_multiple_of(10), "{}", numbers.len());
}

#[tokio::test]
async fn a_client_that_was_killed_loses_nothing_that_was_not_delivered() {
    let (server, wire) = listener().await;
    let proxy = Proxy::before(server.address()).await;
    let mut reader = Wire::connect(proxy.url()).await.listen("c", "l").await;
    wire.dispatch_all("c", "l", (0..10).map(numbered)).await;
    assert_eq!(numbers(&reader.take(10).await), (0..10).collect::<Vec<_>>());
    proxy.cut();
    until(async || !wire.listener("c", "l").await.connected).await;
    wire.dispatch_all("c", "l", (10..15).map(numbered)).await;
    wire.broadcast_all("c", (15..20).map(numbered)).await;
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 10);
    let mut again = server.wire().await.listen("c", "l").await;
    assert_eq!(numbers(&again.take(10).await), (10..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_client_that_was_killed_in_the_middle_of_its_stream_resumes_and_loses_nothing_at_all() {
    const MESSAGES: i64 = 3_000;
    let (server, wire) = listener().await;
    let sending = tokio::spawn(async move {
        for first in (0..MESSAGES).step_by(20) {
            wire.dispatch_all("c", "l", (first..first + 10).map(numbered)).await;
            wire.broadcast_all("c", (first + 10..first + 20).map(numbered)).await;
        }
    });
    let proxy = Proxy::before(server.address()).await;
    let (mut token, mut next) = (String::new(), 0);
    while next < MESSAGES {
        let wire = Wire::connect(proxy.url()).await;
        let mut reader = wire.try_listen(subscription("c", "l", &token)).await.unwrap();
        if token.is_empty() {
            // what it was given at the start repeats the stream
            token.clone_from(&reader.token);
        }
        // it dies after a few parts, in the middle of what comes
        for _ in 0..5 {
            if next == MESSAGES {
                break;
            }
            let part = reader.part().await.unwrap().unwrap();
            for batch in part.batches {
                assert!(batch.gaps.is_empty());
                for delivery in &batch.deliveries {
                    assert_eq!(number(delivery), next);
                    next += 1;
                }
                token = batch.resume_token;
            }
        }
        proxy.cut();
    }
    within(sending).await.unwrap();
}

#[tokio::test]
async fn a_dead_peer_is_noticed_and_its_listener_is_free() {
    let server = TestServer::with(|config| {
        config.keep_alive_interval = Duration::from_secs(1);
        config.keep_alive_timeout = Duration::from_secs(1);
    });
    let wire = server.listener().await;
    let mut peer = Peer::connect(server.address()).await;
    peer.begin().await;
    peer.open(1, server.address(), "Listen").await;
    let request = ListenRequest { subscriptions: vec![subscription("c", "l", "")], max_response_bytes: 0 };
    peer.ask(1, &request).await;
    until(async || wire.listener("c", "l").await.connected).await;
    // from here on it neither reads nor answers, and its connection stays open
    until(async || !wire.listener("c", "l").await.connected).await;
    assert!(!wire.listener("c", "l").await.running);
    assert_eq!(wire.server().await.streams, 0);
    wire.dispatch("c", "l", numbered(1)).await;
    assert_eq!(numbers(&wire.listen("c", "l").await.take(1).await), [1]);
    drop(peer);
}

#[tokio::test]
async fn a_client_that_says_nothing_is_let_go_and_one_that_is_idle_is_kept() {
    let server = TestServer::with(|config| {
        config.header_timeout = Duration::from_secs(1);
        config.keep_alive_interval = Duration::from_secs(1);
        config.keep_alive_timeout = Duration::from_secs(1);
    });
    let idle = server.listener().await;
    let mut reader = idle.listen("c", "l").await;
    let mut silent = Peer::connect(server.address()).await;
    assert!(silent.rest().await.is_empty());
    idle.mark("c").await;
    assert_eq!(sent(&reader.one().await).r#type, "mark");
}

#[tokio::test]
async fn a_publisher_whose_connection_breaks_is_told_for_each_message_and_goes_on() {
    const ROUNDS: i64 = 10;
    const MESSAGES: i64 = 100;
    let (server, wire) = listener().await;
    let proxy = Proxy::before(server.address()).await;
    let publisher = client(&proxy.url()).publish();
    let mut accepted = Vec::new();
    for round in 0..ROUNDS {
        let mut pending = Vec::new();
        for n in round * MESSAGES..(round + 1) * MESSAGES {
            let message = Message::new("number").with_json(&n).unwrap();
            pending.push((n, publisher.dispatch("c", "l", message).await.unwrap()));
            if n % MESSAGES == 50 {
                proxy.cut();
            }
        }
        for (n, receipt) in pending {
            match within(receipt).await {
                Ok(receipt) => accepted.push((receipt.sequence, n)),
                // on its way when the connection broke
                Err(error) => assert!(error.outcome_unknown() && error.retryable(), "{error:?}"),
            }
        }
    }
    within(publisher.flush()).await;
    let last = publisher.dispatch("c", "l", Message::new("last")).await.unwrap();
    within(last).await.unwrap();
    let delivered = wire.listen("c", "l").await.deliveries_before("last").await;
    let delivered: Vec<_> = delivered.iter().map(|it| (it.sequence, number(it))).collect();
    let numbers: Vec<i64> = delivered.iter().map(|(_, n)| *n).collect();
    assert!(rising(&numbers), "nothing is sent twice, and the order is the sender's: {numbers:?}");
    assert!(accepted.iter().all(|it| delivered.contains(it)));
    assert!(!accepted.is_empty());
}

#[tokio::test]
async fn a_program_that_drops_its_subscription_leaves_its_listener_stopped() {
    let (server, wire) = listener().await;
    let client = server.client();
    let mut subscription = client.listen("c", "l").await.unwrap();
    wire.dispatch("c", "l", message("t")).await;
    assert!(matches!(within(subscription.next()).await, Some(Ok(Event::Delivery(_)))));
    drop(subscription);
    until(async || !wire.listener("c", "l").await.running).await;
}
