//! An EXPLICIT listener may have only so long to acknowledge; what is not acknowledged by then counts as rejected.

use crate::support::{
    Reader, Refused, TestServer, Wire,
    explicit::{explicit, explicit_of, extension, rejection, through},
    message::{number, numbered, sequences},
    refused, until,
};
use eric::v1::{
    Backoff, ChannelSettings, DeadLetterCause, ExtendRequest, Extended, Extension, GapReason,
    ListenerSettings, Redelivery, RegisterRequest, UpdateListenerRequest,
};
use prost_types::Duration;
use tonic::Code;

const MILLIS: i32 = 1_000_000;

fn deadline(seconds: i64, nanos: i32) -> ListenerSettings {
    ListenerSettings { ack_deadline: Some(Duration { seconds, nanos }), idle_timeout: None }
}

/// What fails comes again at once.
fn at_once() -> ChannelSettings {
    let initial = Some(Duration::default());
    let backoff = Some(Backoff { initial, maximum: Some(Duration::default()), factor: None });
    ChannelSettings { backoff, ..Default::default() }
}

async fn with_deadline(settings: ListenerSettings) -> (TestServer, Wire) {
    let (server, wire) = explicit_of(at_once()).await;
    wire.remove("c", "l").await;
    wire.register_explicit_with("c", "l", settings).await;
    (server, wire)
}

async fn three(wire: &Wire) -> (Reader, Vec<i64>) {
    let mut reader = wire.listen("c", "l").await;
    wire.dispatch_all("c", "l", (0..3).map(numbered)).await;
    let sequences = sequences(&reader.take(3).await);
    (reader, sequences)
}

#[tokio::test]
async fn what_is_not_acknowledged_in_time_comes_again_in_order() {
    let (_server, wire) = with_deadline(deadline(0, 100 * MILLIS)).await;
    let (mut reader, _) = three(&wire).await;
    for expected in [(0, Some(2)), (1, Some(1)), (2, Some(1)), (0, Some(3))] {
        let (delivery, attempt, _) = reader.attempt().await;
        assert_eq!((number(&delivery), attempt), expected);
    }
    assert!(wire.listener("c", "l").await.generation >= 2);
}

#[tokio::test]
async fn who_never_acknowledges_loses_the_first_after_so_many_attempts_and_is_told() {
    let (_server, wire) = with_deadline(deadline(0, 100 * MILLIS)).await;
    wire.update("c", ChannelSettings { max_attempts: Some(2), ..Default::default() }).await;
    let (mut reader, sequences) = three(&wire).await;
    reader.take(3).await;
    let gap = reader.gap_of(GapReason::Rejected, Some(1)).await;
    assert_eq!(gap.through_sequence, sequences[0]);
}

#[tokio::test]
async fn what_is_not_acknowledged_in_time_is_a_dead_letter_that_says_so() {
    let (_server, wire) = with_deadline(deadline(0, 100 * MILLIS)).await;
    wire.register("c", "dead").await;
    let dead_letter_listener = Some("dead".to_owned());
    let settings = ChannelSettings { max_attempts: Some(2), dead_letter_listener, ..Default::default() };
    wire.update("c", settings).await;
    let (mut reader, sequences) = three(&wire).await;
    reader.take(3).await;
    reader.gap_of(GapReason::Rejected, Some(1)).await;
    until(async || !wire.messages("c", "dead", 0).await.is_empty()).await;
    let letters = wire.messages("c", "dead", 0).await;
    let facts = letters[0].dead_letter.as_ref().unwrap();
    assert_eq!((number(&letters[0]), facts.cause()), (0, DeadLetterCause::MaxAttempts));
    assert_eq!(facts.reason, "it was not acknowledged in time");
    assert_eq!((facts.listener.as_str(), facts.sequence, facts.attempts), ("l", sequences[0], 2));
    assert!(facts.time.is_some());
}

#[tokio::test]
async fn an_acknowledgement_begins_the_time_of_the_next() {
    let (_server, wire) = with_deadline(deadline(3600, 0)).await;
    let (mut reader, sequences) = three(&wire).await;
    wire.acknowledge(through(sequences[0])).await;
    // a shorter one holds for what is in hand
    let request = UpdateListenerRequest {
        channel: "c".into(),
        listener: "l".into(),
        settings: Some(deadline(0, 100 * MILLIS)),
        update_mask: None,
    };
    wire.call().update_listener(request).await.unwrap();
    for expected in [(1, Some(2)), (2, Some(1))] {
        let (delivery, attempt, _) = reader.attempt().await;
        assert_eq!((number(&delivery), attempt), expected);
    }
}

