//! Whoever comes by HTTP may be slow, silent, half gone or dead: he costs little, is let go in time, and harms nobody else.

use crate::support::{
    TestServer,
    events::Events,
    http::{Http, call},
    listener,
    message::{message, numbered, sized},
    peer::{PREFACE, Peer},
    until,
};
use serde_json::{Value, json};
use std::time::Duration;

const JSON: &str = "content-type: application/json\r\n";
const BROADCAST: &str = "/v1/channels/c/broadcast";

#[tokio::test]
async fn heads_that_come_slowly_or_are_too_long_are_cut() {
    let server = TestServer::with(|config| config.header_timeout = Duration::from_secs(1));
    let wire = server.listener().await;
    let mut slow = Vec::new();
    for half in
        ["", "G", "GET /v1/server HTTP/1.1\r\n", "GET /v1/server HTTP/1.1\r\nhost: localhost\r\nx-more: "]
    {
        let mut http = Http::connect(server.http()).await;
        http.say(half.as_bytes()).await;
        slow.push(http);
    }
    for http in &mut slow {
        while http.head().await.is_some() {}
    }
    let mut long = Http::connect(server.http()).await;
    long.ask("GET", "/v1/server", &format!("x-long: {}\r\n", "x".repeat(200_000)), b"").await;
    assert_eq!(long.head().await.map(|head| head.status), Some(431));
    let mut many = Http::connect(server.http()).await;
    many.ask("GET", "/v1/server", &"x-many: x\r\n".repeat(500), b"").await;
    assert_eq!(many.head().await.map(|head| head.status), Some(431));
    wire.still_answers().await;
}

