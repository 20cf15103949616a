//! Every limit is refused at its own place, with its own reason and name, and what is at the limit is taken.

use crate::support::{
    Event, Reader, Refused, TestServer, Wire, listener,
    message::{message, numbered, numbers, sized},
    reader::told,
    refused, until,
    wire::{broadcast, error, publication, pull, receipts, subscription},
    within,
};
use eric::v1::{
    ChannelSettings, CreateChannelRequest, GapReason, ListenRequest, Message, Overflow, PublishBatchRequest,
    PullRequest, RegisterRequest, Subscription, WatchSubscription, message::Payload,
};
use tonic::Code;

async fn refused_message(wire: &Wire, message: Message) -> Refused {
    Refused::of(&wire.try_dispatch("c", "l", message).await.expect_err("it is too much"))
}

#[tokio::test]
async fn the_server_tells_its_limits() {
    let server = TestServer::start();
    let limits = server.wire().await.server().await.limits.unwrap();
    assert_eq!((limits.max_payload_bytes, limits.max_batch_messages), (1 << 20, 1024));
    assert_eq!((limits.max_batch_bytes, limits.max_log_bytes), (4 << 20, 1 << 30));
    assert_eq!((limits.max_channels, limits.max_listeners, limits.max_streams), (10_000, 1_000_000, 10_000));
}

#[tokio::test]
async fn a_payload_has_its_limit() {
    let server = TestServer::with(|config| config.max_payload_bytes = 1000);
    let wire = server.listener().await;
    let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    let value = |bytes: usize| prost_types::Value {
        kind: Some(prost_types::value::Kind::StringValue("x".repeat(bytes - 3))),
    };
    let payloads = |bytes: usize| {
        [
            ("message.binary", Payload::Binary(vec![0; bytes].into())),
            ("message.json", Payload::Json(text(bytes))),
            ("message.value", Payload::Value(value(bytes))),
        ]
    };
    for (_, payload) in payloads(1000) {
        wire.dispatch("c", "l", Message { payload: Some(payload), ..message("t") }).await;
    }
    for (field, payload) in payloads(1001) {
        let refused = refused_message(&wire, Message { payload: Some(payload), ..message("t") }).await;
        refused.is(Code::ResourceExhausted, "MESSAGE_TOO_LARGE", &[field]).limit("max_payload_bytes");
    }
    wire.mark("c").await;
    assert_eq!(wire.listen("c", "l").await.deliveries_before("mark").await.len(), 3);
}

#[tokio::test]
async fn the_default_payload_is_a_mebibyte_and_comes_through_every_door() {
    let (_server, wire) = listener().await;
    let mut reader = wire.listen("c", "l").await;
    wire.dispatch("c", "l", sized(1 << 20)).await;
    receipts(&wire.batch(vec![broadcast("c", sized(1 << 20))]).await);
    reader.take(2).await;
    refused_message(&wire, sized((1 << 20) + 1)).await.limit("max_payload_bytes");
}

