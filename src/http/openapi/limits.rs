//! What the types of the contract do not say of its fields: ranges, lengths, patterns. The server checks all of them
//! elsewhere; here they are told.

use crate::message::{
    MAX_ATTRIBUTE_KEY_BYTES, MAX_ATTRIBUTE_VALUE_BYTES, MAX_ATTRIBUTES, MAX_TYPE_BYTES, RESERVED_TYPE_PREFIX,
};
use serde_json::{Value, json};

/// The rule of ids.
pub(super) fn id() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 128, "pattern": r"^(?!\.{1,2}$)[A-Za-z0-9._:-]+$"})
}

/// What is told of a field of a request, by the names of its message and its own; a keyword replaces the type's own.
pub(super) fn of(message: &str, field: &str) -> Option<Value> {
    let whole = |least: i64, most: i64| Some(json!({"minimum": least, "maximum": most}));
    let id_or_empty = || Some(json!({"maxLength": 128, "pattern": r"^((?!\.{1,2}$)[A-Za-z0-9._:-]+)?$"}));
    match (message, field) {
        ("CreateChannelRequest", "channel") | ("RegisterRequest" | "NotifyEndRequest", "listener") => {
            Some(id())
        }
        ("Message", "id" | "sender_id") | ("PullRequest", "session") => id_or_empty(),
        ("ChannelSettings", "dead_letter_listener") => id_or_empty(),
        ("Message", "type") => Some(json!({
            "minLength": 1,
            "maxLength": MAX_TYPE_BYTES,
            "pattern": format!("^(?!{RESERVED_TYPE_PREFIX})"),
        })),
        ("Message", "attributes") => Some(json!({
            "maxProperties": MAX_ATTRIBUTES,
            "propertyNames": {"minLength": 1, "maxLength": MAX_ATTRIBUTE_KEY_BYTES},
            "additionalProperties": {"type": "string", "maxLength": MAX_ATTRIBUTE_VALUE_BYTES},
        })),
        (_, "page_size" | "max_messages") => whole(0, i64::from(i32::MAX)),
        ("ChannelSettings", "max_attempts") => whole(1, 1_000_000),
        ("ChannelSettings", "max_backlog_messages") => whole(1, 100_000_000),
        ("ChannelSettings", "max_replay_messages") => whole(0, 100_000_000),
        ("ChannelSettings", "max_backlog_bytes") => whole(1, 1 << 50),
        ("ChannelSettings", "max_replay_bytes") => whole(0, 1 << 50),
        ("Backoff", "factor") => whole(1, 100),
        ("Credit", "max_unacknowledged_messages") => whole(0, 65_536),
        ("Credit", "max_unacknowledged_bytes") | ("PurgeListenerRequest", "through_sequence") => {
            whole(0, i64::MAX)
        }
        ("PullRequest", "types") => Some(json!({
            "maxItems": 64,
            "items": {"type": "string", "minLength": 1, "maxLength": MAX_TYPE_BYTES},
        })),
        (_, "items") => Some(json!({"maxItems": 1024})),
        ("RequeueRequest", "sequences") => Some(json!({
            "maxItems": 1024,
            "items": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+$"}]},
        })),
        ("Message", "ttl") => Some(json!({"pattern": r"^(?!0+(\.0+)?s$)[0-9]{1,11}(\.[0-9]{1,9})?s$"})),
        ("PullRequest", "wait") => Some(json!({"pattern": r"^([1-5]?[0-9](\.[0-9]{1,9})?|60)s$"})),
        (
            "ChannelSettings",
            "stream_delay" | "replay_window" | "idempotency_window" | "sse_retry" | "presence_grace",
        )
        | ("Backoff", "initial" | "maximum") => Some(json!({"pattern": r"^[0-9]{1,6}(\.[0-9]{1,9})?s$"})),
        _ => None,
    }
}

/// The fields that a request must have.
pub(super) fn required(message: &str) -> &'static [&'static str] {
    match message {
        "DispatchRequest" | "BroadcastRequest" => &["message"],
        "Message" => &["type"],
        _ => &[],
    }
}
