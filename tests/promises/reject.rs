//! What is rejected comes again, in order, and never passes into silence.

use crate::support::{
    Event, Reader, Wire,
    explicit::*,
    listener,
    message::{number, numbered, numbers, sequences},
    wire::pull,
    within,
};
use eric::v1::{Backoff, ChannelSettings, Extension, GapReason, PullRequest, RejectRequest, Rejection};
use prost_types::Duration;
use tonic::Code;

const HOUR: Option<Duration> = Some(Duration { seconds: 3600, nanos: 0 });

async fn five(wire: &Wire) -> (Reader, Vec<i64>) {
    let mut reader = wire.listen("c", "l").await;
    wire.dispatch("c", "l", numbered(0)).await;
    wire.broadcast_all("c", (1..5).map(numbered)).await;
    let sequences = sequences(&reader.take(5).await);
    (reader, sequences)
}

#[tokio::test]
async fn redelivery_never_breaks_the_order() {
    let (_server, wire) = explicit().await;
    let (mut reader, sequences) = five(&wire).await;
    wire.acknowledge(singly(&[sequences[3]])).await;
    let rejected = wire.reject(rejection(sequences[1])).await;
    assert_eq!((rejected.attempts, rejected.dropped, rejected.dead_letter_sequence), (1, false, 0));
    assert_eq!(rejected.delay, Some(Duration::default()));
    wire.dispatch("c", "l", numbered(5)).await;
    let expected = [(1, Some(2)), (2, Some(1)), (4, Some(1)), (5, None)];
    for expected in expected {
        let (delivery, attempt, generation) = reader.attempt().await;
        assert_eq!((number(&delivery), attempt), expected);
        assert_eq!(generation, rejected.generation);
    }
    assert_eq!(wire.listener("c", "l").await.generation, rejected.generation);
}

#[tokio::test]
async fn rejections_of_one_call_are_judged_together() {
    let (_server, wire) = explicit().await;
    let (mut reader, sequences) = five(&wire).await;
    let results = wire.reject_all(vec![rejection(sequences[3]), rejection(sequences[1])]).await;
    let generations: Vec<_> = results.iter().map(|it| it.as_ref().unwrap().generation).collect();
    assert_eq!(generations, [1, 1]);
    for expected in [(1, Some(2)), (2, Some(1)), (3, Some(2)), (4, Some(1))] {
        let (delivery, attempt, _) = reader.attempt().await;
        assert_eq!((number(&delivery), attempt), expected);
    }
}

#[tokio::test]
async fn nothing_passes_a_rejected_message_that_waits_for_its_time() {
    let (server, wire) = explicit().await;
    wire.register_explicit("c", "m").await;
    let (reader, sequences) = five(&wire).await;
    let rejected = wire.reject(Rejection { delay: HOUR, ..rejection(sequences[2]) }).await;
    assert_eq!(rejected.delay, HOUR);
    wire.acknowledge(through(sequences[1])).await;
    wire.broadcast("c", numbered(5)).await;
    // the others' streams go on
    assert_eq!(server.wire().await.listen("c", "m").await.take(5).await.len(), 5);
    // the delay outlives the stream and a takeover
    let mut next = wire.listen("c", "l").await;
    drop(reader);
    let (pulled, _) = wire.pull("c", "l", 10).await;
    assert_eq!(pulled.deliveries, []);
    assert!(next.part().await.is_err(), "the pull took over");
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 4);
    // an acknowledgement frees what it held up
    let mut last = wire.listen("c", "l").await;
    wire.acknowledge(singly(&[sequences[2]])).await;
    assert_eq!(numbers(&last.take(3).await), [3, 4, 5]);
}

#[tokio::test]
async fn what_is_rejected_after_a_delay_comes_by_itself() {
    let (_server, wire) = explicit().await;
    let (mut reader, sequences) = five(&wire).await;
    let delay = Some(Duration { seconds: 0, nanos: 50_000_000 });
    wire.reject(Rejection { delay, ..rejection(sequences[4]) }).await;
    let (delivery, attempt, _) = reader.attempt().await;
    assert_eq!((number(&delivery), attempt), (4, Some(2)));
}

