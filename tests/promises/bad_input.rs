//! Bad input is refused with its own status, reason and named field; nothing is lost, and the server still answers.

use crate::support::{
    Refused, Wire, listener,
    message::{json, message, numbered, numbers, sent, sized},
    raw::{self, field},
    refused,
    wire::{broadcast, error, publication, pull, receipt, subscription},
    within,
};
use bytes::Bytes;
use eric::v1::{message::Payload, *};
use futures_util::{StreamExt as _, stream};
use prost::Message as _;
use tonic::{Code, Status, Streaming};

/// Nothing came of what was refused, and the server still answers.
async fn unharmed(wire: &Wire) {
    wire.mark("c").await;
    let mut reader = wire.listen("c", "l").await;
    assert!(reader.deliveries_before("mark").await.is_empty());
    drop(reader);
    wire.still_answers().await;
}

fn opening<T>(opened: Result<T, Status>) -> Refused {
    Refused::of(&opened.err().expect("it is refused"))
}

/// What every verb that names a channel answers to an id; with the field it stands in.
async fn verbs_of_a_channel(wire: &Wire, id: &str) -> Vec<(&'static str, Refused)> {
    let channel = id.to_owned();
    let (mut call, l) = (wire.call(), || "l".to_owned());
    let mut answers = Vec::new();
    macro_rules! answered {
        ($($verb:ident $Request:ident { $($rest:tt)* },)*) => { $({
            let request = $Request { channel: channel.clone(), $($rest)* };
            answers.push(("channel", refused(call.$verb(request)).await));
        })* };
    }
    answered! {
        get_channel GetChannelRequest {},
        update_channel UpdateChannelRequest { ..Default::default() },
        remove_channel RemoveChannelRequest {},
        register RegisterRequest { ..Default::default() },
        get_listener GetListenerRequest { listener: l() },
        list_listeners ListListenersRequest { ..Default::default() },
        update_listener UpdateListenerRequest { listener: l(), ..Default::default() },
        start_listener StartListenerRequest { listener: l() },
        stop_listener StopListenerRequest { listener: l() },
        purge_listener PurgeListenerRequest { listener: l(), ..Default::default() },
        remove_listener RemoveListenerRequest { listener: l() },
        dispatch DispatchRequest { listener: l(), message: Some(message("t")) },
        broadcast BroadcastRequest { message: Some(message("t")) },
        notify_end NotifyEndRequest { listener: None },
        pull PullRequest { listener: l(), ..Default::default() },
    }
    let listen = opening(wire.try_listen(subscription(id, "l", "")).await);
    answers.push(("subscriptions[0].channel", listen));
    let from = WatchSubscription { channel, ..Default::default() };
    answers.push(("subscriptions[0].channel", opening(wire.try_watch(from).await)));
    let results = wire.batch(vec![publication(id, "l", message("t")), broadcast(id, message("t"))]).await;
    answers.push(("publications[0].channel", error(&results[0])));
    answers.push(("publications[1].channel", error(&results[1])));
    answers
}

/// The same for every verb that names a listener.
async fn verbs_of_a_listener(wire: &Wire, id: &str) -> Vec<(&'static str, Refused)> {
    let listener = id.to_owned();
    let (mut call, channel) = (wire.call(), || "c".to_owned());
    let mut answers = Vec::new();
    macro_rules! answered {
        ($($verb:ident $Request:ident { $($rest:tt)* },)*) => { $({
            let request = $Request { channel: channel(), listener: listener.clone().into(), $($rest)* };
            answers.push(("listener", refused(call.$verb(request)).await));
        })* };
    }
    answered! {
        get_listener GetListenerRequest {},
        update_listener UpdateListenerRequest { ..Default::default() },
        start_listener StartListenerRequest {},
        stop_listener StopListenerRequest {},
        purge_listener PurgeListenerRequest { ..Default::default() },
        remove_listener RemoveListenerRequest {},
        dispatch DispatchRequest { message: Some(message("t")) },
        notify_end NotifyEndRequest {},
        pull PullRequest { ..Default::default() },
    }
    let listen = opening(wire.try_listen(subscription("c", id, "")).await);
    answers.push(("subscriptions[0].listener", listen));
    let results = wire.batch(vec![publication("c", id, message("t"))]).await;
    answers.push(("publications[0].listener", error(&results[0])));
    answers
}

