//! What cannot be handled is put aside with its facts, can be looked through, and goes back to where it was meant for.

use crate::support::{
    Refused, TestServer, Wire,
    explicit::{explicit, final_rejection, rejection, singly, through, with_dead_letters},
    message::{message, numbered, numbers, sent, sequences},
    refused, until,
};
use eric::v1::{
    ChannelSettings, DeadLetterCause, DeliveryKind, GapReason, ListMessagesRequest, Message,
    RemoveListenerRequest, RequeueRequest, UpdateChannelRequest,
};
use tonic::Code;

fn names(listener: &str) -> ChannelSettings {
    ChannelSettings { dead_letter_listener: Some(listener.into()), ..Default::default() }
}

async fn refused_name(wire: &Wire, listener: &str) -> Refused {
    let settings = Some(names(listener));
    let request = UpdateChannelRequest { channel: "c".into(), settings, update_mask: None };
    refused(wire.call().update_channel(request)).await
}

/// So many dead letters; their sequences in the dead letter listener.
async fn letters(wire: &Wire, count: i64) -> Vec<i64> {
    let mut reader = wire.listen("c", "l").await;
    wire.dispatch_all("c", "l", (0..count).map(numbered)).await;
    let mut moved = Vec::new();
    for delivery in reader.take(usize::try_from(count).expect("a count")).await {
        moved.push(wire.reject(final_rejection(delivery.sequence, "no use")).await.dead_letter_sequence);
    }
    moved
}

#[tokio::test]
async fn a_dead_letter_says_why_whose_where_and_how_often() {
    let (_server, wire) = with_dead_letters(3).await;
    let mut reader = wire.listen("c", "l").await;
    let message = Message { attributes: [("k".to_owned(), "v".to_owned())].into(), ..numbered(7) };
    let first = wire.dispatch("c", "l", message).await;
    let second = wire.broadcast("c", numbered(8)).await;
    reader.take(2).await;
    for _ in 0..2 {
        wire.reject(rejection(first.sequence)).await;
        reader.take(2).await;
    }
    let last = eric::v1::Rejection { reason: "it does not parse".into(), ..rejection(first.sequence) };
    let rejected = wire.reject(last).await;
    assert_eq!((rejected.attempts, rejected.dropped, rejected.delay), (3, false, None));
    reader.gap_of(GapReason::Rejected, Some(1)).await;
    reader.take(1).await;
    let rejected_finally = wire.reject(final_rejection(second.sequence, "")).await;

    let letters = wire.messages("c", "dead", 0).await;
    assert_eq!(numbers(&letters), [7, 8]);
    assert_eq!(sequences(&letters), [rejected.dead_letter_sequence, rejected_finally.dead_letter_sequence]);
    assert_eq!(sent(&letters[0]).id, first.message_id);
    assert_eq!(sent(&letters[0]).attributes["k"], "v");
    assert_eq!(letters[0].kind(), DeliveryKind::Dispatch);
    let facts = letters[0].dead_letter.as_ref().unwrap();
    assert_eq!(facts.cause(), DeadLetterCause::MaxAttempts);
    assert_eq!((facts.reason.as_str(), facts.listener.as_str()), ("it does not parse", "l"));
    assert_eq!((facts.sequence, facts.attempts), (first.sequence, 3));
    assert!(facts.time.is_some());
    let facts = letters[1].dead_letter.as_ref().unwrap();
    assert_eq!((facts.cause(), facts.attempts), (DeadLetterCause::FinalRejection, 1));
    assert_eq!((facts.reason.as_str(), facts.sequence), ("", second.sequence));
    // it arrives as it looks
    assert_eq!(wire.listen("c", "dead").await.take(2).await, letters);
}

