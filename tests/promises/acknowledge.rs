//! What an EXPLICIT listener received is kept until it says so: nothing counts as acknowledged before, and what does
//! never comes again.

use crate::support::{
    Reader, Wire,
    explicit::{acknowledgement, explicit, rejection, singly, through},
    listener,
    message::{numbered, numbers, sequences, sized},
    proxy::Proxy,
    wire::{pull, subscription},
    within,
};
use eric::v1::{
    AcknowledgeRequest, AcknowledgementMode, ChangeListenRequest, Credit, ListenRequest, PullRequest,
    RegisterRequest, Subscription,
};
use std::time::Duration;
use tonic::Code;

fn with_credit(messages: i32, bytes: i64) -> Subscription {
    let credit = Credit { max_unacknowledged_messages: messages, max_unacknowledged_bytes: bytes };
    Subscription { credit: Some(credit), ..subscription("c", "l", "") }
}

async fn ten(wire: &Wire) -> (Reader, Vec<i64>) {
    let mut reader = wire.listen("c", "l").await;
    wire.dispatch_all("c", "l", (0..5).map(numbered)).await;
    wire.broadcast_all("c", (5..10).map(numbered)).await;
    let sequences = sequences(&reader.take(10).await);
    (reader, sequences)
}

#[tokio::test]
async fn nothing_counts_as_acknowledged_before_its_receiver_says_so() {
    let (_server, wire) = explicit().await;
    let (reader, sequences) = ten(&wire).await;
    let standing = wire.listener("c", "l").await;
    assert_eq!((standing.unacknowledged_messages, standing.backlog_messages), (10, 10));
    assert!(standing.passed_sequence < sequences[0]);
    drop(reader);
    // whoever comes next gets all of it, and again, until it is acknowledged
    for _ in 0..2 {
        let mut next = wire.listen("c", "l").await;
        assert_eq!(numbers(&next.take(10).await), (0..10).collect::<Vec<_>>());
    }
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 10);
}

#[tokio::test]
async fn a_new_stream_begins_with_everything_unacknowledged_in_order_and_marked() {
    let (_server, wire) = explicit().await;
    let (reader, sequences) = ten(&wire).await;
    wire.acknowledge(through(sequences[2])).await;
    wire.acknowledge(singly(&[sequences[4], sequences[7]])).await;
    wire.dispatch("c", "l", numbered(10)).await;
    wire.stop("c", "l").await;
    drop(reader);
    wire.dispatch("c", "l", numbered(11)).await;
    let mut next = wire.listen("c", "l").await;
    for expected in [3, 5, 6, 8, 9] {
        let (delivery, attempt, _) = next.attempt().await;
        assert_eq!((numbers(&[delivery])[0], attempt), (expected, Some(1)));
    }
    assert_eq!(numbers(&next.take(1).await), [10]);
    let (delivery, attempt, _) = next.attempt().await;
    assert_eq!((numbers(&[delivery])[0], attempt), (11, None), "it was not delivered before");
}

#[tokio::test]
async fn what_is_acknowledged_never_comes_again() {
    let (_server, wire) = explicit().await;
    let (reader, sequences) = ten(&wire).await;
    let acknowledged = wire.acknowledge(through(sequences[9])).await;
    assert_eq!((acknowledged.through_sequence, acknowledged.covered_messages), (sequences[9], 10));
    let standing = wire.listener("c", "l").await;
    assert_eq!((standing.backlog_messages, standing.unacknowledged_messages), (0, 0));
    let older = reader.started.resume_token.clone();
    drop(reader);
    // no token brings it back
    let mut next = wire.listen_from("c", "l", &older).await;
    wire.mark("c").await;
    assert_eq!(next.deliveries_before("mark").await, []);
}

#[tokio::test]
async fn twice_is_ok_and_covers_nothing() {
    let (_server, wire) = explicit().await;
    let (_reader, sequences) = ten(&wire).await;
    for item in [through(sequences[3]), singly(&[sequences[5], sequences[6]])] {
        assert!(wire.acknowledge(item.clone()).await.covered_messages > 0);
        assert_eq!(wire.acknowledge(item).await.covered_messages, 0);
    }
    // the same one twice in one call is one
    let item = singly(&[sequences[8], sequences[8]]);
    assert_eq!(wire.acknowledge(item).await.covered_messages, 1);
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 3);
}