#[tokio::test]
async fn without_a_delay_the_channels_back_off_counts() {
    let backoff = Backoff {
        initial: Some(Duration { seconds: 0, nanos: 10_000_000 }),
        factor: Some(3.0),
        maximum: Some(Duration { seconds: 0, nanos: 50_000_000 }),
    };
    let (_server, wire) = explicit_of(ChannelSettings { backoff: Some(backoff), ..Default::default() }).await;
    let mut reader = wire.listen("c", "l").await;
    let sequence = wire.dispatch("c", "l", numbered(0)).await.sequence;
    for (attempts, millis) in [(1, 10), (2, 30), (3, 50), (4, 50)] {
        reader.one().await;
        let rejected = wire.reject(Rejection { delay: None, ..rejection(sequence) }).await;
        let delay = Some(Duration { seconds: 0, nanos: millis * 1_000_000 });
        assert_eq!((rejected.attempts, rejected.delay), (attempts, delay));
    }
    assert_eq!(reader.attempt().await.1, Some(5));
}

#[tokio::test]
async fn a_final_rejection_without_a_dead_letter_listener_drops_and_says_so() {
    let (_server, wire) = explicit().await;
    let (mut reader, sequences) = five(&wire).await;
    let rejected = wire.reject(final_rejection(sequences[1], "no use")).await;
    assert!(rejected.dropped);
    assert_eq!((rejected.dead_letter_sequence, rejected.delay), (0, None));
    let gap = reader.gap_of(GapReason::Rejected, Some(1)).await;
    assert_eq!(gap.through_sequence, sequences[1]);
    assert_eq!(numbers(&reader.take(3).await), [2, 3, 4]);
    let standing = wire.listener("c", "l").await;
    assert_eq!((standing.lost_messages, standing.backlog_messages), (1, 4));
    // the gap is said again until it is acknowledged
    wire.acknowledge(singly(&[sequences[0]])).await;
    let mut next = wire.listen("c", "l").await;
    next.gap_of(GapReason::Rejected, Some(1)).await;
    next.take(3).await;
    wire.acknowledge(through(sequences[4])).await;
    let mut last = wire.listen("c", "l").await;
    wire.mark("c").await;
    assert_eq!(last.before("mark").await, []);
}

