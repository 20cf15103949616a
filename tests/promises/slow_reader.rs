//! A slow reader neither grows the server nor delays others: what it does not read is a place in the order, not a queue.

use crate::support::{
    Event, Reader, TestServer, Wire,
    message::{message, sized},
    reader::told,
    within,
};
use eric::v1::{ChannelSettings, GapReason, Message};

const BYTES: usize = 4 << 10;
/// Of broadcasts and dispatches alike.
const KEPT: i64 = 1 << 20;
const BATCH: usize = 40;
const BATCHES: usize = 60;

fn batch() -> impl Iterator<Item = Message> {
    (0..BATCH).map(|_| sized(BYTES))
}

async fn bounded() -> (TestServer, Wire) {
    let server = TestServer::start();
    let wire = server.wire().await;
    let settings =
        ChannelSettings { max_backlog_bytes: Some(KEPT), max_replay_bytes: Some(KEPT), ..Default::default() };
    wire.create_with("c", settings).await;
    for listener in ["slow", "quick"] {
        wire.register("c", listener).await;
    }
    (server, wire)
}

/// Broadcasts much more than is kept. Whoever reads along has each batch before the next is sent.
async fn flood(wire: &Wire, along: &mut [Reader]) {
    for _ in 0..BATCHES {
        wire.broadcast_all("c", batch()).await;
        for reader in &mut *along {
            reader.take(BATCH).await;
        }
        let held = wire.server().await.log_bytes;
        assert!(held < 2 * KEPT, "{held}");
    }
}

/// Everything that was broadcast, delivered or told to be missing.
fn check(events: &[Event]) {
    assert_eq!(told(events), (BATCH * BATCHES) as i64);
    let gaps = events.iter().filter(|event| matches!(event, Event::Gap(_))).count();
    assert!(gaps > 0, "more was sent than is kept");
}

#[tokio::test]
async fn a_listener_that_does_not_read_delays_nobody_and_is_told_what_it_missed() {
    let (server, wire) = bounded().await;
    let mut slow = Wire::narrow(server.url()).await.listen("c", "slow").await;
    let mut along = [server.wire().await.listen("c", "quick").await, server.wire().await.watch("c").await];
    flood(&wire, &mut along).await;
    assert_eq!(wire.listener("c", "quick").await.lost_messages, 0);
    wire.mark("c").await;
    let events = slow.before("mark").await;
    check(&events);
    let overflow = |event: &Event| matches!(event, Event::Gap(gap) if gap.reason() == GapReason::Overflow);
    assert!(events.iter().any(overflow));
}

#[tokio::test]
async fn a_watcher_that_does_not_read_delays_nobody_and_is_told_what_it_missed() {
    let (server, wire) = bounded().await;
    let mut slow = Wire::narrow(server.url()).await.watch("c").await;
    let mut along = [server.wire().await.listen("c", "quick").await];
    flood(&wire, &mut along).await;
    wire.mark("c").await;
    check(&slow.before("mark").await);
}

#[tokio::test]
async fn a_stream_that_is_not_read_delays_no_other_of_its_connection() {
    let (server, wire) = bounded().await;
    let shared = Wire::narrow(server.url()).await;
    let slow = shared.watch("c").await;
    let mut along = [shared.listen("c", "quick").await];
    flood(&wire, &mut along).await;
    shared.still_answers().await;
    drop(slow);
}

#[tokio::test]
async fn dispatches_to_a_listener_that_does_not_read_are_bounded_too() {
    let (server, wire) = bounded().await;
    let mut slow = Wire::narrow(server.url()).await.listen("c", "slow").await;
    let mut quick = server.wire().await.listen("c", "quick").await;
    let mut accepted = 0;
    // what stands in windows and buffers comes on top of the backlog
    while wire.try_dispatch("c", "slow", sized(BYTES)).await.is_ok() {
        accepted += 1;
        assert!(accepted < BATCH * BATCHES, "its backlog is bounded");
    }
    assert!(wire.server().await.log_bytes < 3 * KEPT);
    wire.dispatch("c", "quick", message("t")).await;
    quick.one().await;
    // nothing of what was accepted is lost
    slow.take(accepted).await;
}

#[tokio::test]
async fn a_hundred_streams_that_are_not_read_cost_places_not_queues() {
    let (server, wire) = bounded().await;
    let narrow = Wire::narrow(server.url()).await;
    let mut slow = Vec::new();
    for _ in 0..100 {
        slow.push(narrow.watch("c").await);
    }
    let mut along = [server.wire().await.listen("c", "quick").await];
    flood(&wire, &mut along).await;
    drop(slow);
    within(wire.still_answers()).await;
}