const ILL_FORMED: [&str; 9] = ["", ".", "..", "a b", "a/b", "größe", "a\n", "{}", "a\u{0}"];

#[tokio::test]
async fn an_id_that_is_none_is_refused_by_every_verb() {
    let (_server, wire) = listener().await;
    let too_long = "x".repeat(129);
    for id in ILL_FORMED.into_iter().chain([too_long.as_str()]) {
        for (field, refusal) in verbs_of_a_channel(&wire, id).await {
            refusal.is(Code::InvalidArgument, "INVALID_ID", &[field]);
        }
        for (field, refusal) in verbs_of_a_listener(&wire, id).await {
            refusal.is(Code::InvalidArgument, "INVALID_ID", &[field]);
        }
        let request = CreateChannelRequest { channel: Some(id.into()), ..Default::default() };
        let refusal = refused(wire.call().create_channel(request)).await;
        refusal.is(Code::InvalidArgument, "INVALID_ID", &["channel"]);
        let request =
            RegisterRequest { channel: "c".into(), listener: Some(id.into()), ..Default::default() };
        let refusal = refused(wire.call().register(request)).await;
        refusal.is(Code::InvalidArgument, "INVALID_ID", &["listener"]);
    }
    unharmed(&wire).await;
}

#[tokio::test]
async fn an_id_that_is_unknown_is_not_found_by_every_verb() {
    let (_server, wire) = listener().await;
    for (_, refusal) in verbs_of_a_channel(&wire, "unknown").await {
        refusal.is(Code::NotFound, "CHANNEL_NOT_FOUND", &[]).tells("channel", "unknown");
    }
    for (_, refusal) in verbs_of_a_listener(&wire, "unknown").await {
        refusal.is(Code::NotFound, "LISTENER_NOT_FOUND", &[]);
        refusal.tells("channel", "c").tells("listener", "unknown");
    }
    unharmed(&wire).await;
}

#[tokio::test]
async fn an_id_that_exists_is_refused_unless_that_is_allowed() {
    let (_server, wire) = listener().await;
    let settings = Some(ChannelSettings { max_backlog_messages: Some(7), ..Default::default() });
    let create = |allow_existing| CreateChannelRequest {
        channel: Some("c".into()),
        settings: settings.clone(),
        allow_existing,
    };
    let refusal = refused(wire.call().create_channel(create(false))).await;
    refusal.is(Code::AlreadyExists, "CHANNEL_ALREADY_EXISTS", &[]).tells("channel", "c");
    let answer = within(wire.call().create_channel(create(true))).await.unwrap().into_inner();
    assert!(answer.existed);
    // as it is, whatever its settings
    assert_eq!(answer.channel.unwrap().settings.unwrap().max_backlog_messages, Some(65_536));

    let register = |allow_existing| RegisterRequest {
        channel: "c".into(),
        listener: Some("l".into()),
        allow_existing,
        ..Default::default()
    };
    let refusal = refused(wire.call().register(register(false))).await;
    refusal.is(Code::AlreadyExists, "LISTENER_ALREADY_EXISTS", &[]);
    refusal.tells("channel", "c").tells("listener", "l");
    let birth = wire.listener("c", "l").await.birth;
    let answer = within(wire.call().register(register(true))).await.unwrap().into_inner();
    assert!(answer.existed);
    assert_eq!(answer.listener.unwrap().birth, birth);
    let fresh = CreateChannelRequest { channel: Some("d".into()), ..create(true) };
    assert!(!within(wire.call().create_channel(fresh)).await.unwrap().into_inner().existed);
    unharmed(&wire).await;
}

