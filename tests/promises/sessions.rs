//! Two clients that reconnect by themselves do not fight for a listener.

use crate::support::{
    Reader, Refused, Wire,
    explicit::{explicit, rejection, through},
    listener,
    many::{Many, changed, unchanged},
    message::{numbered, numbers},
    refused, until,
    wire::{pull, subscription},
    within,
};
use eric::v1::{
    Batch, ChangeListenRequest, ChangeListenResult, ListenRequest, PullRequest, PullResponse, Subscription,
    TakeOver,
};
use prost_types::Duration;
use tokio::task::JoinHandle;
use tonic::{Code, Response, Status};

fn of(session: &str, token: &str) -> Subscription {
    Subscription { session: session.into(), ..subscription("c", "l", token) }
}

async fn taken_over(reader: Reader) {
    reader.failure().await.is(Code::Aborted, "LISTENER_TAKEN_OVER", &[]).tells("listener", "l");
}

async fn open(wire: &Wire, subscription: Subscription) -> Result<Reader, Status> {
    wire.try_listen(subscription).await
}

#[tokio::test]
async fn one_that_was_taken_over_does_not_take_it_back_by_reconnecting() {
    for wire in [listener().await, explicit().await] {
        let (_server, wire) = wire;
        let first = open(&wire, of("a", "")).await.unwrap();
        let token = first.token.clone();
        let mut second = open(&wire, of("b", "")).await.unwrap();
        taken_over(first).await;
        for _ in 0..3 {
            let refused = Refused::of(&open(&wire, of("a", &token)).await.err().unwrap());
            refused.is(Code::Aborted, "LISTENER_TAKEN_OVER", &[]);
        }
        wire.dispatch("c", "l", numbered(0)).await;
        assert_eq!(numbers(&second.take(1).await), [0]);
        assert_eq!(wire.listener("c", "l").await.session, "b");
        // a first opening, by a person, takes it
        let third = open(&wire, of("a", "")).await.unwrap();
        let token = second.token.clone();
        taken_over(second).await;
        let refused = Refused::of(&open(&wire, of("b", &token)).await.err().unwrap());
        refused.is(Code::Aborted, "LISTENER_TAKEN_OVER", &[]);
        // and where it is free, a reconnect has it
        drop(third);
        until(async || !wire.listener("c", "l").await.connected).await;
        open(&wire, of("b", &token)).await.unwrap();
    }
}

/// The session `b` takes the listener from `a`: its stream, and the token with which `a` would come back.
async fn taken_from_a(wire: &Wire) -> (Reader, String) {
    let first = open(wire, of("a", "")).await.expect("nobody has it");
    let token = first.token.clone();
    let second = open(wire, of("b", "")).await.expect("a first opening takes it");
    taken_over(first).await;
    (second, token)
}

fn pull_of(session: &str, token: &str) -> PullRequest {
    PullRequest { session: session.into(), resume_token: token.into(), ..pull("c", "l") }
}

/// By a Listen and by a Pull.
async fn a_is_refused(wire: &Wire, token: &str) {
    for refused in [
        Refused::of(&open(wire, of("a", token)).await.err().expect("another has it")),
        refused(wire.call().pull(pull_of("a", token))).await,
    ] {
        refused.is(Code::Aborted, "LISTENER_TAKEN_OVER", &[]).tells("listener", "l");
    }
}

async fn add(wire: &Wire, stream: &str, subscription: Subscription) -> Vec<ChangeListenResult> {
    let (stream, add) = (stream.to_owned(), vec![subscription]);
    let request = ChangeListenRequest { stream, add, remove: Vec::new() };
    within(wire.call().change_listen(request)).await.expect("the stream is open").into_inner().added
}

