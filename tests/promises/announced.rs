//! Where a stream stands may be acknowledged as soon as it has said so, also where it passed over everything on its way there,
//! and nothing beyond it.

use crate::support::{
    Reader, Wire,
    explicit::{explicit, through},
    message::{message, numbered},
    until,
    wire::{pull, subscription},
    within,
};
use eric::{
    hub::ResumeToken,
    v1::{PullRequest, Subscription},
};
use tonic::Code;

/// It asks for numbers alone.
async fn listen(wire: &Wire) -> Reader {
    let subscription = Subscription { types: vec!["number".into()], ..subscription("c", "l", "") };
    wire.try_listen(subscription).await.expect("it opens")
}

/// The sequence up to which whoever has this token was given everything.
fn place(token: &str) -> i64 {
    let token = ResumeToken::parse(token).expect("the server gave it");
    i64::try_from(token.sequence.0).expect("sequences are no larger")
}

async fn beyond_it_is_refused(wire: &Wire, place: i64) {
    let refused = wire.try_acknowledge(through(place + 1)).await.expect_err("nobody was given that");
    refused.is(Code::FailedPrecondition, "NOT_DELIVERED", &[]);
}

/// It is acknowledged, and covers so many; one beyond it is not.
async fn acknowledges(wire: &Wire, place: i64, covers: i64) {
    beyond_it_is_refused(wire, place).await;
    let acknowledged = wire.acknowledge(through(place)).await;
    assert_eq!((acknowledged.through_sequence, acknowledged.covered_messages), (place, covers));
    beyond_it_is_refused(wire, place).await;
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 0);
}

#[tokio::test]
async fn a_pull_that_brought_nothing_has_passed_over_what_is_of_no_type_it_asked_for() {
    let (_server, wire) = explicit().await;
    let sent = wire.broadcast_all("c", ["a", "b", "a"].map(message)).await;
    let request = PullRequest { types: vec!["number".into()], ..pull("c", "l") };
    let batch = within(wire.call().pull(request)).await.unwrap().into_inner().batch.unwrap();
    assert_eq!(batch.deliveries, []);
    let place = place(&batch.resume_token);
    assert_eq!(place, sent[2].sequence);
    acknowledges(&wire, place, 0).await;
}

#[tokio::test]
async fn what_was_passed_over_behind_a_message_is_acknowledged_with_it() {
    let (_server, wire) = explicit().await;
    let messages = [message("a"), numbered(1), message("b"), message("a")];
    let sent = wire.broadcast_all("c", messages).await;
    let mut reader = listen(&wire).await;
    assert_eq!(reader.one().await.sequence, sent[1].sequence);
    let place = place(&reader.token);
    assert_eq!(place, sent[3].sequence);
    acknowledges(&wire, place, 1).await;
}

#[tokio::test]
async fn a_stream_begins_where_the_one_before_it_had_passed_over_everything() {
    let (_server, wire) = explicit().await;
    let reader = listen(&wire).await;
    let last = wire.broadcast_all("c", ["a", "b"].map(message)).await[1].sequence;
    until(async || wire.listener("c", "l").await.backlog_messages == 0).await;
    let next = listen(&wire).await;
    let place = place(&next.started.resume_token);
    assert_eq!(place, last);
    acknowledges(&wire, place, 0).await;
    drop(reader);
}
