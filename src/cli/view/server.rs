//! The server, and its limits.

use super::{
    super::output::{Counted, Shown, printable, size, table, time},
    short,
};
use crate::client::{Limits, Server};
use serde::Serialize;
use serde_json::{Value, json};

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