#[tokio::test]
async fn one_that_was_taken_over_does_not_take_it_back_through_any_door() {
    for (_server, wire) in [listener().await, explicit().await] {
        wire.register("c", "carrier").await;
        let (mut holder, token) = taken_from_a(&wire).await;
        a_is_refused(&wire, &token).await;
        // beside another that is not
        let subscriptions = vec![of("a", &token), subscription("c", "carrier", "")];
        let request = ListenRequest { subscriptions, max_response_bytes: 0 };
        let mut stream = Many::try_open(&wire, request).await.unwrap();
        stream.until(|stream| stream.started.len() + stream.ended.len() == 2).await;
        stream.failure_of(1).is(Code::Aborted, "LISTENER_TAKEN_OVER", &[]).tells("listener", "l");
        // and to a stream that is open
        let added = add(&wire, &stream.id, of("a", &token)).await;
        unchanged(&added[0]).is(Code::Aborted, "LISTENER_TAKEN_OVER", &[]).tells("listener", "l");
        wire.broadcast("c", numbered(0)).await;
        stream.until(|stream| stream.of(2) == [0]).await;
        assert_eq!(numbers(&holder.take(1).await), [0]);
        assert_eq!(wire.listener("c", "l").await.session, "b");
        // a first opening takes it there, too
        assert_eq!(changed(&add(&wire, &stream.id, of("a", "")).await), [3]);
        taken_over(holder).await;
    }
}

/// A pull of `b` that waits longer than any test.
async fn waits(wire: &Wire) -> JoinHandle<Result<PullResponse, Status>> {
    let wait = Some(Duration { seconds: 60, nanos: 0 });
    let (mut call, request) = (wire.call(), PullRequest { wait, ..pull_of("b", "") });
    let waiting = tokio::spawn(async move { call.pull(request).await.map(Response::into_inner) });
    until(async || wire.listener("c", "l").await.session == "b").await;
    waiting
}

#[tokio::test]
async fn one_that_was_taken_over_does_not_take_it_back_from_a_pull_that_waits() {
    for (_server, wire) in [listener().await, explicit().await] {
        let first = open(&wire, of("a", "")).await.unwrap();
        let token = first.token.clone();
        let waiting = waits(&wire).await;
        taken_over(first).await;
        a_is_refused(&wire, &token).await;
        wire.dispatch("c", "l", numbered(0)).await;
        let batch = within(waiting).await.unwrap().unwrap().batch.unwrap();
        assert_eq!(numbers(&batch.deliveries), [0]);
    }
}

#[tokio::test]
async fn one_that_was_taken_over_does_not_take_it_back_between_pulls_that_are_one_stream() {
    let (_server, wire) = explicit().await;
    wire.dispatch_all("c", "l", (0..3).map(numbered)).await;
    let first = open(&wire, of("a", "")).await.unwrap();
    let token = first.started.resume_token.clone();
    for n in 0..3 {
        assert_eq!(numbers(&next(&wire, "b").await.deliveries), [n]);
        a_is_refused(&wire, &token).await;
    }
}

#[tokio::test]
async fn one_that_pulled_does_not_take_it_back_by_pulling_on() {
    let (_server, wire) = explicit().await;
    let pulled = next(&wire, "a").await;
    let _holder = open(&wire, of("b", "")).await.unwrap();
    a_is_refused(&wire, &pulled.resume_token).await;
}

#[tokio::test]
async fn a_session_takes_over_from_itself() {
    let (_server, wire) = explicit().await;
    let first = open(&wire, of("a", "")).await.unwrap();
    let token = first.token.clone();
    let never = Subscription { take_over: TakeOver::Never.into(), ..of("a", &token) };
    let second = open(&wire, never).await.unwrap();
    taken_over(first).await;
    assert_eq!(second.started.listener, "l");
}

