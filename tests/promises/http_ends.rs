//! How streams of events end, and what an EventSource is told when it comes back by itself.

use crate::support::{
    TestServer,
    events::{Events, numbers},
    http::{Answer, Http},
    listener,
    message::{message, numbered, sized},
    until, within,
};
use eric::v1::ChannelSettings;
use serde_json::{Value, json};

const WATCH: &str = "/v1/channels/c/events";
const LISTEN: &str = "/v1/channels/c/listeners/l/events";

/// How an EventSource that reconnects is answered where it gets no stream.
async fn refused(server: &TestServer, path: &str, last_id: &str) -> Answer {
    let header = if last_id.is_empty() { String::new() } else { format!("last-event-id: {last_id}\r\n") };
    match Events::try_open(server.http(), path, &header).await {
        Ok(_) => panic!("{path} opens"),
        Err(answer) => answer,
    }
}

/// What the last event of a stream says; there is none behind it.
async fn last(events: &mut Events) -> Value {
    let mut rest = events.rest().await;
    let last = rest.pop().expect("it says why it ends");
    assert_eq!((&*last.kind, rest.len()), ("_eric_ended", 0));
    assert_eq!(last.id, events.last_id, "whoever goes on from it goes on from what came before");
    last.json()
}

#[tokio::test]
async fn a_stopped_listener_is_not_started_by_who_comes_back_by_himself() {
    let (server, wire) = listener().await;
    let mut listen = Events::open(server.http(), LISTEN).await;
    let id = listen.last_id.clone();
    wire.stop("c", "l").await;
    assert_eq!(last(&mut listen).await["reason"], "LISTENER_STOPPED");
    for _ in 0..2 {
        assert_eq!(refused(&server, LISTEN, &id).await.status, 204, "which ends an EventSource");
    }
    assert!(!wire.listener("c", "l").await.running);
    // a page that is opened starts it, also from a place that it knows
    wire.dispatch("c", "l", numbered(1)).await;
    let mut anew = Events::open(server.http(), &format!("{LISTEN}?last_event_id={id}")).await;
    assert_eq!(anew.one().await.number(), 1);
    let id = anew.last_id.clone();
    drop(anew);
    // and then it comes back as ever
    Events::open_from(server.http(), LISTEN, &id).await;
}

#[tokio::test]
async fn a_listener_that_was_started_again_has_whoever_comes_back() {
    let (server, wire) = listener().await;
    let id = Events::open(server.http(), LISTEN).await.last_id;
    wire.stop("c", "l").await;
    assert_eq!(refused(&server, LISTEN, &id).await.status, 204);
    wire.start("c", "l").await;
    Events::open_from(server.http(), LISTEN, &id).await;
}

#[tokio::test]
async fn a_stop_is_remembered_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let on = |dir: &std::path::Path| {
        let dir = dir.to_owned();
        TestServer::with(move |config| config.data_dir = Some(dir))
    };
    let server = on(dir.path());
    let wire = server.listener().await;
    let id = Events::open(server.http(), LISTEN).await.last_id;
    wire.stop("c", "l").await;
    drop(wire);
    server.stop();
    server.ended().await;
    let server = on(dir.path());
    assert_eq!(refused(&server, LISTEN, &id).await.status, 204);
}

#[tokio::test]
async fn of_two_tabs_the_one_that_was_opened_last_keeps_the_listener() {
    let (server, wire) = listener().await;
    let (a, b) = (format!("{LISTEN}?session=a"), format!("{LISTEN}?session=b"));
    let mut first = Events::open(server.http(), &a).await;
    let mut second = Events::open(server.http(), &b).await;
    assert_eq!(last(&mut first).await["reason"], "LISTENER_TAKEN_OVER");
    assert_eq!(refused(&server, &a, &first.last_id).await.status, 204);
    wire.dispatch("c", "l", numbered(1)).await;
    assert_eq!(second.one().await.number(), 1, "it was not disturbed");
    // its own reconnect is welcome, whether or not the server has noticed that it was cut off
    let mut again = Events::open_from(server.http(), &b, &second.last_id).await;
    wire.dispatch("c", "l", numbered(2)).await;
    assert_eq!(again.one().await.number(), 2);
    // who opens a tab anew has it
    let _anew = Events::open(server.http(), &a).await;
    assert_eq!(last(&mut again).await["reason"], "LISTENER_TAKEN_OVER");
}