#[tokio::test]
async fn without_an_id_the_server_makes_one() {
    let (_server, wire) = listener().await;
    let channel = within(wire.call().create_channel(CreateChannelRequest::default())).await.unwrap();
    let channel = channel.into_inner().channel.unwrap().id;
    assert_eq!(uuid::Uuid::parse_str(&channel).unwrap().get_version_num(), 4);
    let request = RegisterRequest { channel: channel.clone(), ..Default::default() };
    let listener = within(wire.call().register(request)).await.unwrap().into_inner().listener.unwrap().id;
    assert_eq!(uuid::Uuid::parse_str(&listener).unwrap().get_version_num(), 4);
    let receipt = wire.dispatch(&channel, &listener, message("t")).await;
    assert_eq!(uuid::Uuid::parse_str(&receipt.message_id).unwrap().get_version_num(), 7);
    let named = wire.dispatch(&channel, &listener, Message { id: "mine".into(), ..message("t") }).await;
    assert_eq!(named.message_id, "mine");
    let ids: Vec<_> = wire.listen(&channel, &listener).await.take(2).await;
    assert_eq!([&sent(&ids[0]).id, &sent(&ids[1]).id], [&receipt.message_id, "mine"]);
}

/// What a message is refused with, by a call of its own and as an item of a batch.
async fn refused_message(wire: &Wire, message: Message) -> Refused {
    let alone = Refused::of(&wire.try_dispatch("c", "l", message.clone()).await.expect_err("it is bad"));
    let broadcasted = Refused::of(&wire.try_broadcast("c", message.clone()).await.expect_err("it is bad"));
    let results = wire.batch(vec![publication("c", "l", numbered(0)), broadcast("c", message)]).await;
    receipt(&results[0]);
    let item = error(&results[1]);
    assert_eq!((alone.code, &alone.reason), (item.code, &item.reason));
    assert_eq!((alone.code, &alone.fields), (broadcasted.code, &broadcasted.fields));
    let within: Vec<_> = alone.fields.iter().map(|field| format!("publications[1].{field}")).collect();
    assert_eq!(within, item.fields);
    let good = wire.pull("c", "l", 10).await.0.deliveries;
    assert_eq!(numbers(&good), [0], "the good one of the batch is accepted, and it alone");
    alone
}

#[tokio::test]
async fn a_message_that_breaks_a_rule_is_refused_by_the_name_of_its_field() {
    let (_server, wire) = listener().await;
    let text = |text: &str| text.to_owned();
    let time = |seconds, nanos| Some(prost_types::Timestamp { seconds, nanos });
    let cases = [
        ("message.type", message("")),
        ("message.type", message(&"x".repeat(257))),
        ("message.type", message("_eric_")),
        ("message.type", message("_eric_channel_closed")),
        ("message.id", Message { id: text("a b"), ..message("t") }),
        ("message.id", Message { id: text(".."), ..message("t") }),
        ("message.sender_id", Message { sender_id: text("größe"), ..message("t") }),
        ("message.attributes[0].key", Message { attributes: [(text(""), text("v"))].into(), ..message("t") }),
        ("message.create_time", Message { create_time: time(i64::MAX, 0), ..message("t") }),
        ("message.create_time", Message { create_time: time(0, -1), ..message("t") }),
        ("message.create_time", Message { create_time: time(0, 1_000_000_000), ..message("t") }),
    ];
    for (field, message) in cases {
        refused_message(&wire, message).await.is(Code::InvalidArgument, "INVALID_MESSAGE", &[field]);
    }
    unharmed(&wire).await;
}

