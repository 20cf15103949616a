//! The server, and its limits.

use super::{
    super::output::{Counted, Shown, printable, size, table, time},
    duration, seconds, short,
};
use crate::client::{Limits, Log, Server};
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
        rows.extend(self.log.iter().flat_map(log_rows));
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
            "log": self.log.as_ref().map(log_json),
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

fn log_rows(log: &Log) -> [(&'static str, String); 7] {
    let oldest = log.oldest_accept_time.map_or_else(|| "none".to_owned(), time);
    let took = [log.commit_time_p50, log.commit_time_p99, log.commit_time_max].map(duration);
    let sync = match log.sync_interval.is_zero() {
        true => "before it is answered".to_owned(),
        false => format!("at most {} later", duration(log.sync_interval)),
    };
    [
        ("log state", short(log.state.as_str_name(), "LOG_STATE_")),
        ("on disk", sync),
        ("file", format!("{}, of which {} are free", size(log.file_bytes), size(log.free_bytes))),
        ("write-ahead log", size(log.wal_bytes)),
        ("oldest message", oldest),
        ("commits", commits(log)),
        ("commit time", format!("half at most {}, 99 % {}, longest {}", took[0], took[1], took[2])),
    ]
}

fn commits(log: &Log) -> String {
    let Log { commits, commits_per_second, mean_batch, .. } = log;
    format!("{commits}, {commits_per_second:.0} a second lately, of {mean_batch:.1} records in the mean")
}

fn log_json(log: &Log) -> Value {
    json!({
        "state": log.state.as_str_name(),
        "fileBytes": log.file_bytes,
        "freeBytes": log.free_bytes,
        "walBytes": log.wal_bytes,
        "oldestAcceptTime": log.oldest_accept_time.map(time),
        "syncInterval": seconds(log.sync_interval),
        "commits": log.commits,
        "commitsPerSecond": log.commits_per_second,
        "records": log.records,
        "meanBatch": log.mean_batch,
        "commitTimeP50": seconds(log.commit_time_p50),
        "commitTimeP99": seconds(log.commit_time_p99),
        "commitTimeMax": seconds(log.commit_time_max),
    })
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
