//! A removal ends streams and says so; a notified end is an ordinary message that SDKs end on.

use crate::support::{
    TestServer, listener, listener_of,
    message::{message, numbered, numbers, sent},
    refused, until,
    wire::subscription,
    within,
};
use eric::{
    client::{Client, End, Event, Subscription},
    v1::{self, GapReason, Overflow},
};
use tonic::Code;

const CLOSED: &str = "_eric_channel_closed";

/// A client of the SDK that listens as `l` on the channel `c`, and watches it.
async fn receiving(server: &TestServer) -> (Client, [Subscription; 2]) {
    let client = server.client();
    client.create_channel("c").await.expect("the channel is new");
    client.register("c", "l").await.expect("the listener is new");
    let listening = client.listen("c", "l").await.expect("the stream opens");
    let watching = client.watch("c").await.expect("the stream opens");
    (client, [listening, watching])
}

#[tokio::test]
async fn a_removed_listener_ends_its_stream() {
    let (_server, wire) = listener().await;
    wire.register("c", "other").await;
    let stream = wire.listen("c", "l").await;
    let mut other = wire.listen("c", "other").await;
    wire.remove("c", "l").await;
    let failure = stream.failure().await;
    failure.is(Code::NotFound, "LISTENER_REMOVED", &[]).tells("channel", "c").tells("listener", "l");
    wire.mark("c").await;
    other.one().await;
}

#[tokio::test]
async fn a_removed_channel_ends_all_its_streams() {
    let server = TestServer::start();
    let wire = server.wire().await;
    wire.create("c").await;
    wire.create("other").await;
    for listener in ["listens", "pulls", "away"] {
        wire.register("c", listener).await;
    }
    let stream = wire.listen("c", "listens").await;
    let watcher = wire.watch("c").await;
    let mut other = wire.watch("other").await;
    let waiting = wire.pull_waiting("c", "pulls").await;
    let removed = wire.remove_channel("c").await;
    assert_eq!((removed.listeners, removed.discarded_messages), (3, 0));
    for reader in [stream, watcher] {
        reader.failure().await.is(Code::NotFound, "CHANNEL_REMOVED", &[]).tells("channel", "c");
    }
    let status = within(waiting).await.unwrap().unwrap_err();
    crate::support::Refused::of(&status).is(Code::NotFound, "CHANNEL_REMOVED", &[]);
    wire.mark("other").await;
    other.one().await;
    until(async || wire.server().await.streams == 1).await;
    assert_eq!(wire.server().await.listeners, 0);
}

#[tokio::test]
async fn a_removal_tells_what_it_discards_and_frees_it() {
    let (_server, wire) = listener().await;
    wire.dispatch_all("c", "l", (0..3).map(numbered)).await;
    assert!(wire.server().await.log_bytes > 0);
    assert_eq!(wire.remove("c", "l").await, 3);
    assert_eq!(wire.server().await.log_bytes, 0);

    wire.register("c", "l").await;
    wire.dispatch_all("c", "l", (0..3).map(numbered)).await;
    wire.broadcast_all("c", (0..4).map(numbered)).await;
    let removed = wire.remove_channel("c").await;
    assert_eq!((removed.listeners, removed.discarded_messages), (1, 7));
    assert_eq!(wire.server().await.log_bytes, 0);
}

#[tokio::test]
async fn what_was_removed_is_told_from_what_never_was() {
    let server = TestServer::start();
    let wire = server.wire().await;
    wire.create("gone").await;
    wire.create("here").await;
    wire.register("here", "gone").await;
    wire.remove("here", "gone").await;
    wire.remove_channel("gone").await;
    for (channel, reason) in [("gone", "CHANNEL_REMOVED"), ("never", "CHANNEL_NOT_FOUND")] {
        let request = v1::RegisterRequest { channel: channel.into(), ..Default::default() };
        refused(wire.call().register(request))
            .await
            .is(Code::NotFound, reason, &[])
            .tells("channel", channel);
    }
    for (listener, reason) in [("gone", "LISTENER_REMOVED"), ("never", "LISTENER_NOT_FOUND")] {
        let request = crate::support::wire::dispatch("here", listener, message("t"));
        let failure = refused(wire.call().dispatch(request)).await;
        failure.is(Code::NotFound, reason, &[]).tells("channel", "here").tells("listener", listener);
    }
}

#[tokio::test]
async fn what_is_created_again_is_another_one() {
    let server = TestServer::start();
    let wire = server.wire().await;
    let first = wire.create("c").await;
    let listener = wire.register("c", "l").await;
    wire.dispatch("c", "l", message("old")).await;
    wire.remove("c", "l").await;
    let again = wire.register("c", "l").await;
    assert!(again.birth > listener.birth);
    assert_eq!(again.backlog_messages, 0);
    wire.remove_channel("c").await;
    let channel = wire.create("c").await;
    assert!(channel.birth > first.birth);
    assert_eq!(channel.listeners, 0);
}