#[tokio::test]
async fn each_item_of_a_call_is_answered_for_itself() {
    let (_server, wire) = explicit().await;
    wire.register_explicit("c", "m").await;
    wire.register("c", "automatic").await;
    let (_reader, of_first) = ten(&wire).await;
    let mut other = wire.listen("c", "m").await;
    let of_other = sequences(&other.take(5).await);
    let of = |listener: &str, item| eric::v1::Acknowledgement { listener: listener.to_owned(), ..item };
    let results = wire
        .acknowledge_all(vec![
            through(of_first[9]),
            of("m", through(of_other[2])),
            of("none", through(1)),
            of("automatic", through(1)),
            of("", through(1)),
            of("m", through(of_other[4] + 1000)),
        ])
        .await;
    assert_eq!(results[0].as_ref().unwrap().covered_messages, 10);
    assert_eq!(results[1].as_ref().unwrap().covered_messages, 3);
    let refused = |place: usize| results[place].as_ref().unwrap_err();
    refused(2).is(Code::NotFound, "LISTENER_NOT_FOUND", &[]).tells("listener", "none");
    refused(3)
        .is(Code::InvalidArgument, "NOT_EXPLICIT", &["items[3].listener"])
        .tells("listener", "automatic");
    refused(4).is(Code::InvalidArgument, "INVALID_ID", &["items[4].listener"]);
    refused(5).is(Code::FailedPrecondition, "NOT_DELIVERED", &[]);
    assert_eq!(wire.listener("c", "m").await.backlog_messages, 2);
}

#[tokio::test]
async fn an_empty_call_and_an_empty_item_change_nothing() {
    let (_server, wire) = explicit().await;
    let (_reader, _) = ten(&wire).await;
    assert_eq!(wire.acknowledge_all(Vec::new()).await.len(), 0);
    assert_eq!(wire.acknowledge(acknowledgement()).await.covered_messages, 0);
    assert_eq!(wire.listener("c", "l").await.unacknowledged_messages, 10);
}

#[tokio::test]
async fn one_does_not_acknowledge_what_another_received() {
    let (_server, wire) = explicit().await;
    wire.register_explicit("c", "m").await;
    let (_reader, sequences) = ten(&wire).await;
    let of_m = |item| eric::v1::Acknowledgement { listener: "m".into(), ..item };
    let refused = wire.try_acknowledge(of_m(through(sequences[9]))).await.unwrap_err();
    refused.is(Code::FailedPrecondition, "NOT_DELIVERED", &[]);
    let mut other = wire.listen("c", "m").await;
    other.take(5).await;
    // a dispatch that was never meant for it: nothing waits there under that sequence
    assert_eq!(wire.acknowledge(of_m(singly(&[sequences[0]]))).await.covered_messages, 0);
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 10);
    assert_eq!(wire.listener("c", "m").await.backlog_messages, 5);
}

#[tokio::test]
async fn beyond_what_was_delivered_nothing_is_acknowledged() {
    let (_server, wire) = explicit().await;
    let receipts = wire.dispatch_all("c", "l", (0..3).map(numbered)).await;
    let last = receipts[2].sequence;
    for item in [through(last), singly(&[last]), through(i64::MAX)] {
        let refused = wire.try_acknowledge(item).await.unwrap_err();
        refused.is(Code::FailedPrecondition, "NOT_DELIVERED", &[]);
    }
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 3);
    assert_eq!(numbers(&wire.listen("c", "l").await.take(3).await), [0, 1, 2]);
}

#[tokio::test]
async fn a_stream_out_of_credit_waits_and_goes_on_when_some_is_acknowledged() {
    let (_server, wire) = explicit().await;
    wire.register_explicit("c", "m").await;
    let mut reader = wire.try_listen(with_credit(3, 0)).await.unwrap();
    let mut other = wire.listen("c", "m").await;
    let receipts = wire.broadcast_all("c", (0..10).map(numbered)).await;
    assert_eq!(numbers(&reader.take(3).await), [0, 1, 2]);
    // the others are not held up
    assert_eq!(numbers(&other.take(10).await), (0..10).collect::<Vec<_>>());
    assert_eq!(wire.listener("c", "l").await.unacknowledged_messages, 3);
    wire.acknowledge(singly(&[receipts[1].sequence])).await;
    assert_eq!(numbers(&reader.take(1).await), [3]);
    assert_eq!(wire.listener("c", "l").await.unacknowledged_messages, 3);
    wire.acknowledge(through(receipts[3].sequence)).await;
    assert_eq!(numbers(&reader.take(3).await), [4, 5, 6]);
}

