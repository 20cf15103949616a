//! How the things of the service look, as text and as JSON.
//!
//! The JSON has the names of proto3 JSON (`lowerCamelCase`, enums by their full names, times by RFC 3339,
//! durations as `"1.5s"`), except that integers are numbers, and that what a message carries stands in
//! `payload` as the JSON that it is.

use super::{
    exit::{Exit, Fault},
    output::{Counted, Output, Shown, printable, size, table, time},
};
use crate::client::{
    self, AcknowledgementMode, Channel, ChannelSettings, Created, Gap, GapReason, Limits, Listener,
    ListenerSettings, Overflow, Receipt, Redelivery, RedeliveryBackoff, Server,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;

impl Shown for Channel {
    fn text(&self) -> String {
        let mut rows = vec![
            ("channel", self.id.clone()),
            ("created", time(self.create_time)),
            ("birth", self.birth.to_string()),
            ("last sequence", self.last_sequence.to_string()),
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
            "keptBroadcasts": self.kept_broadcasts,
            "keptBroadcastBytes": self.kept_broadcast_bytes,
        })
    }
}

/// A row of a list.
pub(crate) struct Row<'s, T>(pub(crate) &'s T);

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

pub(crate) fn duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// As proto3 JSON has it.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{}s", duration.as_secs_f64())
}

impl Shown for Listener {
    fn text(&self) -> String {
        let mut rows = vec![
            ("listener", self.id.clone()),
            ("channel", self.channel.clone()),
            ("created", time(self.create_time)),
            ("birth", self.birth.to_string()),
            ("acknowledgement", short(self.acknowledgement_mode.as_str_name(), "ACKNOWLEDGEMENT_MODE_")),
            ("state", state(self).into()),
            ("backlog", counted(self.backlog_messages, self.backlog_bytes)),
            ("passed sequence", self.passed_sequence.to_string()),
            ("lost messages", self.lost_messages.to_string()),
            ("idle timeout", or_never(self.settings.idle_timeout)),
        ];
        if self.acknowledgement_mode == AcknowledgementMode::Explicit {
            rows.extend([
                ("unacknowledged", counted(self.unacknowledged_messages, self.unacknowledged_bytes)),
                ("generation", self.generation.to_string()),
                ("ack deadline", or_never(self.settings.ack_deadline)),
            ]);
        }
        if !self.session.is_empty() {
            rows.push(("session", printable(&self.session).into_owned()));
        }
        table(&rows)
    }

    fn json(&self) -> impl Serialize {
        json!({
            "id": self.id,
            "channel": self.channel,
            "birth": self.birth,
            "createTime": time(self.create_time),
            "acknowledgementMode": self.acknowledgement_mode.as_str_name(),
            "settings": listener_settings_json(&self.settings),
            "running": self.running,
            "connected": self.connected,
            "backlogMessages": self.backlog_messages,
            "backlogBytes": self.backlog_bytes,
            "passedSequence": self.passed_sequence,
            "unacknowledgedMessages": self.unacknowledged_messages,
            "unacknowledgedBytes": self.unacknowledged_bytes,
            "generation": self.generation,
            "session": self.session,
            "lostMessages": self.lost_messages,
        })
    }
}

fn counted(messages: i64, bytes: i64) -> String {
    format!("{}, {}", Counted(messages, "message"), size(bytes))
}

fn or_never(time: Option<Duration>) -> String {
    time.filter(|time| !time.is_zero()).map_or("never".into(), duration)
}

fn listener_settings_json(settings: &ListenerSettings) -> Value {
    json!({
        "idleTimeout": settings.idle_timeout.map(seconds),
        "ackDeadline": settings.ack_deadline.map(seconds),
    })
}

/// The title of [`Row`]s of listeners.
pub(crate) const LISTENERS: &str =
    "LISTENER                              STATE          BACKLOG       PASSED         LOST";

impl Shown for Row<'_, Listener> {
    fn text(&self) -> String {
        let Listener { id, backlog_messages, passed_sequence, lost_messages, .. } = self.0;
        let state = state(self.0);
        format!("{id:<36}  {state:<9} {backlog_messages:>12} {passed_sequence:>12} {lost_messages:>12}")
    }

    fn json(&self) -> impl Serialize {
        serde_json::to_value(self.0.json()).unwrap_or_default()
    }
}