#[tokio::test]
async fn a_notified_end_is_a_message_and_leaves_streams_open() {
    let (_server, wire) = listener().await;
    let mut readers = [wire.listen("c", "l").await, wire.watch("c").await];
    let receipt = wire.notify_end("c", None).await;
    assert_eq!((receipt.receivers, receipt.duplicate), (Some(1), false));
    wire.mark("c").await;
    for reader in &mut readers {
        let [end, mark] = reader.take(2).await.try_into().unwrap();
        assert_eq!((sent(&end).r#type.as_str(), &sent(&end).id), (CLOSED, &receipt.message_id));
        assert_eq!(end.sequence, receipt.sequence);
        assert_eq!(sent(&mark).r#type, "mark");
    }
}

#[tokio::test]
async fn an_end_for_one_listener_is_for_it_alone_and_waits_once() {
    let (_server, wire) = listener().await;
    wire.register("c", "other").await;
    let mut other = wire.listen("c", "other").await;
    let first = wire.notify_end("c", Some("l")).await;
    let again = wire.notify_end("c", Some("l")).await;
    assert!(!first.duplicate && again.duplicate);
    assert_eq!((&first.message_id, first.sequence), (&again.message_id, again.sequence));
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 1);

    let mut stream = wire.listen("c", "l").await;
    assert_eq!(stream.one().await.sequence, first.sequence);
    let later = wire.notify_end("c", Some("l")).await;
    assert!(!later.duplicate && later.sequence > first.sequence);
    assert_eq!(stream.one().await.sequence, later.sequence);
    wire.mark("c").await;
    assert!(other.deliveries_before("mark").await.is_empty());
}

#[tokio::test]
async fn an_end_passes_where_a_backlog_is_full() {
    let full = v1::ChannelSettings {
        max_backlog_messages: Some(2),
        broadcast_overflow: Some(Overflow::RejectNew.into()),
        ..Default::default()
    };
    let (_server, wire) = listener_of(full).await;
    wire.dispatch_all("c", "l", (0..2).map(numbered)).await;
    assert!(wire.try_dispatch("c", "l", numbered(2)).await.is_err());
    assert!(!wire.notify_end("c", Some("l")).await.duplicate);
    // beside what waits: nothing was lost for it
    let deliveries = wire.listen("c", "l").await.take(3).await;
    assert_eq!(sent(&deliveries[2]).r#type, CLOSED);

    wire.broadcast_all("c", (0..2).map(numbered)).await;
    wire.stop("c", "l").await;
    wire.pull("c", "l", 100).await;
    wire.broadcast_all("c", (0..2).map(numbered)).await;
    assert!(wire.try_broadcast("c", numbered(2)).await.is_err());
    wire.notify_end("c", None).await;
    let mut stream = wire.listen("c", "l").await;
    stream.gap_of(GapReason::Overflow, Some(1)).await;
    let deliveries = stream.take(2).await;
    assert_eq!(numbers(&deliveries[..1]), [1]);
    assert_eq!(sent(&deliveries[1]).r#type, CLOSED);
}

#[tokio::test]
async fn an_end_passes_every_filter() {
    let (_server, wire) = listener().await;
    let types = vec!["wanted".to_owned()];
    let filtered = v1::Subscription { types, ..subscription("c", "l", "") };
    let mut stream = wire.try_listen(filtered).await.unwrap();
    wire.broadcast("c", message("unwanted")).await;
    wire.notify_end("c", None).await;
    wire.notify_end("c", Some("l")).await;
    wire.broadcast("c", message("wanted")).await;
    let kinds: Vec<_> = stream.take(3).await.iter().map(|it| sent(it).r#type.clone()).collect();
    assert_eq!(kinds, [CLOSED, CLOSED, "wanted"]);
}

#[tokio::test]
async fn the_sdk_ends_on_a_notified_end_once_all_before_it_is_read() {
    let server = TestServer::start();
    let (client, [mut listening, mut watching]) = receiving(&server).await;
    client.broadcast("c", numbered(1).into()).await.unwrap();
    client.notify_end("c", None).await.unwrap();
    client.broadcast("c", numbered(2).into()).await.unwrap();
    for subscription in [&mut listening, &mut watching] {
        assert!(matches!(within(subscription.next()).await, Some(Ok(Event::Delivery(_)))));
        assert!(within(subscription.next()).await.is_none());
        assert!(matches!(subscription.ended_by(), Some(End::ChannelClosed)));
        assert!(within(subscription.next()).await.is_none());
    }
}

#[tokio::test]
async fn the_sdk_tells_of_a_removal_and_does_not_come_back() {
    let server = TestServer::start();
    let (client, [mut listening, mut watching]) = receiving(&server).await;
    client.remove_listener("c", "l").await.unwrap();
    let error = within(listening.next()).await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some("LISTENER_REMOVED"));
    client.remove_channel("c").await.unwrap();
    let error = within(watching.next()).await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some("CHANNEL_REMOVED"));
    assert!(within(listening.next()).await.is_none());
    assert!(within(watching.next()).await.is_none());
    assert!(matches!(watching.ended_by(), Some(End::Failed(_))));
}