#[tokio::test]
async fn who_asks_for_more_time_has_it_and_who_gives_it_back_has_it_no_more() {
    let (_server, wire) = with_deadline(deadline(3600, 0)).await;
    let (mut reader, sequences) = three(&wire).await;
    let extended = wire.try_extend(extension(sequences[0], 7200)).await.unwrap();
    let more = extended.deadline.unwrap().seconds;
    let extended = wire.try_extend(extension(sequences[0], 3600)).await.unwrap();
    assert!(extended.deadline.unwrap().seconds < more);
    // none at all: it counts as rejected
    wire.try_extend(extension(sequences[0], 0)).await.unwrap();
    let (delivery, attempt, _) = reader.attempt().await;
    assert_eq!((number(&delivery), attempt), (0, Some(2)));
}

#[tokio::test]
async fn without_a_deadline_more_time_is_ok_and_says_that_there_is_none() {
    let (_server, wire) = explicit().await;
    let (_reader, sequences) = three(&wire).await;
    assert_eq!(wire.try_extend(extension(sequences[0], 5)).await.unwrap().deadline, None);
    assert_eq!(wire.listener("c", "l").await.generation, 0);
}

#[tokio::test]
async fn more_time_for_what_is_not_in_hand_is_refused() {
    let (_server, wire) = with_deadline(deadline(3600, 0)).await;
    let (mut reader, sequences) = three(&wire).await;
    wire.acknowledge(through(sequences[0])).await;
    wire.reject(rejection(sequences[1])).await;
    reader.take(2).await;
    let precondition = Code::FailedPrecondition;
    for (item, reason) in [
        (extension(sequences[0], 1), "NOT_OUTSTANDING"),
        (extension(sequences[2] + 1000, 1), "NOT_DELIVERED"),
        (Extension { generation: Some(0), ..extension(sequences[2], 1) }, "STALE_GENERATION"),
        (Extension { birth: 1, ..extension(sequences[2], 1) }, "OTHER_LIFE"),
        (Extension { incarnation: "x".into(), ..extension(sequences[2], 1) }, "OTHER_LIFE"),
    ] {
        wire.try_extend(item).await.unwrap_err().is(precondition, reason, &[]);
    }
}

#[tokio::test]
async fn each_of_several_is_answered_for_itself() {
    let (_server, wire) = with_deadline(deadline(3600, 0)).await;
    wire.register_explicit_with("c", "other", deadline(3600, 0)).await;
    let (mut reader, sequences) = three(&wire).await;
    let mut other = wire.listen("c", "other").await;
    let sent = wire.dispatch("c", "other", numbered(7)).await.sequence;
    other.take(1).await;
    let answers = wire
        .extend_all(vec![
            extension(sequences[0], 7200),
            extension(sequences[2] + 1000, 1),
            Extension { listener: "no".into(), ..extension(sequences[0], 1) },
            extension(sequences[0], -1),
            Extension { listener: "other".into(), ..extension(sent, 0) },
            extension(sequences[0], 3600),
        ])
        .await;
    let [long, ahead, nobody, absurd, now, short] = answers.as_slice() else { panic!("{answers:?}") };
    ahead.as_ref().unwrap_err().is(Code::FailedPrecondition, "NOT_DELIVERED", &[]);
    nobody.as_ref().unwrap_err().is(Code::NotFound, "LISTENER_NOT_FOUND", &[]).tells("listener", "no");
    absurd.as_ref().unwrap_err().is(Code::InvalidArgument, "INVALID_SETTING", &["items[3].extension"]);
    let ends = |answer: &Result<Extended, Refused>| answer.as_ref().unwrap().deadline.unwrap().seconds;
    assert!(ends(now) < ends(short) && ends(short) < ends(long), "{answers:?}");
    // what was given back comes again, and nothing else
    let (delivery, attempt, _) = other.attempt().await;
    assert_eq!((number(&delivery), attempt), (7, Some(2)));
    wire.mark("c").await;
    assert_eq!(reader.before("mark").await, []);
}

