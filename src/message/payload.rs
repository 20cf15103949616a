//! What may stand in a payload, and in the other fields whose inside every receiver decodes: one that
//! cannot be decoded would break the stream of everybody it reaches.

use super::{
    InvalidMessage, Payload,
    field::{Field, Fields},
};
use memchr::memchr2_iter;
use prost::Message as _;
use serde::de::IgnoredAny;

pub(super) const JSON: u32 = 7;
pub(super) const VALUE: u32 = 8;
pub(super) const BINARY: u32 = 9;

/// A value stands so many levels deeper in a receiver's stream than alone, rounded up, and parsers stop at 100.
const LEVELS_ABOVE_VALUE: usize = 6;
/// Receivers' parsers recurse, and the strictest that are common stop a little above.
const MAX_JSON_DEPTH: usize = 100;

pub(super) fn check(field: &Field<'_>, max_bytes: usize) -> Result<(), InvalidMessage> {
    let name = name(field.number);
    let bytes = field.bytes(name)?;
    if bytes.len() > max_bytes {
        return Err(InvalidMessage::too_large(name, max_bytes, bytes.len()));
    }
    match field.number {
        JSON => check_json(field.text(name)?),
        VALUE => check_value(bytes),
        _ => Ok(()),
    }
}

/// What a field that holds a payload holds.
pub(super) fn held<'m>(field: &Field<'m>) -> Option<Payload<'m>> {
    let name = name(field.number);
    match field.number {
        JSON => field.text(name).ok().map(Payload::Json),
        VALUE => field.bytes(name).ok().map(Payload::Value),
        BINARY => field.bytes(name).ok().map(Payload::Binary),
        _ => None,
    }
}

fn name(number: u32) -> &'static str {
    match number {
        JSON => "json",
        VALUE => "value",
        _ => "binary",
    }
}

fn check_json(text: &str) -> Result<(), InvalidMessage> {
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| {
        // the place, and nothing of the payload itself
        let place = format!("line {}, column {}", error.line(), error.column());
        InvalidMessage::rule("json", format!("the text is not one JSON value: see {place}"))
    })?;
    if depth(text) > MAX_JSON_DEPTH {
        return Err(InvalidMessage::rule("json", format!("JSON has at most {MAX_JSON_DEPTH} levels")));
    }
    Ok(())
}

/// How deeply sound JSON text nests; what has few brackets is not looked through.
fn depth(text: &str) -> usize {
    if memchr2_iter(b'[', b'{', text.as_bytes()).nth(MAX_JSON_DEPTH).is_none() {
        return 0;
    }
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn check_value(bytes: &[u8]) -> Result<(), InvalidMessage> {
    let description = "the bytes are no google.protobuf.Value, or one that nests too deeply";
    let refused = |_| InvalidMessage::rule("value", description);
    let deep = (0..LEVELS_ABOVE_VALUE / 2).fold(bytes.to_vec(), |value, _| in_list(&value));
    prost_types::Value::decode(&*deep).map(drop).map_err(refused)
}

/// The value that is a list of this one alone: two levels more.
fn in_list(value: &[u8]) -> Vec<u8> {
    const LIST_VALUES: u8 = 1 << 3 | 2;
    const VALUE_LIST: u8 = 6 << 3 | 2;
    put(VALUE_LIST, &put(LIST_VALUES, value))
}

fn put(key: u8, held: &[u8]) -> Vec<u8> {
    let mut field = vec![key];
    prost::encoding::encode_varint(held.len() as u64, &mut field);
    field.extend_from_slice(held);
    field
}

/// From 0001-01-01 to 9999-12-31, as `google/protobuf/timestamp.proto` has it; other languages refuse more.
pub(super) fn check_timestamp(bytes: &[u8], name: &str) -> Result<(), InvalidMessage> {
    let refused = || InvalidMessage::rule(name, "the bytes are no google.protobuf.Timestamp");
    // groups in it could nest more deeply than a receiver's parser goes
    if Fields::of(bytes).any(|field| field.is_err()) {
        return Err(refused());
    }
    let time = prost_types::Timestamp::decode(bytes).map_err(|_| refused())?;
    let sound = (-62_135_596_800..=253_402_300_799).contains(&time.seconds)
        && (0..1_000_000_000).contains(&time.nanos);
    if !sound {
        return Err(InvalidMessage::rule(name, "a time lies between the years 1 and 9999"));
    }
    Ok(())
}

/// How long that is, in milliseconds, rounded up; more than 0.
pub(super) fn check_duration(bytes: &[u8], name: &str) -> Result<u64, InvalidMessage> {
    // the longest that `google/protobuf/duration.proto` has; other languages refuse more
    const MAX_SECONDS: i64 = 315_576_000_000;
    let refused = || InvalidMessage::rule(name, "the bytes are no google.protobuf.Duration");
    if Fields::of(bytes).any(|field| field.is_err()) {
        return Err(refused());
    }
    let time = prost_types::Duration::decode(bytes).map_err(|_| refused())?;
    let sound = (0..=MAX_SECONDS).contains(&time.seconds) && (0..1_000_000_000).contains(&time.nanos);
    if !sound || (time.seconds, time.nanos) == (0, 0) {
        return Err(InvalidMessage::rule(name, "it is longer than 0 s and at most 10,000 years"));
    }
    Ok(time.seconds.unsigned_abs() * 1000 + u64::from(time.nanos.unsigned_abs().div_ceil(1_000_000)))
}
