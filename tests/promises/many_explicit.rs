//! Listeners that acknowledge, on one stream: the credit, the rejections and the end of one are no other's.

use crate::support::{
    Wire,
    explicit::{rejection, through},
    explicit_listeners,
    http1::Http1,
    many::{Many, change, changed, of, unchanged},
    message::numbered,
    message::sequences,
    until,
    wire::{publication, receipts, subscription},
    within,
};
use eric::v1::{
    AcknowledgeRequest, AcknowledgeResponse, AcknowledgeResult, Acknowledgement, ChangeListenRequest,
    ChangeListenResponse, Credit, ListenRequest, ListenResponse, Rejected, Rejection, Subscription,
    acknowledge_result::Outcome,
};
use tonic::Code;

fn with_credit(listener: &str, messages: i32) -> Subscription {
    let credit = Credit { max_unacknowledged_messages: messages, max_unacknowledged_bytes: 0 };
    Subscription { credit: Some(credit), ..subscription("c", listener, "") }
}

fn by(listener: &str, sequence: i64) -> Acknowledgement {
    Acknowledgement { listener: listener.into(), ..through(sequence) }
}

async fn five(wire: &Wire) -> Vec<i64> {
    wire.broadcast_all("c", (0..5).map(numbered)).await.iter().map(|receipt| receipt.sequence).collect()
}

