//! A message that is sent again under its id is accepted once, by whatever verb and over whatever connection.

use crate::support::{
    Refused, TestServer, Wire, channel, listener, listener_of,
    message::{message, numbered, numbers},
    proxy::Proxy,
    until,
    wire::{broadcast, publication, receipts},
    within,
};
use eric::v1::{ChannelSettings, Message, Overflow, Publication, PublishRequest, Receipt};
use futures_util::{StreamExt as _, future, stream};
use tonic::Code;

fn named(id: &str) -> Message {
    Message { id: id.to_owned(), ..message("t") }
}

fn numbered_as(id: &str, n: i64) -> Message {
    Message { id: id.to_owned(), ..numbered(n) }
}

/// Where it was accepted, and whether it was before.
fn place(receipt: &Receipt) -> (i64, bool) {
    (receipt.sequence, receipt.duplicate)
}

fn window(seconds: i64, nanos: i32) -> ChannelSettings {
    let idempotency_window = Some(prost_types::Duration { seconds, nanos });
    ChannelSettings { idempotency_window, ..Default::default() }
}

fn batch() -> Vec<Publication> {
    (0..10).map(|n| publication("c", "l", numbered_as(&format!("id-{n}"), n))).collect()
}

fn request(publications: Vec<Publication>) -> PublishRequest {
    PublishRequest { publications, stop_at_error: false }
}

#[tokio::test]
async fn every_verb_answers_a_repeated_id_with_the_first_sequence() {
    let (_server, wire) = listener().await;
    let first = wire.dispatch("c", "l", numbered_as("a", 1)).await;
    let to_all = wire.broadcast("c", numbered_as("a", 2)).await;
    assert!(!first.duplicate && !to_all.duplicate && to_all.sequence > first.sequence);
    let again = Receipt { duplicate: true, ..first.clone() };
    let again_to_all = Receipt { duplicate: true, receivers: None, ..to_all.clone() };
    // what else it says makes no difference
    assert_eq!(wire.dispatch("c", "l", numbered_as("a", 3)).await, again);
    assert_eq!(wire.broadcast("c", named("a")).await, again_to_all);
    let both = || vec![publication("c", "l", named("a")), broadcast("c", named("a"))];
    let expected = [again, again_to_all];
    assert_eq!(receipts(&wire.batch(both()).await), expected);
    assert_eq!(receipts(&wire.publish_all(vec![request(both())]).await[0].results), expected);
    assert_eq!(numbers(&wire.listen("c", "l").await.take(2).await), [1, 2]);
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 0);
}

#[tokio::test]
async fn an_id_is_of_one_channel_and_one_receiver() {
    let (_server, wire) = listener().await;
    wire.register("c", "other").await;
    wire.create("d").await;
    wire.register("d", "l").await;
    let sent = || async {
        [
            wire.dispatch("c", "l", named("a")).await,
            wire.dispatch("c", "other", named("a")).await,
            wire.broadcast("c", named("a")).await,
            wire.dispatch("d", "l", named("a")).await,
            wire.broadcast("d", named("a")).await,
        ]
    };
    let (first, second) = (sent().await, sent().await);
    assert!(first.iter().all(|receipt| !receipt.duplicate));
    assert_eq!(second.map(|again| place(&again)), first.map(|first| (first.sequence, true)));
}

#[tokio::test]
async fn messages_without_an_id_are_never_duplicates() {
    let (_server, wire) = listener().await;
    let sent = wire.dispatch_all("c", "l", [message("t"), message("t")]).await;
    assert!(sent.iter().all(|receipt| !receipt.duplicate) && sent[0].message_id != sent[1].message_id);
}

#[tokio::test]
async fn a_listener_or_channel_that_came_again_under_its_id_is_another_one() {
    let (_server, wire) = listener().await;
    let first = wire.dispatch("c", "l", named("a")).await;
    wire.remove("c", "l").await;
    wire.register("c", "l").await;
    let anew = wire.dispatch("c", "l", named("a")).await;
    assert!(!anew.duplicate && anew.sequence > first.sequence);
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 1);
    wire.remove_channel("c").await;
    wire.create("c").await;
    wire.register("c", "l").await;
    assert!(!wire.dispatch("c", "l", named("a")).await.duplicate);
}

#[tokio::test]
async fn after_the_window_it_is_another_message() {
    let (_server, wire) = listener_of(window(0, 200_000_000)).await;
    let first = wire.dispatch("c", "l", named("a")).await;
    // a busy machine may have let the window pass already: then each is accepted, as it is later anyway
    until(async || !wire.dispatch("c", "l", named("a")).await.duplicate).await;
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 2);
    assert!(wire.look_at("c").await.last_sequence > first.sequence);
}

