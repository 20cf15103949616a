//! What is taken here means what the descriptors make of it.

use super::{super::json, *};
use crate::v1::publish_result::Outcome;
use proptest::{bool, collection::vec, num, option, prelude::*, sample::select};
use prost_reflect::Value as Reflected;
use serde_json::{Map, Value, json};

fn in_path(name: &str) -> Option<&'static str> {
    let known = [("channel", "c"), ("listener", "l")];
    known.iter().find(|(known, _)| *known == name).map(|(_, id)| *id)
}

/// The bytes of a request, by the descriptors.
fn by_descriptors(verb: &str, body: &[u8]) -> Result<Vec<u8>, String> {
    let path: &[&str] = match verb {
        "Broadcast" => &["channel"],
        "Dispatch" => &["channel", "listener"],
        _ => &[],
    };
    json::distinct(body, path)?;
    let mut asked = json::read(json::message(&format!("eric.v1.{verb}Request")), body)?;
    for name in path {
        asked.set_field_by_name(name, Reflected::String(in_path(name).unwrap().into()));
    }
    Ok(asked.encode_to_vec())
}

fn same<M: prost::Message + Default + PartialEq + std::fmt::Debug>([one, other]: [&[u8]; 2]) {
    assert_eq!(M::decode(one).unwrap(), M::decode(other).unwrap());
}

/// Tells whether it is a usual one.
fn assert_same(verb: &str, body: &[u8]) -> bool {
    let Some(here) = request(verb, body, in_path) else { return false };
    let there = by_descriptors(verb, body)
        .unwrap_or_else(|error| panic!("{verb} {}: {error}", String::from_utf8_lossy(body)));
    match verb {
        "Broadcast" => same::<v1::BroadcastRequest>([&here, &there]),
        "Dispatch" => same::<v1::DispatchRequest>([&here, &there]),
        _ => same::<v1::PublishBatchRequest>([&here, &there]),
    }
    true
}

fn anything() -> impl Strategy<Value = Value> {
    let numbers =
        select(vec![json!(0), json!(-7), json!(1.5), json!(u64::MAX), json!(i64::MIN), json!(1e300)]);
    let texts = select(vec![Value::Null, json!(""), json!("é\u{0}\n\"")]);
    let leaf = prop_oneof![numbers, texts, bool::ANY.prop_map(Value::Bool)];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let members = vec((select(vec!["a", "b", ""]), inner.clone()), 0..3);
        let object = |members: Vec<(&str, Value)>| {
            members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
        };
        prop_oneof![
            vec(inner, 0..3).prop_map(Value::Array),
            members.prop_map(move |members| Value::Object(object(members))),
        ]
    })
}

/// A message in which much is as it should be.
fn message() -> impl Strategy<Value = Value> {
    let text = select(vec![json!(""), json!("t"), json!("ü\u{1F600}"), Value::Null, json!(5)]);
    let name = select(vec!["id", "type", "senderId", "sender_id", "json", "ttl", "attributes", "typ"]);
    let field = prop_oneof![
        6 => (name, text),
        2 => (Just("value"), anything()),
        2 => (Just("attributes"), anything()),
        1 => (Just("attributes"), Just(json!({"a": "b", "": ""}))),
        1 => (Just("ttl"), Just(json!("1.5s"))),
        1 => (Just("binary"), Just(json!("AAE="))),
    ];
    vec(field, 0..4).prop_map(|fields| {
        Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    })
}

fn publication() -> impl Strategy<Value = Value> {
    let broadcast = option::of(select(vec![json!(true), json!(false), Value::Null]));
    let listener = option::of(select(vec![json!("l"), Value::Null]));
    (message(), broadcast, listener).prop_map(|(message, broadcast, listener)| {
        let mut object =
            Map::from_iter([("channel".to_owned(), json!("c")), ("message".to_owned(), message)]);
        object.extend(broadcast.map(|it| ("broadcast".to_owned(), it)));
        object.extend(listener.map(|it| ("listener".to_owned(), it)));
        Value::Object(object)
    })
}

const BODY: &str =
    r#"{"message": {"id": "i", "type": "t", "attributes": {"a": "b"}, "value": [1, {"x": null}]}}"#;