#[tokio::test]
async fn a_message_that_always_fails_holds_the_others_up_no_more_often_than_it_may_be_attempted() {
    let (_server, wire) = explicit_of(ChannelSettings { max_attempts: Some(3), ..Default::default() }).await;
    let (mut reader, sequences) = five(&wire).await;
    for attempts in 1..=2 {
        assert_eq!(wire.reject(rejection(sequences[0])).await.attempts, attempts);
        reader.take(5).await;
    }
    let rejected = wire.reject(rejection(sequences[0])).await;
    assert_eq!((rejected.attempts, rejected.dropped), (3, true));
    reader.gap_of(GapReason::Rejected, Some(1)).await;
    assert_eq!(numbers(&reader.take(4).await), [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_rejection_of_what_is_not_in_hand_changes_nothing() {
    let (_server, wire) = explicit().await;
    wire.register_explicit("c", "m").await;
    wire.register("c", "automatic").await;
    let (mut reader, sequences) = five(&wire).await;
    wire.acknowledge(singly(&[sequences[2]])).await;
    wire.acknowledge(through(sequences[0])).await;
    let birth = reader.started.birth;
    let of = |listener: &str, item| Rejection { listener: listener.into(), ..item };
    let results = wire
        .reject_all(vec![
            rejection(sequences[0]),
            rejection(sequences[2]),
            rejection(sequences[4] + 1000),
            of("m", rejection(sequences[1])),
            of("none", rejection(sequences[1])),
            of("automatic", rejection(sequences[1])),
            Rejection { birth: birth + 1, ..rejection(sequences[1]) },
            Rejection { incarnation: "another".into(), ..rejection(sequences[1]) },
            Rejection { generation: Some(7), ..rejection(sequences[1]) },
        ])
        .await;
    let precondition = Code::FailedPrecondition;
    for (result, (code, reason, fields)) in results.iter().zip([
        (precondition, "NOT_OUTSTANDING", &[][..]),
        (precondition, "NOT_OUTSTANDING", &[]),
        (precondition, "NOT_DELIVERED", &[]),
        (precondition, "NOT_DELIVERED", &[]),
        (Code::NotFound, "LISTENER_NOT_FOUND", &[]),
        (Code::InvalidArgument, "NOT_EXPLICIT", &["items[5].listener"]),
        (precondition, "OTHER_LIFE", &[]),
        (precondition, "OTHER_LIFE", &[]),
        (precondition, "NOT_DELIVERED", &[]),
    ]) {
        result.as_ref().unwrap_err().is(code, reason, fields);
    }
    let standing = wire.listener("c", "l").await;
    assert_eq!((standing.generation, standing.unacknowledged_messages), (0, 3));
    wire.mark("c").await;
    assert_eq!(reader.before("mark").await, [], "nothing comes again");
}

#[tokio::test]
async fn what_another_received_is_not_outstanding_for_whoever_was_delivered_more_since() {
    let (_server, wire) = explicit().await;
    wire.register_explicit("c", "m").await;
    let (mut reader, sequences) = five(&wire).await;
    let mut other = wire.listen("c", "m").await;
    assert_eq!(numbers(&other.take(4).await), [1, 2, 3, 4]);
    let listener = || String::from("m");
    for refused in [
        wire.try_reject(Rejection { listener: listener(), ..rejection(sequences[0]) }).await.unwrap_err(),
        wire.try_reject(Rejection { listener: listener(), ..final_rejection(sequences[0], "") })
            .await
            .unwrap_err(),
        wire.try_extend(Extension { listener: listener(), ..extension(sequences[0], 1) }).await.unwrap_err(),
    ] {
        refused.is(Code::FailedPrecondition, "NOT_OUTSTANDING", &[]);
        refused.tells("sequence", &sequences[0].to_string());
    }
    for (listener, unacknowledged) in [("l", 5), ("m", 4)] {
        let standing = wire.listener("c", listener).await;
        assert_eq!((standing.generation, standing.unacknowledged_messages), (0, unacknowledged));
        assert_eq!(standing.lost_messages, 0);
    }
    wire.mark("c").await;
    for reader in [&mut reader, &mut other] {
        assert_eq!(reader.before("mark").await, [], "nothing comes again");
    }
}

#[tokio::test]
async fn a_rejection_of_an_older_generation_is_stale() {
    let (_server, wire) = explicit().await;
    let (mut reader, sequences) = five(&wire).await;
    wire.reject(Rejection { generation: Some(0), ..rejection(sequences[3]) }).await;
    reader.take(2).await;
    // also of what lies below the point of return
    for sequence in [sequences[0], sequences[3]] {
        let stale = Rejection { generation: Some(0), ..rejection(sequence) };
        let refused = wire.try_reject(stale).await.unwrap_err();
        refused.is(Code::FailedPrecondition, "STALE_GENERATION", &[]).tells("generation", "1");
    }
    assert_eq!(wire.listener("c", "l").await.generation, 1);
}

#[tokio::test]
async fn a_rejection_that_comes_twice_counts_once() {
    let (_server, wire) = explicit().await;
    let (mut reader, sequences) = five(&wire).await;
    let item = Rejection { generation: Some(0), delay: HOUR, ..rejection(sequences[0]) };
    wire.reject(item.clone()).await;
    let refused = wire.try_reject(item).await.unwrap_err();
    refused.is(Code::FailedPrecondition, "STALE_GENERATION", &[]);
    // without a generation: it has not come again yet
    let refused = wire.try_reject(rejection(sequences[0])).await.unwrap_err();
    refused.is(Code::FailedPrecondition, "NOT_OUTSTANDING", &[]);
    // within one call it is the same rejection
    wire.acknowledge(singly(&[sequences[0]])).await;
    reader.take(4).await;
    let results = wire.reject_all(vec![rejection(sequences[1]); 3]).await;
    let attempts: Vec<_> = results.iter().map(|it| it.as_ref().unwrap().attempts).collect();
    assert_eq!(attempts, [1, 1, 1]);
}

#[tokio::test]
async fn what_is_absurd_in_a_rejection_is_refused_by_name() {
    let (_server, wire) = explicit().await;
    let (_reader, sequences) = five(&wire).await;
    let item = || rejection(sequences[0]);
    let delay = |seconds, nanos| Some(Duration { seconds, nanos });
    for (item, field) in [
        (Rejection { delay: delay(-1, 0), ..item() }, "items[0].delay"),
        (Rejection { delay: delay(0, -1), ..item() }, "items[0].delay"),
        (Rejection { delay: delay(24 * 3600, 1), ..item() }, "items[0].delay"),
        (Rejection { delay: delay(i64::MAX, i32::MAX), ..item() }, "items[0].delay"),
        (Rejection { reason: "x".repeat(1025), ..item() }, "items[0].reason"),
        (Rejection { sequence: -1, ..item() }, "items[0].sequence"),
        (Rejection { attempt: -1, ..item() }, "items[0].attempt"),
        (Rejection { generation: Some(-1), ..item() }, "items[0].generation"),
        (Rejection { birth: -1, ..item() }, "items[0].birth"),
    ] {
        wire.try_reject(item).await.unwrap_err().is(Code::InvalidArgument, "INVALID_SETTING", &[field]);
    }
    let items = vec![item(); 1025];
    let refused = crate::support::refused(wire.call().reject(RejectRequest { items })).await;
    refused.is(Code::InvalidArgument, "INVALID_SETTING", &["items"]);
    assert_eq!(wire.listener("c", "l").await.generation, 0);
    wire.reject(Rejection { reason: "x".repeat(1024), ..item() }).await;
}

#[tokio::test]
async fn what_an_automatic_listener_received_is_not_rejected() {
    let (_server, wire) = listener().await;
    let sequence = wire.dispatch("c", "l", numbered(0)).await.sequence;
    wire.pull("c", "l", 1).await;
    for refused in [
        wire.try_reject(rejection(sequence)).await.unwrap_err(),
        wire.try_acknowledge(through(sequence)).await.unwrap_err(),
        wire.try_extend(extension(sequence, 1)).await.unwrap_err(),
    ] {
        refused.is(Code::InvalidArgument, "NOT_EXPLICIT", &["items[0].listener"]);
    }
}

#[tokio::test]
async fn an_attempt_counts_when_a_client_leaves_and_another_comes_and_for_the_first_alone() {
    let (server, wire) = explicit().await;
    let client = server.wire().await;
    let (reader, _) = five(&client).await;
    drop((reader, client));
    crate::support::until(async || !wire.listener("c", "l").await.connected).await;
    let mut next = wire.listen("c", "l").await;
    let attempts = [next.attempt().await.1, next.attempt().await.1, next.attempt().await.1];
    assert_eq!(attempts, [Some(2), Some(1), Some(1)]);
}

#[tokio::test]
async fn takeover_and_stop_count_no_attempt() {
    let (_server, wire) = explicit().await;
    let (reader, _) = five(&wire).await;
    let mut second = wire.listen("c", "l").await;
    assert_eq!(second.attempt().await.1, Some(1));
    drop(reader);
    wire.stop("c", "l").await;
    drop(second);
    let mut third = wire.listen("c", "l").await;
    assert_eq!(third.attempt().await.1, Some(1));
}

#[tokio::test]
async fn looks_by_hand_push_nothing_into_the_dead_letter() {
    let (_server, wire) = with_dead_letters(2).await;
    wire.dispatch("c", "l", numbered(0)).await;
    for _ in 0..10 {
        let (batch, _) = wire.pull("c", "l", 1).await;
        assert_eq!(numbers(&batch.deliveries), [0]);
        assert!(batch.repeats.iter().all(|repeat| repeat.attempt == 1));
    }
    assert_eq!(wire.listener("c", "dead").await.backlog_messages, 0);
}

#[tokio::test]
async fn a_pull_tells_of_repeats_and_its_generation() {
    let (_server, wire) = explicit().await;
    wire.dispatch("c", "l", numbered(0)).await;
    let request = || PullRequest { session: "s".into(), ..pull("c", "l") };
    let first = within(wire.call().pull(request())).await.unwrap().into_inner().batch.unwrap();
    assert_eq!(first.repeats, []);
    wire.reject(rejection(first.deliveries[0].sequence)).await;
    let again = within(wire.call().pull(request())).await.unwrap().into_inner().batch.unwrap();
    assert_eq!((again.repeats[0].attempt, again.generation), (2, 1));
}

#[tokio::test]
async fn a_gap_of_a_rejection_stands_at_its_place() {
    let (_server, wire) = explicit().await;
    let (mut reader, sequences) = five(&wire).await;
    wire.reject(final_rejection(sequences[2], "")).await;
    drop(reader);
    reader = wire.listen("c", "l").await;
    wire.mark("c").await;
    let events = reader.before("mark").await;
    let place = events.iter().position(|event| matches!(event, Event::Gap(_)));
    assert_eq!((events.len(), place), (5, Some(2)));
}
