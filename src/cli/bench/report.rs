//! What a bench found out.

use super::{
    Bench, Mode,
    board::{Board, lock},
};
use crate::cli::output::{Counted, Shown, table};
use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// The result of a run.
pub(super) struct Report {
    load: String,
    published: Flow,
    delivered: Flow,
    refused: u64,
    gaps: u64,
    missing: u64,
    reconnects: u64,
    /// Accepted, and neither delivered nor said to be missing by the end.
    unaccounted: u64,
    errors: BTreeMap<String, u64>,
    payload_bytes: u64,
}

/// Messages over time, and how long each took.
struct Flow {
    messages: u64,
    time: Duration,
    latency: Latency,
}

/// Percentiles, in nanoseconds.
struct Latency([(&'static str, &'static str, u64); 5]);

impl Latency {
    fn of(times: &Histogram<u64>) -> Self {
        let at = |quantile| times.value_at_quantile(quantile);
        Self([
            ("p50", "p50", at(0.5)),
            ("p90", "p90", at(0.9)),
            ("p99", "p99", at(0.99)),
            ("p99.9", "p999", at(0.999)),
            ("max", "max", times.max()),
        ])
    }

    fn text(&self) -> String {
        let shown = self.0.iter().map(|(name, _, nanoseconds)| format!("{name} {}", time(*nanoseconds)));
        shown.collect::<Vec<_>>().join("  ")
    }

    /// In microseconds.
    fn json(&self) -> Value {
        let fields = self.0.iter().map(|(_, name, nanoseconds)| {
            ((*name).to_owned(), json!((*nanoseconds as f64 / 1_000.0).round() as u64))
        });
        Value::Object(fields.collect())
    }
}

impl Flow {
    fn rate(&self) -> u64 {
        match self.time.is_zero() {
            true => 0,
            false => (self.messages as f64 / self.time.as_secs_f64()).round() as u64,
        }
    }

    fn text(&self, payload_bytes: u64) -> String {
        let megabytes = (self.rate() * payload_bytes) as f64 / 1e6;
        let (messages, seconds) = (self.messages, self.time.as_secs_f64());
        format!("{messages} messages in {seconds:.2} s: {} a second, {megabytes:.1} MB/s", self.rate())
    }

    fn json(&self) -> Value {
        json!({
            "messages": self.messages,
            "seconds": self.time.as_secs_f64(),
            "messagesPerSecond": self.rate(),
            "latencyMicroseconds": self.latency.json(),
        })
    }
}

impl Report {
    pub(super) fn of(board: &Board, bench: &Bench) -> Self {
        let accepted = board.accepted();
        let acceptance = Latency::of(&lock(&board.acceptance));
        let delivery = Latency::of(&lock(&board.delivery));
        Self {
            load: load(bench),
            published: Flow { messages: accepted, time: board.published_in(), latency: acceptance },
            delivered: Flow { messages: board.delivered(), time: board.delivered_in(), latency: delivery },
            refused: board.refused(),
            gaps: board.gaps(),
            missing: board.missing(),
            reconnects: board.reconnects(),
            unaccounted: (accepted * bench.receivers_of_each()).saturating_sub(board.arrived()),
            errors: board.errors(),
            payload_bytes: bench.size.unsigned_abs(),
        }
    }
}

fn load(bench: &Bench) -> String {
    let mode = match bench.mode {
        Mode::Broadcast => "broadcast",
        Mode::Dispatch => "dispatch",
    };
    let rate = bench.rate.map_or("flat out".into(), |rate| format!("{rate} a second"));
    let publishers = Counted(bench.publishers.into(), "publisher");
    let listeners = Counted(bench.listeners().into(), "listener");
    let watchers = Counted(bench.watchers.into(), "watcher");
    format!("{mode}, {publishers}, {listeners}, {watchers}, {} bytes, {rate}", bench.size)
}

impl Shown for Report {
    fn text(&self) -> String {
        let gaps = Counted(self.gaps as i64, "gap");
        let mut rows = vec![
            ("load", self.load.clone()),
            ("accepted", self.published.text(self.payload_bytes)),
            ("  to the receipt", self.published.latency.text()),
            ("delivered", self.delivered.text(self.payload_bytes)),
            ("  to the receiver", self.delivered.latency.text()),
            ("missing", format!("{} in {gaps}; {} unaccounted for", self.missing, self.unaccounted)),
            ("refused", self.refused.to_string()),
        ];
        if self.reconnects > 0 {
            rows.push(("streams lost", self.reconnects.to_string()));
        }
        rows.extend(self.errors.iter().map(|(error, count)| ("error", format!("{error}: {count}"))));
        table(&rows)
    }

    fn json(&self) -> impl Serialize {
        json!({ "bench": {
            "load": self.load,
            "payloadBytes": self.payload_bytes,
            "accepted": self.published.json(),
            "delivered": self.delivered.json(),
            "refused": self.refused,
            "gaps": self.gaps,
            "missing": self.missing,
            "unaccounted": self.unaccounted,
            "reconnects": self.reconnects,
            "errors": self.errors,
        } })
    }
}

/// Three digits are all that was measured.
fn time(nanoseconds: u64) -> String {
    let microseconds = nanoseconds as f64 / 1e3;
    match microseconds {
        short if short < 1_000.0 => format!("{short:.0} µs"),
        middling if middling < 1e6 => format!("{:.2} ms", middling / 1e3),
        long => format!("{:.2} s", long / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::board::histogram;

    #[test]
    fn times_have_fitting_units() {
        assert_eq!(
            [900, 250_000, 2_500_000, 3_000_000_000].map(time),
            ["1 µs", "250 µs", "2.50 ms", "3.00 s"]
        );
    }

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let mut times = histogram();
        (1..=1_000).for_each(|millisecond| times.saturating_record(millisecond * 1_000_000));
        let json = Latency::of(&times).json();
        let near = |name: &str, expected: f64| (json[name].as_f64().unwrap() / expected - 1.0).abs() < 0.01;
        assert!(near("p50", 500_000.0) && near("p99", 990_000.0) && near("max", 1_000_000.0), "{json}");
    }

    #[test]
    fn nothing_measured_is_no_division_by_zero() {
        let flow = Flow { messages: 0, time: Duration::ZERO, latency: Latency::of(&histogram()) };
        assert_eq!(flow.rate(), 0);
    }
}