#[tokio::test]
async fn a_listener_that_is_in_use_is_not_taken_from_who_asks_not_to() {
    let (server, _wire) = listener().await;
    let _open = Events::open(server.http(), LISTEN).await;
    let path = format!("{LISTEN}?take_over=never");
    refused(&server, &path, "").await.problem(400, "IN_USE");
}

#[tokio::test]
async fn who_comes_back_and_takes_nothing_over_waits_for_what_may_be_his_own_stream() {
    let (server, wire) = listener().await;
    let path = format!("{LISTEN}?take_over=never");
    let dead = Events::open(server.http(), &path).await;
    let answer = refused(&server, &path, &dead.last_id).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/event-stream"));
    let told: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((&told["reason"], &told["retry_after"]), (&json!("IN_USE"), &json!(1)));
    // it is told apart by a session
    let other = format!("{path}&session=other");
    refused(&server, &other, &dead.last_id).await.problem(400, "IN_USE");
    let id = dead.last_id.clone();
    drop(dead);
    let is_let_go = async || until(async || !wire.listener("c", "l").await.connected).await;
    is_let_go().await;
    drop(Events::open_from(server.http(), &path, &id).await);
    is_let_go().await;
    let own = format!("{path}&session=own");
    let known = Events::open(server.http(), &own).await;
    Events::open_from(server.http(), &own, &known.last_id).await;
}

#[tokio::test]
async fn what_was_removed_ends_its_streams_and_is_not_there_any_more() {
    let (server, wire) = listener().await;
    let mut listen = Events::open(server.http(), LISTEN).await;
    wire.remove("c", "l").await;
    assert_eq!(last(&mut listen).await["reason"], "LISTENER_REMOVED");
    refused(&server, LISTEN, &listen.last_id).await.problem(404, "LISTENER_REMOVED");
    let mut watch = Events::open(server.http(), WATCH).await;
    wire.remove_channel("c").await;
    assert_eq!(last(&mut watch).await["reason"], "CHANNEL_REMOVED");
    refused(&server, WATCH, &watch.last_id).await.problem(404, "CHANNEL_REMOVED");
}

#[tokio::test]
async fn who_comes_back_to_several_channels_has_those_that_are_still_there() {
    let (server, wire) = listener().await;
    for channel in ["d", "e"] {
        wire.create(channel).await;
    }
    let path = "/v1/events?channel=c&channel=d&channel=e";
    let mut events = Events::open(server.http(), path).await;
    wire.broadcast("e", numbered(0)).await;
    events.one().await;
    for gone in ["c", "e"] {
        wire.remove_channel(gone).await;
        assert_eq!(events.one().await.json()["channel"], gone);
    }
    // a page that is loaded anew is told what it cannot have
    refused(&server, path, "").await.problem(404, "CHANNEL_REMOVED");
    for n in 1..4 {
        let id = events.last_id.clone();
        drop(events);
        wire.broadcast("d", numbered(n)).await;
        events = Events::open_from(server.http(), path, &id).await;
        assert_eq!(events.opened["started"].as_array().map(Vec::len), Some(1));
        for gone in ["c", "e"] {
            let ended = events.one().await;
            let told = ended.json();
            assert_eq!((&*ended.kind, &told["channel"]), ("_eric_ended", &json!(gone)));
            assert_eq!((&told["reason"], &told["status"]), (&json!("CHANNEL_REMOVED"), &json!(404)));
        }
        assert_eq!(events.one().await.number(), n);
        assert_eq!(events.last_id.split('~').count(), 3, "its ids name the places of all");
    }
    // what has come again in its place is another
    wire.create("e").await;
    let id = events.last_id.clone();
    let mut again = Events::open_from(server.http(), path, &id).await;
    assert_eq!(again.one().await.json()["channel"], "c");
    assert_eq!(again.one().await.json()["reason"], "GAP_REASON_OTHER_LIFE");
    for gone in ["d", "e"] {
        wire.remove_channel(gone).await;
        assert_eq!(again.one().await.json()["channel"], gone);
    }
    assert!(again.rest().await.is_empty(), "with the last of them all ends");
    refused(&server, path, &id).await.problem(404, "CHANNEL_REMOVED");
}

