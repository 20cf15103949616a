//! Bytes as the body of a request: what is read of them, told again.

use super::{
    super::{
        call, json,
        table::{VERBS, Verb},
        usual,
    },
    sound,
};
use crate::{message::Message, verbs::wire};
use bytes::Bytes;
use fastrand::Rng;
use prost::Message as _;
use prost_reflect::{DynamicMessage, ReflectMessage as _};
use serde_json::Value;

/// No byte of JSON takes more in a request: one digit is a double in a value in a list.
const MOST_FOR_A_BYTE: usize = 16;
const LONGEST_DETAIL: usize = 1024;

/// The first byte says of which verb.
pub(super) fn sound(rng: &mut Rng) -> Vec<u8> {
    let verb = rng.usize(0..VERBS.len());
    let mut bytes = vec![verb as u8];
    bytes.extend(sound::request(rng, &VERBS[verb]));
    bytes
}

/// What is taken is told as JSON that reads as the same, and takes no more memory than its body; the short way takes nothing
/// that the descriptors do not, and reads no other thing. What is refused is so in words, and not too many of them.
pub(super) fn body(bytes: &[u8]) {
    let [verb, body @ ..] = bytes else { return };
    let verb = &VERBS[usize::from(*verb) % VERBS.len()];
    let id = |name: &str| verb.in_path().find(|known| *known == name).map(|_| "an-id");
    let short = usual::request(verb.name, body, id);
    let read = match call::of_body(verb, body) {
        Ok(read) => read,
        Err(problem) => {
            let told: Value = serde_json::from_slice(&problem.to_json()).expect("it is JSON");
            assert_eq!((&told["reason"], &told["status"]), (&"INVALID_JSON".into(), &400.into()));
            let detail = told["detail"].as_str().expect("it has words");
            assert!((1..=LONGEST_DETAIL).contains(&detail.len()), "{detail}");
            let refused_later = |short: Bytes| nests_too_deeply(verb, &short);
            assert!(short.is_none_or(refused_later), "the short way takes it: {detail}");
            return;
        }
    };
    let name = verb.request();
    assert!(encoded(&read).len() <= MOST_FOR_A_BYTE * body.len() + 1, "{} bytes", encoded(&read).len());
    let told = json::of_bytes(&name, encoded(&read).into());
    if told == b"{}" && !encoded(&read).is_empty() {
        assert!(nests_too_deeply(verb, &encoded(&read)));
        return;
    }
    json::distinct(&told, &[]).expect("nothing is told twice");
    let again = json::read(json::message(&name), &told).expect("what is told is read");
    let not_equal_to_itself = String::from_utf8_lossy(&told).contains("\"NaN\"");
    assert!(plain(&again) == plain(&read) || not_equal_to_itself, "{}", told.escape_ascii());
    if let Ok(sent) = serde_json::from_slice::<Value>(body) {
        assert_eq!(colons(body), members(&sent), "no object has a member twice");
        assert!(
            verb.in_path().all(|name| sent.get(name).is_none()),
            "what stands in the path stands there alone"
        );
    }
    assert_values_kept(body, &told);
    if let Some(short) = short {
        let mut long = read;
        let short = DynamicMessage::decode(long.descriptor(), short).expect("it is a request");
        for name in verb.in_path() {
            long.set_field_by_name(name, prost_reflect::Value::String("an-id".into()));
        }
        assert!(short == plain(&long), "{}", told.escape_ascii());
    }
}

/// Whether it holds a message that is refused since no receiver could decode it, which is told with its field.
fn nests_too_deeply(verb: &Verb, request: &[u8]) -> bool {
    let publications =
        |batch: wire::PublishBatchRequest| batch.publications.into_iter().map(|it| it.message).collect();
    let messages: Vec<_> = match verb.name {
        "Broadcast" => vec![wire::BroadcastRequest::decode(request).expect("it is one").message],
        "Dispatch" => vec![wire::DispatchRequest::decode(request).expect("it is one").message],
        "PublishBatch" => publications(wire::PublishBatchRequest::decode(request).expect("it is one")),
        other => panic!("{other} has no messages"),
    };
    messages.iter().flatten().any(|raw| {
        let only_value =
            OnlyValue { kind: "t".into(), ..OnlyValue::decode(&**raw).expect("it is a message") };
        let parsed = Message::parse(&only_value.encode_to_vec(), 1 << 20, 0);
        parsed.is_err_and(|invalid| invalid.field == "value")
    })
}

/// A message with nothing else that may be wrong.
#[derive(Clone, PartialEq, prost::Message)]
struct OnlyValue {
    #[prost(string, tag = "2")]
    kind: String,
    #[prost(bytes = "vec", optional, tag = "8")]
    value: Option<Vec<u8>>,
}

fn encoded(message: &DynamicMessage) -> Vec<u8> {
    message.encode_to_vec()
}

/// Without what is there and is as if it were not.
fn plain(message: &DynamicMessage) -> DynamicMessage {
    DynamicMessage::decode(message.descriptor(), &*encoded(message)).expect("it is such a message")
}

/// A payload of JSON is the same one, wherever it stands; numbers are doubles.
fn assert_values_kept(body: &[u8], told: &[u8]) {
    let (Ok(sent), Ok(told)) = (serde_json::from_slice::<Value>(body), serde_json::from_slice::<Value>(told))
    else {
        assert!(body.is_empty(), "what is told is JSON");
        return;
    };
    let mut messages = vec![(&sent["message"], &told["message"])];
    let publications = [&sent, &told].map(|of| of["publications"].as_array().map_or(&[][..], Vec::as_slice));
    messages.extend(
        publications[0].iter().zip(publications[1]).map(|(one, other)| (&one["message"], &other["message"])),
    );
    for (sent, told) in messages {
        if let Some(value) = sent.get("value") {
            assert_eq!(doubles(value), doubles(&told["value"]));
        }
    }
}

/// How many stand outside of texts: one for each member of an object.
fn colons(json: &[u8]) -> usize {
    let (mut colons, mut in_text, mut escaped) = (0, false, false);
    for byte in json {
        match byte {
            b'"' if !escaped => in_text = !in_text,
            b':' if !in_text => colons += 1,
            _ => {}
        }
        escaped = in_text && *byte == b'\\' && !escaped;
    }
    colons
}

fn members(value: &Value) -> usize {
    match value {
        Value::Array(values) => values.iter().map(members).sum(),
        Value::Object(object) => object.values().map(|value| 1 + members(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn doubles(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(values) => values.iter().map(doubles).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), doubles(value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}