#[tokio::test]
async fn a_message_has_its_limit_beside_its_payload() {
    let (_server, wire) = listener().await;
    let attributes = |count: usize, key: usize, value: usize| Message {
        attributes: (0..count).map(|n| (format!("{n:0key$}"), "v".repeat(value))).collect(),
        ..message("t")
    };
    let with = |change: fn(&mut Message, String)| {
        move |bytes: usize| {
            let mut made = message("t");
            change(&mut made, "x".repeat(bytes));
            made
        }
    };
    wire.dispatch("c", "l", attributes(32, 256, 4096)).await;
    for (count, key, value, field) in [
        (33, 2, 0, "message.attributes"),
        (1, 257, 0, "message.attributes[0].key"),
        (1, 1, 4097, "message.attributes[0].value"),
    ] {
        let refused = refused_message(&wire, attributes(count, key, value)).await;
        refused.is(Code::InvalidArgument, "INVALID_MESSAGE", &[field]);
    }
    let kind = with(|message, text| message.r#type = text);
    wire.dispatch("c", "l", kind(256)).await;
    refused_message(&wire, kind(257)).await.is(Code::InvalidArgument, "INVALID_MESSAGE", &["message.type"]);
    let id = with(|message, text| message.id = text);
    wire.dispatch("c", "l", id(128)).await;
    refused_message(&wire, id(129)).await.is(Code::InvalidArgument, "INVALID_MESSAGE", &["message.id"]);
    let sender = with(|message, text| message.sender_id = text);
    wire.dispatch("c", "l", sender(128)).await;
    let refused = refused_message(&wire, sender(129)).await;
    refused.is(Code::InvalidArgument, "INVALID_MESSAGE", &["message.sender_id"]);
    wire.mark("c").await;
    assert_eq!(wire.listen("c", "l").await.deliveries_before("mark").await.len(), 4);
}

#[tokio::test]
async fn an_id_has_at_most_128_bytes() {
    let server = TestServer::start();
    let wire = server.wire().await;
    let (longest, longer) = ("x".repeat(128), "x".repeat(129));
    wire.create(&longest).await;
    wire.register(&longest, &longest).await;
    let request = CreateChannelRequest { channel: Some(longer.clone()), ..Default::default() };
    let refusal = refused(wire.call().create_channel(request)).await;
    refusal.is(Code::InvalidArgument, "INVALID_ID", &["channel"]);
    let request = RegisterRequest { channel: longest, listener: Some(longer), ..Default::default() };
    let refusal = refused(wire.call().register(request)).await;
    refusal.is(Code::InvalidArgument, "INVALID_ID", &["listener"]);
}

#[tokio::test]
async fn channels_are_limited_and_a_removal_makes_room() {
    let server = TestServer::with(|config| config.max_channels = 2);
    let wire = server.wire().await;
    wire.create("a").await;
    wire.create("b").await;
    let request = |allow_existing, id: &str| CreateChannelRequest {
        channel: Some(id.to_owned()),
        allow_existing,
        ..Default::default()
    };
    let refusal = refused(wire.call().create_channel(request(false, "c"))).await;
    refusal.is(Code::ResourceExhausted, "CHANNEL_LIMIT", &[]).limit("max_channels").tells("value", "2");
    assert!(within(wire.call().create_channel(request(true, "a"))).await.unwrap().into_inner().existed);
    wire.remove_channel("a").await;
    wire.create("c").await;
    assert_eq!(wire.server().await.channels, 2);
}

#[tokio::test]
async fn listeners_are_limited_in_all_channels_together_and_a_removal_makes_room() {
    let server = TestServer::with(|config| config.max_listeners = 2);
    let wire = server.wire().await;
    for channel in ["c", "d"] {
        wire.create(channel).await;
        wire.register(channel, "l").await;
    }
    let request = RegisterRequest { channel: "c".into(), ..Default::default() };
    let refusal = refused(wire.call().register(request)).await;
    refusal.is(Code::ResourceExhausted, "LISTENER_LIMIT", &[]).limit("max_listeners").tells("value", "2");
    wire.remove("c", "l").await;
    wire.register("c", "m").await;
    wire.remove_channel("d").await;
    wire.register("c", "n").await;
    assert_eq!(wire.server().await.listeners, 2);
}

#[tokio::test]
async fn streams_are_limited_and_an_end_makes_room() {
    let server = TestServer::with(|config| config.max_streams = 2);
    let wire = server.listener().await;
    let (listen, watch) = (wire.listen("c", "l").await, wire.watch("c").await);
    assert_eq!(wire.server().await.streams, 2);
    let from = WatchSubscription { channel: "c".into(), ..Default::default() };
    let status = wire.try_watch(from).await.err().expect("it is one too many");
    let refusal = Refused::of(&status);
    refusal.is(Code::ResourceExhausted, "STREAM_LIMIT", &[]).limit("max_streams").tells("value", "2");
    assert!(refusal.retry.is_some());
    wire.register("c", "other").await;
    let status = wire.try_listen(subscription("c", "other", "")).await.err().expect("it is one too many");
    Refused::of(&status).is(Code::ResourceExhausted, "STREAM_LIMIT", &[]);
    drop(watch);
    until(async || wire.server().await.streams == 1).await;
    let _other = wire.listen("c", "other").await;
    drop(listen);
}

#[tokio::test]
async fn connections_are_limited() {
    let server = TestServer::with(|config| config.max_connections = 2);
    let (one, two) = (server.wire().await, server.wire().await);
    one.server().await;
    two.server().await;
    let third = tonic::transport::Endpoint::from_shared(server.url()).unwrap().connect_lazy();
    let mut third = eric::v1::dispatcher_service_client::DispatcherServiceClient::new(third);
    assert!(within(third.get_server(eric::v1::GetServerRequest {})).await.is_err());
    one.still_answers().await;
    drop((one, two));
    until(async || third.clone().get_server(eric::v1::GetServerRequest {}).await.is_ok()).await;
}

#[tokio::test]
async fn a_batch_has_at_most_so_many_publications() {
    let server = TestServer::with(|config| config.max_batch_messages = 5);
    let wire = server.listener().await;
    let batch = |count: i64| (0..count).map(|n| publication("c", "l", numbered(n))).collect::<Vec<_>>();
    assert_eq!(receipts(&wire.batch(batch(5)).await).len(), 5);
    let results = wire.batch(batch(6)).await;
    assert_eq!(results.len(), 6);
    for result in &results {
        let refusal = error(result);
        refusal.is(Code::InvalidArgument, "BATCH_TOO_LARGE", &["publications"]).limit("max_batch_messages");
    }
    wire.mark("c").await;
    let deliveries = wire.listen("c", "l").await.deliveries_before("mark").await;
    assert_eq!(numbers(&deliveries), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_batch_has_at_most_so_many_bytes() {
    let server = TestServer::with(|config| {
        config.max_batch_bytes = 10_000;
        config.max_payload_bytes = 5_000;
    });
    let wire = server.listener().await;
    let batch = |bytes: usize| vec![publication("c", "l", sized(bytes)), publication("c", "l", sized(bytes))];
    assert_eq!(receipts(&wire.batch(batch(4_900)).await).len(), 2);
    for result in wire.batch(batch(5_000)).await {
        let refusal = error(&result);
        assert_eq!((refusal.code, refusal.reason.as_str()), (Code::InvalidArgument, "BATCH_TOO_LARGE"));
        refusal.limit("max_batch_bytes");
    }
    assert_eq!(wire.listener("c", "l").await.backlog_messages, 2);
}

#[tokio::test]
async fn a_request_beyond_all_limits_is_refused_as_a_whole() {
    let server = TestServer::with(|config| {
        config.max_batch_bytes = 10_000;
        config.max_payload_bytes = 5_000;
    });
    let wire = server.listener().await;
    let beyond = 10_000 + (1 << 20) + 1;
    let refusal = refused_message(&wire, sized(beyond)).await;
    refusal.is(Code::ResourceExhausted, "MESSAGE_TOO_LARGE", &["request"]).limit("max_batch_bytes");
    let publications = vec![publication("c", "l", sized(beyond))];
    let request = PublishBatchRequest { publications, stop_at_error: false };
    let refusal = refused(wire.call().publish_batch(request)).await;
    refusal.is(Code::ResourceExhausted, "MESSAGE_TOO_LARGE", &["request"]);
    let types = vec!["x".repeat(beyond)];
    let status = wire.try_listen(Subscription { types, ..subscription("c", "l", "") }).await;
    let refusal = Refused::of(&status.err().expect("it is too large"));
    refusal.is(Code::ResourceExhausted, "MESSAGE_TOO_LARGE", &["request"]);
    wire.still_answers().await;
}

#[tokio::test]
async fn a_response_is_never_larger_than_was_asked() {
    let server = TestServer::with(|config| config.max_payload_bytes = 10_000);
    let wire = server.listener().await;
    let listen = |max_response_bytes| ListenRequest {
        subscriptions: vec![subscription("c", "l", "")],
        max_response_bytes,
    };
    for bytes in [-1, i32::MIN, 1, 10_000, (64 << 20) + 1, i32::MAX] {
        let refusal = refused(wire.call().listen(listen(bytes))).await;
        refusal.is(Code::InvalidArgument, "INVALID_SETTING", &["max_response_bytes"]);
        let request = PullRequest { max_response_bytes: bytes, ..pull("c", "l") };
        let refusal = refused(wire.call().pull(request)).await;
        refusal.is(Code::InvalidArgument, "INVALID_SETTING", &["max_response_bytes"]);
    }
    let least = 300_000;
    wire.dispatch_all("c", "l", (0..200).map(|_| sized(9_000))).await;
    let stream = within(wire.call().listen(listen(least))).await.unwrap().into_inner();
    let mut reader = Reader::of_listen(stream).await.unwrap();
    let mut count = 0;
    while count < 200 {
        let part = reader.part().await.unwrap().unwrap();
        assert!(prost::Message::encoded_len(&part) <= usize::try_from(least).unwrap());
        count += part.batches.iter().map(|batch| batch.deliveries.len()).sum::<usize>();
    }
}

#[tokio::test]
async fn a_subscription_names_at_most_64_types() {
    let (_server, wire) = listener().await;
    let listen = |types: Vec<String>| Subscription { types, ..subscription("c", "l", "") };
    assert!(wire.try_listen(listen(vec!["t".repeat(256); 64])).await.is_ok());
    for types in [vec!["t".to_owned(); 65], vec![String::new()], vec!["t".repeat(257)]] {
        let status = wire.try_listen(listen(types)).await.err().expect("it is too much");
        Refused::of(&status).is(Code::InvalidArgument, "INVALID_SETTING", &["subscriptions[0].types"]);
    }
}

/// What a message of these tests holds, and takes in the log beside it.
const BYTES: usize = 10_000;
const LOG: u64 = 400_000;

fn full() -> TestServer {
    TestServer::with(|config| {
        config.max_log_bytes = Some(LOG);
        config.max_payload_bytes = 20_000;
    })
}

#[tokio::test]
async fn at_the_limit_of_the_log_windows_go_first() {
    let server = full();
    let wire = server.listener().await;
    wire.create("window").await;
    wire.register("window", "l").await;
    let mut reader = wire.listen("window", "l").await;
    for n in 0..20 {
        match n % 2 {
            0 => wire.broadcast("window", sized(BYTES)).await,
            _ => wire.dispatch("window", "l", sized(BYTES)).await,
        };
    }
    reader.take(20).await;
    let held = wire.server().await.log_bytes;
    assert!(held > 20 * BYTES as i64, "windows are kept while there is room: {held}");
    // as much as there is room for, once windows have gone
    for _ in 0..18 {
        wire.broadcast("c", sized(BYTES)).await;
        wire.dispatch("c", "l", sized(BYTES)).await;
        assert!(wire.server().await.log_bytes <= LOG as i64);
    }
    wire.mark("c").await;
    assert_eq!(wire.listen("c", "l").await.deliveries_before("mark").await.len(), 36, "none was lost");
}

#[tokio::test]
async fn at_the_limit_of_the_log_the_oldest_broadcasts_go_as_a_gap() {
    let server = full();
    let wire = server.listener().await;
    wire.create("d").await;
    wire.register("d", "l").await;
    for n in 0..100 {
        wire.broadcast(if n < 50 { "c" } else { "d" }, sized(BYTES)).await;
        assert!(wire.server().await.log_bytes <= LOG as i64);
    }
    for channel in ["c", "d"] {
        wire.mark(channel).await;
    }
    let mut reader = wire.listen("c", "l").await;
    let gap = reader.gap().await;
    assert_eq!(gap.reason(), GapReason::Trimmed);
    let lost = gap.count.unwrap();
    let rest = reader.deliveries_before("mark").await.len() as i64;
    assert_eq!(lost + rest, 50);
    assert_eq!(wire.listener("c", "l").await.lost_messages, lost);
    // the older ones went first
    let events = wire.listen("d", "l").await.before("mark").await;
    assert_eq!(told(&events), 50);
    assert!(rest == 0 || !events.iter().any(|event| matches!(event, Event::Gap(_))));
}

#[tokio::test]
async fn the_log_is_full_only_when_the_rest_was_promised() {
    let server = full();
    let wire = server.listener().await;
    let strict =
        ChannelSettings { broadcast_overflow: Some(Overflow::RejectNew.into()), ..Default::default() };
    wire.create_with("strict", strict).await;
    wire.register("strict", "l").await;
    // these give way
    for _ in 0..20 {
        wire.broadcast("c", sized(BYTES)).await;
    }
    let mut accepted = 0;
    let status = loop {
        let sent = match accepted % 2 {
            0 => wire.try_dispatch("c", "l", sized(BYTES)).await,
            _ => wire.try_broadcast("strict", sized(BYTES)).await,
        };
        match sent {
            Ok(_) => accepted += 1,
            Err(status) => break status,
        }
    };
    let refusal = Refused::of(&status);
    refusal.is(Code::ResourceExhausted, "LOG_FULL", &[]).limit("max_log_bytes");
    refusal.tells("limit", "max_log_bytes").tells("value", &LOG.to_string());
    assert!(refusal.retry.is_some());
    assert_eq!(accepted, 39, "everything else has given way");
    assert!(wire.server().await.log_bytes <= LOG as i64);
    for sent in [wire.try_broadcast("c", sized(BYTES)).await, wire.try_dispatch("c", "l", sized(BYTES)).await]
    {
        Refused::of(&sent.unwrap_err()).is(Code::ResourceExhausted, "LOG_FULL", &[]);
    }

    // what is delivered makes room
    let mut reader = wire.listen("c", "l").await;
    reader.gap_of(GapReason::Trimmed, Some(20)).await;
    reader.take(20).await;
    wire.dispatch("c", "l", message("again")).await;
    wire.mark("c").await;
    assert_eq!(reader.deliveries_before("mark").await.len(), 1);
    assert_eq!(wire.listener("strict", "l").await.backlog_messages, 19);
}