#[tokio::test]
async fn a_dead_letter_goes_back_under_a_new_id_and_is_dead_no_more() {
    let (_server, wire) = with_dead_letters(5).await;
    let moved = letters(&wire, 3).await;
    let results = wire.requeue("c", "dead", &[moved[1]]).await;
    let receipt = results[0].as_ref().unwrap();
    assert_eq!(numbers(&wire.messages("c", "dead", 0).await), [0, 2]);
    let mut reader = wire.listen("c", "l").await;
    for _ in 0..3 {
        reader.gap_of(GapReason::Rejected, Some(1)).await;
    }
    let (delivery, attempt, _) = reader.attempt().await;
    assert_eq!((numbers(std::slice::from_ref(&delivery)), attempt), (vec![1], None));
    assert_eq!((delivery.sequence, &sent(&delivery).id), (receipt.sequence, &receipt.message_id));
    assert_eq!(delivery.dead_letter, None);
    // it may fail again
    let again = wire.reject(final_rejection(delivery.sequence, "still")).await;
    assert_eq!(again.attempts, 1);
    assert_eq!(numbers(&wire.messages("c", "dead", 0).await), [0, 2, 1]);
}

#[tokio::test]
async fn what_cannot_go_back_stays_where_it_is() {
    let (_server, wire) = with_dead_letters(5).await;
    let moved = letters(&wire, 2).await;
    let plain = wire.dispatch("c", "dead", numbered(9)).await;
    let results = wire.requeue("c", "dead", &[moved[0], moved[0], moved[1] + 1000, plain.sequence]).await;
    assert!(results[0].is_ok());
    for result in &results[1..] {
        result.as_ref().unwrap_err().is(Code::FailedPrecondition, "NOT_OUTSTANDING", &[]);
    }
    // its listener is gone
    wire.remove("c", "l").await;
    let results = wire.requeue("c", "dead", &[moved[1]]).await;
    results[0].as_ref().unwrap_err().is(Code::NotFound, "LISTENER_REMOVED", &[]);
    assert_eq!(numbers(&wire.messages("c", "dead", 0).await), [1, 9]);
    // its listener is there again, and full
    wire.register_explicit("c", "l").await;
    wire.update("c", ChannelSettings { max_backlog_messages: Some(1), ..Default::default() }).await;
    wire.dispatch("c", "l", numbered(5)).await;
    let results = wire.requeue("c", "dead", &[moved[1]]).await;
    results[0].as_ref().unwrap_err().is(Code::ResourceExhausted, "BACKLOG_FULL", &[]);
    assert_eq!(numbers(&wire.messages("c", "dead", 0).await), [1, 9]);
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 1);
}

#[tokio::test]
async fn what_is_absurd_in_a_look_or_a_return_is_refused() {
    let (_server, wire) = with_dead_letters(5).await;
    let requeue = |listener: &str, sequences: Vec<i64>| RequeueRequest {
        channel: "c".into(),
        listener: listener.into(),
        sequences,
    };
    let answer = refused(wire.call().requeue(requeue("dead", vec![1; 1025]))).await;
    answer.is(Code::InvalidArgument, "INVALID_SETTING", &["sequences"]);
    let answer = refused(wire.call().requeue(requeue("dead", vec![-1]))).await;
    answer.is(Code::InvalidArgument, "INVALID_SETTING", &["sequences"]);
    let answer = refused(wire.call().requeue(requeue("none", vec![1]))).await;
    answer.is(Code::NotFound, "LISTENER_NOT_FOUND", &[]);
    let list = |listener: &str, page_size, page_token: &str| ListMessagesRequest {
        channel: "c".into(),
        listener: listener.into(),
        page_size,
        page_token: page_token.into(),
    };
    let answer = refused(wire.call().list_messages(list("none", 0, ""))).await;
    answer.is(Code::NotFound, "LISTENER_NOT_FOUND", &[]);
    let answer = refused(wire.call().list_messages(list("dead", -1, ""))).await;
    answer.is(Code::InvalidArgument, "INVALID_SETTING", &["page_size"]);
    let answer = refused(wire.call().list_messages(list("dead", 0, "no token"))).await;
    answer.is(Code::InvalidArgument, "INVALID_PAGE_TOKEN", &["page_token"]);
}

