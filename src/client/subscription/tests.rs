//! Subscriptions over streams that a test writes down, on a clock that it winds.

use super::*;
use crate::{
    client::{Delivery, Interruption, subscribe::Observer},
    v1,
};
use futures_util::{StreamExt as _, stream};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};

type Part = Result<v1::WatchResponse, Status>;

/// How a stream goes after its parts.
enum Then {
    Ends,
    Hangs,
}

struct Fake {
    subscription: Subscription,
    /// The tokens that streams were opened again with.
    asked: Arc<Mutex<Vec<String>>>,
    told: Arc<Mutex<Vec<String>>>,
}

/// A subscription whose streams are these, one after the other; what is asked for beyond is refused.
fn fake(streams: Vec<(Vec<Part>, Then)>) -> Fake {
    let mut streams: VecDeque<Parts> = streams.into_iter().map(parts).collect();
    let first = streams.pop_front().unwrap();
    let (asked, told) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let (streams, tokens, seen) = (Mutex::new(streams), asked.clone(), told.clone());
    let opener: Opener = Box::new(move |token| {
        tokens.lock().unwrap().push(token);
        let next = streams.lock().unwrap().pop_front();
        Box::pin(async { next.ok_or_else(|| refused(Code::NotFound, "CHANNEL_NOT_FOUND").into()) })
    });
    let observer: Observer = Box::new(move |interruption| {
        seen.lock().unwrap().push(match interruption {
            Interruption::Lost { failures, .. } => format!("lost {failures}"),
            Interruption::Over => "over".to_owned(),
        });
    });
    let options = Options { observer: Some(observer), ..Default::default() };
    Fake { subscription: Subscription::new(first, String::new(), None, opener, options), asked, told }
}

fn parts((parts, then): (Vec<Part>, Then)) -> Parts {
    let parts = stream::iter(parts);
    match then {
        Then::Ends => parts.boxed(),
        Then::Hangs => parts.chain(stream::pending()).boxed(),
    }
}

fn refused(code: Code, reason: &str) -> Status {
    Status::with_error_details(code, "", ErrorDetails::with_error_info(reason, "eric", []))
}

fn lost() -> Part {
    Err(Status::unavailable("connection reset"))
}

fn opening() -> Part {
    Ok(v1::WatchResponse {
        opened: Some(v1::StreamOpened {
            incarnation: "one".into(),
            heartbeat: Some(prost_types::Duration { seconds: 5, nanos: 0 }),
            ..Default::default()
        }),
        started: vec![v1::SubscriptionStarted { resume_token: "start".into(), ..Default::default() }],
        ..Default::default()
    })
}

