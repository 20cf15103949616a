//! Server-Sent Events: what is broadcast and dispatched, in order, each with its place, and nothing missing unsaid.

use crate::support::{
    TestServer, Wire,
    events::{Events, Sent, numbers},
    listener, listener_of,
    message::{json, message, numbered, sized},
    until,
    wire::{broadcast, receipt},
};
use eric::v1::{ChannelSettings, Message, StartAt, message::Payload};
use prost_types::Duration;
use serde_json::json;

const WATCH: &str = "/v1/channels/c/events";
const LISTEN: &str = "/v1/channels/c/listeners/l/events";

#[tokio::test]
async fn a_watch_has_what_is_broadcast_in_order_and_says_how_it_is_to_be_kept() {
    let (server, wire) = listener().await;
    let mut watch = Events::open(server.http(), WATCH).await;
    assert_eq!(watch.head.header("content-type"), "text/event-stream");
    assert_eq!(watch.head.header("cache-control"), "no-store, no-transform");
    assert_eq!(watch.head.header("x-accel-buffering"), "no");
    assert!(watch.head.header("date").ends_with(" GMT"));
    assert_eq!(watch.retry, Some(3000));
    let incarnation = wire.server().await.incarnation;
    assert_eq!(watch.opened["incarnation"], incarnation);
    let started = &watch.opened["started"][0];
    assert_eq!((&started["channel"], &started["resumeToken"]), (&"c".into(), &watch.last_id.clone().into()));
    wire.dispatch("c", "l", message("not for watchers")).await;
    wire.broadcast_all("c", (0..100).map(numbered)).await;
    let events = watch.take_some(100).await;
    assert_eq!(numbers(&events), (0..100).collect::<Vec<_>>());
    assert!(events.iter().all(|event| event.kind == "number"));
    let mut ids: Vec<_> = events.iter().map(|event| event.id.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 100, "each has a place of its own");
}

#[tokio::test]
async fn a_listener_has_its_dispatches_and_the_broadcasts_in_one_order() {
    let (server, wire) = listener().await;
    let mut listen = Events::open(server.http(), LISTEN).await;
    assert!(wire.listener("c", "l").await.running);
    for n in 0..20 {
        if n % 3 == 0 {
            wire.broadcast("c", numbered(n)).await
        } else {
            wire.dispatch("c", "l", numbered(n)).await
        };
    }
    assert_eq!(numbers(&listen.take_some(20).await), (0..20).collect::<Vec<_>>());
    drop(listen);
    until(async || !wire.listener("c", "l").await.connected).await;
    assert!(!wire.listener("c", "l").await.running);
}

#[tokio::test]
async fn whoever_comes_back_goes_on_where_he_was_from_any_event() {
    let (server, wire) = listener().await;
    for path in [WATCH, LISTEN] {
        let mut events = Events::open(server.http(), path).await;
        let begun = events.last_id.clone();
        wire.broadcast_all("c", (0..10).map(numbered)).await;
        let seen = events.take_some(10).await;
        drop(events);
        wire.broadcast_all("c", (10..15).map(numbered)).await;
        let mut again = Events::open_from(server.http(), path, &seen[3].id).await;
        assert_eq!(numbers(&again.take_some(11).await), (4..15).collect::<Vec<_>>(), "{path}");
        // a page that was loaded anew has no header
        let by_query = format!("{path}?last_event_id={}", seen[9].id);
        assert_eq!(
            numbers(&Events::open(server.http(), &by_query).await.take_some(5).await),
            [10, 11, 12, 13, 14]
        );
        // of two the header is the newer
        let mut both = Events::open_from(server.http(), &by_query, &seen[7].id).await;
        assert_eq!(both.one().await.number(), 8);
        let mut all = Events::open_from(server.http(), path, &begun).await;
        assert_eq!(all.one().await.number(), 0, "nothing came before it was lost");
    }
}

#[tokio::test]
async fn a_watch_begins_with_what_comes_or_with_the_oldest_that_is_kept() {
    let (server, wire) = listener().await;
    wire.broadcast_all("c", (0..3).map(numbered)).await;
    let mut oldest = Events::open(server.http(), &format!("{WATCH}?start_at=oldest")).await;
    let mut new = Events::open(server.http(), &format!("{WATCH}?start_at=new")).await;
    wire.broadcast("c", numbered(3)).await;
    assert_eq!(numbers(&oldest.take_some(4).await), [0, 1, 2, 3]);
    assert_eq!(new.one().await.number(), 3);
}