fn state(listener: &Listener) -> &'static str {
    match (listener.connected, listener.running) {
        (true, _) => "listening",
        (false, true) => "running",
        (false, false) => "stopped",
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

impl Shown for Created<Listener> {
    fn text(&self) -> String {
        self.item.id.clone()
    }

    fn json(&self) -> impl Serialize {
        json!({ "listener": as_value(&self.item), "existed": self.existed })
    }
}

/// Nothing that is shown fails to be a JSON value.
pub(crate) fn as_value(shown: &impl Shown) -> Value {
    serde_json::to_value(shown.json()).unwrap_or_default()
}

/// What became of each sequence: what was done to stdout, what was refused to stderr, but for the last, which
/// is the command's own end.
pub(crate) fn each<T>(
    output: Output,
    outcomes: impl IntoIterator<Item = (i64, client::Result<T>)>,
) -> Result<Exit, Fault>
where
    (i64, T): Shown,
{
    let mut refused = None;
    for (sequence, outcome) in outcomes {
        match outcome {
            Ok(done) => output.show(&(sequence, done))?,
            Err(error) => {
                if let Some(earlier) = refused.replace(Fault::Refused(sequence, error)) {
                    output.note(&earlier);
                }
            }
        }
    }
    refused.map_or(Ok(Exit::Done), Err)
}

impl Shown for Receipt {
    fn text(&self) -> String {
        let receivers = self.receivers.map(|receivers| format!(", {}", Counted(receivers, "receiver")));
        let duplicate = if self.duplicate { ", a duplicate" } else { "" };
        let id = printable(&self.message_id);
        format!("accepted {id} as #{}{}{duplicate}", self.sequence, receivers.unwrap_or_default())
    }

    fn json(&self) -> impl Serialize {
        json!({
            "messageId": self.message_id,
            "sequence": self.sequence,
            "receivers": self.receivers,
            "duplicate": self.duplicate,
        })
    }
}

impl Shown for Gap {
    fn text(&self) -> String {
        let count = self.count.map_or("messages".into(), |count| Counted(count, "message").to_string());
        let reason = reason_in_words(self.reason);
        let Gap { after_sequence, through_sequence, .. } = self;
        format!("-- gap: {count} missing ({reason}), after #{after_sequence} through #{through_sequence}")
    }

    fn json(&self) -> impl Serialize {
        json!({ "gap": {
            "reason": self.reason.name().map_or(json!(i32::from(self.reason)), |name| json!(name)),
            "afterSequence": self.after_sequence,
            "throughSequence": self.through_sequence,
            "count": self.count,
        } })
    }
}

fn reason_in_words(reason: GapReason) -> String {
    match reason.name() {
        Some(name) => short(name, "GAP_REASON_").replace('_', " "),
        None => format!("reason {}, which this version does not know", i32::from(reason)),
    }
}

/// An enum's value in words.
pub(crate) fn short(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}

impl Shown for Server {
    fn text(&self) -> String {
        let mut rows = vec![
            ("version", printable(&self.version).into_owned()),
            ("started", time(self.start_time)),
            ("incarnation", printable(&self.incarnation).into_owned()),
            ("durability", short(self.durability.as_str_name(), "DURABILITY_")),
            ("channels", of(self.channels, self.limits.max_channels)),
            ("listeners", of(self.listeners, self.limits.max_listeners)),
            ("streams", of(self.streams, self.limits.max_streams)),
            ("log", log_use(self.log_bytes, self.limits.max_log_bytes)),
        ];
        rows.extend(limit_rows(&self.limits));
        table(&rows)
    }

    fn json(&self) -> impl Serialize {
        json!({
            "version": self.version,
            "incarnation": self.incarnation,
            "startTime": time(self.start_time),
            "durability": self.durability.as_str_name(),
            "limits": limits_json(&self.limits),
            "channels": self.channels,
            "listeners": self.listeners,
            "streams": self.streams,
            "logBytes": self.log_bytes,
        })
    }
}

fn of(number: i64, limit: i64) -> String {
    format!("{number} of at most {limit}")
}

fn log_use(bytes: i64, limit: i64) -> String {
    match limit {
        0 => format!("{}, without a limit", size(bytes)),
        limit => format!("{} of at most {}", size(bytes), size(limit)),
    }
}

fn limit_rows(limits: &Limits) -> [(&'static str, String); 2] {
    let batch = Counted(limits.max_batch_messages.into(), "message");
    [
        ("largest payload", size(limits.max_payload_bytes)),
        ("largest batch", format!("{batch}, {}", size(limits.max_batch_bytes))),
    ]
}

fn limits_json(limits: &Limits) -> Value {
    json!({
        "maxPayloadBytes": limits.max_payload_bytes,
        "maxBatchMessages": limits.max_batch_messages,
        "maxBatchBytes": limits.max_batch_bytes,
        "maxChannels": limits.max_channels,
        "maxListeners": limits.max_listeners,
        "maxStreams": limits.max_streams,
        "maxLogBytes": limits.max_log_bytes,
    })
}