#[tokio::test]
async fn credit_is_counted_in_bytes_too_and_one_message_always_fits() {
    let (_server, wire) = explicit().await;
    let mut reader = wire.try_listen(with_credit(0, 1)).await.unwrap();
    let receipts = wire.dispatch_all("c", "l", (0..3).map(|_| sized(1000))).await;
    for receipt in &receipts {
        assert_eq!(reader.one().await.sequence, receipt.sequence);
        assert_eq!(wire.listener("c", "l").await.unacknowledged_messages, 1);
        wire.acknowledge(through(receipt.sequence)).await;
    }
}

#[tokio::test]
async fn credit_grows_and_shrinks_on_an_open_stream() {
    let (_server, wire) = explicit().await;
    let mut reader = wire.try_listen(with_credit(1, 0)).await.unwrap();
    wire.dispatch_all("c", "l", (0..10).map(numbered)).await;
    reader.take(1).await;
    let stream = reader.opened.stream.clone();
    let change = async |messages| {
        let add = vec![with_credit(messages, 0)];
        let request = ChangeListenRequest { stream: stream.clone(), add, remove: Vec::new() };
        within(wire.call().change_listen(request)).await.unwrap();
    };
    change(4).await;
    let deliveries = reader.take(3).await;
    change(2).await;
    wire.acknowledge(through(deliveries[0].sequence)).await;
    wire.acknowledge(through(deliveries[1].sequence)).await;
    assert_eq!(numbers(&reader.take(1).await), [4], "one is in hand, and one more may be");
    assert_eq!(wire.listener("c", "l").await.unacknowledged_messages, 2);
}

#[tokio::test]
async fn credit_that_is_absurd_is_refused_and_zero_is_the_default() {
    let (_server, wire) = explicit().await;
    for (messages, bytes, field) in [
        (-1, 0, "subscriptions[0].credit.max_unacknowledged_messages"),
        (65_537, 0, "subscriptions[0].credit.max_unacknowledged_messages"),
        (i32::MAX, 0, "subscriptions[0].credit.max_unacknowledged_messages"),
        (0, -1, "subscriptions[0].credit.max_unacknowledged_bytes"),
        (1, i64::MIN, "subscriptions[0].credit.max_unacknowledged_bytes"),
    ] {
        let request =
            ListenRequest { subscriptions: vec![with_credit(messages, bytes)], ..Default::default() };
        let refused = crate::support::refused(wire.call().listen(request)).await;
        refused.is(Code::InvalidArgument, "INVALID_SETTING", &[field]);
    }
    let request = PullRequest {
        credit: Some(Credit { max_unacknowledged_messages: -1, max_unacknowledged_bytes: 0 }),
        ..pull("c", "l")
    };
    let refused = crate::support::refused(wire.call().pull(request)).await;
    refused.is(Code::InvalidArgument, "INVALID_SETTING", &["credit.max_unacknowledged_messages"]);
    assert!(!wire.listener("c", "l").await.running);
    let mut reader = wire.try_listen(with_credit(0, 0)).await.unwrap();
    wire.dispatch_all("c", "l", (0..1001).map(numbered)).await;
    assert_eq!(reader.take(1000).await.len(), 1000);
    assert_eq!(wire.listener("c", "l").await.unacknowledged_messages, 1000);
}

/// More than the default credit has room for, of which each takes a little more than 1 MiB.
async fn more_than_16_mib(wire: &Wire) -> Vec<i64> {
    let mut sequences = Vec::new();
    for _ in 0..20 {
        sequences.push(wire.dispatch("c", "l", sized(1 << 20)).await.sequence);
    }
    sequences
}

#[tokio::test]
async fn zero_bytes_of_credit_are_16_mib_on_a_stream() {
    let (_server, wire) = explicit().await;
    let sent = more_than_16_mib(&wire).await;
    let mut reader = wire.try_listen(with_credit(0, 0)).await.unwrap();
    assert_eq!(sequences(&reader.take(15).await), sent[..15]);
    // a stream that had room would go on
    let more = tokio::time::timeout(Duration::from_millis(200), reader.part()).await;
    assert!(more.is_err(), "more came: {more:?}");
    assert_eq!(wire.listener("c", "l").await.unacknowledged_messages, 15);
    wire.acknowledge(through(sent[1])).await;
    assert_eq!(sequences(&reader.take(2).await), sent[15..17]);
    assert_eq!(wire.listener("c", "l").await.unacknowledged_messages, 15);
    wire.acknowledge(through(sent[16])).await;
    assert_eq!(sequences(&reader.take(3).await), sent[17..]);
}

