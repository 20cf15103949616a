//! Gaps are said, never silent: wherever a listener cannot get a message, its stream says so at that place.

use crate::support::{
    Event,
    explicit::{explicit, known, singly, through},
    listener, listener_of,
    losses::{drops_beyond, losses},
    message::{message, number, numbered, numbers},
    reader::told,
    refused,
    wire::pull,
    within,
};
use eric::v1::{Acknowledgement, ChannelSettings, Gap, GapReason, PullRequest, PurgeListenerRequest};
use tonic::Code;

#[tokio::test]
async fn an_overflow_is_a_gap_before_what_is_left() {
    let (_server, wire) = listener_of(drops_beyond(3)).await;
    let receipts = wire.dispatch_all("c", "l", (0..10).map(numbered)).await;
    let mut reader = wire.listen("c", "l").await;
    let gap = reader.gap_of(GapReason::Overflow, Some(7)).await;
    let deliveries = reader.take(3).await;
    assert_eq!(numbers(&deliveries), [7, 8, 9]);
    assert!(gap.after_sequence < receipts[0].sequence);
    assert!((receipts[6].sequence..receipts[7].sequence).contains(&gap.through_sequence));
    assert_eq!(wire.listener("c", "l").await.lost_messages, 7);
}

#[tokio::test]
async fn an_overflow_takes_the_oldest_whether_they_were_for_one_or_for_all() {
    let (_server, wire) = listener_of(drops_beyond(4)).await;
    for n in 0..10 {
        match n % 2 {
            0 => wire.broadcast("c", numbered(n)).await,
            _ => wire.dispatch("c", "l", numbered(n)).await,
        };
    }
    let mut reader = wire.listen("c", "l").await;
    wire.mark("c").await;
    let events = reader.before("mark").await;
    assert_eq!(told(&events), 10);
    let left: Vec<i64> = events.iter().filter_map(number_of).collect();
    assert_eq!(left, [6, 7, 8, 9]);
}

fn number_of(event: &Event) -> Option<i64> {
    match event {
        Event::Delivery(delivery) => Some(number(delivery)),
        Event::Gap(_) | Event::GoingAway(_) => None,
    }
}

#[tokio::test]
async fn a_gap_stands_between_what_came_before_and_what_comes_after() {
    let (_server, wire) = listener_of(drops_beyond(3)).await;
    let mut reader = wire.listen("c", "l").await;
    let start = reader.token.clone();
    wire.update("c", ChannelSettings { max_replay_messages: Some(1000), ..Default::default() }).await;
    wire.dispatch_all("c", "l", (0..2).map(numbered)).await;
    reader.take(2).await;
    wire.stop("c", "l").await;
    wire.dispatch_all("c", "l", (2..10).map(numbered)).await;
    let mut reader = wire.listen("c", "l").await;
    reader.gap_of(GapReason::Overflow, Some(5)).await;
    reader.take(3).await;
    wire.dispatch("c", "l", numbered(10)).await;
    reader.take(1).await;

    // from the start, everything stands where it stood
    let mut again = wire.listen_from("c", "l", &start).await;
    assert_eq!(numbers(&again.take(2).await), [0, 1]);
    again.gap_of(GapReason::Overflow, Some(5)).await;
    assert_eq!(numbers(&again.take(4).await), [7, 8, 9, 10]);
}

#[tokio::test]
async fn a_gap_that_was_handed_over_is_said_again_only_for_an_older_token() {
    let (_server, wire) = listener_of(drops_beyond(2)).await;
    let start = wire.listen("c", "l").await.token;
    wire.stop("c", "l").await;
    wire.dispatch_all("c", "l", (0..5).map(numbered)).await;
    let mut reader = wire.listen("c", "l").await;
    reader.gap_of(GapReason::Overflow, Some(3)).await;
    reader.take(2).await;
    let mut later = wire.listen("c", "l").await;
    wire.mark("c").await;
    assert_eq!(later.before("mark").await, []);
    let mut older = wire.listen_from("c", "l", &start).await;
    let gap = older.gap().await;
    assert!(matches!(gap.reason(), GapReason::Overflow | GapReason::Trimmed), "{gap:?}");
}

