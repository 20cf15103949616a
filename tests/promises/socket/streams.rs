//! A stream of the socket: in order, at the reader's pace, and ended by whoever may end it.

use crate::support::{
    TestServer, Wire,
    message::{numbered, numbers, sized},
    socket::{Lines, Socket, served, served_with, streams},
    until,
};
use eric::v1::ChannelSettings;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

/// A server with a channel `c` and in it a listener `l`, and both ways to it.
async fn listener() -> (TestServer, Socket, Wire) {
    let (server, socket) = served();
    let wire = server.listener().await;
    (server, socket, wire)
}

async fn connected(wire: &Wire, connected: bool) {
    until(async || wire.listener("c", "l").await.connected == connected).await;
}

fn count_to(count: i64) -> Vec<Value> {
    (0..count).map(Value::from).collect()
}

#[tokio::test]
async fn everything_comes_once_and_in_order() {
    let (_server, socket, wire) = listener().await;
    wire.broadcast_all("c", (0..300).map(numbered)).await;
    let mut listening = socket.listen("c", "l").await;
    connected(&wire, true).await;
    let mut watching = socket.watch("c").await;
    streams(&wire, "c", 2).await;
    for batch in 3..10 {
        wire.broadcast_all("c", (batch * 100..batch * 100 + 100).map(numbered)).await;
    }
    wire.dispatch("c", "l", numbered(1000)).await;
    wire.broadcast("c", numbered(1001)).await;
    assert_eq!(listening.take(1002).await, count_to(1002));
    assert_eq!(watching.take(700).await, count_to(1000)[300..]);
    assert_eq!(watching.data().await, 1001, "what is dispatched to a listener is not for those who watch");
}

#[tokio::test]
async fn what_waits_is_handed_out_when_somebody_listens_again() {
    let (_server, socket, wire) = listener().await;
    let mut first = socket.listen("c", "l").await;
    wire.dispatch("c", "l", numbered(0)).await;
    assert_eq!(first.take(1).await, [0]);
    drop(first);
    connected(&wire, false).await;
    wire.dispatch_all("c", "l", (1..50).map(numbered)).await;
    assert_eq!(socket.listen("c", "l").await.take(49).await, count_to(50)[1..]);
}

