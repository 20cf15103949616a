//! Whatever comes in at the socket is answered or ended, and harms nobody else.

use crate::{
    http_connections::as_many_as,
    support::{
        socket::{Socket, rest, served, served_with},
        within,
    },
};
use serde_json::json;
use std::time::Duration;
use tokio::{io::AsyncWriteExt as _, time::sleep};

#[tokio::test]
async fn what_is_no_request_is_answered_by_its_exception() {
    let (server, socket) = served();
    let _wire = server.listener().await;
    for (request, told) in [
        (&b""[..], "JSONDecodeError('"),
        (b"   ", "JSONDecodeError('"),
        (b"{", "JSONDecodeError('"),
        (b"nonsense", "JSONDecodeError('"),
        (b"{\"v\": \"c\"} {\"v\": \"c\"}", "JSONDecodeError('"),
        (b"{\"v\": \"b\", \"c\": \"c\", \"t\": \"t\", \"p\": NaN}", "JSONDecodeError('"),
        (b"{\"v\": \"b\", \"c\": \"c\", \"t\": \"\x01\"}", "JSONDecodeError('"),
        (b"\xff\xfe", "UnicodeDecodeError('"),
        (b"{\"v\": \"\xc3\"}", "UnicodeDecodeError('"),
        (b"GET / HTTP/1.1\r\n\r\n", "JSONDecodeError('"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "JSONDecodeError('"),
        (b"\0\0\0\0", "JSONDecodeError('"),
        (b"[]", "TypeError('list indices"),
        (b"7", "TypeError(\"'int' object"),
        (b"{}", "InvalidMessageFormat('{}')"),
        (b"{\"v\": null}", "InvalidMessageFormat('"),
        (b"{\"v\": \"D\"}", "InvalidMessageFormat('"),
        (b"{\"v\": \"nothing\", \"t\": \"t\"}", "InvalidMessageFormat('"),
        (b"{\"v\": \"d\", \"c\": \"c\", \"r\": \"l\"}", "InvalidMessageFormat('"),
        (b"{\"v\": \"b\", \"c\": \"c\"}", "InvalidMessageFormat('"),
        (b"{\"v\": \"b\", \"t\": \"t\"}", "InvalidChannelException('No channel with id None')"),
        (b"{\"v\": \"l\", \"c\": \"c\"}", "InvalidListenerException()"),
        (b"{\"v\": \"l\", \"c\": \"c\", \"r\": {}}", "TypeError(\"unhashable type: 'dict'\")"),
        (b"{\"v\": \"rc\", \"c\": [\"c\"]}", "TypeError(\"unhashable type: 'list'\")"),
    ] {
        let answer = socket.answer(request).await;
        assert!(answer.starts_with(told), "{answer} to {}", String::from_utf8_lossy(request));
    }
    socket.still_answers().await;
}

#[tokio::test]
async fn an_id_that_is_none_is_nobodys() {
    let (server, socket) = served();
    let _wire = server.listener().await;
    for id in ["", ".", "a b", "größe", "it's", "a\nb", &"x".repeat(10_000), "\u{2028}"] {
        let told = socket.ask(&json!({ "v": "w", "c": id })).await;
        assert!(told.starts_with("InvalidChannelException("), "{told}");
        let told = socket.ask(&json!({ "v": "d", "c": "c", "r": id, "t": "t" })).await;
        assert!(told.starts_with("InvalidListenerException("), "{told}");
        // the channel comes first
        let told = socket.ask(&json!({ "v": "d", "c": "no", "r": id, "t": "t" })).await;
        assert_eq!(told, "InvalidChannelException('No channel with id no')");
    }
    socket.still_answers().await;
}

#[tokio::test]
async fn json_that_nests_too_deeply_is_refused_and_overflows_no_stack() {
    let (server, socket) = served();
    let _wire = server.listener().await;
    let nested = |levels: usize| {
        format!(
            "{{\"v\": \"b\", \"c\": \"c\", \"t\": \"t\", \"p\": {}{}}}",
            "[".repeat(levels),
            "]".repeat(levels)
        )
    };
    assert_eq!(socket.answer(nested(100).as_bytes()).await, "ack");
    for levels in [101, 100_000, 500_000] {
        let told = socket.answer(nested(levels).as_bytes()).await;
        assert!(told.starts_with("InvalidMessageFormat('json: "), "{told}");
    }
    let answer = socket.answer("[".repeat(500_000).as_bytes()).await;
    assert!(answer.starts_with("JSONDecodeError("), "{answer}");
    socket.still_answers().await;
}

#[tokio::test]
async fn a_request_that_is_too_large_is_told_so_when_it_has_been_said() {
    let (_server, socket) = served_with(|config| config.max_payload_bytes = 1000);
    let most = 1000 + 64 * 1024;
    let padded = |bytes: usize| format!("{{\"v\": \"c\"{}}}", " ".repeat(bytes - 10)).into_bytes();
    assert_eq!(socket.answer(&padded(most)).await.len(), 36, "an id");
    for bytes in [most + 1, 20 << 20] {
        let told = socket.answer(&padded(bytes)).await;
        assert_eq!(told, format!("InvalidMessageFormat('a request has at most {most} bytes')"));
    }
    socket.still_answers().await;
}

fn impatient() -> (crate::support::TestServer, Socket) {
    served_with(|config| config.header_timeout = Duration::from_millis(300))
}

#[tokio::test]
async fn who_says_nothing_or_not_all_is_sent_away() {
    let (_server, socket) = impatient();
    for said in [&b""[..], b"{\"v\": \"c\"", b"{\"v\": \"c\"}"] {
        let mut stream = socket.connect().await;
        stream.write_all(said).await.unwrap();
        assert_eq!(rest(stream).await, "TimeoutError('no end of input within 300ms')");
    }
    socket.still_answers().await;
}

#[tokio::test]
async fn who_never_ends_is_cut_off() {
    let (_server, socket) = impatient();
    let (reading, mut writing) = socket.connect().await.into_split();
    let endless = tokio::spawn(async move { while writing.write_all(&[b' '; 64 << 10]).await.is_ok() {} });
    within(endless).await.expect("it was cut off");
    drop(reading);
    let mut slow = socket.connect().await;
    // byte by byte: what comes does not prolong it
    let dripping = async {
        while slow.write_all(b" ").await.is_ok() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    within(dripping).await;
    socket.still_answers().await;
}

#[tokio::test]
async fn many_who_say_nothing_hold_nobody_back() {
    let (server, socket) = served();
    let mut idle = Vec::new();
    for _ in 0..as_many_as(1000) {
        idle.push(socket.connect().await);
    }
    socket.still_answers().await;
    server.wire().await.still_answers().await;
    server.stop();
    assert_eq!(server.ended().await.cut(), 0);
}

#[tokio::test]
async fn who_does_not_read_the_answer_holds_nothing_up() {
    let (server, socket) = impatient();
    // shown back, it is more than a socket takes in
    let shown_back = format!("{{\"x\": \"{}\"}}", "\u{7f}".repeat(900_000));
    let unread = socket.say(shown_back.as_bytes()).await;
    socket.still_answers().await;
    server.stop();
    assert_eq!(server.ended().await.cut(), 0);
    assert!(rest(unread).await.len() < 3_600_000, "it was cut off");
}
