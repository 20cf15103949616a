//! What is no sound request is refused in words, whoever sends it, and harms nobody else.

use crate::support::{
    TestServer,
    events::Events,
    http::{Http, call},
    listener, until, within,
};
use serde_json::json;

const JSON: &str = "content-type: application/json\r\n";
const BROADCAST: &str = "/v1/channels/c/broadcast";

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let (server, _wire) = listener().await;
    for path in [
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v1/channels/",
        "/v1/channels/c/listeners/l/fly",
        "/v2/channels",
        "//",
    ] {
        call(server.http(), "GET", path, None).await.problem(404, "NO_SUCH_PATH");
    }
    call(server.http(), "GET", "/v1/channels/no", None).await.problem(404, "CHANNEL_NOT_FOUND");
    call(server.http(), "GET", "/v1/channels/c/listeners/no", None).await.problem(404, "LISTENER_NOT_FOUND");
    call(server.http(), "GET", "/v1/channels/no/events", None).await.problem(404, "CHANNEL_NOT_FOUND");
    call(server.http(), "GET", "/v1/channels/c/listeners/no/events", None)
        .await
        .problem(404, "LISTENER_NOT_FOUND");
    call(server.http(), "GET", "/v1/events?channel=c&channel=no", None)
        .await
        .problem(404, "CHANNEL_NOT_FOUND");
}

#[tokio::test]
async fn an_id_that_breaks_the_rule_is_told_with_its_field() {
    let (server, _wire) = listener().await;
    for path in
        ["/v1/channels/a%20b", "/v1/channels/%2e%2e", "/v1/channels/%C3%A9", "/v1/channels/a%2Fb/events"]
    {
        let problem = call(server.http(), "GET", path, None).await.problem(400, "INVALID_ID");
        assert_eq!(problem["violations"][0]["field"], "channel", "{path}");
    }
    let long = format!("/v1/channels/c/listeners/{}/events", "x".repeat(129));
    let problem = call(server.http(), "GET", &long, None).await.problem(400, "INVALID_ID");
    assert_eq!(problem["violations"][0]["field"], "listener");
    // ids may be written with escapes
    call(server.http(), "GET", "/v1/channels/%63", None).await.done();
    let broken = call(server.http(), "GET", "/v1/channels/%ff", None).await;
    assert_eq!(broken.status, 400);
}

#[tokio::test]
async fn a_wrong_method_is_told_which_are_right() {
    let (server, _wire) = listener().await;
    for (method, path, allowed) in [
        ("PUT", "/v1/channels", "GET,HEAD,POST"),
        ("POST", "/v1/channels/c/events", "GET"),
        ("GET", BROADCAST, "POST"),
        ("DELETE", "/v1/server", "GET,HEAD"),
        ("BREW", "/v1/server", "GET,HEAD"),
        ("OPTIONS", "/v1/server", "GET,HEAD"),
    ] {
        let answer = call(server.http(), method, path, None).await;
        for allowed in allowed.split(',') {
            assert!(answer.header("allow").split(',').any(|it| it == allowed), "{method} {path}: {answer:?}");
        }
        answer.problem(405, "METHOD_NOT_ALLOWED");
    }
}

#[tokio::test]
async fn the_head_of_a_stream_opens_none() {
    let (server, wire) = listener().await;
    let mut http = Http::connect(server.http()).await;
    http.ask("HEAD", "/v1/channels/c/listeners/l/events", "", b"").await;
    let head = http.head().await.unwrap();
    assert_eq!((head.status, head.header("allow")), (405, "GET"));
    assert!(!wire.listener("c", "l").await.running);
    // of what is no stream it is as ever
    http.ask("HEAD", "/v1/server", "", b"").await;
    assert_eq!(http.head().await.unwrap().status, 200);
}

#[tokio::test]
async fn json_that_is_broken_or_says_what_nobody_knows_is_told_in_the_parsers_words() {
    let (server, wire) = listener().await;
    let mut http = Http::connect(server.http()).await;
    for (body, told) in [
        ("{", "EOF"),
        ("{\"message\":{\"type\":\"t\"}} x", "trailing characters"),
        ("[]", "invalid type"),
        ("7", "invalid type"),
        ("\u{feff}{}", "expected value"),
        ("{\"massage\":{}}", "massage"),
        ("{\"message\":{\"type\":7}}", "invalid type"),
        ("{\"message\":{\"type\":\"t\",\"type\":\"u\"}}", "twice"),
        ("{\"message\":{\"type\":\"t\",\"value\":{\"a\":1,\"a\":2}}}", "twice"),
        ("{\"message\":{\"type\":\"t\",\"json\":\"1\",\"value\":2}}", "payload"),
        ("{\"message\":{\"type\":\"t\",\"binary\":\"?\"}}", "base64"),
        ("{\"channel\":\"c\",\"message\":{\"type\":\"t\"}}", "stands in the path"),
        ("{\"message\":{\"type\":\"t\",\"ttl\":\"soon\"}}", "duration"),
    ] {
        http.ask("POST", BROADCAST, JSON, body.as_bytes()).await;
        let problem = http.answer().await.problem(400, "INVALID_JSON");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.to_lowercase().contains(&told.to_lowercase()), "{told} in {detail} for {body}");
    }
    http.ask("POST", BROADCAST, JSON, b"{\"message\":{\"type\":\"\xff\"}}").await;
    http.answer().await.problem(400, "INVALID_JSON");
    let deep = format!(
        "{{\"message\":{{\"type\":\"t\",\"value\":{}{}}}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    http.ask("POST", BROADCAST, JSON, deep.as_bytes()).await;
    http.answer().await.problem(400, "INVALID_JSON");
    let long = format!("{{\"message\":{{\"attributes\":\"{}\"}}}}", "ü".repeat(1_000_000));
    http.ask("POST", BROADCAST, JSON, long.as_bytes()).await;
    let problem = http.answer().await.problem(400, "INVALID_JSON");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.len() < 300 && detail.contains("at line 1 column"), "{detail}");
    wire.still_answers().await;
}