#[tokio::test]
async fn json_that_is_not_json_is_refused() {
    let (_server, wire) = listener().await;
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    let too_deep = deep(101);
    for text in
        ["", " ", "x", "{", "1 2", "{a:1}", "[1,]", "'a'", "NaN", "\u{feff}1", "01", "\"\n\"", &too_deep]
    {
        let refusal = refused_message(&wire, json(text)).await;
        refusal.is(Code::InvalidArgument, "INVALID_MESSAGE", &["message.json"]);
        assert!(text.len() < 5 || !refusal.message.contains(text), "no payload stands in an error");
    }
    unharmed(&wire).await;
    let deepest = deep(100);
    let taken = [
        "null",
        "1",
        "-0.0",
        "1e400",
        " {\"a\" : 12345678901234567890 }\n",
        "\"\\ud83d\\ude00 ä\"",
        &deepest,
    ];
    for text in taken {
        wire.dispatch("c", "l", json(text)).await;
    }
    for (delivery, text) in wire.listen("c", "l").await.take(taken.len()).await.iter().zip(taken) {
        assert_eq!(sent(delivery).payload, Some(Payload::Json(text.into())), "it arrives byte for byte");
    }
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let (_server, wire) = listener().await;
    let request = DispatchRequest { channel: "c".into(), listener: "l".into(), message: None };
    let refusal = refused(wire.call().dispatch(request)).await;
    refusal.is(Code::InvalidArgument, "INVALID_MESSAGE", &["message"]);
    let request = BroadcastRequest { channel: "c".into(), message: None };
    let refusal = refused(wire.call().broadcast(request)).await;
    refusal.is(Code::InvalidArgument, "INVALID_MESSAGE", &["message"]);
    let whole = broadcast("c", message("t"));
    let results = wire
        .batch(vec![
            Publication { message: None, ..whole.clone() },
            Publication { receiver: None, ..whole.clone() },
            Publication { receiver: Some(publication::Receiver::Broadcast(false)), ..whole.clone() },
            Publication { receiver: Some(publication::Receiver::Listener(String::new())), ..whole },
            Publication::default(),
        ])
        .await;
    let expected = [
        ("INVALID_MESSAGE", "publications[0].message"),
        ("INVALID_MESSAGE", "publications[1].receiver"),
        ("INVALID_MESSAGE", "publications[2].receiver"),
        ("INVALID_ID", "publications[3].listener"),
        ("INVALID_ID", "publications[4].channel"),
    ];
    for (result, (reason, field)) in results.iter().zip(expected) {
        error(result).is(Code::InvalidArgument, reason, &[field]);
    }
    let refusal = refused(wire.call().listen(ListenRequest::default())).await;
    refusal.is(Code::InvalidArgument, "INVALID_MESSAGE", &["subscriptions"]);
    let refusal = refused(wire.call().watch(WatchRequest::default())).await;
    refusal.is(Code::InvalidArgument, "INVALID_MESSAGE", &["subscriptions"]);
    unharmed(&wire).await;
}

/// The bytes of a message with its payload twice, which no generated client would send.
fn twice(first: Payload, second: Payload) -> Vec<u8> {
    let half = |payload| Message { payload: Some(payload), ..Message::default() }.encode_to_vec();
    [message("t").encode_to_vec(), half(first), half(second)].concat()
}

fn raw_dispatch(message: &[u8]) -> Bytes {
    [field(1, b"c"), field(2, b"l"), field(3, message)].concat().into()
}

fn raw_batch(message: &[u8]) -> Bytes {
    field(1, &[field(1, b"c"), field(2, b"l"), field(4, message)].concat()).into()
}

#[tokio::test]
async fn a_message_with_its_payload_twice_is_refused() {
    let (_server, wire) = listener().await;
    let value = Payload::Value(prost_types::Value::from(1.0));
    let text = Payload::Json("1".into());
    for (first, second) in [(text.clone(), text.clone()), (value.clone(), value.clone()), (text, value)] {
        let request = raw_dispatch(&twice(first, second));
        let refusal = opening(raw::unary(&wire.channel, "Dispatch", request).await);
        refusal.is(Code::InvalidArgument, "INVALID_MESSAGE", &["message.payload"]);
    }
    unharmed(&wire).await;
}

