//! A batch is accepted item by item, in its order, and answered item by item; a stream never dies of an item.

use crate::support::{
    Wire, listener,
    message::{message, numbered, numbers, rising, sized},
    wire::{broadcast, error, publication, receipt, receipts},
    within,
};
use eric::{
    client::{Message, Publication as Sent, PublisherOptions},
    v1::{Publication, PublishBatchRequest, PublishRequest, PublishResult},
};
use futures_util::{StreamExt as _, future, stream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

fn request(publications: Vec<Publication>) -> PublishRequest {
    PublishRequest { publications, stop_at_error: false }
}

fn to(n: i64) -> Publication {
    publication("c", "l", numbered(n))
}

/// A good batch with one bad item in its middle.
fn with_one_bad() -> Vec<Publication> {
    vec![to(0), publication("c", "l", message("")), to(2)]
}

#[tokio::test]
async fn requests_are_answered_in_their_order() {
    let (_server, wire) = listener().await;
    let requests = (0..50).map(|n| request((0..n % 5).map(|m| to(n * 5 + m)).collect())).collect();
    let answers = wire.publish_all(requests).await;
    let sizes: Vec<_> = answers.iter().map(|answer| answer.results.len()).collect();
    assert_eq!(sizes, (0..50).map(|n| n % 5).collect::<Vec<usize>>());
    let results: Vec<PublishResult> = answers.into_iter().flat_map(|answer| answer.results).collect();
    let sequences: Vec<_> = receipts(&results).iter().map(|receipt| receipt.sequence).collect();
    assert!(rising(&sequences));
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 100);
}

#[tokio::test]
async fn an_answer_comes_while_the_stream_is_open() {
    let (_server, wire) = listener().await;
    let (send, requests) = mpsc::channel(1);
    let mut answers = wire.publish(ReceiverStream::new(requests)).await;
    for n in 0..5 {
        send.send(request(vec![to(n)])).await.unwrap();
        receipt(&within(answers.message()).await.unwrap().unwrap().results[0]);
    }
    drop(send);
    assert!(within(answers.message()).await.unwrap().is_none());
}

#[tokio::test]
async fn one_bad_item_is_answered_in_its_place_and_the_others_are_accepted() {
    let (_server, wire) = listener().await;
    let mut results = vec![wire.batch(with_one_bad()).await];
    results.extend(
        wire.publish_all(vec![request(with_one_bad())]).await.into_iter().map(|answer| answer.results),
    );
    for results in results {
        receipt(&results[0]);
        error(&results[1]).is(Code::InvalidArgument, "INVALID_MESSAGE", &["publications[1].message.type"]);
        receipt(&results[2]);
    }
    assert_eq!(numbers(&wire.listen("c", "l").await.take(4).await), [0, 2, 0, 2]);
}

#[tokio::test]
async fn a_batch_that_stops_at_an_error_accepts_nothing_behind_it() {
    let (_server, wire) = listener().await;
    let publications = with_one_bad();
    let batch = PublishBatchRequest { publications: publications.clone(), stop_at_error: true };
    let results = within(wire.call().publish_batch(batch)).await.unwrap().into_inner().results;
    let on_stream = PublishRequest { publications, stop_at_error: true };
    let answers = wire.publish_all(vec![on_stream, request(vec![to(9)])]).await;
    for results in [&results, &answers[0].results] {
        receipt(&results[0]);
        error(&results[1]).is(Code::InvalidArgument, "INVALID_MESSAGE", &["publications[1].message.type"]);
        error(&results[2]).is(Code::Aborted, "PRECEDING_FAILED", &[]);
    }
    // it is a matter of that batch alone
    receipt(&answers[1].results[0]);
    assert_eq!(numbers(&wire.listen("c", "l").await.take(3).await), [0, 0, 9]);
}

#[tokio::test]
async fn a_batch_over_its_limit_is_answered_item_by_item_and_the_stream_lives_on() {
    let (_server, wire) = listener().await;
    let many = (0..1025).map(to).collect();
    let sized = |count, bytes| (0..count).map(|_| publication("c", "l", sized(bytes))).collect::<Vec<_>>();
    let (large, largest) = (sized(5, 900 << 10), sized(4, (1 << 20) - 100));
    let requests =
        vec![request(many), request(vec![to(0)]), request(large), request(largest), request(vec![to(1)])];
    let answers = wire.publish_all(requests).await;
    assert_eq!(answers.iter().map(|answer| answer.results.len()).collect::<Vec<_>>(), [1025, 1, 5, 4, 1]);
    for (n, limit) in [(0, "max_batch_messages"), (2, "max_batch_bytes")] {
        for result in &answers[n].results {
            let refusal = error(result);
            assert_eq!((refusal.code, refusal.reason.as_str()), (Code::InvalidArgument, "BATCH_TOO_LARGE"));
            refusal.limit(limit);
        }
    }
    for n in [1, 3, 4] {
        receipts(&answers[n].results);
    }
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 6);
}

