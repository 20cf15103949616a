//! JSON as the contract's descriptors have it, and a little as they do not: in every spelling, and now and then wrong.

use super::super::{json, table::Verb};
use crate::{
    hub::{Incarnation, ResumeToken},
    log::Position,
};
use fastrand::Rng;
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};

/// Of the channel and the listeners on the stage, and some that are nobody's.
const NAMES: [&str; 8] = ["c", "c", "c", "automatic", "explicit", "explicit", "dead", "nobody"];
/// Values that hardly any field takes.
const WRONG: [&str; 12] = [
    "null",
    "{}",
    "[]",
    "\"\"",
    "true",
    "-0",
    "1e400",
    "[[]]",
    "{\"\":{}}",
    "\"\\ud800\"",
    "3.5",
    "\"\\u0000é\"",
];
const NUMBERS: [&str; 12] = [
    "0",
    "1",
    "2",
    "3",
    "7",
    "12",
    "1e1",
    "-1",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "0.0",
];
const DURATIONS: [&str; 8] =
    ["0s", "1s", "2.5s", "0.000000001s", "-1s", "315576000000s", "315576000001s", "60.1s"];
const TIMES: [&str; 4] = [
    "2024-02-29T12:00:00Z",
    "1970-01-01T00:00:00.000000001Z",
    "9999-12-31T23:59:59.999999999Z",
    "0000-00-00T00:00:00Z",
];
const MASKS: [&str; 7] = [
    "maxAttempts",
    "idleTimeout,ackDeadline",
    "",
    "*",
    "backoff.factor",
    "max_attempts",
    "streamDelay,,sseRetry",
];
const TEXTS: [&str; 8] = ["t", "t", "u", "", "_eric_gap", "a b", "\\u00e9\\ud83d\\ude00", "\\u0000"];
const BINARIES: [&str; 5] = ["", "AAE=", "AAE", "-_-_", "A"];
const LEAVES: [&str; 9] =
    ["null", "true", "0", "-7", "1.5", "1e300", "18446744073709551615", "\"\"", "\"é\\n\""];
/// Longer than anything that is told.
const LONG: usize = 5_000;
/// Deeper than any parser follows.
const DEEPEST: usize = 150;