#[tokio::test]
async fn a_look_consumes_nothing_and_pages() {
    let (_server, wire) = explicit().await;
    let receipts = wire.dispatch_all("c", "l", (0..25).map(numbered)).await;
    let mut reader = wire.listen("c", "l").await;
    reader.take(25).await;
    wire.acknowledge(singly(&[receipts[3].sequence])).await;
    wire.acknowledge(through(receipts[0].sequence)).await;
    let expected: Vec<i64> = (1..25).filter(|n| *n != 3).collect();
    for page_size in [1, 7, 100] {
        assert_eq!(numbers(&wire.messages("c", "l", page_size).await), expected);
    }
    let standing = wire.listener("c", "l").await;
    assert_eq!((standing.backlog_messages, standing.unacknowledged_messages), (23, 23));
    assert!(standing.connected, "it took nothing over");
}

#[tokio::test]
async fn a_listener_that_is_not_registered_cannot_be_named() {
    let (_server, wire) = explicit().await;
    refused_name(&wire, "none").await.is(
        Code::InvalidArgument,
        "INVALID_SETTING",
        &["settings.dead_letter_listener"],
    );
    refused_name(&wire, "not an id").await.is(
        Code::InvalidArgument,
        "INVALID_SETTING",
        &["settings.dead_letter_listener"],
    );
    assert_eq!(wire.look_at("c").await.settings.unwrap().dead_letter_listener(), "");
    let request = eric::v1::CreateChannelRequest {
        channel: Some("d".into()),
        settings: Some(names("l")),
        allow_existing: false,
    };
    let answer = refused(wire.call().create_channel(request)).await;
    answer.is(Code::InvalidArgument, "INVALID_SETTING", &["settings.dead_letter_listener"]);
}

#[tokio::test]
async fn while_it_is_named_it_cannot_be_removed() {
    let (_server, wire) = with_dead_letters(5).await;
    letters(&wire, 1).await;
    let request = || RemoveListenerRequest { channel: "c".into(), listener: "dead".into() };
    let answer = refused(wire.call().remove_listener(request())).await;
    answer.is(Code::FailedPrecondition, "IN_USE", &[]).tells("listener", "dead");
    assert_eq!(wire.listener("c", "dead").await.backlog_messages, 1);
    wire.update("c", names("")).await;
    assert_eq!(wire.remove("c", "dead").await, 1);
}

#[tokio::test]
async fn it_gets_no_broadcasts_and_those_that_waited_are_told_as_purged() {
    let (_server, wire) = explicit().await;
    wire.register_explicit("c", "dead").await;
    wire.broadcast_all("c", (0..3).map(numbered)).await;
    wire.dispatch("c", "dead", numbered(3)).await;
    wire.update("c", names("dead")).await;
    let receipt = wire.broadcast("c", numbered(4)).await;
    assert_eq!(receipt.receivers, Some(1));
    let mut reader = wire.listen("c", "dead").await;
    assert_eq!(numbers(&reader.take(1).await), [3]);
    let gap = reader.gap_of(GapReason::Purged, Some(3)).await;
    let item = eric::v1::Acknowledgement { listener: "dead".into(), ..through(gap.through_sequence) };
    wire.acknowledge(item).await;
    wire.dispatch("c", "dead", message("mark")).await;
    assert_eq!(reader.before("mark").await, []);
}

#[tokio::test]
async fn it_has_no_dead_letter_of_its_own() {
    let (_server, wire) = with_dead_letters(5).await;
    let moved = letters(&wire, 1).await;
    let mut reader = wire.listen("c", "dead").await;
    reader.take(1).await;
    let item = eric::v1::Rejection { listener: "dead".into(), ..final_rejection(moved[0], "") };
    let rejected = wire.reject(item).await;
    assert_eq!((rejected.dropped, rejected.dead_letter_sequence), (true, 0));
    reader.gap_of(GapReason::Rejected, Some(1)).await;
    assert_eq!(wire.listener("c", "dead").await.backlog_messages, 0);
}