#[tokio::test]
async fn an_empty_batch_has_an_empty_answer() {
    let (_server, wire) = listener().await;
    assert!(wire.batch(Vec::new()).await.is_empty());
    let answers = wire.publish_all(vec![request(Vec::new()), request(vec![to(1)])]).await;
    assert!(answers[0].results.is_empty());
    receipt(&answers[1].results[0]);
    assert!(wire.publish_all(Vec::new()).await.is_empty());
}

#[tokio::test]
async fn a_batch_may_be_for_many_channels() {
    let (_server, wire) = listener().await;
    wire.create("d").await;
    wire.register("d", "m").await;
    let results = wire
        .batch(vec![
            to(1),
            publication("d", "m", numbered(2)),
            broadcast("d", numbered(3)),
            broadcast("no", numbered(4)),
        ])
        .await;
    receipts(&results[..3]);
    error(&results[3]).is(Code::NotFound, "CHANNEL_NOT_FOUND", &[]).tells("channel", "no");
    assert_eq!(numbers(&wire.listen("d", "m").await.take(2).await), [2, 3]);
}

#[tokio::test]
async fn a_sender_that_does_not_read_its_answers_is_made_to_wait_and_loses_nothing() {
    const REQUESTS: i64 = 300;
    let (server, wire) = listener().await;
    let sender = Wire::narrow(server.url()).await;
    let answers = sender
        .publish(stream::iter((0..REQUESTS).map(|n| request((0..10).map(|m| to(n * 10 + m)).collect()))))
        .await;
    // others are answered meanwhile
    wire.still_answers().await;
    let answers: Vec<_> = within(answers.map(Result::unwrap).collect()).await;
    assert_eq!(answers.len(), usize::try_from(REQUESTS).unwrap());
    let mut reader = wire.listen("c", "l").await;
    let deliveries = reader.take(usize::try_from(REQUESTS * 10).unwrap()).await;
    assert_eq!(numbers(&deliveries), (0..REQUESTS * 10).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_publisher_of_the_sdk_gives_each_message_its_receipt_in_order() {
    const MESSAGES: i64 = 5_000;
    let (server, wire) = listener().await;
    let publisher = server.client().publish();
    let mut pending = Vec::new();
    for n in 0..MESSAGES {
        let message = Message::new("number").with_json(&n).unwrap();
        pending.push(publisher.dispatch("c", "l", message).await.unwrap());
    }
    let receipts = within(future::join_all(pending)).await;
    let sequences: Vec<_> = receipts.into_iter().map(|receipt| receipt.unwrap().sequence).collect();
    assert!(rising(&sequences));
    let deliveries = wire.listen("c", "l").await.take(usize::try_from(MESSAGES).unwrap()).await;
    assert_eq!(numbers(&deliveries), (0..MESSAGES).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_publisher_tells_for_each_message_what_became_of_it() {
    let (server, _wire) = listener().await;
    let options = PublisherOptions { max_batch_messages: 3, max_batches: 1, ..Default::default() };
    let publisher = server.client().publish_with(options);
    let mut pending = Vec::new();
    for n in 0..30 {
        let listener = if n % 3 == 1 { "nobody" } else { "l" };
        pending.push(publisher.send(Sent::dispatch("c", listener, Message::new("t"))).await.unwrap());
    }
    within(publisher.flush()).await;
    for (n, receipt) in pending.into_iter().enumerate() {
        match within(receipt).await {
            Ok(_) => assert_ne!(n % 3, 1),
            Err(error) => assert_eq!((n % 3, error.reason()), (1, Some("LISTENER_NOT_FOUND"))),
        }
    }
}

#[tokio::test]
async fn what_a_publisher_was_given_is_sent_also_after_it_is_dropped() {
    let (server, wire) = listener().await;
    let publisher = server.client().publish();
    for n in 0..100 {
        let message = Message::new("number").with_json(&n).unwrap();
        drop(publisher.dispatch("c", "l", message).await.unwrap());
    }
    drop(publisher);
    let deliveries = wire.listen("c", "l").await.take(100).await;
    assert_eq!(numbers(&deliveries), (0..100).collect::<Vec<_>>());
}