#[tokio::test]
async fn a_stream_whose_client_says_nothing_more_stays_open() {
    let (_server, socket, wire) = listener().await;
    // it has shut down its writing side, as the reference's client does
    let mut listening = socket.listen("c", "l").await;
    connected(&wire, true).await;
    for n in 0..5 {
        // each is read before the next is sent: the stream was idle meanwhile
        socket.dispatch("c", "l", &json!(n)).await;
        assert_eq!(listening.data().await, n);
        assert!(wire.listener("c", "l").await.connected);
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_its_stream_though_nothing_is_sent() {
    let (_server, socket, wire) = listener().await;
    let listening = socket.listen("c", "l").await;
    let watching = socket.watch("c").await;
    streams(&wire, "c", 2).await;
    drop(watching);
    streams(&wire, "c", 1).await;
    drop(listening);
    connected(&wire, false).await;
    streams(&wire, "c", 0).await;
    assert_eq!(wire.server().await.streams, 0);
    // it has swallowed nothing
    wire.dispatch("c", "l", numbered(7)).await;
    assert_eq!(numbers(&wire.listen("c", "l").await.take(1).await), [7]);
}

#[tokio::test]
async fn a_client_that_hangs_up_with_events_unread_ends_its_stream() {
    let (_server, socket, wire) = listener().await;
    let listening = socket.listen("c", "l").await;
    connected(&wire, true).await;
    wire.dispatch_all("c", "l", (0..100).map(|_| sized(16 << 10))).await;
    drop(listening);
    connected(&wire, false).await;
}

/// Asks for a stream, and goes: the end of what it says is that it is gone.
async fn ask_and_go(socket: &Socket) {
    for _ in 0..20 {
        let mut stream = socket.connect().await;
        stream.write_all(b"{\"v\": \"l\", \"c\": \"c\", \"r\": \"l\"}").await.expect("the server accepts");
    }
    socket.still_answers().await;
}

#[tokio::test]
async fn who_asks_for_a_stream_and_goes_at_once_swallows_nothing_and_takes_nothing_over() {
    let (_server, socket, wire) = listener().await;
    socket.dispatch("c", "l", &json!(7)).await;
    ask_and_go(&socket).await;
    let mut listening = socket.listen("c", "l").await;
    assert_eq!(listening.data().await, 7);
    ask_and_go(&socket).await;
    wire.dispatch("c", "l", numbered(8)).await;
    assert_eq!(listening.data().await, 8);
}

#[tokio::test]
async fn a_request_is_carried_out_also_for_a_client_that_does_not_wait_for_the_answer() {
    let (_server, socket, wire) = listener().await;
    let mut stream = socket.connect().await;
    stream.write_all(b"{\"v\": \"d\", \"c\": \"c\", \"r\": \"l\", \"t\": \"t\", \"p\": 1}").await.unwrap();
    drop(stream);
    until(async || wire.listener("c", "l").await.backlog_messages == 1).await;
}

#[tokio::test]
async fn a_newer_stream_of_a_listener_takes_over() {
    let (_server, socket, wire) = listener().await;
    let older = socket.listen("c", "l").await;
    connected(&wire, true).await;
    let newer = socket.listen("c", "l").await;
    let told = older.rest().await;
    assert!(told.starts_with("InvalidListenerException('another stream has taken"), "{told}");
    let mut reader = wire.listen("c", "l").await;
    assert!(newer.rest().await.starts_with("InvalidListenerException('another stream has taken"));
    socket.dispatch("c", "l", &json!(1)).await;
    assert_eq!(numbers(&reader.take(1).await), [1]);
    let mut last = socket.listen("c", "l").await;
    assert!(reader.rest().await.1.is_err());
    socket.dispatch("c", "l", &json!(2)).await;
    assert_eq!(last.data().await, 2);
}

#[tokio::test]
async fn a_listener_that_is_stopped_ends_its_stream_without_a_word_and_keeps_its_queue() {
    let (_server, socket, wire) = listener().await;
    let mut listening = socket.listen("c", "l").await;
    wire.dispatch("c", "l", numbered(1)).await;
    assert_eq!(listening.data().await, 1);
    wire.stop("c", "l").await;
    assert_eq!(listening.rest().await, "");
    wire.dispatch("c", "l", numbered(2)).await;
    assert_eq!(socket.listen("c", "l").await.data().await, 2);
}

#[tokio::test]
async fn what_is_removed_ends_its_streams() {
    let (_server, socket, wire) = listener().await;
    let mut listening = socket.listen("c", "l").await;
    let watching = socket.watch("c").await;
    streams(&wire, "c", 2).await;
    wire.dispatch("c", "l", numbered(1)).await;
    assert_eq!(listening.data().await, 1);
    assert_eq!(socket.ask(&json!({ "v": "rl", "c": "c", "r": "l" })).await, "ack");
    assert_eq!(listening.rest().await, "InvalidListenerException()");
    wire.remove_channel("c").await;
    assert_eq!(watching.rest().await, "InvalidChannelException('No channel with id c')");
}

#[tokio::test]
async fn what_is_missing_is_an_event_at_its_place() {
    let (_server, socket, wire) = listener().await;
    wire.dispatch_all("c", "l", (0..5).map(numbered)).await;
    let purged = wire.purge("c", "l", None).await;
    wire.dispatch("c", "l", numbered(5)).await;
    let mut listening = socket.listen("c", "l").await;
    let gap = listening.event().await;
    assert_eq!([&gap["event"], &gap["retry"]], [&json!("_eric_gap"), &json!(3000)]);
    assert_eq!([&gap["data"]["reason"], &gap["data"]["count"]], [&json!("GAP_REASON_PURGED"), &json!(5)]);
    assert_eq!(gap["data"]["throughSequence"], purged.through_sequence);
    assert_eq!(listening.data().await, 5);
}

#[tokio::test]
async fn those_who_watch_see_what_comes_from_now_on_and_leave_nothing_behind() {
    let (_server, socket, wire) = listener().await;
    wire.broadcast("c", numbered(0)).await;
    let mut watching = socket.watch("c").await;
    streams(&wire, "c", 1).await;
    assert_eq!(wire.look_at("c").await.listeners, 1, "a watcher is no listener");
    wire.broadcast("c", numbered(1)).await;
    assert_eq!(watching.data().await, 1);
    drop(watching);
    streams(&wire, "c", 0).await;
}

#[tokio::test]
async fn a_payload_as_large_as_it_may_be_comes_through() {
    let (_server, socket, _wire) = listener().await;
    let text = Value::from("x".repeat((1 << 20) - 2));
    socket.dispatch("c", "l", &text).await;
    assert_eq!(socket.listen("c", "l").await.data().await, text);
}

const BYTES: usize = 4 << 10;
const KEPT: i64 = 1 << 20;
const BATCH: usize = 40;
const BATCHES: usize = 40;

/// Broadcasts much more than is kept, at the pace of one who reads.
async fn flood(wire: &Wire, along: &mut Lines) {
    for _ in 0..BATCHES {
        wire.broadcast_all("c", (0..BATCH).map(|_| sized(BYTES))).await;
        along.take(BATCH).await;
        let held = wire.server().await.log_bytes;
        assert!(held < 2 * KEPT, "{held}");
    }
}

async fn bounded() -> (TestServer, Socket, Wire) {
    let (server, socket) = served();
    let settings =
        ChannelSettings { max_backlog_bytes: Some(KEPT), max_replay_bytes: Some(KEPT), ..Default::default() };
    let wire = server.listener_of(settings).await;
    (server, socket, wire)
}

#[tokio::test]
async fn who_does_not_read_holds_nobody_back_and_is_told_what_it_missed() {
    let (_server, socket, wire) = bounded().await;
    wire.register("c", "quick").await;
    let mut slow = [socket.listen("c", "l").await, socket.watch("c").await];
    let mut quick = socket.listen("c", "quick").await;
    streams(&wire, "c", 3).await;
    flood(&wire, &mut quick).await;
    wire.mark("c").await;
    for slow in &mut slow {
        let (mut came, mut missed) = (0, 0);
        loop {
            let event = slow.event().await;
            match event["event"].as_str() {
                Some("sized") => came += 1,
                Some("_eric_gap") => missed += event["data"]["count"].as_u64().expect("it is known"),
                Some("mark") => break,
                _ => panic!("nothing else was sent: {event}"),
            }
        }
        assert_eq!(came + missed, (BATCH * BATCHES) as u64);
        assert!(missed > 0, "more was sent than is kept");
    }
}

#[tokio::test]
async fn a_hundred_streams_that_are_not_read_cost_places_not_queues() {
    let (server, socket, wire) = bounded().await;
    let mut slow = Vec::new();
    for _ in 0..100 {
        slow.push(socket.watch("c").await);
    }
    let mut quick = socket.listen("c", "l").await;
    streams(&wire, "c", 101).await;
    flood(&wire, &mut quick).await;
    drop(slow);
    streams(&wire, "c", 1).await;
    drop(quick);
    server.stop();
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn connections_of_the_socket_count_among_all() {
    let (server, socket) = served_with(|config| config.max_connections = 2);
    let wire = server.listener().await;
    let mut listening = socket.listen("c", "l").await;
    connected(&wire, true).await;
    assert_eq!(socket.ask(&json!({ "v": "c" })).await, "", "it is one too many");
    wire.dispatch("c", "l", numbered(1)).await;
    assert_eq!(listening.data().await, 1);
    drop(listening);
    until(async || !socket.ask(&json!({ "v": "c" })).await.is_empty()).await;
}