#[tokio::test]
async fn a_purge_is_a_gap_of_what_waited() {
    let (_server, wire) = listener().await;
    wire.dispatch_all("c", "l", (0..3).map(numbered)).await;
    wire.broadcast_all("c", (3..5).map(numbered)).await;
    let purged = wire.purge("c", "l", None).await;
    assert_eq!(purged.purged_messages, 5);
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 0);
    wire.dispatch("c", "l", numbered(5)).await;
    let mut reader = wire.listen("c", "l").await;
    let gap = reader.gap_of(GapReason::Purged, Some(5)).await;
    assert_eq!(gap.through_sequence, purged.through_sequence);
    assert_eq!(numbers(&reader.take(1).await), [5]);
    assert_eq!(wire.listener("c", "l").await.lost_messages, 5);
}

#[tokio::test]
async fn a_purge_through_a_sequence_keeps_what_is_behind_it() {
    let (_server, wire) = listener().await;
    let receipts = wire.dispatch_all("c", "l", (0..5).map(numbered)).await;
    let purged = wire.purge("c", "l", Some(receipts[2].sequence)).await;
    assert_eq!((purged.purged_messages, purged.through_sequence), (3, receipts[2].sequence));
    let mut reader = wire.listen("c", "l").await;
    let gap = reader.gap_of(GapReason::Purged, Some(3)).await;
    assert_eq!(gap.through_sequence, receipts[2].sequence);
    assert_eq!(numbers(&reader.take(2).await), [3, 4]);
}

#[tokio::test]
async fn a_purge_where_nothing_waits_is_no_gap_but_clears_the_window() {
    let (_server, wire) = listener().await;
    let mut reader = wire.listen("c", "l").await;
    let start = reader.token.clone();
    wire.dispatch_all("c", "l", (0..3).map(numbered)).await;
    reader.take(3).await;
    assert_eq!(wire.purge("c", "l", None).await.purged_messages, 0);
    wire.dispatch("c", "l", numbered(3)).await;
    assert_eq!(numbers(&reader.take(1).await), [3]);
    let mut older = wire.listen_from("c", "l", &start).await;
    older.gap_of(GapReason::Purged, None).await;
    assert_eq!(numbers(&older.take(1).await), [3]);
}

#[tokio::test]
async fn a_purge_of_one_listener_takes_nothing_from_the_others() {
    let (_server, wire) = listener().await;
    wire.register("c", "other").await;
    wire.broadcast_all("c", (0..3).map(numbered)).await;
    assert_eq!(wire.purge("c", "l", None).await.purged_messages, 3);
    assert_eq!(numbers(&wire.listen("c", "other").await.take(3).await), [0, 1, 2]);
}

#[tokio::test]
async fn a_purge_beyond_what_there_is_changes_nothing() {
    let (_server, wire) = listener().await;
    let last = wire.dispatch("c", "l", numbered(0)).await.sequence;
    for through in [last + 1, i64::MAX, -1, i64::MIN] {
        let request = PurgeListenerRequest {
            channel: "c".into(),
            listener: "l".into(),
            through_sequence: Some(through),
        };
        let refused = refused(wire.call().purge_listener(request)).await;
        refused.is(Code::InvalidArgument, "INVALID_SETTING", &["through_sequence"]);
    }
    assert_eq!(numbers(&wire.listen("c", "l").await.take(1).await), [0]);
}

#[tokio::test]
async fn a_pull_tells_of_gaps_too() {
    let (_server, wire) = listener_of(drops_beyond(3)).await;
    wire.dispatch_all("c", "l", (0..10).map(numbered)).await;
    let request = PullRequest { max_messages: 2, ..pull("c", "l") };
    let batch = within(wire.call().pull(request)).await.unwrap().into_inner().batch.unwrap();
    assert_eq!((batch.gaps[0].reason(), batch.gaps[0].count), (GapReason::Overflow, Some(7)));
    assert_eq!(numbers(&batch.deliveries), [7, 8]);
    let (batch, _) = wire.pull("c", "l", 5).await;
    assert_eq!((batch.gaps.len(), numbers(&batch.deliveries)), (0, vec![9]));
}