#[tokio::test]
async fn a_shutdown_hands_over_what_is_ready_and_spreads_those_who_come_back() {
    let (server, wire) = listener().await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(Events::open(server.http(), WATCH).await);
    }
    wire.broadcast_all("c", (0..5).map(numbered)).await;
    server.stop();
    let mut retries = Vec::new();
    for stream in &mut streams {
        assert_eq!(numbers(&stream.take_some(5).await), [0, 1, 2, 3, 4]);
        let told = last(stream).await;
        assert_eq!((&told["reason"], &told["status"]), (&json!("SHUTTING_DOWN"), &json!(503)));
        let retry = stream.retry.unwrap();
        assert!((3000..=6000).contains(&retry), "{retry}");
        retries.push(retry);
    }
    retries.sort_unstable();
    retries.dedup();
    assert!(retries.len() > 10, "not all at once: {retries:?}");
    drop(wire);
    assert_eq!(server.ended().await.cut(), 0);
}

/// Opens streams of events by HTTP/2, on one connection that is driven by `drive`.
async fn by_http_2<T: Send + 'static>(
    server: &TestServer,
    paths: &[&str],
    drive: impl FnOnce(h2::client::Connection<tokio::net::TcpStream>) -> T,
) -> (Vec<h2::RecvStream>, T) {
    let tcp = tokio::net::TcpStream::connect(server.http()).await.expect("the server accepts");
    let (client, mut connection) = h2::client::handshake(tcp).await.expect("the server speaks HTTP/2");
    let mut streams = Vec::new();
    for path in paths {
        let request =
            http::Request::get(format!("http://{}{path}", server.http())).body(()).expect("it is a request");
        let mut ready = client.clone().ready().await.expect("there is room for a stream");
        let (answer, _) = ready.send_request(request, true).expect("the connection is open");
        let answer = within(async {
            tokio::select! {
                answer = answer => answer,
                ended = &mut connection => panic!("{ended:?}"),
            }
        });
        streams.push(answer.await.expect("the server answers").into_body());
    }
    (streams, drive(connection))
}

/// All that is left of a stream.
async fn rest(stream: &mut h2::RecvStream) -> String {
    let mut text = Vec::new();
    while let Some(data) = within(stream.data()).await {
        let data = data.expect("the stream is not cut");
        stream.flow_control().release_capacity(data.len()).expect("it was taken");
        text.extend(data);
    }
    String::from_utf8(text).expect("events are text")
}