#[tokio::test]
async fn who_never_takes_over_is_told_that_it_is_in_use() {
    let (_server, wire) = explicit().await;
    let never = || Subscription { take_over: TakeOver::Never.into(), ..of("b", "") };
    let mut first = open(&wire, never()).await.unwrap();
    for subscription in
        [Subscription { session: "x".into(), ..never() }, Subscription { session: "".into(), ..never() }]
    {
        let refused = Refused::of(&open(&wire, subscription).await.err().unwrap());
        refused.is(Code::FailedPrecondition, "IN_USE", &[]).tells("listener", "l");
    }
    let request = PullRequest { take_over: TakeOver::Never.into(), ..pull("c", "l") };
    refused(wire.call().pull(request)).await.is(Code::FailedPrecondition, "IN_USE", &[]);
    wire.dispatch("c", "l", numbered(0)).await;
    assert_eq!(numbers(&first.take(1).await), [0]);
}

#[tokio::test]
async fn who_always_takes_over_does_so_also_by_reconnecting() {
    let (_server, wire) = explicit().await;
    let first = open(&wire, of("a", "")).await.unwrap();
    let token = first.token.clone();
    let second = open(&wire, of("b", "")).await.unwrap();
    taken_over(first).await;
    let always = Subscription { take_over: TakeOver::Always.into(), ..of("a", &token) };
    open(&wire, always).await.unwrap();
    taken_over(second).await;
}

#[tokio::test]
async fn a_session_that_returns_counts_no_attempt_and_another_counts_one() {
    let (server, wire) = explicit().await;
    wire.dispatch("c", "l", numbered(0)).await;
    let leave = async |session: &str| {
        let client = server.wire().await;
        let mut reader = open(&client, of(session, "")).await.unwrap();
        let attempt = reader.attempt().await.1;
        drop((reader, client));
        until(async || !wire.listener("c", "l").await.connected).await;
        attempt
    };
    let mut attempts = Vec::new();
    for session in ["a", "a", "b", "b", "", ""] {
        attempts.push(leave(session).await);
    }
    assert_eq!(attempts, [None, Some(1), Some(2), Some(2), Some(3), Some(4)]);
}

async fn next(wire: &Wire, session: &str) -> Batch {
    let request = PullRequest { session: session.into(), ..pull("c", "l") };
    within(wire.call().pull(request))
        .await
        .expect("a pull is answered")
        .into_inner()
        .batch
        .expect("with a batch")
}

#[tokio::test]
async fn pulls_of_a_session_are_one_stream() {
    let (_server, wire) = explicit().await;
    wire.dispatch_all("c", "l", (0..5).map(numbered)).await;
    let mut last = 0;
    for n in 0..3 {
        let batch = next(&wire, "a").await;
        assert_eq!((numbers(&batch.deliveries), batch.repeats), (vec![n], Vec::new()));
        last = batch.deliveries[0].sequence;
    }
    assert_eq!(wire.listener("c", "l").await.unacknowledged_messages, 3);
    wire.acknowledge(through(last)).await;
    // another session begins with what is not acknowledged
    assert_eq!(numbers(&next(&wire, "a").await.deliveries), [3]);
    let batch = next(&wire, "b").await;
    assert_eq!((numbers(&batch.deliveries), batch.repeats[0].attempt), (vec![3], 2));
    let rejected = wire.reject(rejection(batch.deliveries[0].sequence)).await;
    let again = next(&wire, "b").await;
    assert_eq!((again.repeats[0].attempt, again.generation), (3, rejected.generation));
}

#[tokio::test]
async fn a_name_that_is_none_is_refused() {
    let (_server, wire) = explicit().await;
    for session in ["a b", ".", "ü", &"x".repeat(129)] {
        let request = ListenRequest { subscriptions: vec![of(session, "")], ..Default::default() };
        let answer = refused(wire.call().listen(request)).await;
        answer.is(Code::InvalidArgument, "INVALID_ID", &["subscriptions[0].session"]);
        let request = PullRequest { session: session.into(), ..pull("c", "l") };
        refused(wire.call().pull(request)).await.is(Code::InvalidArgument, "INVALID_ID", &["session"]);
    }
    let request = PullRequest { take_over: 9, ..pull("c", "l") };
    refused(wire.call().pull(request)).await.is(Code::InvalidArgument, "INVALID_SETTING", &["take_over"]);
    assert!(!wire.listener("c", "l").await.running);
}