#[tokio::test]
async fn a_head_that_drips_is_given_up_however_steadily_it_comes() {
    use tokio::io::AsyncWriteExt as _;
    let server = TestServer::with(|config| config.header_timeout = Duration::from_secs(1));
    let wire = server.listener().await;
    let mut stream = tokio::net::TcpStream::connect(server.http()).await.unwrap();
    stream.write_all(b"GET /v1/server HTTP/1.1\r\nhost: localhost\r\nx-more: ").await.unwrap();
    let mut drips = 0;
    while stream.write_all(b"x").await.is_ok() {
        drips += 1;
        assert!(drips < 1_000, "the server waits for ever");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    wire.still_answers().await;
}

#[tokio::test]
async fn first_words_of_http_2_that_stop_half_way_are_given_up() {
    let server = TestServer::with(|config| config.header_timeout = Duration::from_secs(1));
    let wire = server.listener().await;
    let mut halves = Vec::new();
    for half in [1, PREFACE.len() / 2, PREFACE.len() - 1] {
        let mut peer = Peer::connect(server.http()).await;
        peer.send(&PREFACE[..half]).await;
        halves.push(peer);
    }
    for peer in &mut halves {
        assert_eq!(peer.rest().await, b""[..], "it was not spoken to");
    }
    wire.still_answers().await;
}

#[tokio::test]
async fn headers_of_http_2_that_never_end_are_given_up() {
    let server = TestServer::with(|config| {
        config.keep_alive_interval = Duration::from_secs(1);
        config.keep_alive_timeout = Duration::from_secs(1);
    });
    let wire = server.listener().await;
    let mut peer = Peer::connect(server.http()).await;
    peer.begin().await;
    peer.read_until(|frame| frame.settled()).await;
    // HEADERS on the stream 1, of one byte and without END_HEADERS: only a CONTINUATION may come behind it
    peer.send(b"\0\0\x01\x01\0\0\0\0\x01\x82").await;
    peer.rest().await;
    wire.still_answers().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_in_the_middle_is_let_go() {
    use tokio::io::AsyncReadExt as _;
    let (server, wire) = listener().await;
    for half in [
        "POST /v1/channels/c/broadcast HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{\"mess",
        "GET /v1/channels/c/listeners/l/events HTTP/1.1\r\nhost: localhost\r\n\r\n",
        "GET /v1/channels/c/ev",
    ] {
        let mut http = Http::connect(server.http()).await;
        http.say(half.as_bytes()).await;
        http.hang_up().await;
        let mut rest = Vec::new();
        // a reset is an end too
        let _ = crate::support::within(http.rest_of().read_to_end(&mut rest)).await;
    }
    until(async || wire.server().await.streams == 0).await;
    wire.still_answers().await;
}

/// A request of whoever closes his side behind it.
async fn last_words(server: &TestServer, request: &str) -> Http {
    let mut http = Http::connect(server.http()).await;
    http.say(request.as_bytes()).await;
    http.hang_up().await;
    http
}

fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\n{JSON}content-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn whoever_has_said_all_and_closes_his_side_is_answered() {
    let (server, _wire) = listener().await;
    let broadcast = post(BROADCAST, r#"{"message":{"type":"t"}}"#);
    for _ in 0..20 {
        let mut http = last_words(&server, &broadcast).await;
        assert!(http.answer().await.done()["receipt"].is_object());
        assert!(http.closed().await);
    }
    let mut several = last_words(&server, &broadcast.repeat(3)).await;
    for _ in 0..3 {
        several.answer().await.done();
    }
    assert!(several.closed().await);
    let mut old = last_words(&server, "GET /v1/channels HTTP/1.0\r\n\r\n").await;
    old.answer().await.done();
    let mut http = Http::connect(server.http()).await;
    http.say(&broadcast.as_bytes()[..broadcast.len() - 1]).await;
    http.hang_up().await;
    http.answer().await.problem(400, "INVALID_REQUEST");
}

#[tokio::test]
async fn a_pull_of_who_closes_his_side_is_answered_at_once_with_what_is_there() {
    let (server, wire) = listener().await;
    let pull = post("/v1/channels/c/listeners/l/pull", r#"{"wait":"60s"}"#);
    let mut http = last_words(&server, &pull).await;
    let told = http.answer().await.done();
    assert_eq!(told["batch"]["deliveries"], json!([]));
    wire.dispatch("c", "l", numbered(1)).await;
    let told = last_words(&server, &pull).await.answer().await.done();
    assert_eq!(told["batch"]["deliveries"][0]["message"]["json"], "1");
    // and takes nothing for who is gone, whether he said so or not
    for linger in [None, Some(Duration::ZERO)] {
        use tokio::io::AsyncWriteExt as _;
        let mut gone = tokio::net::TcpStream::connect(server.http()).await.unwrap();
        gone.write_all(pull.as_bytes()).await.unwrap();
        until(async || wire.listener("c", "l").await.connected).await;
        socket2::SockRef::from(&gone).set_linger(linger).unwrap();
        drop(gone);
        until(async || !wire.listener("c", "l").await.connected).await;
        wire.dispatch("c", "l", numbered(2)).await;
        let told = last_words(&server, &pull).await.answer().await.done();
        assert_eq!(told["batch"]["deliveries"][0]["message"]["json"], "2");
    }
}

#[tokio::test]
async fn a_stream_of_who_closes_his_side_ends() {
    let (server, wire) = listener().await;
    for version in ["1.0", "1.1"] {
        let ask = format!("GET /v1/channels/c/listeners/l/events HTTP/{version}\r\nhost: localhost\r\n\r\n");
        let mut http = Http::connect(server.http()).await;
        http.say(ask.as_bytes()).await;
        until(async || wire.server().await.streams == 1).await;
        http.hang_up().await;
        until(async || wire.server().await.streams == 0).await;
        wire.dispatch("c", "l", numbered(1)).await;
        assert_eq!(
            wire.listener("c", "l").await.backlog_messages,
            1,
            "it may be gone: nothing is taken for it"
        );
        wire.purge("c", "l", None).await;
    }
}

#[tokio::test]
async fn a_client_that_talks_on_behind_its_request_is_not_listened_to() {
    let (server, wire) = listener().await;
    let mut http = Http::connect(server.http()).await;
    http.ask("GET", "/v1/channels/c/events", "", b"").await;
    assert_eq!(http.head().await.map(|head| head.status), Some(200));
    http.ask("GET", "/v1/server", "", b"").await;
    http.chunk().await.unwrap();
    wire.broadcast("c", message("t")).await;
    let event = String::from_utf8(http.chunk().await.unwrap()).unwrap();
    assert!(event.contains("event: t\n"), "{event}");
    // but not for ever
    use tokio::io::AsyncWriteExt as _;
    let mut stream = tokio::net::TcpStream::connect(server.http()).await.unwrap();
    stream.write_all(b"GET /v1/channels/c/events HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut said = 0;
    while stream.write_all(&[b'x'; 1024]).await.is_ok() {
        said += 1;
        assert!(said < 100_000, "the server reads for ever");
    }
    until(async || wire.server().await.streams == 1).await;
}

/// So many connections, or as many as there may be with both of their ends in this process, beside what else it has open.
pub(crate) fn as_many_as(wanted: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let files = files.and_then(|files| files.split_whitespace().next()?.parse().ok());
    let room = files.map_or(wanted, |files: usize| files / 4);
    if room < wanted {
        eprintln!("for lack of files these are {room} connections in place of {wanted} (`ulimit -n`)");
    }
    wanted.min(room)
}

#[tokio::test]
async fn thousands_of_idle_connections_leave_room_for_others() {
    // who has said nothing yet is let go after a while
    let server = TestServer::with(|config| config.header_timeout = Duration::from_secs(600));
    let wire = server.listener().await;
    let (mut silent, mut streams) = (Vec::new(), Vec::new());
    for _ in 0..as_many_as(3000) / 3 {
        silent.push(Http::connect(server.http()).await);
        for _ in 0..2 {
            let mut http = Http::connect(server.http()).await;
            http.ask("GET", "/v1/channels/c/events", "", b"").await;
            streams.push(http);
        }
    }
    until(async || wire.server().await.streams == i64::try_from(streams.len()).unwrap()).await;
    call(server.http(), "GET", "/v1/server", None).await.done();
    wire.broadcast("c", message("t")).await;
    for http in &mut streams {
        assert_eq!(http.head().await.map(|head| head.status), Some(200));
        while !String::from_utf8(http.chunk().await.unwrap()).unwrap().contains("event: t\n") {}
    }
    drop(streams);
    until(async || wire.server().await.streams == 0).await;
    silent[0].call("GET", "/v1/server", None).await.done();
}

#[tokio::test]
async fn a_reader_that_does_not_read_costs_a_place_and_no_queue() {
    let (server, wire) = crate::support::listener_of(eric::v1::ChannelSettings {
        max_backlog_bytes: Some(1 << 20),
        max_replay_bytes: Some(1 << 20),
        ..Default::default()
    })
    .await;
    let mut slow = Events::open(server.http(), "/v1/channels/c/events?format=delivery").await;
    let mut quick = Events::open(server.http(), "/v1/channels/c/events").await;
    for _ in 0..60 {
        wire.broadcast_all("c", (0..40).map(|_| sized(4 << 10))).await;
        quick.take_some(40).await;
        assert!(wire.server().await.log_bytes < 2 << 20);
    }
    wire.mark("c").await;
    let (mut told, mut gaps) = (0, 0);
    loop {
        let event = slow.one().await;
        match &*event.kind {
            "message" if event.json()["message"]["type"] == "mark" => break,
            "_eric_gap" => {
                gaps += 1;
                told += event.json()["count"].as_str().unwrap().parse::<i64>().unwrap();
            }
            _ => told += 1,
        }
    }
    assert_eq!(told, 60 * 40, "what was not delivered was told to be missing");
    assert!(gaps > 0, "more was sent than is kept");
}

#[tokio::test]
async fn what_is_no_http_is_let_go() {
    let (server, wire) = listener().await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"hello\r\n\r\n",
        b"\0\0\0\0\0\0\0\0\0\0\0\0\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
    ] {
        let mut http = Http::connect(server.http()).await;
        http.say(bytes).await;
        http.hang_up().await;
        while http.head().await.is_some() {}
    }
    let mut preface = Http::connect(server.http()).await;
    preface.say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\xff\xff\xff\xff\xff\xff\xff").await;
    wire.still_answers().await;
}

#[tokio::test]
async fn http_1_0_has_its_events_without_chunks() {
    let (server, wire) = listener().await;
    let mut http = Http::connect(server.http()).await;
    http.say(b"GET /v1/channels/c/events HTTP/1.0\r\n\r\n").await;
    let head = http.head().await.unwrap();
    assert_eq!(head.status, 200);
    assert!(!head.headers.contains_key("transfer-encoding"));
    until(async || wire.server().await.streams == 1).await;
    wire.broadcast("c", numbered(1)).await;
    let mut text = Vec::new();
    use tokio::io::AsyncReadExt as _;
    // what is not taken yet goes with its channel
    while !text.ends_with(b"data: 1\n\n") {
        text.push(crate::support::within(http.rest_of().read_u8()).await.unwrap());
    }
    wire.remove_channel("c").await;
    crate::support::within(http.rest_of().read_to_end(&mut text)).await.unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("event: number\ndata: 1\n\n") && text.ends_with("}\n\n"), "{text}");
}

#[tokio::test]
async fn one_connection_serves_call_after_call() {
    let (server, _wire) = listener().await;
    let mut http = Http::connect(server.http()).await;
    for n in 0..50 {
        let body = json!({"message": {"type": "t", "json": n.to_string()}});
        http.call("POST", BROADCAST, Some(body)).await.done();
        http.call("GET", "/v1/channels/no", None).await.problem(404, "CHANNEL_NOT_FOUND");
    }
    // two at once are answered in their order
    http.ask("GET", "/v1/channels/c", "", b"").await;
    http.ask("GET", "/v1/server", "", b"").await;
    assert!(http.answer().await.done()["channel"].is_object());
    let told: Value = http.answer().await.done();
    assert!(told["version"].is_string());
    // and a stream may follow
    http.ask("GET", "/v1/channels/c/events?start_at=oldest", "", b"").await;
    assert_eq!(http.head().await.map(|head| head.status), Some(200));
    assert!(http.chunk().await.is_some());
}

#[tokio::test]
async fn a_peer_that_takes_nothing_for_too_long_is_given_up() {
    let server = TestServer::with(|config| {
        config.keep_alive_interval = Duration::from_secs(1);
        config.keep_alive_timeout = Duration::from_secs(1);
    });
    let wire = server.listener().await;
    let mut stalled = Events::open(server.http(), "/v1/channels/c/events").await;
    let mut reads = Events::open(server.http(), "/v1/channels/c/events").await;
    // more than the sockets between them take
    for _ in 0..100 {
        wire.broadcast_all("c", (0..40).map(|_| sized(4 << 10))).await;
        reads.take_some(40).await;
    }
    until(async || wire.server().await.streams == 1).await;
    wire.mark("c").await;
    assert_eq!(reads.one().await.kind, "mark", "who reads is kept");
    while stalled.next().await.is_some() {}
}