fn one(rng: &mut Rng, of: &[&'static str]) -> &'static str {
    of[rng.usize(0..of.len())]
}

/// The body of a verb's request, or its query.
pub(super) fn request(rng: &mut Rng, verb: &Verb) -> Vec<u8> {
    let of = json::message(&verb.request());
    let in_path: Vec<_> = verb.in_path().collect();
    if verb.has_body() {
        return object(rng, &of, &in_path).into_bytes();
    }
    let mut given = Vec::new();
    for field in verb.parameters().filter(|_| verb.reads()) {
        if rng.bool() {
            let value = single(rng, &field);
            given.push(format!("{}={}", name(rng, &field), value.trim_matches('"')));
        }
    }
    given.join("&").into_bytes()
}

fn name(rng: &mut Rng, field: &FieldDescriptor) -> String {
    if rng.bool() { field.json_name().to_owned() } else { field.name().to_owned() }
}

/// Mostly with what belongs into it.
fn object(rng: &mut Rng, of: &MessageDescriptor, elsewhere: &[&str]) -> String {
    match of.full_name() {
        "google.protobuf.Value" => return any(rng),
        "google.protobuf.Duration" => return quoted(one(rng, &DURATIONS)),
        "google.protobuf.Timestamp" => return quoted(one(rng, &TIMES)),
        "google.protobuf.FieldMask" if rng.u8(0..16) == 0 => return quoted(&"a,".repeat(LONG)),
        "google.protobuf.FieldMask" if rng.u8(0..16) == 0 => return quoted(&"a".repeat(LONG)),
        "google.protobuf.FieldMask" => return quoted(one(rng, &MASKS)),
        _ => {}
    }
    let (mut members, mut taken) = (Vec::new(), Vec::new());
    for field in of.fields() {
        let rare = elsewhere.contains(&field.name())
            || field.containing_oneof().is_some_and(|oneof| taken.contains(&oneof.full_name().to_owned()));
        if rng.u8(0..16) >= if rare { 1 } else { 10 } {
            continue;
        }
        taken.extend(field.containing_oneof().map(|oneof| oneof.full_name().to_owned()));
        members.push(format!("\"{}\":{}", name(rng, &field), value(rng, &field)));
    }
    if !members.is_empty() && rng.u8(0..32) == 0 {
        members.push(members[0].clone());
    }
    rng.shuffle(&mut members);
    format!("{{{}}}", members.join(","))
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn value(rng: &mut Rng, field: &FieldDescriptor) -> String {
    if rng.u8(0..24) == 0 {
        return one(rng, &WRONG).to_owned();
    }
    if field.is_map() {
        let entry = |rng: &mut Rng| format!("\"{}\":\"{}\"", one(rng, &TEXTS), one(rng, &TEXTS));
        let entries: Vec<_> = (0..rng.usize(0..3)).map(|_| entry(rng)).collect();
        return format!("{{{}}}", entries.join(","));
    }
    if field.is_list() {
        let items: Vec<_> = (0..rng.usize(0..4)).map(|_| single(rng, field)).collect();
        return format!("[{}]", items.join(","));
    }
    single(rng, field)
}

fn single(rng: &mut Rng, field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(of) => object(rng, &of, &[]),
        Kind::Enum(of) => constant(rng, &of),
        Kind::Bool => one(rng, &["true", "true", "false"]).to_owned(),
        Kind::String => text(rng, field.name()),
        Kind::Bytes => quoted(one(rng, &BINARIES)),
        Kind::Double
        | Kind::Float
        | Kind::Int32
        | Kind::Int64
        | Kind::Uint32
        | Kind::Uint64
        | Kind::Sint32
        | Kind::Sint64
        | Kind::Fixed32
        | Kind::Fixed64
        | Kind::Sfixed32
        | Kind::Sfixed64 => {
            let number = one(rng, &NUMBERS);
            if rng.bool() { quoted(number) } else { number.to_owned() }
        }
    }
}

fn constant(rng: &mut Rng, of: &EnumDescriptor) -> String {
    let values: Vec<_> = of.values().collect();
    let value = &values[rng.usize(0..values.len())];
    match rng.u8(0..8) {
        0 => value.number().to_string(),
        1 => "99".to_owned(),
        _ => quoted(value.name()),
    }
}

fn text(rng: &mut Rng, name: &str) -> String {
    match name {
        "channel" => quoted(one(rng, &NAMES[..4])),
        "listener" | "dead_letter_listener" => quoted(one(rng, &NAMES[3..])),
        "id" | "sender_id" | "session" => quoted(one(rng, &["", "m", "n", "o", "a b", "p"])),
        "resume_token" if rng.bool() => quoted(&token(rng)),
        "page_token" if rng.bool() => quoted(&format!("p{}", rng.u8(0..9))),
        "resume_token" | "page_token" => quoted(""),
        "json" => serde_json::to_string(&any(rng)).unwrap_or_default(),
        _ if rng.u8(0..64) == 0 => quoted(&"x".repeat(LONG)),
        _ => quoted(one(rng, &TEXTS)),
    }
}

fn token(rng: &mut Rng) -> String {
    let (incarnation, birth) = (Incarnation::from(rng.u64(0..4)), Position(rng.u64(0..4)));
    let turn = std::num::NonZeroU64::new(rng.u64(0..3));
    ResumeToken { incarnation, birth, sequence: Position(rng.u64(0..16)), turn }.to_string()
}

/// JSON of any depth, the deepest of it rarely.
pub(super) fn any(rng: &mut Rng) -> String {
    let depth = if rng.u8(0..16) == 0 { rng.usize(0..DEEPEST) } else { rng.usize(0..4) };
    let mut text = one(rng, &LEAVES).to_owned();
    for _ in 0..depth {
        text = match rng.u8(0..64) {
            0 => format!("{{\"a\":{text},\"a\":{}}}", one(rng, &LEAVES)),
            1..16 => format!("{{\"a\":{text}}}"),
            16..32 => format!("{{\"b\":{},\"\":{text}}}", one(rng, &LEAVES)),
            32..48 => format!("[{text},{}]", one(rng, &LEAVES)),
            _ => format!("[{text}]"),
        };
    }
    text
}