#[tokio::test]
async fn one_out_of_credit_delays_no_other_and_goes_on_when_it_has_some() {
    let (_server, wire) = explicit_listeners(&["poor", "rich"]).await;
    let subscriptions = vec![with_credit("poor", 2), with_credit("rich", 100)];
    let request = ListenRequest { subscriptions, max_response_bytes: 0 };
    let mut stream = Many::try_open(&wire, request).await.unwrap();
    let first = five(&wire).await;
    five(&wire).await;
    stream.until(|stream| stream.of(2).len() == 10 && stream.of(1).len() == 2).await;
    assert_eq!(wire.listener("c", "poor").await.unacknowledged_messages, 2);
    wire.acknowledge(by("poor", first[1])).await;
    stream.until(|stream| stream.of(1) == [0, 1, 2, 3]).await;
    assert_eq!(stream.of(2), [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn one_that_rejects_delays_no_other_and_rewinds_nobody_else() {
    let (_server, wire) = explicit_listeners(&["a", "b"]).await;
    let mut stream = Many::open(&wire, &["a", "b"]).await;
    let sent = five(&wire).await;
    stream.until(|stream| stream.of(1).len() == 5 && stream.of(2).len() == 5).await;
    let rejected = |sequence| Rejection { listener: "a".into(), ..rejection(sequence) };
    wire.reject(rejected(sent[1])).await;
    stream.until(|stream| stream.of(1).len() == 9).await;
    let hour = Some(prost_types::Duration { seconds: 3600, nanos: 0 });
    wire.reject(Rejection { delay: hour, ..rejected(sent[0]) }).await;
    five(&wire).await;
    stream.until(|stream| stream.of(2).len() == 10).await;
    assert_eq!(stream.of(1), [0, 1, 2, 3, 4, 1, 2, 3, 4]);
    assert_eq!(stream.of(2), [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
    assert_eq!(wire.listener("c", "b").await.generation, 0);
}

#[tokio::test]
async fn one_that_is_removed_from_its_stream_has_failed_nothing_and_one_whose_client_goes_has() {
    let (server, wire) = explicit_listeners(&["withdrawn", "gone"]).await;
    let client = server.wire().await;
    let mut stream = Many::open(&client, &["withdrawn", "gone"]).await;
    five(&wire).await;
    stream.until(|stream| stream.of(1).len() == 5 && stream.of(2).len() == 5).await;
    assert_eq!(changed(&change(&wire, &stream.id, &[], &[1]).await.removed), [1]);
    drop((stream, client));
    until(async || !wire.listener("c", "gone").await.connected).await;
    for (listener, attempt) in [("withdrawn", Some(1)), ("gone", Some(2))] {
        let mut next = wire.listen("c", listener).await;
        assert_eq!(next.attempt().await.1, attempt, "{listener}");
        assert_eq!(next.attempt().await.1, Some(1), "for the first alone");
    }
}

#[tokio::test]
async fn a_browser_gives_one_more_credit_and_acknowledges() {
    let (server, wire) = explicit_listeners(&["a", "b"]).await;
    let mut browser = Http1::connect(server.address()).await;
    let subscriptions = vec![with_credit("a", 1), with_credit("b", 1)];
    browser.post("Listen", &ListenRequest { subscriptions, max_response_bytes: 0 }).await;
    let opened: ListenResponse = browser.frame().await.unwrap().message();
    let stream = opened.opened.unwrap().stream;
    let sent = five(&wire).await;
    let mut other = Http1::connect(server.address()).await;
    let change = ChangeListenRequest { stream, add: vec![with_credit("b", 3)], remove: Vec::new() };
    other.post("ChangeListen", &change).await;
    let answer: ChangeListenResponse = other.frame().await.unwrap().message();
    assert_eq!(changed(&answer.added), [2], "it keeps its number");
    let (mut a, mut b) = (Vec::new(), Vec::new());
    while a.is_empty() || b.len() < 3 {
        let part: ListenResponse = browser.frame().await.unwrap().message();
        for batch in part.batches {
            if batch.subscription == 1 { &mut a } else { &mut b }.extend(sequences(&batch.deliveries));
        }
    }
    assert_eq!((a, b), (sent[..1].to_vec(), sent[..3].to_vec()));
    let mut other = Http1::connect(server.address()).await;
    other.post("Acknowledge", &AcknowledgeRequest { items: vec![by("a", sent[0]), by("b", sent[2])] }).await;
    let answer: AcknowledgeResponse = other.frame().await.unwrap().message();
    let covered = |result: &AcknowledgeResult| match &result.outcome {
        Some(Outcome::Acknowledged(acknowledged)) => acknowledged.covered_messages,
        other => panic!("it was not acknowledged: {other:?}"),
    };
    assert_eq!(answer.results.iter().map(covered).collect::<Vec<_>>(), [1, 3]);
    // which has both go on
    let (mut a, mut b) = (Vec::new(), Vec::new());
    while a.is_empty() || b.len() < 2 {
        let part: ListenResponse = browser.frame().await.unwrap().message();
        for batch in part.batches {
            if batch.subscription == 1 { &mut a } else { &mut b }.extend(sequences(&batch.deliveries));
        }
    }
    assert_eq!((a, b), (sent[1..2].to_vec(), sent[3..].to_vec()));
}

#[tokio::test]
async fn credit_of_a_change_that_is_absurd_is_refused_and_zero_is_the_default() {
    let (_server, wire) = explicit_listeners(&["a", "b"]).await;
    let request = ListenRequest { subscriptions: vec![with_credit("a", 2)], max_response_bytes: 0 };
    let mut stream = Many::try_open(&wire, request).await.unwrap();
    let add = async |listener: &str, messages, bytes| {
        let credit = Credit { max_unacknowledged_messages: messages, max_unacknowledged_bytes: bytes };
        let add = vec![Subscription { credit: Some(credit), ..subscription("c", listener, "") }];
        let request = ChangeListenRequest { stream: stream.id.clone(), add, remove: Vec::new() };
        within(wire.call().change_listen(request)).await.expect("the stream is open").into_inner().added
    };
    for listener in ["a", "b"] {
        for (messages, bytes, field) in [
            (-1, 0, "add[0].credit.max_unacknowledged_messages"),
            (i32::MIN, 0, "add[0].credit.max_unacknowledged_messages"),
            (65_537, 0, "add[0].credit.max_unacknowledged_messages"),
            (i32::MAX, 0, "add[0].credit.max_unacknowledged_messages"),
            (0, -1, "add[0].credit.max_unacknowledged_bytes"),
            (1, i64::MIN, "add[0].credit.max_unacknowledged_bytes"),
        ] {
            let added = add(listener, messages, bytes).await;
            unchanged(&added[0]).is(Code::InvalidArgument, "INVALID_SETTING", &[field]);
        }
    }
    assert!(!wire.listener("c", "b").await.connected, "it was not added");
    wire.broadcast_all("c", (0..1001).map(numbered)).await;
    let unacknowledged = async |listener| wire.listener("c", listener).await.unacknowledged_messages;
    until(async || unacknowledged("a").await == 2).await;
    for (listener, number) in [("a", 1), ("b", 2)] {
        assert_eq!(changed(&add(listener, 0, 0).await), [number]);
    }
    stream.until(|stream| stream.of(1).len() == 1000 && stream.of(2).len() == 1000).await;
    assert_eq!((unacknowledged("a").await, unacknowledged("b").await), (1000, 1000));
}

#[tokio::test]
async fn one_call_answers_for_all_listeners_of_a_stream() {
    let (_server, wire) = explicit_listeners(&["a", "b", "d"]).await;
    let mut stream = Many::try_open(&wire, of(&["a", "b", "d"])).await.unwrap();
    let sent = five(&wire).await;
    stream.until(|stream| (1..=3).all(|number| stream.of(number).len() == 5)).await;
    let answers = wire.acknowledge_all(vec![by("a", sent[4]), by("no", sent[4]), by("d", sent[2])]).await;
    assert_eq!(answers[0].as_ref().unwrap().covered_messages, 5);
    answers[1].as_ref().unwrap_err().is(Code::NotFound, "LISTENER_NOT_FOUND", &[]);
    assert_eq!(answers[2].as_ref().unwrap().covered_messages, 3);
    for (listener, left) in [("a", 0), ("b", 5), ("d", 2)] {
        assert_eq!(within(wire.listener("c", listener)).await.unacknowledged_messages, left);
    }
}

#[tokio::test]
async fn one_call_rejects_for_several_listeners_and_rewinds_each_for_itself() {
    let (_server, wire) = explicit_listeners(&["a", "b", "d"]).await;
    let mut stream = Many::open(&wire, &["a", "b", "d"]).await;
    let sent = five(&wire).await;
    stream.until(|stream| (1..=3).all(|number| stream.of(number).len() == 5)).await;
    let of = |listener: &str, sequence| Rejection { listener: listener.into(), ..rejection(sequence) };
    // those of one are judged together, wherever they stand
    let answers = wire.reject_all(vec![of("a", sent[3]), of("b", sent[2]), of("a", sent[1])]).await;
    let facts = |rejected: &Rejected| (rejected.generation, rejected.attempts, rejected.dropped);
    let facts: Vec<_> = answers.iter().map(|answer| facts(answer.as_ref().unwrap())).collect();
    assert_eq!(facts, [(1, 1, false); 3]);
    stream.until(|stream| stream.of(1).len() == 9 && stream.of(2).len() == 8).await;
    wire.broadcast("c", numbered(5)).await;
    stream.until(|stream| (1..=3).all(|number| stream.of(number).last() == Some(&5))).await;
    assert_eq!(stream.of(1), [0, 1, 2, 3, 4, 1, 2, 3, 4, 5]);
    assert_eq!(stream.of(2), [0, 1, 2, 3, 4, 2, 3, 4, 5]);
    assert_eq!(stream.of(3), [0, 1, 2, 3, 4, 5]);
    for (listener, generation) in [("a", 1), ("b", 1), ("d", 0)] {
        assert_eq!(wire.listener("c", listener).await.generation, generation, "{listener}");
    }
}

#[tokio::test]
async fn a_thousand_share_a_stream_and_one_call_acknowledges_for_all_of_them() {
    const LISTENERS: usize = 1_000;
    let ids: Vec<_> = (0..LISTENERS).map(|n| format!("l{n}")).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let (_server, wire) = explicit_listeners(&ids).await;
    let mut stream = Many::open(&wire, &ids).await;
    let mut sent = Vec::new();
    for round in 0..2 {
        let number = |n: usize| numbered((round * LISTENERS + n) as i64);
        let batch = ids.iter().enumerate().map(|(n, id)| publication("c", id, number(n)));
        sent = receipts(&wire.batch(batch.collect()).await);
    }
    stream.until(|stream| (1..=LISTENERS).all(|number| stream.of(number as i32).len() == 2)).await;
    for (n, (number, delivered)) in stream.delivered.iter().enumerate() {
        assert_eq!(stream.started[number], ids[n]);
        assert_eq!(delivered, &[n as i64, (n + LISTENERS) as i64]);
    }
    let last = ids.iter().zip(&sent).map(|(id, receipt)| by(id, receipt.sequence));
    let answers = wire.acknowledge_all(last.collect()).await;
    assert_eq!(answers.len(), LISTENERS);
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().covered_messages == 2));
    for id in ids {
        let standing = wire.listener("c", id).await;
        assert_eq!((standing.backlog_messages, standing.unacknowledged_messages), (0, 0), "{id}");
    }
}
