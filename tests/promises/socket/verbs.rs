//! The verbs do what they do in the reference, and what is done at one door is there for the other.

use crate::support::{
    message::{json as json_message, message, sent, sized},
    socket::{Socket, served, served_with, streams},
};
use eric::v1::{ChannelSettings, Message, message::Payload};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn each_verb_is_answered_by_an_id_an_ack_or_a_stream() {
    let (_server, socket) = served();
    let channel = socket.create().await;
    let listener = socket.register(&channel).await;
    for id in [&channel, &listener] {
        assert_eq!(uuid::Uuid::parse_str(id).expect("ids are UUIDs").get_version_num(), 4);
    }
    socket.dispatch(&channel, &listener, &json!({ "bid": 1 })).await;
    socket.broadcast(&channel, &json!([1.5, "ä"])).await;
    let mut listening = socket.listen(&channel, &listener).await;
    assert_eq!(listening.event().await, json!({ "event": "t", "retry": 5, "data": { "bid": 1 } }));
    assert_eq!(listening.data().await, json!([1.5, "ä"]));
    let one = json!({ "v": "rl", "c": channel, "r": listener });
    assert_eq!(socket.ask(&one).await, "ack");
    assert_eq!(socket.ask(&one).await, format!("InvalidListenerException('{listener}')"));
    let all = json!({ "v": "rc", "c": channel });
    assert_eq!(socket.ask(&all).await, "ack");
    assert_eq!(socket.ask(&all).await, format!("InvalidChannelException('No channel with id {channel}')"));
}

#[tokio::test]
async fn an_id_is_given_by_the_server_whatever_the_request_says() {
    let (_server, socket) = served();
    let channel = socket.ask(&json!({ "v": "c", "c": "mine" })).await;
    assert_ne!(channel, "mine");
    assert_ne!(socket.ask(&json!({ "v": "r", "c": channel, "r": "mine" })).await, "mine");
}

#[tokio::test]
async fn a_channel_of_one_door_is_there_for_the_other() {
    let (server, socket) = served();
    let wire = server.listener().await;
    socket.dispatch("c", "l", &json!({ "exact": 9_007_199_254_740_993_i64 })).await;
    socket.broadcast("c", &Value::Null).await;
    let deliveries = wire.listen("c", "l").await.take(2).await;
    let payload = |at: usize| sent(&deliveries[at]).payload.clone();
    assert_eq!(payload(0), Some(Payload::Json("{\"exact\":9007199254740993}".into())));
    assert_eq!(payload(1), Some(Payload::Json("null".into())));

    let channel = socket.create().await;
    let listener = socket.register(&channel).await;
    assert_eq!(wire.look_at(&channel).await.listeners, 1);
    wire.dispatch(&channel, &listener, message("from-afar")).await;
    let mut listening = socket.listen(&channel, &listener).await;
    assert_eq!(listening.event().await, json!({ "event": "from-afar", "retry": 5, "data": null }));
    wire.remove(&channel, &listener).await;
    let gone = socket.ask(&json!({ "v": "d", "c": channel, "r": listener, "t": "t" })).await;
    assert_eq!(gone, format!("InvalidListenerException('Invalid listener {listener}')"));
}

#[tokio::test]
async fn whatever_a_message_carries_is_one_event_on_one_line() {
    let (server, socket) = served();
    let wire = server.listener().await;
    let value = prost_types::Value { kind: Some(prost_types::value::Kind::NumberValue(1.5)) };
    wire.dispatch("c", "l", json_message("{\n  \"a\\n\": [\r\n1,\t2]\n}")).await;
    wire.dispatch("c", "l", json_message("\"\u{2028}€𝄞\"")).await;
    wire.dispatch("c", "l", Message { payload: Some(Payload::Value(value)), ..message("t") }).await;
    wire.dispatch("c", "l", Message { sender_id: "me".into(), ..sized(3) }).await;
    let mut listening = socket.listen("c", "l").await;
    assert_eq!(listening.data().await, json!({ "a\n": [1, 2] }));
    assert_eq!(listening.data().await, json!("\u{2028}€𝄞"));
    assert_eq!(listening.data().await, json!(1.5));
    let bytes = json!({ "event": "sized", "retry": 3000, "data": "eHh4", "encoding": "base64" });
    assert_eq!(listening.event().await, bytes);
}

#[tokio::test]
async fn retry_is_the_channels_own() {
    let (server, socket) = served();
    let wire = server.wire().await;
    let milliseconds = |nanos| Some(prost_types::Duration { seconds: 1, nanos });
    wire.create_with("c", ChannelSettings { sse_retry: milliseconds(250_000_000), ..Default::default() })
        .await;
    let mut watching = socket.watch("c").await;
    streams(&wire, "c", 1).await;
    socket.broadcast("c", &json!(1)).await;
    assert_eq!(watching.event().await["retry"], 1250);
    let of_the_socket = wire.look_at(&socket.create().await).await.settings.unwrap().sse_retry.unwrap();
    assert_eq!(Duration::try_from(of_the_socket).unwrap(), Duration::from_millis(5), "as in the reference");
}