#[tokio::test]
async fn zero_bytes_of_credit_are_16_mib_by_pulls() {
    let (_server, wire) = explicit().await;
    let sent = more_than_16_mib(&wire).await;
    let next = async || {
        let credit = Some(Credit::default());
        let request = PullRequest { session: "s".into(), credit, ..pull("c", "l") };
        let answer = within(wire.call().pull(request)).await.expect("a pull is answered");
        sequences(&answer.into_inner().batch.expect("with a batch").deliveries)
    };
    for sequence in &sent[..15] {
        assert_eq!(next().await, [*sequence]);
    }
    assert_eq!(next().await.len(), 0, "there is no room for one more");
    wire.acknowledge(singly(&[sent[3]])).await;
    assert_eq!(next().await, [sent[15]]);
    assert_eq!(next().await.len(), 0);
}

#[tokio::test]
async fn after_any_number_of_broken_connections_each_comes_in_order_and_once_acknowledged_never() {
    let (server, wire) = explicit().await;
    let proxy = Proxy::before(server.address()).await;
    let sequences: Vec<_> = wire
        .dispatch_all("c", "l", (0..60).map(numbered))
        .await
        .into_iter()
        .map(|receipt| receipt.sequence)
        .collect();
    for done in (0..60).step_by(6) {
        let client = Wire::connect(proxy.url()).await;
        let mut reader = client.listen("c", "l").await;
        let deliveries = reader.take(60 - done).await;
        assert_eq!(
            numbers(&deliveries),
            (i64::try_from(done).unwrap()..60).collect::<Vec<_>>(),
            "what is acknowledged does not come, the rest in order"
        );
        wire.acknowledge(through(sequences[done + 5])).await;
        // it is stopped first, so that its end counts as none of its attempts
        wire.stop("c", "l").await;
        proxy.cut();
    }
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 0);
    assert_eq!(wire.listener("c", "l").await.lost_messages, 0);
}

#[tokio::test]
async fn an_acknowledgement_of_another_life_changes_nothing() {
    let (_server, wire) = explicit().await;
    let (reader, sequences) = ten(&wire).await;
    let birth = reader.started.birth;
    let of = |birth, incarnation: &str| eric::v1::Acknowledgement {
        birth,
        incarnation: incarnation.to_owned(),
        ..through(sequences[9])
    };
    for item in [of(birth + 1, ""), of(birth, "0000000000000000"), of(0, "no such tag"), of(1, "")] {
        let refused = wire.try_acknowledge(item).await.unwrap_err();
        refused.is(Code::FailedPrecondition, "OTHER_LIFE", &[]).tells("listener", "l");
    }
    assert_eq!(wire.listener("c", "l").await.unacknowledged_messages, 10);
    let incarnation = reader.opened.incarnation.clone();
    assert_eq!(wire.acknowledge(of(birth, &incarnation)).await.covered_messages, 10);
    // removed, and registered again under the same id
    wire.remove("c", "l").await;
    let refused = wire.try_acknowledge(of(birth, "")).await.unwrap_err();
    refused.is(Code::NotFound, "LISTENER_REMOVED", &[]);
    wire.register_explicit("c", "l").await;
    let refused = wire.try_acknowledge(of(birth, "")).await.unwrap_err();
    refused.is(Code::FailedPrecondition, "OTHER_LIFE", &[]);
    wire.remove_channel("c").await;
    let refused = wire.try_acknowledge(through(1)).await.unwrap_err();
    refused.is(Code::NotFound, "CHANNEL_REMOVED", &[]);
}

#[tokio::test]
async fn an_acknowledgement_of_an_older_generation_covers_what_it_may_and_says_so() {
    let (_server, wire) = explicit().await;
    let (mut reader, sequences) = ten(&wire).await;
    let first = wire.reject(rejection(sequences[4])).await.generation;
    reader.take(6).await;
    let of = |generation, item| eric::v1::Acknowledgement { generation: Some(generation), ..item };
    // the one before covers what lies below the point of return
    let acknowledged = wire.acknowledge(of(first - 1, through(sequences[9]))).await;
    assert_eq!((acknowledged.covered_messages, acknowledged.generation), (4, first));
    assert_eq!(acknowledged.through_sequence, sequences[3]);
    let second = wire.reject(rejection(sequences[5])).await.generation;
    assert!(second > first);
    reader.take(5).await;
    // an older one nothing
    assert_eq!(wire.acknowledge(of(first - 1, through(sequences[9]))).await.covered_messages, 0);
    let refused = wire.try_acknowledge(of(second + 1, through(sequences[9]))).await.unwrap_err();
    refused.is(Code::FailedPrecondition, "NOT_DELIVERED", &[]);
    assert_eq!(wire.acknowledge(of(second, through(sequences[9]))).await.covered_messages, 6);
}

