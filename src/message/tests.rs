//! What is taken as a message, what is refused, and what is kept of it.

use super::*;
use crate::v1;
use proptest::prelude::*;
use prost::Message as _;

const MAX_PAYLOAD: usize = 1024;

fn parse(message: &v1::Message) -> Result<Message, InvalidMessage> {
    Message::parse(&message.encode_to_vec(), MAX_PAYLOAD, 1_700_000_000_000)
}

fn sound() -> v1::Message {
    v1::Message { id: "m-1".into(), r#type: "greeting".into(), ..v1::Message::default() }
}

fn fault(message: &v1::Message) -> (String, Fault) {
    let invalid = parse(message).expect_err("the message is unsound");
    (invalid.field, invalid.fault)
}

fn with_payload(payload: v1::message::Payload) -> v1::Message {
    v1::Message { payload: Some(payload), ..sound() }
}

fn with_json(text: impl Into<String>) -> v1::Message {
    with_payload(v1::message::Payload::Json(text.into()))
}

#[test]
fn the_bytes_are_kept_as_they_were_received() {
    let mut raw = sound().encode_to_vec();
    raw.extend([0xfa, 0x3f, 3, 1, 2, 3]); // field 1,023, which nobody knows
    let message = Message::parse(&raw, MAX_PAYLOAD, 0).expect("unknown fields are kept");
    assert_eq!(message.bytes(), raw);
    assert_eq!((message.id(), message.kind()), ("m-1", "greeting"));
}

#[test]
fn an_id_is_added_where_there_is_none() {
    let message = parse(&v1::Message { id: String::new(), ..sound() }).expect("an id is optional");
    let decoded = v1::Message::decode(message.bytes()).expect("still a message");
    assert_eq!(decoded.id, message.id());
    assert_eq!(uuid::Uuid::parse_str(message.id()).map(|id| id.get_version_num()), Ok(7));
    assert_eq!(decoded.r#type, "greeting");
}

#[test]
fn a_type_is_required_short_and_not_reserved() {
    let typed = |kind: &str| v1::Message { r#type: kind.into(), ..sound() };
    assert_eq!(fault(&typed("")), ("type".into(), Fault::Rule));
    assert_eq!(fault(&typed("_eric_gap")), ("type".into(), Fault::Rule));
    assert_eq!(fault(&typed(&"t".repeat(257))), ("type".into(), Fault::Rule));
    assert!(parse(&typed(&"t".repeat(256))).is_ok());
}

#[test]
fn ids_in_a_message_keep_the_rule_of_ids() {
    assert_eq!(fault(&v1::Message { id: "a b".into(), ..sound() }), ("id".into(), Fault::Rule));
    assert_eq!(fault(&v1::Message { sender_id: "..".into(), ..sound() }), ("sender_id".into(), Fault::Rule));
}

#[test]
fn attributes_are_few_and_short() {
    let with =
        |entries: Vec<(String, String)>| v1::Message { attributes: entries.into_iter().collect(), ..sound() };
    let many = (0..33).map(|n| (n.to_string(), String::new())).collect();
    assert_eq!(fault(&with(many)).0, "attributes");
    assert_eq!(fault(&with(vec![(String::new(), "v".into())])).0, "attributes[0].key");
    assert_eq!(fault(&with(vec![("k".repeat(257), "v".into())])).0, "attributes[0].key");
    assert_eq!(fault(&with(vec![("k".into(), "v".repeat(4097))])).0, "attributes[0].value");
    assert!(parse(&with(vec![("k".repeat(256), "v".repeat(4096))])).is_ok());
}

#[test]
fn a_payload_is_bounded_sound_and_given_once() {
    assert_eq!(fault(&with_json("{nope")), ("json".into(), Fault::Rule));
    assert_eq!(fault(&with_json("1 2")), ("json".into(), Fault::Rule));
    assert_eq!(fault(&with_json("")), ("json".into(), Fault::Rule));
    let big = format!("\"{}\"", "x".repeat(MAX_PAYLOAD - 1));
    assert_eq!(fault(&with_json(big)), ("json".into(), Fault::TooLarge(MAX_PAYLOAD)));
    let fits = format!("\"{}\"", "x".repeat(MAX_PAYLOAD - 2));
    assert!(parse(&with_json(fits)).is_ok());

    let mut twice = with_json("1").encode_to_vec();
    twice.extend(with_payload(v1::message::Payload::Binary(vec![1].into())).encode_to_vec());
    let invalid = Message::parse(&twice, MAX_PAYLOAD, 0).expect_err("two payloads");
    assert_eq!(invalid.field, "payload");
}

#[test]
fn json_that_nests_too_deeply_is_refused_not_a_stack_overflow() {
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert_eq!(fault(&with_json(nested(101))), ("json".into(), Fault::Rule));
    assert!(parse(&with_json(nested(100))).is_ok());
    assert!(
        parse(&with_json(format!("\"\\\"{}\"", "[".repeat(300)))).is_ok(),
        "brackets in text nest nothing"
    );
}

#[test]
fn a_value_that_no_receiver_could_decode_is_refused() {
    let mut raw = sound().encode_to_vec();
    raw.extend([0x42, 2, 0x12, 0xff]); // field 8 holds a number cut short
    let invalid = Message::parse(&raw, MAX_PAYLOAD, 0).expect_err("no value");
    assert_eq!(invalid.field, "value");
}

/// As a receiver gets it, in the deepest of the messages that hold one.
fn in_a_stream(message: &Message) -> Vec<u8> {
    let message = Some(v1::Message::decode(message.bytes()).expect("decodes on its own"));
    let deliveries = vec![v1::Delivery { message, ..v1::Delivery::default() }];
    let batches = vec![v1::Batch { deliveries, ..v1::Batch::default() }];
    v1::ListenResponse { batches, ..v1::ListenResponse::default() }.encode_to_vec()
}

#[test]
fn a_value_that_is_taken_can_be_decoded_in_a_stream_however_deep() {
    use prost_types::{ListValue, Value, value::Kind};
    let mut value = Value { kind: Some(Kind::NullValue(0)) };
    let mut refused = 0;
    for _ in 0..60 {
        value = Value { kind: Some(Kind::ListValue(ListValue { values: vec![value] })) };
        match parse(&with_payload(v1::message::Payload::Value(value.clone()))) {
            Ok(message) => drop(v1::ListenResponse::decode(&*in_a_stream(&message)).expect("decodes")),
            Err(invalid) => {
                assert_eq!(invalid.field, "value");
                refused += 1;
            }
        }
    }
    assert!((1..20).contains(&refused), "{refused} of 60 were refused");
}

#[test]
fn a_field_number_that_no_parser_takes_is_refused() {
    let mut raw = sound().encode_to_vec();
    raw.extend([0x80, 0x80, 0x80, 0x80, 0x10, 0]); // field 2^29, a number
    assert!(v1::Message::decode(&*raw).is_err());
    assert!(Message::parse(&raw, MAX_PAYLOAD, 0).is_err());
}

#[test]
fn a_ttl_is_a_time_longer_than_none() {
    let ttl = |seconds, nanos| v1::Message { ttl: Some(prost_types::Duration { seconds, nanos }), ..sound() };
    let parsed = Message::parse(&ttl(1, 1).encode_to_vec(), MAX_PAYLOAD, 0).expect("sound");
    assert_eq!(parsed.ttl(), Some(std::time::Duration::from_millis(1001)));
    for (seconds, nanos) in [(0, 0), (-1, 0), (0, -1), (1, 1_000_000_000), (i64::MAX, 0), (i64::MIN, 0)] {
        assert_eq!(fault(&ttl(seconds, nanos)), ("ttl".into(), Fault::Rule), "{seconds} s {nanos} ns");
    }
    let mut twice = ttl(1, 0).encode_to_vec();
    twice.extend(v1::Message { ttl: ttl(2, 0).ttl, ..v1::Message::default() }.encode_to_vec());
    assert!(Message::parse(&twice, MAX_PAYLOAD, 0).is_err());
}

#[test]
fn a_message_beyond_every_limit_is_refused_before_it_is_looked_through() {
    let raw = vec![0xff; MAX_PAYLOAD + MAX_BYTES_BESIDE_PAYLOAD + 1];
    let invalid = Message::parse(&raw, MAX_PAYLOAD, 0).expect_err("too large");
    assert!(matches!(invalid.fault, Fault::TooLarge(_)));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_and_what_is_taken_can_be_decoded(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = Message::parse(&raw, MAX_PAYLOAD, 0) {
            let decoded = v1::Message::decode(message.bytes());
            prop_assert!(decoded.is_ok_and(|decoded| decoded.id == message.id() && decoded.r#type == message.kind()));
        }
    }
}