#[tokio::test]
async fn when_it_is_full_its_oldest_give_way_with_a_gap_and_nothing_else_stops() {
    let (_server, wire) = with_dead_letters(5).await;
    wire.update("c", ChannelSettings { max_backlog_messages: Some(3), ..Default::default() }).await;
    for _ in 0..2 {
        letters_of_three(&wire).await;
    }
    let mut reader = wire.listen("c", "dead").await;
    let events = [reader.gap().await, reader.gap().await, reader.gap().await];
    assert!(events.iter().all(|gap| gap.reason() == GapReason::Overflow && gap.count == Some(1)));
    assert_eq!(numbers(&reader.take(3).await), [0, 1, 2]);
    assert_eq!(wire.listener("c", "dead").await.lost_messages, 3);
    wire.still_answers().await;
}

async fn letters_of_three(wire: &Wire) {
    let receipts = wire.dispatch_all("c", "l", (0..3).map(numbered)).await;
    until(async || {
        let standing = wire.listener("c", "l").await;
        let (batch, _) = wire.pull("c", "l", 10).await;
        standing.backlog_messages == 3 && batch.deliveries.len() == 3
    })
    .await;
    let last = receipts.last().expect("some were sent").sequence;
    let items = receipts.iter().map(|receipt| final_rejection(receipt.sequence, "")).collect();
    assert!(wire.reject_all(items).await.iter().all(Result::is_ok));
    wire.acknowledge(through(last)).await;
}

#[tokio::test]
async fn a_shutdown_pushes_nothing_into_the_dead_letter_and_does_not_hang() {
    let (server, wire) = with_dead_letters(1).await;
    wire.dispatch_all("c", "l", (0..100).map(numbered)).await;
    let mut reader = server.wire().await.listen("c", "l").await;
    let mut dead = server.wire().await.listen("c", "dead").await;
    reader.take(100).await;
    server.stop();
    // all that was in hand is neither acknowledged nor rejected
    assert!(matches!(dead.event().await, Ok(Some(crate::support::Event::GoingAway(_)))));
    assert!(dead.event().await.is_err());
    assert!(matches!(reader.event().await, Ok(Some(crate::support::Event::GoingAway(_)))));
    assert!(reader.event().await.is_err());
    drop(wire);
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn a_client_that_always_dies_of_a_message_gets_rid_of_it_with_its_facts() {
    let (server, wire) = with_dead_letters(2).await;
    wire.dispatch_all("c", "l", (0..2).map(numbered)).await;
    for _ in 0..2 {
        die_of_the_first(&server, &wire).await;
    }
    let mut reader = wire.listen("c", "l").await;
    reader.gap_of(GapReason::Rejected, Some(1)).await;
    assert_eq!(numbers(&reader.take(1).await), [1]);
    // nobody waited for the move: the letter is shown once it is as safe as a message
    until(async || !wire.messages("c", "dead", 0).await.is_empty()).await;
    let letters = wire.messages("c", "dead", 0).await;
    assert_eq!(numbers(&letters), [0]);
    let facts = letters[0].dead_letter.as_ref().unwrap();
    assert_eq!((facts.cause(), facts.attempts), (DeadLetterCause::MaxAttempts, 2));
}

async fn die_of_the_first(server: &TestServer, wire: &Wire) {
    let client = server.wire().await;
    let mut reader = client.listen("c", "l").await;
    reader.take(2).await;
    drop((reader, client));
    until(async || !wire.listener("c", "l").await.connected).await;
}

#[tokio::test]
async fn what_was_moved_and_what_was_acknowledged_is_all_there_is() {
    let (_server, wire) = with_dead_letters(5).await;
    let moved = letters(&wire, 4).await;
    let returned = wire.requeue("c", "dead", &moved).await;
    assert!(returned.iter().all(Result::is_ok));
    assert_eq!(wire.listener("c", "dead").await.backlog_messages, 0);
    assert_eq!(numbers(&wire.messages("c", "l", 0).await), [0, 1, 2, 3], "in the order they were asked");
}
