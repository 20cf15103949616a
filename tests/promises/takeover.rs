//! One stream has a listener at a time: a newer one takes over, and nothing is lost or doubled between them.

use crate::support::{
    Refused, listener, listeners,
    message::{message, number, numbered, numbers},
    reader::delivered,
    wire::subscription,
    within,
};
use eric::v1::{Subscription, TakeOver};
use tonic::Code;

#[tokio::test]
async fn a_newer_stream_takes_over_and_the_older_one_ends() {
    let (server, wire) = listener().await;
    let older = wire.listen("c", "l").await;
    let mut newer = server.wire().await.listen("c", "l").await;
    let failure = older.failure().await;
    failure.is(Code::Aborted, "LISTENER_TAKEN_OVER", &[]).tells("channel", "c").tells("listener", "l");
    wire.dispatch("c", "l", message("t")).await;
    newer.one().await;
    let listener = wire.listener("c", "l").await;
    assert!(listener.running && listener.connected);
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_between_streams_that_take_over() {
    const MESSAGES: i64 = 2_000;
    let (server, wire) = listener().await;
    let sender = server.wire().await;
    let sending = tokio::spawn(async move {
        for first in (0..MESSAGES).step_by(20) {
            sender.dispatch_all("c", "l", (first..first + 10).map(numbered)).await;
            sender.broadcast_all("c", (first + 10..first + 20).map(numbered)).await;
        }
    });
    let mut readings = Vec::new();
    for _ in 0..20 {
        readings.push(tokio::spawn(server.wire().await.listen("c", "l").await.rest()));
    }
    within(sending).await.unwrap();
    let mut last = wire.listen("c", "l").await;
    wire.mark("c").await;

    let mut received: Vec<i64> = last.deliveries_before("mark").await.iter().map(number).collect();
    for reading in readings {
        let (events, end) = within(reading).await.unwrap();
        Refused::of(&end.unwrap_err()).is(Code::Aborted, "LISTENER_TAKEN_OVER", &[]);
        received.extend(events.into_iter().map(delivered).map(|delivery| number(&delivery)));
    }
    received.sort_unstable();
    assert_eq!(received, (0..MESSAGES).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_pull_takes_over_from_a_stream() {
    let (_server, wire) = listener().await;
    let stream = wire.listen("c", "l").await;
    wire.pull("c", "l", 1).await;
    stream.failure().await.is(Code::Aborted, "LISTENER_TAKEN_OVER", &[]);
}

#[tokio::test]
async fn a_stream_takes_over_from_a_pull_that_waits() {
    let (_server, wire) = listener().await;
    let waiting = wire.pull_waiting("c", "l").await;
    let mut stream = wire.listen("c", "l").await;
    let status = within(waiting).await.unwrap().unwrap_err();
    Refused::of(&status).is(Code::Aborted, "LISTENER_TAKEN_OVER", &[]).tells("listener", "l");
    wire.dispatch("c", "l", numbered(1)).await;
    assert_eq!(numbers(&stream.take(1).await), [1]);
}

#[tokio::test]
async fn a_takeover_leaves_the_streams_of_others_alone() {
    let (_server, wire) = listeners(&["a", "b"]).await;
    let mut watcher = wire.watch("c").await;
    let mut other = wire.listen("c", "b").await;
    let older = wire.listen("c", "a").await;
    let mut newer = wire.listen("c", "a").await;
    older.failure().await.is(Code::Aborted, "LISTENER_TAKEN_OVER", &[]);
    wire.mark("c").await;
    for reader in [&mut watcher, &mut other, &mut newer] {
        reader.one().await;
    }
}

#[tokio::test]
async fn what_is_refused_takes_nothing_over() {
    let (_server, wire) = listener().await;
    let mut stream = wire.listen("c", "l").await;
    assert!(wire.try_listen(subscription("c", "l", "no token")).await.is_err());
    wire.mark("c").await;
    stream.one().await;
}

#[tokio::test]
async fn to_take_over_always_is_what_is_done_anyway() {
    let (_server, wire) = listener().await;
    let older = wire.listen("c", "l").await;
    let always = Subscription { take_over: TakeOver::Always.into(), ..subscription("c", "l", "") };
    let _newer = wire.try_listen(always).await.unwrap();
    older.failure().await.is(Code::Aborted, "LISTENER_TAKEN_OVER", &[]);
}