#[tokio::test]
async fn a_channel_may_remember_none() {
    let (_server, wire) = listener_of(window(0, 0)).await;
    let sent = wire.dispatch_all("c", "l", [named("a"), named("a")]).await;
    assert!(sent.iter().all(|receipt| !receipt.duplicate));
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 2);
}

#[tokio::test]
async fn a_server_may_remember_none() {
    let server = TestServer::with(|config| config.max_idempotency_bytes = 0);
    let wire = server.listener().await;
    let sent = wire.dispatch_all("c", "l", [named("a"), named("a")]).await;
    assert!(sent.iter().all(|receipt| !receipt.duplicate));
}

#[tokio::test]
async fn within_one_batch_the_first_counts() {
    let (_server, wire) = channel().await;
    let sent = wire.broadcast_all("c", ["a", "b", "a", "a"].map(named)).await;
    let [first, other] = [sent[0].sequence, sent[1].sequence];
    let places: Vec<_> = sent.iter().map(place).collect();
    assert_eq!(places, [(first, false), (other, false), (first, true), (first, true)]);
}

#[tokio::test]
async fn a_batch_whose_answer_was_lost_is_repeated_over_another_connection() {
    let (server, wire) = listener().await;
    let proxy = Proxy::before(server.address()).await;
    let cut = Wire::connect(proxy.url()).await;
    let requests = stream::iter([request(batch()[..6].to_vec())]).chain(stream::once(future::pending()));
    let unread = cut.publish(requests).await;
    until(async || wire.listener("c", "l").await.backlog_messages == 6).await;
    proxy.cut();
    drop(unread);

    let answers = Wire::connect(proxy.url()).await.publish_all(vec![request(batch())]).await;
    let receipts = receipts(&answers[0].results);
    let duplicates: Vec<_> = receipts.iter().map(|receipt| receipt.duplicate).collect();
    assert_eq!(duplicates, [[true; 6].as_slice(), &[false; 4]].concat());
    let received = wire.listen("c", "l").await.take(10).await;
    assert_eq!(numbers(&received), (0..10).collect::<Vec<_>>());
    let sequences = |all: &mut dyn Iterator<Item = i64>| all.collect::<Vec<_>>();
    assert_eq!(
        sequences(&mut received.iter().map(|delivery| delivery.sequence)),
        sequences(&mut receipts.iter().map(|receipt| receipt.sequence))
    );
}

#[tokio::test]
async fn what_was_refused_is_no_duplicate_when_it_is_sent_again() {
    let settings = ChannelSettings { max_backlog_messages: Some(1), ..Default::default() };
    let (_server, wire) = listener_of(settings).await;
    let first = wire.dispatch("c", "l", named("a")).await;
    let full = Refused::of(&wire.try_dispatch("c", "l", named("b")).await.unwrap_err());
    full.is(Code::ResourceExhausted, "BACKLOG_FULL", &[]);
    // the one that was accepted is answered all the same
    assert_eq!(place(&wire.dispatch("c", "l", named("a")).await), (first.sequence, true));
    wire.pull("c", "l", 1).await;
    assert!(!wire.dispatch("c", "l", named("b")).await.duplicate);
}

#[tokio::test]
async fn a_repeated_broadcast_is_answered_while_a_listener_is_full() {
    let settings = ChannelSettings {
        max_backlog_messages: Some(1),
        broadcast_overflow: Some(Overflow::RejectNew.into()),
        ..Default::default()
    };
    let (_server, wire) = listener_of(settings).await;
    let first = wire.broadcast("c", named("a")).await;
    assert!(wire.try_broadcast("c", named("b")).await.is_err());
    assert_eq!(place(&wire.broadcast("c", named("a")).await), (first.sequence, true));
}

#[tokio::test]
async fn of_many_who_send_the_same_at_once_one_is_accepted() {
    const SENDERS: usize = 16;
    let (server, wire) = listener().await;
    let senders = future::join_all((0..SENDERS).map(|_| server.wire())).await;
    let answers = within(future::join_all(senders.iter().map(|sender| sender.batch(batch())))).await;
    let answers: Vec<_> = answers.iter().map(|results| receipts(results)).collect();
    for place in 0..batch().len() {
        let mut of_place = answers.iter().map(|receipts| &receipts[place]);
        assert_eq!(of_place.clone().filter(|receipt| !receipt.duplicate).count(), 1);
        assert!(of_place.all(|receipt| receipt.sequence == answers[0][place].sequence));
    }
    assert_eq!(wire.listener("c", "l").await.backlog_messages, batch().len() as i64);
}