#[tokio::test]
async fn what_breaks_a_rule_is_told_as_on_grpc() {
    let (server, _wire) = listener().await;
    for (body, status, reason, field) in [
        (json!({}), 400, "INVALID_MESSAGE", "message"),
        (json!({"message": {}}), 400, "INVALID_MESSAGE", "message.type"),
        (json!({"message": {"type": "_eric_gap"}}), 400, "INVALID_MESSAGE", "message.type"),
        (json!({"message": {"type": "t", "json": "{"}}), 400, "INVALID_MESSAGE", "message.json"),
        (
            json!({"message": {"type": "t", "json": format!("\"{}\"", "x".repeat(1 << 20))}}),
            413,
            "MESSAGE_TOO_LARGE",
            "message.json",
        ),
    ] {
        let problem = call(server.http(), "POST", BROADCAST, Some(body)).await.problem(status, reason);
        assert_eq!(problem["violations"][0]["field"], field);
        assert!(problem["metadata"]["incarnation"].is_string());
    }
    call(server.http(), "POST", BROADCAST, None).await.problem(400, "INVALID_MESSAGE");
}

#[tokio::test]
async fn a_body_is_json_and_says_so() {
    let (server, _wire) = listener().await;
    let mut http = Http::connect(server.http()).await;
    let body = br#"{"message":{"type":"t"}}"#;
    for headers in ["", "content-type: text/plain\r\n", "content-type: application/x-www-form-urlencoded\r\n"]
    {
        http.ask("POST", BROADCAST, headers, body).await;
        http.answer().await.problem(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    for headers in [JSON, "content-type: Application/JSON; charset=utf-8\r\n"] {
        http.ask("POST", BROADCAST, headers, body).await;
        http.answer().await.done();
    }
}

#[tokio::test]
async fn a_parameter_that_nobody_knows_or_that_is_no_value_is_refused() {
    let (server, _wire) = listener().await;
    let watch = "/v1/channels/c/events";
    let listen = "/v1/channels/c/listeners/l/events";
    for path in [
        "/v1/channels?page=1",
        "/v1/channels?page_size=many",
        "/v1/channels?page_size=1&pageSize=2",
        "/v1/server?verbose",
        "/v1/channels/c?channel=d",
        &format!("{watch}?start_at=soon"),
        &format!("{watch}?session=a"),
        &format!("{watch}?types=a&format=xml"),
        &format!("{watch}?format=delivery&format=payload"),
        &format!("{watch}?channel=c"),
        &format!("{listen}?channel=d"),
        &format!("{listen}?start_at=new"),
        &format!("{listen}?max_unacknowledged=x"),
        "/v1/events",
        &format!("/v1/events?{}", (0..33).map(|n| format!("channel=c{n}&")).collect::<String>()),
        &format!("/v1/channels?{}", "x=1&".repeat(1000)),
    ] {
        call(server.http(), "GET", path, None).await.problem(400, "INVALID_PARAMETER");
    }
    call(server.http(), "POST", &format!("{BROADCAST}?x=1"), Some(json!({})))
        .await
        .problem(400, "INVALID_PARAMETER");
    for (path, reason, field) in [
        ("/v1/channels?page_size=-1", "INVALID_SETTING", "page_size"),
        ("/v1/channels?page_token=x", "INVALID_PAGE_TOKEN", "page_token"),
        (&format!("{watch}?types="), "INVALID_SETTING", "types"),
        (&format!("{listen}?session=a%20b"), "INVALID_ID", "session"),
        (&format!("{listen}?max_unacknowledged=5"), "NOT_EXPLICIT", "credit"),
    ] {
        let problem = call(server.http(), "GET", path, None).await.problem(400, reason);
        assert_eq!(problem["violations"][0]["field"], field, "{path}");
    }
}

#[tokio::test]
async fn a_text_that_is_no_place_of_the_stream_is_refused() {
    let (server, wire) = listener().await;
    wire.create("d").await;
    let id = Events::open(server.http(), "/v1/channels/c/events").await.last_id;
    for path in
        ["/v1/channels/c/events", "/v1/channels/c/listeners/l/events", "/v1/events?channel=c&channel=d"]
    {
        for token in ["x", "~", "1.2.3.4", &id[1..], &format!("{id}~{id}~{id}"), &"9".repeat(5000)] {
            let header = format!("last-event-id: {token}\r\n");
            let Err(answer) = Events::try_open(server.http(), path, &header).await else { panic!("{token}") };
            answer.problem(400, "RESUME_TOKEN_INVALID");
        }
    }
}

/// A broadcast whose body is yet to come, chunk by chunk.
async fn in_chunks(server: &TestServer) -> Http {
    let mut http = Http::connect(server.http()).await;
    let head =
        format!("POST {BROADCAST} HTTP/1.1\r\nhost: localhost\r\n{JSON}transfer-encoding: chunked\r\n\r\n");
    http.say(head.as_bytes()).await;
    http
}

#[tokio::test]
async fn what_stands_beside_a_body_has_an_end() {
    use tokio::io::AsyncWriteExt as _;
    let (server, wire) = listener().await;
    for (begun, more) in
        [("1;x", &b"xxxxxxxx"[..]), ("0\r\n", b"x-more: x\r\n"), ("1\r\nx\r\n", b"1;x=x\r\nx\r\n")]
    {
        let mut http = in_chunks(&server).await;
        http.say(begun.as_bytes()).await;
        let (piece, mut said) = (more.repeat(1000), 0);
        while within(http.rest_of().write_all(&piece)).await.is_ok() {
            said += 1;
            assert!(said < 10_000, "the server reads {begun:?} for ever");
        }
    }
    wire.still_answers().await;
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_before_it_is_there() {
    let server = TestServer::with(|config| {
        config.max_payload_bytes = 1000;
        config.max_batch_bytes = 2000;
    });
    let _wire = server.listener().await;
    let mut http = in_chunks(&server).await;
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    for _ in 0..31 {
        http.say(&chunk).await;
    }
    http.say(b"18\r\n{\"message\":{\"type\":\"t\"}}\r\n0\r\n\r\n").await;
    http.answer().await.done();
    let mut http = in_chunks(&server).await;
    // it never ends
    for _ in 0..33 {
        http.say(&chunk).await;
    }
    let told = http.answer().await.problem(413, "MESSAGE_TOO_LARGE");
    assert!(told["detail"].as_str().unwrap().contains("has at most 2"), "{told}");
    // nor does the connection go on with the rest of it
    let mut said = 0;
    use tokio::io::AsyncWriteExt as _;
    let mut stream = tokio::net::TcpStream::connect(server.http()).await.unwrap();
    stream
        .write_all(
            format!(
                "POST {BROADCAST} HTTP/1.1\r\nhost: localhost\r\n{JSON}content-length: 99999999999\r\n\r\n"
            )
            .as_bytes(),
        )
        .await
        .unwrap();
    while stream.write_all(&chunk).await.is_ok() {
        said += 1;
        assert!(said < 10_000, "the server reads for ever");
    }
}

#[tokio::test]
async fn what_all_bodies_hold_together_is_bounded_and_small_ones_come_through() {
    // so a body has at most 2 MiB and a little, and all of them 32 times as much
    let server = TestServer::with(|config| {
        config.max_payload_bytes = 1000;
        config.max_batch_bytes = 2000;
    });
    let wire = server.listener().await;
    let large = vec![b' '; 2 << 20];
    let mut slow = Vec::new();
    let half = |length: usize| {
        format!("POST {BROADCAST} HTTP/1.1\r\nhost: localhost\r\n{JSON}content-length: {length}\r\n\r\n")
    };
    for _ in 0..31 {
        let mut http = Http::connect(server.http()).await;
        http.say([half(large.len() + 1).as_bytes(), &large].concat().as_slice()).await;
        slow.push(http);
    }
    let mut refused = None;
    for _ in 0..3 {
        let mut http = Http::connect(server.http()).await;
        http.say(half(large.len() + 1).as_bytes()).await;
        let mut pieces = large.chunks(128 << 10);
        while !http.has_answer().await
            && let Some(piece) = pieces.next()
        {
            http.say(piece).await;
        }
        if http.has_answer().await {
            refused = Some(http);
            break;
        }
        slow.push(http);
    }
    let answer = refused.expect("one is too many").answer().await;
    assert_eq!(answer.header("retry-after"), "1");
    answer.problem(503, "REQUEST_LIMIT");
    let small = json!({"message": {"type": "t"}});
    call(server.http(), "POST", BROADCAST, Some(small.clone())).await.done();
    // those who go give back what they held
    drop(slow);
    let body = [small.to_string().as_bytes(), &large[100..]].concat();
    until(async || {
        let mut http = Http::connect(server.http()).await;
        http.ask("POST", BROADCAST, JSON, &body).await;
        http.answer().await.status == 200
    })
    .await;
    wire.still_answers().await;
}