#[tokio::test]
async fn beyond_sixty_four_gaps_that_wait_none_is_forgotten() {
    const ROUNDS: i64 = 50;
    let (_server, wire) = listener_of(drops_beyond(1)).await;
    for n in 0..ROUNDS {
        // the first overflows, the second is purged: gaps for two reasons, which stay two
        wire.dispatch_all("c", "l", [numbered(n), numbered(n)]).await;
        assert_eq!(wire.purge("c", "l", None).await.purged_messages, 1);
    }
    assert_eq!(wire.listener("c", "l").await.lost_messages, 2 * ROUNDS);
    let mut reader = wire.listen("c", "l").await;
    wire.dispatch("c", "l", message("mark")).await;
    let events = reader.before("mark").await;
    assert_eq!(told(&events), 2 * ROUNDS);
    assert!(events.len() <= 64, "{}", events.len());
}

#[tokio::test]
async fn whoever_acknowledges_is_told_of_a_gap_until_it_is_passed_whatever_its_reason() {
    let named: [fn(Gap) -> Acknowledgement; 3] =
        [|gap| through(gap.through_sequence), known, |gap| singly(&[gap.through_sequence])];
    for (loss, named) in losses().into_iter().zip(named.iter().cycle()) {
        let (_server, wire, count) = loss.happened().await;
        let reason = loss.reason;
        let mut gap = Gap::default();
        for _ in 0..3 {
            let mut reader = wire.listen("c", "l").await;
            gap = reader.gap_of(reason, Some(count)).await;
            // its token passes nothing
            let mut reader = wire.listen_from("c", "l", &reader.token.clone()).await;
            reader.gap_of(reason, Some(count)).await;
            wire.stop("c", "l").await;
        }
        assert_eq!(wire.listener("c", "l").await.lost_messages, count);
        wire.acknowledge(named(gap)).await;
        wire.update("c", ChannelSettings { max_backlog_messages: Some(100), ..Default::default() }).await;
        wire.dispatch("c", "l", message("mark")).await;
        let rest = wire.listen("c", "l").await.before("mark").await;
        assert!(!rest.iter().any(|event| matches!(event, Event::Gap(_))), "{rest:?}");
    }
}

#[tokio::test]
async fn what_came_before_a_gap_was_told_does_not_pass_it() {
    let (_server, wire) = explicit().await;
    wire.dispatch_all("c", "l", (0..3).map(numbered)).await;
    let mut reader = wire.listen("c", "l").await;
    let last = reader.take(3).await[2].sequence;
    wire.purge("c", "l", None).await;
    // it may be told on a stream that nobody reads
    let gap = wire.listen("c", "l").await.gap_of(GapReason::Purged, Some(3)).await;
    for item in [through(last), singly(&[last])] {
        assert_eq!(wire.acknowledge(item).await.covered_messages, 0);
        wire.listen("c", "l").await.gap_of(GapReason::Purged, Some(3)).await;
    }
    // another gap that ends there, of which it may not have heard
    wire.acknowledge(known(Gap { after_sequence: gap.after_sequence - 1, ..gap })).await;
    wire.listen("c", "l").await.gap_of(GapReason::Purged, Some(3)).await;
    let beyond = Gap { through_sequence: gap.through_sequence + 1, ..gap };
    let refused = wire.try_acknowledge(known(beyond)).await.unwrap_err();
    refused.is(Code::FailedPrecondition, "NOT_DELIVERED", &[]);
    wire.acknowledge(known(gap)).await;
    wire.dispatch("c", "l", message("mark")).await;
    assert_eq!(wire.listen("c", "l").await.before("mark").await, []);
}