#[tokio::test]
async fn what_is_absurd_is_refused_by_name() {
    let (_server, wire) = with_deadline(deadline(3600, 0)).await;
    let (_reader, sequences) = three(&wire).await;
    for seconds in [-1, i64::MIN, 24 * 3600 + 1, i64::MAX] {
        let refused = wire.try_extend(extension(sequences[0], seconds)).await.unwrap_err();
        refused.is(Code::InvalidArgument, "INVALID_SETTING", &["items[0].extension"]);
    }
    let missing = Extension { extension: None, ..extension(sequences[0], 0) };
    let missing = wire.try_extend(missing).await.unwrap_err();
    missing.is(Code::InvalidArgument, "INVALID_MESSAGE", &["items[0].extension"]);
    let items = vec![extension(sequences[0], 1); 1025];
    let answer = refused(wire.call().extend(ExtendRequest { items })).await;
    answer.is(Code::InvalidArgument, "INVALID_SETTING", &["items"]);
    for settings in [deadline(0, 1), deadline(-1, 0), deadline(24 * 3600, 1), deadline(i64::MAX, 0)] {
        let request = RegisterRequest { channel: "c".into(), settings: Some(settings), ..Default::default() };
        let answer = refused(wire.call().register(request)).await;
        answer.is(Code::InvalidArgument, "INVALID_SETTING", &["settings.ack_deadline"]);
    }
}

#[tokio::test]
async fn nanoseconds_that_are_none_are_refused_and_the_deadline_stays() {
    let (_server, wire) = with_deadline(deadline(0, 300 * MILLIS)).await;
    let (mut reader, sequences) = three(&wire).await;
    // an hour, or none at all, if it counted
    for (seconds, nanos) in [(3600, -1), (3600, 1_000_000_000), (0, -1), (0, i32::MIN), (3600, i32::MAX)] {
        let by = Some(Duration { seconds, nanos });
        let item = Extension { extension: by, ..extension(sequences[0], 0) };
        let refused = wire.try_extend(item).await.unwrap_err();
        refused.is(Code::InvalidArgument, "INVALID_SETTING", &["items[0].extension"]);
    }
    let (delivery, attempt, _) = reader.attempt().await;
    assert_eq!((number(&delivery), attempt), (0, Some(2)), "in its own time");
}

#[tokio::test]
async fn a_deadline_out_of_its_range_is_refused_by_an_update_too_and_the_one_before_stays() {
    let (_server, wire) = with_deadline(deadline(3600, 0)).await;
    let before = wire.listener("c", "l").await.settings;
    for settings in [
        deadline(0, 1),
        deadline(-1, 0),
        deadline(1, -1),
        deadline(1, 1_000_000_000),
        deadline(24 * 3600, 1),
        deadline(i64::MAX, 0),
    ] {
        let (channel, listener, settings) = ("c".into(), "l".into(), Some(settings));
        let request = UpdateListenerRequest { channel, listener, settings, update_mask: None };
        let answer = refused(wire.call().update_listener(request)).await;
        answer.is(Code::InvalidArgument, "INVALID_SETTING", &["settings.ack_deadline"]);
    }
    assert_eq!(wire.listener("c", "l").await.settings, before);
    assert_eq!(before.unwrap().ack_deadline, Some(Duration { seconds: 3600, nanos: 0 }));
}

#[tokio::test]
async fn where_others_pass_each_has_its_own_deadline() {
    let (_server, wire) = with_deadline(deadline(0, 200 * MILLIS)).await;
    let overtaking = Some(Redelivery::Overtaking.into());
    wire.update("c", ChannelSettings { redelivery: overtaking, ..Default::default() }).await;
    let (mut reader, sequences) = three(&wire).await;
    for (sequence, attempt) in [(sequences[0], 1), (sequences[2], 1)] {
        wire.try_extend(Extension { attempt, ..extension(sequence, 3600) }).await.unwrap();
    }
    let (delivery, attempt, generation) = reader.attempt().await;
    assert_eq!((number(&delivery), attempt, generation), (1, Some(2), 0));
    wire.acknowledge(crate::support::explicit::by_attempt(sequences[1], 2)).await;
}