#[tokio::test]
async fn negative_numbers_are_refused_by_name() {
    let (_server, wire) = explicit().await;
    let (_reader, sequences) = ten(&wire).await;
    let last = sequences[9];
    let item = || through(last);
    let gaps = |after_sequence, through_sequence| {
        vec![eric::v1::Gap { after_sequence, through_sequence, ..Default::default() }]
    };
    for (item, field) in [
        (through(-1), "items[0].through_sequence"),
        (eric::v1::Acknowledgement { sequences: vec![-1], ..item() }, "items[0].sequences"),
        (eric::v1::Acknowledgement { gaps: gaps(-1, 1), ..item() }, "items[0].gaps.after_sequence"),
        (eric::v1::Acknowledgement { gaps: gaps(1, -1), ..item() }, "items[0].gaps.through_sequence"),
        (eric::v1::Acknowledgement { gaps: gaps(1, 1).repeat(1_025), ..item() }, "items[0].gaps"),
        (eric::v1::Acknowledgement { birth: -1, ..item() }, "items[0].birth"),
        (eric::v1::Acknowledgement { generation: Some(-1), ..item() }, "items[0].generation"),
        (eric::v1::Acknowledgement { attempts: vec![attempt(1, -1)], ..item() }, "items[0].attempts.attempt"),
        (
            eric::v1::Acknowledgement { attempts: vec![attempt(-1, 1)], ..item() },
            "items[0].attempts.sequence",
        ),
    ] {
        let refused = wire.try_acknowledge(item).await.unwrap_err();
        refused.is(Code::InvalidArgument, "INVALID_SETTING", &[field]);
    }
    assert_eq!(wire.listener("c", "l").await.unacknowledged_messages, 10);
}

fn attempt(sequence: i64, attempt: i32) -> eric::v1::Attempt {
    eric::v1::Attempt { sequence, attempt }
}

#[tokio::test]
async fn too_many_items_are_refused_as_a_whole() {
    let (_server, wire) = explicit().await;
    let (_reader, sequences) = ten(&wire).await;
    let items = vec![through(sequences[9]); 1025];
    let refused = crate::support::refused(wire.call().acknowledge(AcknowledgeRequest { items })).await;
    refused.is(Code::InvalidArgument, "INVALID_SETTING", &["items"]);
    assert_eq!(wire.listener("c", "l").await.unacknowledged_messages, 10);
    assert_eq!(wire.acknowledge_all(vec![through(sequences[9]); 1024]).await.len(), 1024);
}

#[tokio::test]
async fn the_mode_of_a_listener_never_changes() {
    let (_server, wire) = listener().await;
    let request = |listener: &str, mode: AcknowledgementMode| RegisterRequest {
        channel: "c".into(),
        listener: Some(listener.into()),
        acknowledgement_mode: mode.into(),
        allow_existing: true,
        ..Default::default()
    };
    wire.register_explicit("c", "e").await;
    for (listener, mode) in [("l", AcknowledgementMode::Explicit), ("e", AcknowledgementMode::Automatic)] {
        let refused = crate::support::refused(wire.call().register(request(listener, mode))).await;
        refused.is(Code::AlreadyExists, "LISTENER_ALREADY_EXISTS", &[]);
    }
    let again = within(wire.call().register(request("e", AcknowledgementMode::Explicit))).await.unwrap();
    assert!(again.into_inner().existed);
}

#[tokio::test]
async fn types_that_were_not_asked_for_count_as_acknowledged_without_a_gap() {
    let (_server, wire) = explicit().await;
    let subscription = Subscription { types: vec!["sized".into()], ..subscription("c", "l", "") };
    let mut reader = wire.try_listen(subscription).await.unwrap();
    wire.dispatch_all("c", "l", (0..5).map(numbered)).await;
    let receipt = wire.dispatch("c", "l", sized(1)).await;
    assert_eq!(reader.one().await.sequence, receipt.sequence);
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 1);
    wire.acknowledge(through(receipt.sequence)).await;
    assert_eq!(wire.listener("c", "l").await.lost_messages, 0);
}