fn message(sequence: i64, message_type: &str) -> v1::Delivery {
    let message = v1::Message { r#type: message_type.into(), ..Default::default() };
    v1::Delivery { message: Some(message), sequence, ..Default::default() }
}

fn bringing(deliveries: Vec<v1::Delivery>, token: &str) -> Part {
    let batch = v1::Batch { deliveries, resume_token: token.into(), ..Default::default() };
    Ok(v1::WatchResponse { batches: vec![batch], ..Default::default() })
}

fn deliveries(sequences: std::ops::RangeInclusive<i64>) -> Part {
    bringing(sequences.clone().map(|sequence| message(sequence, "t")).collect(), &sequences.end().to_string())
}

/// Sequences until the end, and the error that was the last event, if one was.
async fn all(subscription: &mut Subscription) -> (Vec<i64>, Option<Error>) {
    let mut sequences = Vec::new();
    while let Some(event) = subscription.next().await {
        match event {
            Ok(Event::Delivery(Delivery { sequence, .. })) => sequences.push(sequence),
            Ok(Event::Gap(gap)) => sequences.push(-gap.through_sequence),
            Err(error) => return (sequences, Some(error)),
        }
    }
    (sequences, None)
}

#[tokio::test(start_paused = true)]
async fn a_lost_stream_goes_on_where_it_was_left() {
    let mut fake = fake(vec![
        (vec![opening(), deliveries(1..=2), lost()], Then::Ends),
        (vec![opening(), deliveries(3..=3)], Then::Ends),
    ]);
    let (sequences, error) = all(&mut fake.subscription).await;
    assert_eq!((sequences, error.is_none()), (vec![1, 2, 3], true));
    assert_eq!(*fake.asked.lock().unwrap(), ["2"]);
    assert_eq!(*fake.told.lock().unwrap(), ["lost 1", "over"]);
    assert!(matches!(fake.subscription.ended_by(), Some(End::Stopped)));
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_counts_as_lost_after_three_heartbeats() {
    let mut fake = fake(vec![
        (vec![opening(), deliveries(1..=1)], Then::Hangs),
        (vec![opening(), deliveries(2..=2)], Then::Ends),
    ]);
    let begun = Instant::now();
    assert_eq!(all(&mut fake.subscription).await.0, [1, 2]);
    assert!(begun.elapsed() >= Duration::from_secs(15) && begun.elapsed() < Duration::from_secs(16));
}

#[tokio::test(start_paused = true)]
async fn a_program_slower_than_the_heartbeats_loses_nothing() {
    let mut fake = fake(vec![(vec![opening(), deliveries(1..=1), deliveries(2..=2)], Then::Ends)]);
    assert!(fake.subscription.next().await.is_some());
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(all(&mut fake.subscription).await.0, [2]);
    assert!(fake.asked.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn streams_that_bring_nothing_are_waited_for_ever_longer() {
    let flap = || (vec![opening(), lost()], Then::Ends);
    let mut fake = fake(vec![flap(), flap(), flap(), (vec![opening(), deliveries(1..=1)], Then::Ends)]);
    assert_eq!(all(&mut fake.subscription).await.0, [1]);
    let told = fake.told.lock().unwrap().clone();
    assert_eq!(told, ["lost 1", "over", "lost 2", "over", "lost 3", "over"]);
    assert_eq!(*fake.asked.lock().unwrap(), ["start", "start", "start"]);
}

#[tokio::test(start_paused = true)]
async fn the_announced_end_ends_the_iteration() {
    let end = message(2, CHANNEL_CLOSED);
    let batch = bringing(vec![message(1, "t"), end, message(3, "t")], "3");
    let mut fake = fake(vec![(vec![opening(), batch], Then::Hangs)]);
    let (sequences, error) = all(&mut fake.subscription).await;
    assert_eq!((sequences, error.is_none()), (vec![1], true));
    assert!(matches!(fake.subscription.ended_by(), Some(End::ChannelClosed)));
    assert!(fake.subscription.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_the_server_refuses_for_good_ends_it_after_what_it_brought() {
    let takeover = Err(refused(Code::Aborted, "LISTENER_TAKEN_OVER"));
    let mut fake = fake(vec![(vec![opening(), deliveries(1..=2), takeover], Then::Ends)]);
    let (sequences, error) = all(&mut fake.subscription).await;
    assert_eq!(sequences, [1, 2]);
    assert_eq!(error.unwrap().reason(), Some("LISTENER_TAKEN_OVER"));
    assert!(matches!(fake.subscription.ended_by(), Some(End::Failed(_))));
    assert!(fake.subscription.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn an_end_in_the_stream_is_an_end() {
    let status = tonic_types::pb::Status { code: Code::NotFound as i32, ..Default::default() };
    let ended = v1::SubscriptionEnded { subscription: 1, status: Some(status) };
    let part = Ok(v1::WatchResponse { ended: vec![ended], ..Default::default() });
    let mut fake = fake(vec![(vec![opening(), part], Then::Hangs)]);
    assert_eq!(all(&mut fake.subscription).await.1.unwrap().code(), Some(Code::NotFound));
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_while_away_is_told() {
    let mut fake = fake(vec![(vec![opening(), lost()], Then::Ends)]);
    assert_eq!(all(&mut fake.subscription).await.1.unwrap().reason(), Some("CHANNEL_NOT_FOUND"));
}

#[tokio::test(start_paused = true)]
async fn reconnecting_ends_where_it_was_bounded() {
    let mut fake = fake((0..20).map(|_| (vec![lost()], Then::Ends)).collect());
    fake.subscription.line.reconnect_for = Some(Duration::from_secs(2));
    assert_eq!(all(&mut fake.subscription).await.1.unwrap().code(), Some(Code::Unavailable));
    assert!(fake.asked.lock().unwrap().len() > 2);
}
