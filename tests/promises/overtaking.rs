//! Where a channel lets others pass, what is rejected comes again alone, and is answered by its attempt.

use crate::support::{
    Reader, TestServer, Wire,
    command::told,
    explicit::{by_attempt, explicit_of, extension, final_rejection, rejection, singly, through},
    message::{number, numbered, numbers, sequences},
};
use eric::v1::{ChannelSettings, GapReason, Redelivery, Rejection};
use prost_types::Duration;
use serde_json::{Value, json};
use tonic::Code;

const HOUR: Option<Duration> = Some(Duration { seconds: 3600, nanos: 0 });

fn overtaking() -> ChannelSettings {
    ChannelSettings { redelivery: Some(Redelivery::Overtaking.into()), ..Default::default() }
}

async fn five() -> (TestServer, Wire, Reader, Vec<i64>) {
    let (server, wire) = explicit_of(overtaking()).await;
    let mut reader = wire.listen("c", "l").await;
    wire.broadcast_all("c", (0..5).map(numbered)).await;
    let sequences = sequences(&reader.take(5).await);
    (server, wire, reader, sequences)
}

fn first(sequence: i64) -> Rejection {
    Rejection { attempt: 1, ..rejection(sequence) }
}

#[tokio::test]
async fn others_pass_a_rejected_message_and_it_comes_again_alone_and_marked() {
    let (_server, wire, mut reader, sequences) = five().await;
    let rejected = wire.reject(first(sequences[1])).await;
    assert_eq!((rejected.generation, rejected.attempts), (0, 1), "nothing begins a generation");
    let (delivery, attempt, generation) = reader.attempt().await;
    assert_eq!((number(&delivery), attempt, generation), (1, Some(2), 0));
    wire.reject(Rejection { attempt: 2, delay: HOUR, ..rejection(sequences[1]) }).await;
    wire.broadcast("c", numbered(5)).await;
    assert_eq!(numbers(&reader.take(1).await), [5]);
    assert_eq!(wire.listener("c", "l").await.unacknowledged_messages, 5);
}

#[tokio::test]
async fn repeats_stand_in_batches_of_their_own() {
    let (_server, wire, mut reader, sequences) = five().await;
    wire.reject_all(vec![first(sequences[3]), first(sequences[1])]).await;
    wire.broadcast("c", numbered(5)).await;
    let mut left = vec![1, 3, 5];
    while !left.is_empty() {
        for batch in reader.part().await.unwrap().unwrap().batches {
            let of_batch = numbers(&batch.deliveries);
            assert!(of_batch.is_sorted(), "{of_batch:?}");
            assert!(batch.repeats.is_empty() || batch.repeats.len() == of_batch.len(), "{batch:?}");
            assert_eq!(batch.repeats.is_empty(), of_batch.iter().all(|number| *number == 5));
            left.retain(|number| !of_batch.contains(number));
        }
    }
}

#[tokio::test]
async fn what_came_again_is_answered_by_its_attempt_and_through_skips_it() {
    let (_server, wire, mut reader, sequences) = five().await;
    wire.reject(first(sequences[1])).await;
    reader.take(1).await;
    assert_eq!(wire.acknowledge(through(sequences[4])).await.covered_messages, 4);
    assert_eq!(wire.acknowledge(singly(&[sequences[1]])).await.covered_messages, 0);
    assert_eq!(wire.acknowledge(by_attempt(sequences[1], 1)).await.covered_messages, 0);
    assert_eq!(wire.listener("c", "l").await.unacknowledged_messages, 1);
    assert_eq!(wire.acknowledge(by_attempt(sequences[1], 2)).await.covered_messages, 1);
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 0);
    assert_eq!(wire.acknowledge(by_attempt(sequences[1], 2)).await.covered_messages, 0);
}

#[tokio::test]
async fn an_attempt_that_is_missing_stale_or_unknown_is_refused() {
    let (_server, wire, mut reader, sequences) = five().await;
    wire.reject(first(sequences[0])).await;
    reader.take(1).await;
    let of = |attempt| Rejection { attempt, ..rejection(sequences[0]) };
    let extend = |attempt| eric::v1::Extension { attempt, ..extension(sequences[0], 1) };
    for refused in [wire.try_reject(of(0)).await.unwrap_err(), wire.try_extend(extend(0)).await.unwrap_err()]
    {
        refused.is(Code::InvalidArgument, "INVALID_SETTING", &["items[0].attempt"]);
    }
    for refused in [wire.try_reject(of(1)).await.unwrap_err(), wire.try_extend(extend(1)).await.unwrap_err()]
    {
        refused.is(Code::FailedPrecondition, "STALE_GENERATION", &[]);
    }
    for refused in [wire.try_reject(of(3)).await.unwrap_err(), wire.try_extend(extend(3)).await.unwrap_err()]
    {
        refused.is(Code::FailedPrecondition, "NOT_DELIVERED", &[]);
    }
    // rejected, and not come again yet
    wire.reject(Rejection { delay: HOUR, ..of(2) }).await;
    let refused = wire.try_reject(of(3)).await.unwrap_err();
    refused.is(Code::FailedPrecondition, "NOT_OUTSTANDING", &[]);
    let refused = wire.try_reject(of(i32::MAX)).await.unwrap_err();
    refused.is(Code::FailedPrecondition, "NOT_DELIVERED", &[]);
}