#[tokio::test]
async fn that_no_more_will_come_is_a_message_at_either_door() {
    let (server, socket) = served();
    let wire = server.listener().await;
    wire.register("c", "other").await;
    let closed = json!({ "event": "_eric_channel_closed", "retry": 3000, "data": null });
    let mut listening = socket.listen("c", "l").await;
    wire.notify_end("c", None).await;
    assert_eq!(listening.event().await, closed);
    // it stays open, as in the reference
    socket.dispatch("c", "l", &json!(1)).await;
    assert_eq!(listening.data().await, 1);

    let to_all = json!({ "v": "b", "c": "c", "t": "_eric_channel_closed" });
    assert_eq!(socket.ask(&to_all).await, "ack");
    assert_eq!(listening.event().await, closed);
    let to_one = json!({ "v": "d", "c": "c", "r": "l", "t": "_eric_channel_closed", "p": null });
    assert_eq!(socket.ask(&to_one).await, "ack");
    assert_eq!(listening.event().await, closed);
    let ends = wire.listen("c", "other").await.take(2).await;
    assert!(ends.iter().all(|end| sent(end).r#type == "_eric_channel_closed"));
    wire.mark("c").await;
    assert_eq!(listening.event().await["event"], "mark", "and nothing more came");
}

async fn refused(socket: &Socket, request: Value, exception: &str, words: &str) {
    let told = socket.ask(&request).await;
    assert!(told.starts_with(&format!("{exception}(")) && told.contains(words), "{told}");
}

#[tokio::test]
async fn what_breaks_a_rule_of_eric_is_an_invalid_message() {
    let (server, socket) = served_with(|config| config.max_payload_bytes = 1000);
    let wire = server.listener().await;
    let of = |kind: Value, payload: Value| json!({ "v": "b", "c": "c", "t": kind, "p": payload });
    for (request, words) in [
        (of(json!("_eric_gap"), Value::Null), "types that begin with"),
        (of(json!("_eric_channel_closed"), json!("bye")), "types that begin with"),
        (of(json!(""), Value::Null), "a message has a type"),
        (of(json!("x".repeat(257)), Value::Null), "at most 256 bytes"),
        (of(json!(5), Value::Null), "a type is text"),
        (of(Value::Null, Value::Null), "a type is text"),
        (of(json!("t"), json!("x".repeat(999))), "at most 1000 bytes"),
    ] {
        refused(&socket, request, "InvalidMessageFormat", words).await;
    }
    socket.broadcast("c", &json!("x".repeat(998))).await;
    wire.mark("c").await;
    assert_eq!(wire.listen("c", "l").await.deliveries_before("mark").await.len(), 1);
}

#[tokio::test]
async fn a_limit_that_the_reference_has_not_is_an_error_of_its_repository() {
    let (server, socket) = served_with(|config| {
        config.max_channels = 2;
        config.max_listeners = 1;
        config.max_streams = 1;
    });
    let wire = server.wire().await;
    let settings = ChannelSettings { max_backlog_messages: Some(1), ..Default::default() };
    wire.create_with("c", settings).await;
    let listener = socket.register("c").await;
    let channel = socket.create().await;
    refused(&socket, json!({ "v": "c" }), "RepositoryError", "max_channels is 2").await;
    refused(&socket, json!({ "v": "r", "c": "c" }), "RepositoryError", "max_listeners is 1").await;
    socket.dispatch("c", &listener, &json!(1)).await;
    let second = json!({ "v": "d", "c": "c", "r": listener, "t": "t" });
    refused(&socket, second, "RepositoryError", "the backlog of listener").await;
    let _watching = socket.watch(&channel).await;
    streams(&wire, &channel, 1).await;
    refused(&socket, json!({ "v": "l", "c": "c", "r": listener }), "RepositoryError", "max_streams is 1")
        .await;
}

#[tokio::test]
async fn who_acknowledges_cannot_be_listened_for_here_and_keeps_its_stream() {
    let (server, socket) = served();
    let wire = server.wire().await;
    wire.create("c").await;
    wire.register_explicit("c", "l").await;
    let mut reader = wire.listen("c", "l").await;
    let listen = json!({ "v": "l", "c": "c", "r": "l" });
    refused(&socket, listen, "InvalidListenerException", "acknowledges").await;
    socket.dispatch("c", "l", &json!(1)).await;
    assert_eq!(sent(&reader.one().await).payload, Some(Payload::Json("1".into())));
}

#[tokio::test]
async fn a_listener_of_dead_letters_is_in_use() {
    let (server, socket) = served();
    let wire = server.listener().await;
    let settings = ChannelSettings { dead_letter_listener: Some("l".into()), ..Default::default() };
    wire.update("c", settings).await;
    refused(&socket, json!({ "v": "rl", "c": "c", "r": "l" }), "InvalidListenerException", "in use").await;
}