#[tokio::test]
async fn a_shutdown_is_told_by_http_2_as_well() {
    let (server, wire) = listener().await;
    let (mut streams, _) = by_http_2(&server, &[WATCH, LISTEN], tokio::spawn).await;
    until(async || wire.server().await.streams == 2).await;
    wire.broadcast_all("c", (0..5).map(numbered)).await;
    server.stop();
    for stream in &mut streams {
        let text = rest(stream).await;
        assert_eq!(text.matches("event: number\n").count(), 5, "{text}");
        let (_, last) = text.split_once("data: 4\n\nretry: ").expect("what is ready comes first");
        let (retry, last) = last.split_once('\n').unwrap();
        assert!((3000..=6000).contains(&retry.parse().unwrap()), "{retry}");
        assert!(last.starts_with("event: _eric_ended\n") && last.contains("SHUTTING_DOWN"), "{last}");
    }
    drop((streams, wire));
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn a_reader_by_http_2_that_stalls_costs_a_place_and_one_that_is_dead_is_cut() {
    let server = TestServer::with(|config| {
        config.keep_alive_interval = std::time::Duration::from_secs(1);
        config.keep_alive_timeout = std::time::Duration::from_secs(1);
    });
    let wire = server.wire().await;
    let kept = ChannelSettings {
        max_backlog_bytes: Some(1 << 20),
        max_replay_bytes: Some(1 << 20),
        ..Default::default()
    };
    wire.create_with("c", kept).await;
    let (mut stalled, _) = by_http_2(&server, &[WATCH], tokio::spawn).await;
    // nobody drives its connection, so nobody answers a ping
    let (_dead, _undriven) = by_http_2(&server, &[WATCH], |connection| connection).await;
    let mut quick = Events::open(server.http(), WATCH).await;
    assert_eq!(wire.server().await.streams, 3);
    for _ in 0..30 {
        wire.broadcast_all("c", (0..40).map(|_| sized(4 << 10))).await;
        quick.take_some(40).await;
        assert!(wire.server().await.log_bytes < 2 << 20);
    }
    until(async || wire.server().await.streams == 2).await;
    // who answers and does not read stays, and is told what it has missed
    wire.remove_channel("c").await;
    let text = rest(&mut stalled[0]).await;
    assert!(text.contains("CHANNEL_REMOVED"), "{}", text.len());
    let missing = text.split("event: _eric_gap\ndata: ").skip(1).map(|gap| {
        let gap: Value = serde_json::from_str(gap.lines().next().unwrap()).unwrap();
        gap["count"].as_str().unwrap().parse::<usize>().unwrap()
    });
    let told = text.matches("event: sized\n").count() + missing.sum::<usize>();
    assert!(told <= 30 * 40 && text.len() < 8 << 20, "{told}");
}

#[tokio::test]
async fn idle_connections_and_half_requests_hold_no_shutdown_up() {
    let server = TestServer::with(|config| config.header_timeout = std::time::Duration::from_secs(1));
    let mut idle = Http::connect(server.http()).await;
    idle.call("GET", "/v1/server", None).await.done();
    let mut half = Http::connect(server.http()).await;
    half.say(b"GET /v1/ser").await;
    let _silent = Http::connect(server.http()).await;
    server.stop();
    assert!(idle.closed().await);
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn an_event_source_is_told_to_try_again_where_it_would_give_up_for_good() {
    let server = TestServer::with(|config| config.max_streams = 1);
    let wire = server.listener().await;
    let _open = Events::open(server.http(), WATCH).await;
    // 429 would end it
    let Err(answer) = Events::try_open(server.http(), WATCH, "").await else { panic!("there is no room") };
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/event-stream"));
    let told: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(told["reason"], "STREAM_LIMIT");
    // whoever is no EventSource is told as ever
    let problem = crate::support::http::call(server.http(), "GET", WATCH, None).await;
    assert_eq!(problem.header("retry-after"), "1");
    assert_eq!(problem.problem(429, "STREAM_LIMIT")["retry_after"], 1);
    drop(wire);
}

#[tokio::test]
async fn the_end_of_a_channel_is_an_event_and_leaves_the_stream_open() {
    let (server, wire) = listener().await;
    let mut watch = Events::open(server.http(), WATCH).await;
    wire.notify_end("c", None).await;
    let end = watch.one().await;
    assert_eq!((&*end.kind, &*end.data), ("_eric_channel_closed", "null"));
    wire.broadcast("c", message("more")).await;
    assert_eq!(watch.one().await.kind, "more");
}

#[tokio::test]
async fn a_stream_that_opens_while_the_server_ends_is_refused_or_told() {
    let (server, wire) = listener().await;
    wire.update("c", ChannelSettings::default()).await;
    let http = server.http();
    let opening: Vec<_> = (0..30)
        .map(|_| {
            tokio::spawn(async move {
                let mut connection = tokio::net::TcpStream::connect(http).await.ok()?;
                use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
                let request =
                    format!("GET {WATCH} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n");
                connection.write_all(request.as_bytes()).await.ok()?;
                let mut told = String::new();
                connection.read_to_string(&mut told).await.ok()?;
                Some(told)
            })
        })
        .collect();
    server.stop();
    drop(wire);
    for opening in opening {
        if let Some(told) = within(opening).await.unwrap().filter(|told| !told.is_empty()) {
            assert!(told.starts_with("HTTP/1.1 200"), "{told}");
            assert!(told.contains("SHUTTING_DOWN") && told.contains("retry: "), "{told}");
        }
    }
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn a_tab_is_known_by_its_session_and_gone_with_its_stream() {
    let (server, wire) = listener().await;
    let listen = Events::open(server.http(), &format!("{LISTEN}?session=tab-1")).await;
    until(async || wire.listener("c", "l").await.session == "tab-1").await;
    drop(listen);
    until(async || !wire.listener("c", "l").await.connected).await;
}
