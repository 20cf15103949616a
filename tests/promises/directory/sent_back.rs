//! What an EXPLICIT listener says, and what is sent back, is so once it is on disk, or it is not so.

use super::faults::named;
use crate::support::{
    Wire,
    command::Served,
    directory::{over, waiting_numbers},
    explicit::{final_rejection, rejection, through},
    message::number,
    power::Power,
    until,
};
use eric::v1::ChannelSettings;
use std::time::Duration;
use tokio::time::timeout;
use tonic::Code;

/// A channel `c` with EXPLICIT listeners: `l` has the message 1 in hand, `dead` is for what failed, `other` for nothing.
async fn in_hand(server: &Served) -> (Wire, i64) {
    let wire = server.wire().await;
    wire.create("c").await;
    for listener in ["l", "dead", "other"] {
        wire.register_explicit("c", listener).await;
    }
    let dead_letter_listener = Some("dead".to_owned());
    wire.update("c", ChannelSettings { dead_letter_listener, ..Default::default() }).await;
    wire.dispatch("c", "l", named(1)).await;
    let sequence = wire.listen("c", "l").await.one().await.sequence;
    (wire, sequence)
}

/// The same, and it is a dead letter.
async fn dead(server: &Served) -> (Wire, i64) {
    let (wire, sequence) = in_hand(server).await;
    let sequence = wire.reject(final_rejection(sequence, "no")).await.dead_letter_sequence;
    (wire, sequence)
}

/// Where the message 1 waits: at `l`, at `dead`, or nowhere.
const RECEIVED: [&[i64]; 2] = [&[1], &[]];
const DEAD: [&[i64]; 2] = [&[], &[1]];
const GONE: [&[i64]; 2] = [&[], &[]];

async fn places(wire: &Wire) -> [Vec<i64>; 2] {
    [waiting_numbers(wire, "l").await, waiting_numbers(wire, "dead").await]
}

async fn fill(power: &Power, wire: &Wire, stalled: bool) {
    power.ask("full");
    if stalled {
        wire.try_dispatch("c", "other", named(2)).await.expect_err("the disk is full");
    }
}

async fn is_not_sent_back(wire: &Wire, sequence: i64) {
    let refused = wire.requeue("c", "dead", &[sequence]).await.remove(0).expect_err("the disk is full");
    refused.is(Code::Unavailable, "LOG_UNAVAILABLE", &[]);
    assert_eq!(waiting_numbers(wire, "l").await, [0; 0], "nothing is shown that could be lost");
}

#[tokio::test]
async fn a_dead_letter_that_cannot_be_written_back_is_sent_back_once_or_stays() {
    for stalled in [false, true] {
        let power = Power::new();
        let server = power.serve(&[]).await;
        let (wire, sequence) = dead(&server).await;
        fill(&power, &wire, stalled).await;
        is_not_sent_back(&wire, sequence).await;
        power.ask_no_more("full");
        // whoever was told that it is not known says it again
        until(async || match wire.requeue("c", "dead", &[sequence]).await.remove(0) {
            Ok(_) => true,
            Err(refused) => refused.reason != "LOG_UNAVAILABLE",
        })
        .await;
        until(async || places(&wire).await == RECEIVED).await;
        drop(wire);
        server.kill().await;
        let (_server, wire) = over(&power.kept()).await;
        assert_eq!(places(&wire).await, RECEIVED);
    }
}

#[tokio::test]
async fn a_dead_letter_that_was_not_written_back_is_a_dead_letter_after_a_crash() {
    for stalled in [false, true] {
        let power = Power::new();
        let server = power.serve(&[]).await;
        let (wire, sequence) = dead(&server).await;
        fill(&power, &wire, stalled).await;
        is_not_sent_back(&wire, sequence).await;
        drop(wire);
        server.kill().await;
        for dir in [power.kept(), power.dir()] {
            let (_server, wire) = over(&dir).await;
            assert_eq!(places(&wire).await, DEAD);
        }
    }
}

#[tokio::test]
async fn a_dead_letter_is_sent_back_and_shown_when_that_is_on_disk() {
    let power = Power::new();
    let server = power.serve(&[]).await;
    let (wire, sequence) = dead(&server).await;
    power.ask("hold");
    let asks = wire.clone();
    let answered = tokio::spawn(async move { asks.requeue("c", "dead", &[sequence]).await.remove(0) });
    power.holds().await;
    until(async || waiting_numbers(&wire, "dead").await.is_empty()).await;
    assert_eq!(waiting_numbers(&wire, "l").await, [0; 0], "nothing is shown that could be lost");
    assert!(!answered.is_finished());
    power.ask_no_more("hold");
    let receipt = answered.await.expect("it does not panic").expect("it is accepted");
    let shown = wire.messages("c", "l", 0).await;
    assert_eq!(shown.iter().map(|it| it.sequence).collect::<Vec<_>>(), [receipt.sequence]);
    drop(wire);
    server.kill().await;
    let (_server, wire) = over(&power.kept()).await;
    assert_eq!(places(&wire).await, RECEIVED);
}

#[tokio::test]
async fn a_rejection_is_answered_when_its_attempt_is_on_disk() {
    let power = Power::new();
    let server = power.serve(&[]).await;
    let (wire, sequence) = in_hand(&server).await;
    power.ask("hold");
    let rejects = wire.clone();
    let mut answered = tokio::spawn(async move { rejects.reject(rejection(sequence)).await });
    power.holds().await;
    let early = timeout(Duration::from_millis(100), &mut answered).await;
    assert!(early.is_err(), "a crash could undo it: {early:?}");
    power.ask_no_more("hold");
    let rejected = answered.await.expect("it does not panic");
    server.kill().await;
    assert_eq!((rejected.attempts, rejected.dropped), (1, false));
    let (_server, wire) = over(&power.kept()).await;
    let (delivery, attempt, _) = wire.listen("c", "l").await.attempt().await;
    assert_eq!((number(&delivery), attempt), (1, Some(2)), "its rejection is remembered");
}

#[tokio::test]
async fn while_nothing_can_be_written_nothing_is_acknowledged_or_rejected() {
    let power = Power::new();
    let server = power.serve(&[]).await;
    let (wire, sequence) = in_hand(&server).await;
    fill(&power, &wire, true).await;
    let refused = wire.try_acknowledge(through(sequence)).await.expect_err("it could not be kept");
    refused.is(Code::Unavailable, "LOG_UNAVAILABLE", &[]);
    let refused = wire.try_reject(rejection(sequence)).await.expect_err("it could not be kept");
    refused.is(Code::Unavailable, "LOG_UNAVAILABLE", &[]);
    assert_eq!(places(&wire).await, RECEIVED);
    power.ask_no_more("full");
    until(async || wire.try_acknowledge(through(sequence)).await.is_ok()).await;
    assert_eq!(places(&wire).await, GONE);
    server.kill().await;
}
