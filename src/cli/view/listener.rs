//! Listeners, and their settings.

use super::{
    super::output::{Counted, Shown, printable, size, table, time},
    Row, as_value, duration, seconds, short,
};
use crate::client::{AcknowledgementMode, Created, Listener, ListenerSettings};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;

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

impl Shown for Created<Listener> {
    fn text(&self) -> String {
        self.item.id.clone()
    }

    fn json(&self) -> impl Serialize {
        json!({ "listener": as_value(&self.item), "existed": self.existed })
    }
}