proptest! {
    #[test]
    fn what_is_usual_means_the_same(
        message in message(),
        publications in vec(publication(), 0..3),
        stop in bool::ANY,
    ) {
        let body = json!({"message": message}).to_string();
        for verb in ["Broadcast", "Dispatch"] {
            assert_same(verb, body.as_bytes());
        }
        let body = json!({"publications": publications, "stopAtError": stop}).to_string();
        assert_same("PublishBatch", body.as_bytes());
    }

    #[test]
    fn nothing_else_is_taken_for_it(it in anything()) {
        let bodies = [
            it.clone(),
            json!([it, null]),
            json!({"message": it}),
            json!({"message": [it, null, null, null, null, null]}),
            json!({"publications": it}),
            json!({"publications": [it]}),
            json!({"publications": [[it, null, null, null]]}),
        ];
        for (verb, body) in ["Broadcast", "Dispatch", "PublishBatch"].iter().flat_map(|verb| bodies.iter().map(move |body| (*verb, body))) {
            assert_same(verb, body.to_string().as_bytes());
        }
    }

    #[test]
    fn no_bytes_mean_another_thing(place in 0..BODY.len(), byte in num::u8::ANY) {
        let mut body = BODY.as_bytes().to_vec();
        body[place] = byte;
        assert_same("Broadcast", &body);
    }

    #[test]
    fn a_receipt_reads_as_the_descriptors_write_it(
        message_id in ".*",
        sequence in num::i64::ANY,
        receivers in option::of(num::i64::ANY),
        duplicate in bool::ANY,
    ) {
        let receipt = v1::Receipt { message_id, sequence, receivers, duplicate };
        let told = v1::BroadcastResponse { receipt: Some(receipt.clone()) };
        assert_told("Broadcast", told.encode_to_vec());
        let result = v1::PublishResult { outcome: Some(Outcome::Receipt(receipt)) };
        assert_told("PublishBatch", v1::PublishBatchResponse { results: vec![result; 2] }.encode_to_vec());
    }
}

fn assert_told(verb: &str, bytes: Vec<u8>) {
    let here: Value = serde_json::from_slice(&answer(verb, &bytes).unwrap()).unwrap();
    let there = json::of_bytes(&format!("eric.v1.{verb}Response"), bytes.into());
    assert_eq!(here, serde_json::from_slice::<Value>(&there).unwrap());
}

#[test]
fn what_is_sent_most_is_usual() {
    let usual = [
        ("Broadcast", r#"{"message": {"type": "t", "json": "{}"}}"#),
        ("Broadcast", "{}"),
        ("Broadcast", BODY),
        ("Dispatch", r#"{"message": {"id": "1", "senderId": "s", "value": {"a": [null]}}}"#),
        (
            "PublishBatch",
            r#"{"publications": [{"channel": "c", "broadcast": true, "message": {"value": null}}]}"#,
        ),
        ("PublishBatch", r#"{"publications": [{"channel": "c", "listener": "l"}], "stop_at_error": true}"#),
    ];
    for (verb, body) in usual {
        assert!(assert_same(verb, body.as_bytes()), "{body}");
    }
}

#[test]
fn what_is_not_is_left_to_others() {
    let unusual = [
        r#"{"message": {"id": "1", "id": "2"}}"#,
        r#"{"message": {"attributes": {"a": "1", "a": "2"}}}"#,
        r#"{"message": {"value": {"a": 1, "a": 2}}}"#,
        r#"{"message": {"json": "1", "value": 1}}"#,
        r#"{"message": {"ttl": "1s"}}"#,
        r#"{"message": {"senderId": "a", "sender_id": "b"}}"#,
        r#"{"message": {}, "channel": "c"}"#,
        r#"{"message": {}} {}"#,
        "[]",
        "[null]",
        r#"{"message": []}"#,
        r#"{"message": ["i", "t", null, null, null, null]}"#,
        "",
    ];
    for body in unusual {
        assert!(request("Broadcast", body.as_bytes(), in_path).is_none(), "{body}");
    }
    let both = r#"{"publications": [{"listener": "l", "broadcast": true}]}"#;
    let lists = r#"{"publications": [["c", "l", null, null]]}"#;
    for body in [both, lists, "[null, null]"] {
        assert!(request("PublishBatch", body.as_bytes(), in_path).is_none(), "{body}");
    }
    assert!(request("CreateChannel", b"{}", in_path).is_none());
    let failed = v1::PublishResult { outcome: Some(Outcome::Error(Default::default())) };
    let answered = v1::PublishBatchResponse { results: vec![failed] }.encode_to_vec();
    assert!(answer("PublishBatch", &answered).is_none());
}