#[tokio::test]
async fn only_the_types_that_are_asked_for_come_and_the_place_moves_on_all_the_same() {
    let (server, wire) = listener().await;
    for path in [WATCH, LISTEN] {
        let mut some = Events::open(server.http(), &format!("{path}?types=a,b&types=c%20c")).await;
        for kind in ["a", "x", "b", "a,b", "c c", "x"] {
            wire.broadcast("c", message(kind)).await;
        }
        wire.notify_end("c", None).await;
        let kinds: Vec<_> = some.take_some(4).await.into_iter().map(|event| event.kind).collect();
        assert_eq!(kinds, ["a", "b", "c c", "_eric_channel_closed"]);
        let mut rest = Events::open_from(server.http(), path, &some.last_id).await;
        wire.mark("c").await;
        assert_eq!(rest.one().await.kind, "mark");
    }
}

/// Payloads, and what stands for them in an event.
fn awkward() -> Vec<(Message, String)> {
    let value = |value| Message { payload: Some(Payload::Value(value)), ..message("value") };
    let number = |number| prost_types::Value { kind: Some(prost_types::value::Kind::NumberValue(number)) };
    let text = |text: &str| prost_types::Value {
        kind: Some(prost_types::value::Kind::StringValue(text.to_owned())),
    };
    let binary =
        |bytes: &'static [u8]| Message { payload: Some(Payload::Binary(bytes.into())), ..message("binary") };
    let url = |encoded: &str| format!("data:application/octet-stream;base64,{encoded}");
    vec![
        (json(r#""""#), r#""""#.to_owned()),
        (json(" \t1 "), " \t1 ".to_owned()),
        (json("{\"a\":\n  1,\r\n\"b\":\r2}"), "{\"a\":\n  1,\n\"b\":\n2}".to_owned()),
        (json("\n\n[\r\r]\n"), "\n\n[\n\n]\n".to_owned()),
        (json(r#""\u0000 \n \ud83d\ude00""#), r#""\u0000 \n \ud83d\ude00""#.to_owned()),
        (
            json("\"\u{1f600} \u{2028} \u{85} : data: x\""),
            "\"\u{1f600} \u{2028} \u{85} : data: x\"".to_owned(),
        ),
        (json("12345678901234567890123"), "12345678901234567890123".to_owned()),
        (json("null"), "null".to_owned()),
        (message("nothing"), "null".to_owned()),
        (value(number(7.0)), "7".to_owned()),
        (value(number(-0.5)), "-0.5".to_owned()),
        (value(number(f64::NAN)), "null".to_owned()),
        (value(text("\n")), r#""\n""#.to_owned()),
        (value(prost_types::Value::default()), "null".to_owned()),
        (binary(b""), url("")),
        (binary(b"\0\r\n\xff"), url("AA0K/w==")),
    ]
}

#[tokio::test]
async fn every_payload_arrives_as_it_was_sent() {
    let (server, wire) = listener().await;
    let mut watch = Events::open(server.http(), WATCH).await;
    for (message, told) in awkward() {
        wire.broadcast("c", message.clone()).await;
        let event = watch.one().await;
        assert_eq!(event.data, told);
        assert_eq!(event.kind, message.r#type);
        if let Some(Payload::Json(sent)) = &message.payload {
            let sent: serde_json::Value = serde_json::from_str(sent).unwrap();
            assert_eq!(event.json(), sent, "with other line breaks it is the same JSON");
        }
    }
    let large = format!("\"{}\"", "x".repeat((1 << 20) - 2));
    wire.broadcast("c", json(&large)).await;
    assert_eq!(watch.one().await.data, large);
}

#[tokio::test]
async fn a_type_is_one_line_whatever_stands_in_it() {
    let (server, wire) = listener().await;
    let mut watch = Events::open(server.http(), WATCH).await;
    let mut whole = Events::open(server.http(), &format!("{WATCH}?format=delivery")).await;
    for (kind, told) in [
        (" x", " x"),
        ("a: b", "a: b"),
        ("\u{1f600}", "\u{1f600}"),
        ("a\nid: 7\rb\r\n", "a\u{fffd}id: 7\u{fffd}b\u{fffd}\u{fffd}"),
        ("\0", "\0"),
    ] {
        wire.broadcast("c", message(kind)).await;
        assert_eq!(watch.one().await.kind, told);
        let delivery = whole.one().await;
        assert_eq!(delivery.kind, "message", "whoever hears that hears all types");
        assert_eq!(delivery.json()["message"]["type"], kind);
    }
}

#[tokio::test]
async fn a_gap_stands_where_messages_are_missing_and_has_a_place_of_its_own() {
    let (server, wire) = listener().await;
    wire.dispatch_all("c", "l", (0..5).map(numbered)).await;
    wire.purge("c", "l", None).await;
    wire.dispatch("c", "l", numbered(5)).await;
    let mut listen = Events::open(server.http(), LISTEN).await;
    let before = listen.last_id.clone();
    let gap = listen.one().await;
    assert_eq!(gap.kind, "_eric_gap");
    let told = gap.json();
    assert_eq!((&told["reason"], &told["count"]), (&json!("GAP_REASON_PURGED"), &json!("5")));
    assert!(told["afterSequence"].is_string() && told["throughSequence"].is_string());
    assert_eq!(listen.one().await.number(), 5);
    let mut behind = Events::open_from(server.http(), LISTEN, &gap.id).await;
    assert_eq!(behind.one().await.number(), 5, "the gap is passed");
    let mut again = Events::open_from(server.http(), LISTEN, &before).await;
    assert_eq!(again.one().await.kind, "_eric_gap", "the gap is not");
}

#[tokio::test]
async fn a_token_of_another_life_is_told_as_a_gap() {
    let (server, wire) = listener().await;
    let mut watch = Events::open(server.http(), WATCH).await;
    wire.broadcast("c", numbered(0)).await;
    let id = watch.one().await.id;
    wire.remove_channel("c").await;
    wire.create("c").await;
    wire.broadcast("c", numbered(1)).await;
    let mut again = Events::open_from(server.http(), WATCH, &id).await;
    let gap = again.one().await;
    assert_eq!((&*gap.kind, &gap.json()["reason"]), ("_eric_gap", &json!("GAP_REASON_OTHER_LIFE")));
    assert_eq!(again.one().await.number(), 1);
}

#[tokio::test]
async fn several_channels_come_on_one_stream_and_go_on_from_one_id() {
    let (server, wire) = listener().await;
    for channel in ["d", "e"] {
        wire.create(channel).await;
    }
    let path = "/v1/events?channel=c&channel=d&channel=e";
    let mut events = Events::open(server.http(), path).await;
    assert_eq!(events.opened["started"].as_array().map(Vec::len), Some(3));
    let send = async |numbers: std::ops::Range<i64>| {
        for n in numbers {
            wire.broadcast(["c", "d", "e"][usize::try_from(n % 3).unwrap()], numbered(n)).await;
        }
    };
    send(0..30).await;
    let mut seen = events.take_some(30).await;
    seen.sort_by_key(Sent::number);
    assert_eq!(numbers(&seen), (0..30).collect::<Vec<_>>());
    let id = events.last_id.clone();
    assert_eq!(id.split('~').count(), 3);
    drop(events);
    send(30..60).await;
    // the same channels, one of them in the path
    let mut again =
        Events::open_from(server.http(), "/v1/channels/c/events?channel=d&channel=e&format=delivery", &id)
            .await;
    let mut seen = again.take_some(30).await;
    seen.sort_by_key(|event| {
        event.json()["message"]["json"].as_str().and_then(|json| json.parse::<i64>().ok())
    });
    for (n, event) in (30..60).zip(seen) {
        let told = event.json();
        assert_eq!(told["message"]["json"], n.to_string());
        assert_eq!(told["channel"], ["c", "d", "e"][n % 3]);
    }
}

#[tokio::test]
async fn of_many_channels_no_more_is_sent_at_once_than_of_one() {
    let (server, wire) = listener().await;
    let mut path = "/v1/events?start_at=oldest&channel=c".to_owned();
    for n in 1..32 {
        wire.create(&format!("c{n}")).await;
        path += &format!("&channel=c{n}");
    }
    const MESSAGES: i64 = 5000;
    for n in 0..MESSAGES / 500 {
        wire.broadcast_all("c", (n * 500..(n + 1) * 500).map(numbered)).await;
    }
    let mut events = Events::open(server.http(), &path).await;
    let seen = events.take_some(5000).await;
    assert_eq!(numbers(&seen), (0..MESSAGES).collect::<Vec<_>>());
    let whole = events.body.len();
    assert!(whole > 4 << 20, "each event says where it is in all channels: {whole}");
    assert!(events.largest_chunk < 300 << 10, "{}", events.largest_chunk);
    // and each of them is a place to go on from
    let last = &seen[4000];
    let mut again = Events::open_from(server.http(), &path, &last.id).await;
    assert_eq!(again.one().await.number(), 4001);
}

#[tokio::test]
async fn each_channel_of_a_stream_ends_for_itself() {
    let (server, wire) = listener().await;
    wire.create("d").await;
    let mut events = Events::open(server.http(), "/v1/events?channel=c&channel=d").await;
    wire.remove_channel("c").await;
    let ended = events.one().await;
    assert_eq!(ended.kind, "_eric_ended");
    let told = ended.json();
    assert_eq!((&told["reason"], &told["channel"]), (&json!("CHANNEL_REMOVED"), &json!("c")));
    wire.broadcast("d", numbered(1)).await;
    assert_eq!(events.one().await.number(), 1);
    wire.remove_channel("d").await;
    let rest = events.rest().await;
    assert_eq!((rest.len(), &rest[0].json()["channel"]), (1, &json!("d")), "with the last of them all ends");
}

#[tokio::test]
async fn an_explicit_listener_is_told_what_it_needs_to_acknowledge() {
    let (server, wire) = crate::support::explicit::explicit().await;
    let path = format!("{LISTEN}?format=delivery&max_unacknowledged=2");
    let mut listen = Events::open(server.http(), &path).await;
    let sent = wire.dispatch_all("c", "l", (0..3).map(numbered)).await;
    let started = listen.opened["started"][0].clone();
    let seen = listen.take_some(2).await;
    let told = seen[0].json();
    assert_eq!(told["sequence"], sent[0].sequence.to_string());
    assert_eq!((&told["attempt"], &told["generation"]), (&json!(1), &json!("0")));
    assert_eq!(told["kind"], "DELIVERY_KIND_DISPATCH");
    assert_eq!(told["message"]["id"], sent[0].message_id);
    // all of it goes back as it came
    let item = json!({
        "channel": told["channel"], "listener": started["listener"], "birth": started["birth"],
        "incarnation": listen.opened["incarnation"], "generation": told["generation"],
        "throughSequence": seen[1].json()["sequence"],
    });
    let answer =
        crate::support::http::call(server.http(), "POST", "/v1/acknowledge", Some(json!({"items": [item]})));
    let answer = answer.await.done();
    assert_eq!(answer["results"][0]["acknowledged"]["coveredMessages"], "2");
    assert_eq!(listen.one().await.json()["message"]["json"], "2", "there is credit again");
    let item = json!({"channel": "c", "listener": "l", "sequence": sent[2].sequence, "delay": "0s", "reason": "not now"});
    let answer =
        crate::support::http::call(server.http(), "POST", "/v1/reject", Some(json!({"items": [item]})));
    assert_eq!(answer.await.done()["results"][0]["rejected"]["attempts"], 1);
    let told = listen.one().await.json();
    assert_eq!((&told["attempt"], &told["generation"]), (&json!(2), &json!("1")));
}

#[tokio::test]
async fn the_time_to_wait_is_the_channels_and_the_longest_of_several() {
    let millis = |millis: i32| Some(Duration { seconds: 0, nanos: millis * 1_000_000 });
    let (server, wire) = listener_of(ChannelSettings { sse_retry: millis(5), ..Default::default() }).await;
    let settings = ChannelSettings { sse_retry: millis(700), ..Default::default() };
    wire.create_with("d", settings).await;
    for (path, retry) in [(WATCH, 5), (LISTEN, 5), ("/v1/events?channel=c&channel=d", 700)] {
        assert_eq!(Events::open(server.http(), path).await.retry, Some(retry));
    }
}

#[tokio::test]
async fn the_time_to_wait_is_said_once_and_first() {
    let (server, wire) = listener().await;
    wire.create("d").await;
    for path in [WATCH, LISTEN, "/v1/events?channel=c&channel=d"] {
        let mut events = Events::open(server.http(), path).await;
        wire.broadcast_all("c", (0..20).map(numbered)).await;
        events.take_some(20).await;
        wire.broadcast("c", numbered(20)).await;
        assert_eq!(events.one().await.number(), 20);
        let text = String::from_utf8(events.body).unwrap();
        assert!(text.starts_with("retry: 3000\n"), "{text}");
        assert_eq!(text.matches("retry:").count(), 1, "{text}");
    }
}

/// What each of them is sent behind this much of its body, up to so many events.
async fn bodies(streams: &mut [Events], begun: usize, count: usize) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    for stream in streams {
        stream.take_some(count).await;
        bodies.push(stream.body.split_off(begun));
    }
    bodies
}

#[tokio::test]
async fn what_level_streams_are_sent_is_the_same_bytes() {
    let (server, wire) = listener().await;
    for path in [WATCH, "/v1/channels/c/events?format=delivery"] {
        let mut streams = Vec::new();
        for _ in 0..8 {
            streams.push(Events::open(server.http(), path).await);
        }
        wire.broadcast_all("c", (0..50).map(numbered)).await;
        let begun = streams[0].body.len();
        let bodies = bodies(&mut streams, begun, 50).await;
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{path}");
    }
}

#[tokio::test]
async fn what_is_ready_comes_in_one_chunk() {
    let (server, wire) = listener().await;
    let begun = Events::open(server.http(), WATCH).await;
    wire.broadcast_all("c", (0..50).map(numbered)).await;
    for path in [WATCH, "/v1/channels/c/events?format=delivery"] {
        let mut streams = Vec::new();
        for _ in 0..8 {
            streams.push(Events::open_from(server.http(), path, &begun.last_id).await);
        }
        let bodies = bodies(&mut streams, begun.body.len(), 50).await;
        for (stream, body) in streams.iter().zip(&bodies) {
            assert_eq!((body, stream.largest_chunk), (&bodies[0], body.len()), "{path}");
        }
    }
}

#[tokio::test]
async fn http_2_carries_many_streams_on_one_connection() {
    let (server, wire) = listener().await;
    let tcp = tokio::net::TcpStream::connect(server.http()).await.unwrap();
    let (client, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    let mut streams = Vec::new();
    for path in [WATCH, LISTEN, WATCH] {
        let uri = format!("http://{}{path}", server.http());
        let request = http::Request::get(uri).body(()).unwrap();
        let mut client = client.clone().ready().await.unwrap();
        let (answer, _) = client.send_request(request, true).unwrap();
        let answer = crate::support::within(answer).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        assert_eq!(answer.headers()["cache-control"], "no-store, no-transform");
        assert_eq!(answer.headers()["x-accel-buffering"], "no");
        streams.push(answer.into_body());
    }
    until(async || wire.look_at("c").await.streams == 3).await;
    wire.broadcast_all("c", (0..20).map(numbered)).await;
    for stream in &mut streams {
        let mut text = Vec::new();
        while !text.ends_with(b"data: 19\n\n") {
            let data = crate::support::within(stream.data()).await.unwrap().unwrap();
            stream.flow_control().release_capacity(data.len()).unwrap();
            text.extend(data);
        }
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("retry: 3000\nid: "), "{text}");
        assert_eq!(text.matches("event: number\n").count(), 20);
        assert_eq!(text.matches("retry:").count(), 1, "{text}");
    }
    drop(streams);
    drop(client);
    until(async || wire.look_at("c").await.streams == 0).await;
}

#[tokio::test]
async fn a_thousand_messages_of_a_kilobyte_come_to_a_reader_that_came_late() {
    let (server, wire) = listener().await;
    wire.broadcast_all("c", (0..1000).map(|_| sized(1000))).await;
    let mut late = Events::open(server.http(), &format!("{WATCH}?start_at=oldest")).await;
    assert_eq!(late.take_some(1000).await.len(), 1000);
    let mut listen = Events::open(server.http(), LISTEN).await;
    assert_eq!(listen.take_some(1000).await.len(), 1000);
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_behind() {
    let (server, wire) = listener().await;
    let (mut half, gone) =
        (Events::open(server.http(), WATCH).await, Events::open(server.http(), LISTEN).await);
    until(async || wire.server().await.streams == 2).await;
    half.hang_up().await;
    drop(gone);
    until(async || wire.server().await.streams == 0).await;
    assert!(half.rest().await.is_empty());
}

#[tokio::test]
async fn over_a_restart_a_stream_goes_on_from_its_last_event() {
    let dir = tempfile::tempdir().unwrap();
    let on = |dir: &std::path::Path| {
        let dir = dir.to_owned();
        TestServer::with(move |config| config.data_dir = Some(dir))
    };
    let server = on(dir.path());
    let wire: Wire = server.listener().await;
    let mut watch = Events::open(server.http(), WATCH).await;
    let sent = wire.batch((0..4).map(|n| broadcast("c", numbered(n))).collect()).await;
    assert!(sent.iter().map(receipt).all(|receipt| !receipt.duplicate));
    let seen = watch.take_some(2).await;
    drop((watch, wire));
    server.stop();
    server.ended().await;
    let server = on(dir.path());
    let mut again = Events::open_from(server.http(), WATCH, &seen[1].id).await;
    assert_eq!(numbers(&again.take_some(2).await), [2, 3]);
}

#[tokio::test]
async fn a_listener_begins_as_it_was_registered() {
    let (server, wire) = listener().await;
    wire.broadcast_all("c", (0..3).map(numbered)).await;
    wire.register_at("c", "late", StartAt::Oldest).await;
    let mut listen = Events::open(server.http(), "/v1/channels/c/listeners/late/events").await;
    assert_eq!(numbers(&listen.take_some(3).await), [0, 1, 2]);
}
