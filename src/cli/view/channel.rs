//! Channels, and their settings.

use super::{
    super::output::{Shown, size, table, time},
    Row, as_value, duration, seconds, short,
};
use crate::client::{Channel, ChannelSettings, Created, Overflow, Redelivery, RedeliveryBackoff};
use serde::Serialize;
use serde_json::{Value, json};

impl Shown for Channel {
    fn text(&self) -> String {
        let mut rows = vec![
            ("channel", self.id.clone()),
            ("created", time(self.create_time)),
            ("birth", self.birth.to_string()),
            ("last sequence", self.last_sequence.to_string()),
            ("accepted messages", self.accepted_messages.to_string()),
            ("listeners", self.listeners.to_string()),
            ("streams", self.streams.to_string()),
            ("kept broadcasts", format!("{}, {}", self.kept_broadcasts, size(self.kept_broadcast_bytes))),
        ];
        rows.extend(settings_rows(&self.settings));
        table(&rows)
    }

    fn json(&self) -> impl Serialize {
        json!({
            "id": self.id,
            "birth": self.birth,
            "createTime": time(self.create_time),
            "settings": settings_json(&self.settings),
            "listeners": self.listeners,
            "streams": self.streams,
            "lastSequence": self.last_sequence,
            "acceptedMessages": self.accepted_messages,
            "keptBroadcasts": self.kept_broadcasts,
            "keptBroadcastBytes": self.kept_broadcast_bytes,
        })
    }
}

/// What was created: its id alone as text, for `id=$(eric channel create)`.
impl Shown for Created<Channel> {
    fn text(&self) -> String {
        self.item.id.clone()
    }

    fn json(&self) -> impl Serialize {
        json!({ "channel": as_value(&self.item), "existed": self.existed })
    }
}

/// The title of [`Row`]s of channels.
pub(crate) const CHANNELS: &str =
    "CHANNEL                               LISTENERS   STREAMS  LAST SEQUENCE  CREATED";

impl Shown for Row<'_, Channel> {
    fn text(&self) -> String {
        let Channel { id, listeners, streams, last_sequence, create_time, .. } = self.0;
        format!("{id:<36}  {listeners:>9} {streams:>9} {last_sequence:>14}  {}", time(*create_time))
    }

    fn json(&self) -> impl Serialize {
        serde_json::to_value(self.0.json()).unwrap_or_default()
    }
}

fn settings_rows(settings: &ChannelSettings) -> Vec<(&'static str, String)> {
    let number = |value: Option<i64>| value.map(|value| value.to_string());
    let bytes = |value: Option<i64>| value.map(size);
    let rows = [
        ("stream delay", settings.stream_delay.map(duration)),
        ("dispatch overflow", settings.dispatch_overflow.map(overflow)),
        ("broadcast overflow", settings.broadcast_overflow.map(overflow)),
        ("max backlog messages", number(settings.max_backlog_messages)),
        ("max backlog bytes", bytes(settings.max_backlog_bytes)),
        ("replay window", settings.replay_window.map(duration)),
        ("max replay messages", number(settings.max_replay_messages)),
        ("max replay bytes", bytes(settings.max_replay_bytes)),
        ("idempotency window", settings.idempotency_window.map(duration)),
        ("redelivery", settings.redelivery.map(redelivery)),
        ("backoff", settings.backoff.map(backoff)),
        ("max attempts", number(settings.max_attempts.map(i64::from))),
        ("dead letter listener", settings.dead_letter_listener.as_deref().map(or_none)),
        ("sse retry", settings.sse_retry.map(duration)),
        ("presence grace", settings.presence_grace.map(duration)),
    ];
    rows.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn settings_json(settings: &ChannelSettings) -> Value {
    json!({
        "streamDelay": settings.stream_delay.map(seconds),
        "dispatchOverflow": settings.dispatch_overflow.map(|overflow| overflow.as_str_name()),
        "broadcastOverflow": settings.broadcast_overflow.map(|overflow| overflow.as_str_name()),
        "maxBacklogMessages": settings.max_backlog_messages,
        "maxBacklogBytes": settings.max_backlog_bytes,
        "replayWindow": settings.replay_window.map(seconds),
        "maxReplayMessages": settings.max_replay_messages,
        "maxReplayBytes": settings.max_replay_bytes,
        "idempotencyWindow": settings.idempotency_window.map(seconds),
        "redelivery": settings.redelivery.map(|redelivery| redelivery.as_str_name()),
        "backoff": settings.backoff.map(|backoff| json!({
            "initial": backoff.initial.map(seconds),
            "factor": backoff.factor,
            "maximum": backoff.maximum.map(seconds),
        })),
        "maxAttempts": settings.max_attempts,
        "deadLetterListener": settings.dead_letter_listener,
        "sseRetry": settings.sse_retry.map(seconds),
        "presenceGrace": settings.presence_grace.map(seconds),
    })
}

fn redelivery(redelivery: Redelivery) -> String {
    short(redelivery.as_str_name(), "REDELIVERY_")
}

/// As `1s, × 2, up to 1m`.
fn backoff(backoff: RedeliveryBackoff) -> String {
    let RedeliveryBackoff { initial, factor, maximum } = backoff;
    let parts = [
        initial.map(duration),
        factor.map(|factor| format!("× {factor}")),
        maximum.map(|maximum| format!("up to {}", duration(maximum))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn or_none(id: &str) -> String {
    if id.is_empty() { "none".into() } else { id.into() }
}

fn overflow(overflow: Overflow) -> String {
    match overflow {
        Overflow::RejectNew => "reject new".into(),
        Overflow::DropOldest => "drop oldest".into(),
        Overflow::Unspecified => "not known to this version".into(),
    }
}
