//! What is kept on disk before it is answered: a line for each that keeps it.

use super::{Latency, digits, judged, table, thousands};
use serde::Serialize;

/// A load, and what each of those came to that took it. The first is the store alone, the second Eric, the third a bare
/// server over such a store, the fourth a store whose file can shrink.
#[derive(Debug, Serialize)]
pub(crate) struct OnDisk {
    pub(crate) name: String,
    pub(crate) sides: Vec<Kept>,
    /// Below 1 the share of the store's messages a second that Eric is to reach; above, what its p99 may be times the
    /// store's; 0: none.
    pub(crate) goal: f64,
}

/// What one of them came to.
#[derive(Debug, Serialize)]
pub(crate) struct Kept {
    pub(crate) who: String,
    pub(crate) per_second: f64,
    /// Messages in a commit, where it is known: the store alone is given Eric's.
    pub(crate) a_commit: Option<f64>,
    /// Of one message or commit.
    pub(crate) latency: Option<Latency>,
    /// Bytes that went to the disk for each of a message.
    pub(crate) written_a_byte: f64,
}

/// What Eric may write for a byte, times what the store writes.
const WRITTEN: f64 = 1.1;

const HEAD: &str = "load | kept by | messages a second | ratio | messages a commit | latency ms (p99) \
    | ratio of p99 | written a byte | ratio | goals";

pub(super) fn print(rows: &[OnDisk]) {
    let lines: Vec<_> = rows.iter().flat_map(OnDisk::lines).collect();
    table("Accepted means on disk, beside the store alone", &lines, HEAD, Clone::clone);
    if rows.iter().any(|row| row.sides.len() > 4) {
        println!(
            "\nNATS JetStream with file storage and sync_interval: always; one stream, published to one by one."
        );
    } else if !rows.is_empty() {
        println!("\nNATS JetStream is left out: ERIC_NATS_SERVER names no nats-server.");
    }
}

impl OnDisk {
    fn lines(&self) -> Vec<Vec<String>> {
        self.sides.iter().enumerate().map(|(at, side)| self.line(at, side)).collect()
    }

    fn line(&self, at: usize, side: &Kept) -> Vec<String> {
        let base = &self.sides[0];
        let times = |ratio: Option<f64>| {
            ratio.filter(|_| at > 0).map_or_else(String::new, |ratio| format!("{} ×", digits(ratio)))
        };
        let latency = |latency: &Latency| format!("{} ({})", digits(latency.median), digits(latency.p99));
        vec![
            if at == 0 { self.name.clone() } else { String::new() },
            side.who.clone(),
            thousands(side.per_second),
            times(Some(side.per_second / base.per_second)),
            side.a_commit.map_or_else(String::new, digits),
            side.latency.as_ref().map_or_else(String::new, latency),
            times(side.p99_beside(base)),
            digits(side.written_a_byte),
            times(Some(side.written_a_byte / base.written_a_byte)),
            if at == 1 { self.goals(base, side) } else { String::new() },
        ]
    }

    fn goals(&self, base: &Kept, eric: &Kept) -> String {
        let (rate, p99) = (eric.per_second / base.per_second, eric.p99_beside(base));
        let written = eric.written_a_byte / base.written_a_byte;
        let first = match (self.goal, p99) {
            (0.0, _) => None,
            (goal, Some(p99)) if goal > 1.0 => Some(judged(p99 <= goal, &format!("p99 {goal} ×"))),
            (goal, _) => Some(judged(rate >= goal, &format!("{goal} × a second"))),
        };
        let written = judged(written <= WRITTEN, &format!("written {WRITTEN} ×"));
        first.into_iter().chain([written]).collect::<Vec<_>>().join(", ")
    }
}

impl Kept {
    fn p99_beside(&self, base: &Self) -> Option<f64> {
        Some(self.latency.as_ref()?.p99 / base.latency.as_ref()?.p99)
    }
}