const NO_PROTOBUF: [&[u8]; 5] = [b"\xff", b"hello", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x05ab", b"\x00\x00"];

#[tokio::test]
async fn bytes_that_are_no_protobuf_are_refused_by_every_verb() {
    let (_server, wire) = listener().await;
    for bytes in NO_PROTOBUF {
        for verb in
            ["CreateChannel", "GetChannel", "Register", "Dispatch", "Broadcast", "PublishBatch", "Pull"]
        {
            let answer = raw::unary(&wire.channel, verb, Bytes::from_static(bytes)).await;
            opening(answer).is(Code::InvalidArgument, "INVALID_MESSAGE", &["request"]);
        }
        for verb in ["Listen", "Watch"] {
            let opened = raw::server_stream(&wire.channel, verb, Bytes::from_static(bytes)).await;
            opening(opened).is(Code::InvalidArgument, "INVALID_MESSAGE", &["request"]);
        }
    }
    unharmed(&wire).await;
}

#[tokio::test]
async fn a_message_that_is_no_protobuf_is_refused_as_a_message() {
    let (_server, wire) = listener().await;
    for bytes in NO_PROTOBUF {
        let answer = raw::unary(&wire.channel, "Dispatch", raw_dispatch(bytes)).await;
        opening(answer).is(Code::InvalidArgument, "INVALID_MESSAGE", &["message"]);
    }
    // the same field of another wire type
    let number = [&[2 << 3][..], &[1]].concat();
    let answer = raw::unary(&wire.channel, "Dispatch", raw_dispatch(&number)).await;
    opening(answer).is(Code::InvalidArgument, "INVALID_MESSAGE", &["message.type"]);
    unharmed(&wire).await;
}

async fn next_raw(answers: &mut Streaming<Bytes>) -> Result<PublishResponse, Status> {
    let answer = within(answers.message()).await?.expect("it is answered");
    Ok(PublishResponse::decode(answer).expect("the server sends protobuf"))
}

#[tokio::test]
async fn a_message_that_is_no_protobuf_leaves_its_publish_stream_alone() {
    let (_server, wire) = listener().await;
    let good: Bytes =
        PublishRequest { publications: vec![publication("c", "l", numbered(1))], stop_at_error: false }
            .encode_to_vec()
            .into();
    let bad = raw_batch(b"hello");
    let requests = vec![good.clone(), bad, good];
    let mut answers = raw::publish(&wire.channel, requests).await.unwrap();
    receipt(&next_raw(&mut answers).await.unwrap().results[0]);
    let refusal = error(&next_raw(&mut answers).await.unwrap().results[0]);
    refusal.is(Code::InvalidArgument, "INVALID_MESSAGE", &["publications[0].message"]);
    receipt(&next_raw(&mut answers).await.unwrap().results[0]);
    assert_eq!(numbers(&wire.listen("c", "l").await.take(2).await), [1, 1]);
}

#[tokio::test]
async fn bytes_that_are_no_protobuf_end_their_publish_stream_behind_the_answers_before_them() {
    let (_server, wire) = listener().await;
    let good: Bytes =
        PublishRequest { publications: vec![publication("c", "l", numbered(1))], stop_at_error: false }
            .encode_to_vec()
            .into();
    for bytes in NO_PROTOBUF {
        let requests = vec![good.clone(), Bytes::from_static(bytes), good.clone()];
        let mut answers = raw::publish(&wire.channel, requests).await.unwrap();
        receipt(&next_raw(&mut answers).await.unwrap().results[0]);
        let refusal = Refused::of(&next_raw(&mut answers).await.unwrap_err());
        refusal.is(Code::InvalidArgument, "INVALID_MESSAGE", &["request"]);
        assert_eq!(wire.pull("c", "l", 10).await.0.deliveries.len(), 1);
    }
    unharmed(&wire).await;
}

#[tokio::test]
async fn a_request_that_is_far_too_large_ends_its_publish_stream_and_no_other() {
    let (_server, wire) = listener().await;
    let batch =
        |message| PublishRequest { publications: vec![publication("c", "l", message)], stop_at_error: false };
    let mut other = wire.publish(stream::iter([batch(numbered(1))]).chain(stream::pending())).await;
    let mut answers = wire.publish(stream::iter([batch(numbered(2)), batch(sized(6 << 20))])).await;
    receipt(&within(answers.message()).await.unwrap().unwrap().results[0]);
    let refusal = Refused::of(&within(answers.message()).await.unwrap_err());
    refusal.is(Code::ResourceExhausted, "MESSAGE_TOO_LARGE", &["request"]).limit("max_batch_bytes");
    receipt(&within(other.message()).await.unwrap().unwrap().results[0]);
    wire.still_answers().await;
}

#[tokio::test]
async fn numbers_out_of_their_range_are_refused() {
    let (_server, wire) = listener().await;
    for size in [-1, i32::MIN] {
        let request = ListChannelsRequest { page_size: size, ..Default::default() };
        let refusal = refused(wire.call().list_channels(request)).await;
        refusal.is(Code::InvalidArgument, "INVALID_SETTING", &["page_size"]);
        let request =
            ListListenersRequest { channel: "c".into(), page_size: size, page_token: String::new() };
        let refusal = refused(wire.call().list_listeners(request)).await;
        refusal.is(Code::InvalidArgument, "INVALID_SETTING", &["page_size"]);
        let request = PullRequest { max_messages: size, ..pull("c", "l") };
        let refusal = refused(wire.call().pull(request)).await;
        refusal.is(Code::InvalidArgument, "INVALID_SETTING", &["max_messages"]);
    }
    for (seconds, nanos) in
        [(-1, 0), (0, -1), (61, 0), (60, 1), (i64::MAX, 0), (i64::MIN, 0), (0, i32::MIN), (1, -5)]
    {
        let wait = Some(prost_types::Duration { seconds, nanos });
        let refusal = refused(wire.call().pull(PullRequest { wait, ..pull("c", "l") })).await;
        refusal.is(Code::InvalidArgument, "INVALID_SETTING", &["wait"]);
    }
    unharmed(&wire).await;
}

#[tokio::test]
async fn values_that_an_enum_does_not_have_are_refused() {
    let (_server, wire) = listener().await;
    let request = RegisterRequest { channel: "c".into(), start_at: 99, ..Default::default() };
    let refusal = refused(wire.call().register(request)).await;
    refusal.is(Code::InvalidArgument, "INVALID_SETTING", &["start_at"]);
    let request = RegisterRequest { channel: "c".into(), acknowledgement_mode: 99, ..Default::default() };
    let refusal = refused(wire.call().register(request)).await;
    refusal.is(Code::InvalidArgument, "INVALID_SETTING", &["acknowledgement_mode"]);
    let from = WatchSubscription { channel: "c".into(), start_at: -1, ..Default::default() };
    let refusal = opening(wire.try_watch(from).await);
    refusal.is(Code::InvalidArgument, "INVALID_SETTING", &["subscriptions[0].start_at"]);
    let asked = Subscription { take_over: 99, ..subscription("c", "l", "") };
    let refusal = opening(wire.try_listen(asked).await);
    refusal.is(Code::InvalidArgument, "INVALID_SETTING", &["subscriptions[0].take_over"]);
    let refusal = refused(wire.call().pull(PullRequest { take_over: 99, ..pull("c", "l") })).await;
    refusal.is(Code::InvalidArgument, "INVALID_SETTING", &["take_over"]);
    assert_eq!(wire.look_at("c").await.listeners, 1);
    unharmed(&wire).await;
}

#[tokio::test]
async fn a_credit_or_a_session_that_is_none_is_refused_by_name() {
    let (_server, wire) = listener().await;
    let credit = |messages, bytes| {
        Some(Credit { max_unacknowledged_messages: messages, max_unacknowledged_bytes: bytes })
    };
    for (asked, field) in [
        (credit(-1, 0), "credit.max_unacknowledged_messages"),
        (credit(65_537, 0), "credit.max_unacknowledged_messages"),
        (credit(i32::MAX, i64::MIN), "credit.max_unacknowledged_messages"),
        (credit(1, -1), "credit.max_unacknowledged_bytes"),
    ] {
        let listen = Subscription { credit: asked, ..subscription("c", "l", "") };
        let refusal = opening(wire.try_listen(listen).await);
        refusal.is(Code::InvalidArgument, "INVALID_SETTING", &[&format!("subscriptions[0].{field}")]);
        let refusal = refused(wire.call().pull(PullRequest { credit: asked, ..pull("c", "l") })).await;
        refusal.is(Code::InvalidArgument, "INVALID_SETTING", &[field]);
    }
    for session in ["..", "a b", "é", &"s".repeat(129)] {
        let listen = Subscription { session: session.to_owned(), ..subscription("c", "l", "") };
        let refusal = opening(wire.try_listen(listen).await);
        refusal.is(Code::InvalidArgument, "INVALID_ID", &["subscriptions[0].session"]);
        let refusal =
            refused(wire.call().pull(PullRequest { session: session.to_owned(), ..pull("c", "l") })).await;
        refusal.is(Code::InvalidArgument, "INVALID_ID", &["session"]);
    }
    unharmed(&wire).await;
}

#[tokio::test]
async fn credit_is_for_listeners_that_acknowledge() {
    let (_server, wire) = listener().await;
    let credit = Some(Credit::default());
    let asked = Subscription { credit, ..subscription("c", "l", "") };
    let refusal = opening(wire.try_listen(asked).await);
    refusal.is(Code::InvalidArgument, "NOT_EXPLICIT", &["subscriptions[0].credit"]);
    let refusal = refused(wire.call().pull(PullRequest { credit, ..pull("c", "l") })).await;
    refusal.is(Code::InvalidArgument, "NOT_EXPLICIT", &["credit"]);
    unharmed(&wire).await;
}

#[tokio::test]
async fn a_token_cut_short_is_refused_and_changes_nothing() {
    let (_server, wire) = listener().await;
    wire.register_explicit("c", "e").await;
    let token = wire.listen("c", "l").await.token;
    for listener in ["l", "e"] {
        for end in 1..token.len() {
            let refused = opening(wire.try_listen(subscription("c", listener, &token[..end])).await);
            let cut = (refused.code, refused.reason.as_str());
            assert_eq!(cut, (Code::InvalidArgument, "RESUME_TOKEN_INVALID"), "{}", &token[..end]);
        }
    }
    unharmed(&wire).await;
}

#[tokio::test]
async fn what_a_message_has_beyond_the_contract_arrives_byte_for_byte() {
    let (_server, wire) = listener().await;
    let known = Message {
        sender_id: "me".into(),
        attributes: [("k".to_owned(), "v".to_owned())].into(),
        payload: Some(Payload::Json("{ \"a\" : 1.50 }".into())),
        ..message("t")
    };
    // unknown fields of every wire type, before, behind and in the middle
    let varint = [&[0x98, 0x06][..], &[0x96, 0x01]].concat();
    let fixed = [&[0xa1, 0x06][..], &1_u64.to_le_bytes()].concat();
    let with_id = |id: &str| {
        let known = Message { id: id.into(), ..known.clone() }.encode_to_vec();
        [varint.clone(), known, field(15, b"unknown"), fixed.clone(), field(1000, &[0; 300])].concat()
    };
    let messages = ["mine", "mine-too"].map(with_id);
    let mut delivered = raw_listen(&wire).await;
    raw::unary(&wire.channel, "Dispatch", raw_dispatch(&messages[0])).await.unwrap();
    let mut answers = raw::publish(&wire.channel, vec![raw_batch(&messages[1])]).await.unwrap();
    next_raw(&mut answers).await.unwrap();
    for message in &messages {
        let part = within(delivered.message()).await.unwrap().unwrap();
        assert!(contains(&part, message), "the bytes of a message are kept");
    }
    drop(delivered);

    // an id is appended where there is none, and nothing else
    let message = [known.encode_to_vec(), field(15, b"unknown")].concat();
    let receipt = raw::unary(&wire.channel, "Dispatch", raw_dispatch(&message)).await.unwrap().into_inner();
    let receipt = DispatchResponse::decode(receipt).unwrap().receipt.unwrap();
    let answer = raw::unary(&wire.channel, "Pull", pull("c", "l").encode_to_vec().into()).await.unwrap();
    let expected = [message, field(1, receipt.message_id.as_bytes())].concat();
    assert!(contains(&answer.into_inner(), &field(1, &expected)));
}

/// A stream whose first part was read.
async fn raw_listen(wire: &Wire) -> Streaming<Bytes> {
    let request = ListenRequest { subscriptions: vec![subscription("c", "l", "")], max_response_bytes: 0 };
    let opened = raw::server_stream(&wire.channel, "Listen", request.encode_to_vec().into()).await;
    let mut parts = opened.expect("the stream opens");
    within(parts.message()).await.expect("it goes on").expect("it says that it is open");
    parts
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
