//! A shutdown hands over what is ready, says that the server goes, and ends: whatever clients do, by its deadline.

use crate::support::{
    Event, Reader, Refused, TestServer, Wire,
    command::{eric, free_address},
    listener,
    message::{message, numbered, numbers, sized},
    peer::{PREFACE, Peer},
    raw,
    reader::delivered,
    until,
    wire::broadcast,
    within,
};
use eric::v1::{self, BroadcastRequest, ListenRequest, PublishRequest, Subscription, WatchSubscription};
use futures_util::{StreamExt as _, stream};
use std::time::Duration;
use tokio::{net::TcpStream, process::Command};
use tonic::{Code, Status};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

#[track_caller]
fn shutting_down(status: &Status) {
    let refused = Refused::of(status);
    refused.is(Code::Unavailable, "SHUTTING_DOWN", &[]);
    assert!(refused.retry.is_some());
}

/// What came before the server said that it goes away, and how it ended.
async fn last(reader: Reader) -> Vec<Event> {
    let (mut events, end) = reader.rest().await;
    shutting_down(&end.expect_err("it does not end with OK"));
    assert!(matches!(events.pop(), Some(Event::GoingAway(_))));
    events
}

#[tokio::test]
async fn open_streams_are_told_and_end() {
    let (server, wire) = listener().await;
    let (listen, watch) = (wire.listen("c", "l").await, wire.watch("c").await);
    server.stop();
    assert_eq!(last(listen).await, []);
    assert_eq!(last(watch).await, []);
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn what_is_ready_is_handed_over_first() {
    let (server, wire) = listener().await;
    let streams = [server.wire().await.listen("c", "l").await, server.wire().await.watch("c").await];
    wire.broadcast_all("c", (0..100).map(numbered)).await;
    server.stop();
    for stream in streams {
        let deliveries: Vec<_> = last(stream).await.into_iter().map(delivered).collect();
        assert_eq!(numbers(&deliveries), (0..100).collect::<Vec<_>>());
    }
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn what_is_ready_is_handed_over_first_also_where_it_is_much() {
    const MESSAGES: usize = 500;
    let (server, wire) = listener().await;
    let stream = Wire::narrow(server.url()).await.listen("c", "l").await;
    wire.broadcast_all("c", (0..MESSAGES).map(|_| sized(4 << 10))).await;
    server.stop();
    let count = last(stream).await.into_iter().map(delivered).count();
    assert_eq!(count, MESSAGES);
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn a_pull_that_waits_ends() {
    let (server, wire) = listener().await;
    let waiting = wire.pull_waiting("c", "l").await;
    server.stop();
    shutting_down(&within(waiting).await.unwrap().unwrap_err());
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn an_open_publish_stream_ends_and_what_it_accepted_is_answered() {
    let (server, wire) = listener().await;
    let request = PublishRequest { publications: vec![broadcast("c", numbered(1))], stop_at_error: false };
    let mut answers = wire.publish(stream::iter([request]).chain(stream::pending())).await;
    assert_eq!(within(answers.message()).await.unwrap().unwrap().results.len(), 1);
    server.stop();
    shutting_down(&within(answers.message()).await.unwrap_err());
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn a_publish_stream_that_has_said_nothing_yet_ends() {
    let server = TestServer::start();
    let wire = server.wire().await;
    let mut answers = raw::publish_from(&wire.channel, stream::pending()).await.unwrap();
    server.stop();
    shutting_down(&within(answers.message()).await.unwrap_err());
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn everything_at_once_ends() {
    let (server, wire) = listener().await;
    wire.register("c", "pulls").await;
    let mut streams = Vec::new();
    for _ in 0..50 {
        streams.push(wire.watch("c").await);
    }
    streams.push(wire.listen("c", "l").await);
    let answers = wire.publish(stream::pending()).await;
    let waiting = wire.pull_waiting("c", "pulls").await;
    let _silent = Peer::connect(server.address()).await;
    server.stop();
    assert_eq!(server.ended().await.cut(), 0);
    within(waiting).await.unwrap().unwrap_err();
    for stream in streams {
        last(stream).await;
    }
    drop(answers);
}

#[tokio::test]
async fn a_client_that_only_connected_holds_nothing_up() {
    let server = TestServer::start();
    let _silent = Peer::connect(server.address()).await;
    server.wire().await.still_answers().await;
    server.stop();
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn a_client_that_stopped_in_the_middle_of_its_first_words_holds_nothing_up() {
    let server = TestServer::start();
    let mut halves = Vec::new();
    for half in [1, 12, PREFACE.len() - 1].map(|bytes| &PREFACE[..bytes]) {
        let mut peer = Peer::connect(server.address()).await;
        peer.send(half).await;
        halves.push(peer);
    }
    server.wire().await.still_answers().await;
    server.stop();
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn half_a_request_of_http_1_holds_nothing_up_for_longer_than_its_head_may_take() {
    let server = TestServer::with(|config| config.header_timeout = Duration::from_secs(1));
    let mut peer = Peer::connect(server.address()).await;
    peer.send(b"POST /eric.v1.DispatcherService/Dis").await;
    server.wire().await.still_answers().await;
    server.stop();
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn a_connection_that_is_idle_holds_nothing_up() {
    let server = TestServer::start();
    let _idle = server.listener().await;
    server.stop();
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn streams_of_the_standard_services_hold_nothing_up() {
    let server = TestServer::start();
    let wire = server.wire().await;
    let mut health = HealthClient::new(wire.channel.clone());
    let mut watched = within(health.watch(HealthCheckRequest::default())).await.unwrap().into_inner();
    assert_eq!(within(watched.message()).await.unwrap().unwrap().status(), ServingStatus::Serving);
    let mut reflection =
        tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient::new(wire.channel.clone());
    let request = tonic_reflection::pb::v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            tonic_reflection::pb::v1::server_reflection_request::MessageRequest::ListServices(String::new()),
        ),
    };
    let requests = stream::iter([request]).chain(stream::pending());
    let mut reflected = within(reflection.server_reflection_info(requests)).await.unwrap().into_inner();
    within(reflected.message()).await.unwrap().unwrap();
    server.stop();
    assert_eq!(within(watched.message()).await.unwrap().unwrap().status(), ServingStatus::NotServing);
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn a_call_that_has_begun_is_finished() {
    let (server, wire) = listener().await;
    let mut watcher = wire.watch("c").await;
    let mut peer = Peer::connect(server.address()).await;
    peer.begin().await;
    peer.open(1, server.address(), "Broadcast").await;
    peer.read_until(|frame| frame.settled()).await;
    until(async || wire.server().await.streams == 1).await;
    server.stop();
    peer.read_until(|frame| frame.go_away()).await;
    let request = BroadcastRequest { channel: "c".into(), message: Some(message("late")) };
    peer.ask(1, &request).await;
    peer.read_until(|frame| frame.data() || frame.end()).await;
    while peer.read_politely().await.is_some() {}
    watcher.event().await.unwrap();
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn nothing_new_is_taken_during_the_drain() {
    let (server, wire) = listener().await;
    let mut peer = Peer::connect(server.address()).await;
    peer.begin().await;
    // a call that has not said what it asks for keeps the server in its drain
    peer.open(1, server.address(), "Broadcast").await;
    peer.read_until(|frame| frame.settled()).await;
    let address = server.address();
    server.stop();
    peer.read_until(|frame| frame.go_away()).await;
    until(async || TcpStream::connect(address).await.is_err()).await;
    until(async || wire.call().get_server(v1::GetServerRequest {}).await.is_err()).await;
    peer.reset(1).await;
    while peer.read_politely().await.is_some() {}
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn the_deadline_cuts_what_is_still_open() {
    let server = TestServer::with(|config| config.drain_deadline = Duration::from_millis(200));
    let mut peers = Vec::new();
    for _ in 0..3 {
        let mut peer = Peer::connect(server.address()).await;
        peer.begin().await;
        peer.open(1, server.address(), "Broadcast").await;
        peer.read_until(|frame| frame.settled()).await;
        peers.push(peer);
    }
    server.stop();
    assert_eq!(server.ended().await.cut(), 3);
    for peer in &mut peers {
        peer.rest().await;
    }
}

#[tokio::test]
async fn a_stream_that_is_not_read_is_cut_at_the_deadline_at_the_latest() {
    let server = TestServer::with(|config| config.drain_deadline = Duration::from_millis(200));
    let wire = server.listener().await;
    let slow = Wire::narrow(server.url()).await.listen("c", "l").await;
    wire.broadcast_all("c", (0..500).map(|_| sized(4 << 10))).await;
    server.stop();
    server.ended().await;
    drop(slow);
}

#[tokio::test]
async fn a_second_stop_changes_nothing_and_a_cut_ends_at_once() {
    let server = TestServer::start();
    let stopper = server.stopper();
    let mut peer = Peer::connect(server.address()).await;
    peer.begin().await;
    peer.open(1, server.address(), "Broadcast").await;
    peer.read_until(|frame| frame.settled()).await;
    server.stop();
    peer.read_until(|frame| frame.go_away()).await;
    server.stop();
    stopper.cut();
    stopper.cut();
    assert_eq!(server.ended().await.cut(), 1);
}

#[tokio::test]
async fn an_idle_server_ends_as_soon_as_it_is_stopped() {
    let server = TestServer::start();
    server.stop();
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn a_stream_that_opens_while_the_server_ends_is_refused_or_told() {
    let (server, wire) = listener().await;
    let mut opening = Vec::new();
    for _ in 0..50 {
        let wire = wire.clone();
        opening.push(tokio::spawn(async move {
            let channel = "c".to_owned();
            wire.try_watch(WatchSubscription { channel, ..Default::default() }).await
        }));
        tokio::task::yield_now().await;
    }
    server.stop();
    for opening in opening {
        match within(opening).await.unwrap() {
            Ok(reader) => assert_eq!(last(reader).await, []),
            // by the server, or by a connection that takes nothing new
            Err(status) => {
                assert!(matches!(status.code(), Code::Unavailable | Code::Cancelled | Code::Unknown))
            }
        }
    }
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn a_peer_that_reads_its_stream_by_hand_is_told_by_going_away() {
    let server = TestServer::start();
    let _wire = server.listener().await;
    let mut peer = Peer::connect(server.address()).await;
    peer.begin().await;
    peer.open(1, server.address(), "Listen").await;
    let subscription = Subscription { channel: "c".into(), listener: "l".into(), ..Default::default() };
    peer.ask(1, &ListenRequest { subscriptions: vec![subscription], max_response_bytes: 0 }).await;
    peer.read_until(|frame| frame.data()).await;
    server.stop();
    peer.read_until(|frame| frame.data()).await;
    while peer.read_politely().await.is_some() {}
    assert_eq!(server.ended().await.cut(), 0);
}

/// Who kept the server's log may die before it.
#[cfg(unix)]
#[tokio::test]
async fn a_server_whose_log_nobody_reads_any_more_serves_and_ends() {
    let address = free_address();
    let mut server = eric(&["serve", "--listen", &address, "--http", "off"]).spawn().unwrap();
    drop(server.stderr.take());
    until(async || TcpStream::connect(&address).await.is_ok()).await;
    let wire = Wire::connect(format!("http://{address}")).await;
    wire.server().await;
    let id = server.id().unwrap().to_string();
    assert!(within(Command::new("kill").args(["-TERM", &id]).status()).await.unwrap().success());
    assert!(within(server.wait()).await.unwrap().success());
}
