//! Registered means stopped; StartListener, Listen and Pull make a listener run, and StopListener ends its stream for good.

use crate::support::{
    TestServer, listener,
    message::{message, numbered, numbers},
    until, within,
};
use eric::client::{End, Event};

#[tokio::test]
async fn registered_means_stopped_and_listening_means_running() {
    let server = TestServer::start();
    let wire = server.wire().await;
    wire.create("c").await;
    let listener = wire.register("c", "l").await;
    assert!(!listener.running && !listener.connected);
    let stream = wire.listen("c", "l").await;
    let listener = wire.listener("c", "l").await;
    assert!(listener.running && listener.connected);
    assert_eq!((wire.look_at("c").await.streams, wire.server().await.streams), (1, 1));

    drop(stream);
    until(async || !wire.listener("c", "l").await.running).await;
    assert!(!wire.listener("c", "l").await.connected);
    assert_eq!((wire.look_at("c").await.streams, wire.server().await.streams), (0, 0));
}

#[tokio::test]
async fn a_dispatch_to_a_stopped_listener_queues() {
    let (_server, wire) = listener().await;
    wire.stop("c", "l").await;
    wire.dispatch_all("c", "l", (0..3).map(numbered)).await;
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 3);
    assert_eq!(numbers(&wire.listen("c", "l").await.take(3).await), [0, 1, 2]);
}

#[tokio::test]
async fn a_stop_ends_the_stream_with_ok_and_keeps_the_queue() {
    let (_server, wire) = listener().await;
    let mut stream = wire.listen("c", "l").await;
    wire.dispatch("c", "l", numbered(1)).await;
    assert_eq!(numbers(&stream.take(1).await), [1]);
    let stopped = wire.stop("c", "l").await;
    assert!(!stopped.running && !stopped.connected);
    assert!(stream.end().await.is_ok());

    wire.dispatch("c", "l", numbered(2)).await;
    wire.broadcast("c", numbered(3)).await;
    assert_eq!(numbers(&wire.listen("c", "l").await.take(2).await), [2, 3]);
}

#[tokio::test]
async fn started_or_stopped_twice_is_once() {
    let (_server, wire) = listener().await;
    for _ in 0..2 {
        let started = wire.start("c", "l").await;
        assert!(started.running && !started.connected);
    }
    for _ in 0..2 {
        assert!(!wire.stop("c", "l").await.running);
    }
}

#[tokio::test]
async fn a_start_leaves_an_open_stream_alone() {
    let (_server, wire) = listener().await;
    let mut stream = wire.listen("c", "l").await;
    assert!(wire.start("c", "l").await.connected);
    wire.mark("c").await;
    stream.one().await;
}

#[tokio::test]
async fn a_pull_that_waits_answers_what_it_has_when_its_listener_is_stopped() {
    let (_server, wire) = listener().await;
    let waiting = wire.pull_waiting("c", "l").await;
    wire.stop("c", "l").await;
    let answer = within(waiting).await.unwrap().unwrap();
    assert!(answer.batch.unwrap().deliveries.is_empty());
}

#[tokio::test]
async fn a_stop_ends_the_iteration_of_the_sdk_for_good() {
    let server = TestServer::start();
    let client = server.client();
    client.create_channel("c").await.unwrap();
    client.register("c", "l").await.unwrap();
    let mut subscription = client.listen("c", "l").await.unwrap();
    client.dispatch("c", "l", message("t").into()).await.unwrap();
    assert!(matches!(within(subscription.next()).await, Some(Ok(Event::Delivery(_)))));
    client.stop_listener("c", "l").await.unwrap();
    assert!(within(subscription.next()).await.is_none());
    assert!(matches!(subscription.ended_by(), Some(End::Stopped)));
    assert!(!client.listener("c", "l").await.unwrap().running);
}
