//! The end of the server is the end of its socket: streams hand over what is ready, and nobody is waited for who says
//! nothing.

use crate::support::{
    message::{numbered, sized},
    socket::{rest, served, served_with, streams},
    until, within,
};
use serde_json::json;
use std::time::Duration;
use tokio::net::UnixStream;

#[tokio::test]
async fn streams_end_without_a_word_behind_what_is_ready() {
    let (server, socket) = served();
    let wire = server.listener().await;
    let mut listening = socket.listen("c", "l").await;
    let watching = socket.watch("c").await;
    streams(&wire, "c", 2).await;
    wire.dispatch("c", "l", numbered(1)).await;
    assert_eq!(listening.data().await, 1);
    wire.dispatch("c", "l", numbered(2)).await;
    server.stop();
    assert_eq!(listening.rest().await, "{\"event\": \"number\", \"retry\": 3000, \"data\": 2}\n");
    assert_eq!(watching.rest().await, "");
    drop(wire);
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn who_says_nothing_holds_nothing_up_and_nobody_comes_any_more() {
    let (server, socket) = served();
    let silent = socket.connect().await;
    socket.still_answers().await;
    server.stop();
    assert_eq!(rest(silent).await, "");
    until(async || !socket.path().exists()).await;
    assert!(UnixStream::connect(socket.path()).await.is_err());
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn a_stream_that_is_not_read_is_cut_at_the_deadline_at_the_latest() {
    let (server, socket) = served_with(|config| config.drain_deadline = Duration::from_millis(200));
    let wire = server.listener().await;
    let unread = socket.listen("c", "l").await;
    streams(&wire, "c", 1).await;
    wire.broadcast_all("c", (0..500).map(|_| sized(4 << 10))).await;
    drop(wire);
    server.stop();
    assert_eq!(server.ended().await.cut(), 1);
    drop(unread);
}

#[tokio::test]
async fn what_is_asked_while_the_server_ends_is_answered_or_ended() {
    let (server, socket) = served();
    let wire = server.listener().await;
    let mut asking = Vec::new();
    for _ in 0..50 {
        let stream = socket.say(json!({ "v": "b", "c": "c", "t": "t" }).to_string().as_bytes()).await;
        asking.push(tokio::spawn(rest(stream)));
    }
    server.stop();
    for asked in asking {
        let told = within(asked).await.unwrap();
        assert!(["", "ack", "RepositoryError('the server is shutting down')"].contains(&&*told), "{told}");
    }
    drop(wire);
    assert_eq!(server.ended().await.cut(), 0);
}
