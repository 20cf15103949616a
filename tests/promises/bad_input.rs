//! Bad input is refused with its own status, reason and named field; nothing is lost, and the server still answers.

mod encoding;
mod ids;

use crate::support::{
    Refused, Wire, listener,
    message::{json, message, numbered, numbers, sent},
    refused,
    wire::{broadcast, error, publication, pull, receipt, subscription},
    within,
};
use eric::v1::{message::Payload, *};
use tonic::{Code, Status};

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