#[tokio::test]
async fn after_so_many_attempts_it_is_gone_and_the_others_are_not() {
    let (_server, wire, mut reader, sequences) = five().await;
    wire.update("c", ChannelSettings { max_attempts: Some(2), ..Default::default() }).await;
    wire.reject(first(sequences[2])).await;
    reader.take(1).await;
    let rejected = wire.reject(Rejection { attempt: 2, ..rejection(sequences[2]) }).await;
    assert!(rejected.dropped);
    reader.gap_of(GapReason::Rejected, Some(1)).await;
    let last = Rejection { attempt: 1, ..final_rejection(sequences[3], "") };
    assert!(wire.reject(last).await.dropped);
    reader.gap_of(GapReason::Rejected, Some(1)).await;
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 3);
}

#[tokio::test]
async fn back_in_strict_order_all_comes_again_from_the_first_on() {
    let (_server, wire, mut reader, sequences) = five().await;
    wire.reject(Rejection { delay: HOUR, ..first(sequences[3]) }).await;
    wire.acknowledge(singly(&[sequences[1]])).await;
    let strict = ChannelSettings { redelivery: Some(Redelivery::Strict.into()), ..Default::default() };
    wire.update("c", strict).await;
    for expected in [0, 2] {
        let (delivery, attempt, generation) = reader.attempt().await;
        assert_eq!((number(&delivery), attempt, generation), (expected, Some(1), 1));
    }
}

#[tokio::test]
async fn an_operator_names_the_attempt_on_the_command_line() {
    let (server, wire) = explicit_of(overtaking()).await;
    let sent = wire.broadcast_all("c", (0..2).map(numbered)).await;
    let [first, second] = [0, 1].map(|at: usize| sent[at].sequence.to_string());
    let url = server.url();
    let eric = async |arguments: &[&str]| told(&[arguments, &["--server", &url]].concat()).await;
    let pulled = async || {
        let (exit, out, _) = eric(&["pull", "c", "l", "--max", "2", "--json"]).await;
        assert_eq!(exit, Some(0));
        let of = |line| {
            let line: Value = serde_json::from_str(line).expect("each line is an object");
            (line["delivery"]["sequence"].to_string(), line["delivery"]["attempt"].clone())
        };
        out.lines().map(of).collect::<Vec<_>>()
    };
    assert_eq!(pulled().await, [(first.clone(), Value::Null), (second.clone(), Value::Null)]);

    let (exit, _, said) = eric(&["reject", "c", "l", &first, "--delay", "0s", "--json"]).await;
    let said: Value = serde_json::from_str(&said).expect("it says one thing");
    assert_eq!((exit, &said["error"]["reason"]), (Some(4), &json!("INVALID_SETTING")), "{said}");
    let (exit, out, _) = eric(&["reject", "c", "l", &first, "--attempt", "1", "--delay", "0s"]).await;
    assert_eq!((exit, out), (Some(0), format!("rejected #{first}, attempt 1: it comes again in 0s\n")));
    assert_eq!(pulled().await, [(first.clone(), json!(2))], "it comes alone");

    // what came again alone is not acknowledged without its attempt
    for (arguments, covered) in [
        (&["--through", &second][..], "1 message"),
        (&[&first], "0 messages"),
        (&[&first, "--attempt", "1"], "0 messages"),
        (&[&first, "--attempt", "2"], "1 message"),
    ] {
        let (exit, out, _) = eric(&[&["ack", "c", "l"], arguments].concat()).await;
        assert!(
            exit == Some(0) && out.starts_with(&format!("acknowledged {covered};")),
            "{arguments:?} {out}"
        );
    }
    let (_, out, _) = eric(&["listener", "show", "c", "l", "--json"]).await;
    let shown: Value = serde_json::from_str(&out).expect("it is an object");
    assert_eq!((&shown["backlogMessages"], &shown["lostMessages"]), (&json!(0), &json!(0)));
}
