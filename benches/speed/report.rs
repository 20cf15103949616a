//! What was measured, as tables in markdown or as JSON.

mod events;
mod on_disk;

pub(crate) use events::Served;
pub(crate) use on_disk::{Kept, OnDisk};

use crate::{Outcome, args::Plan};
use hdrhistogram::Histogram;
use serde::Serialize;

/// All rows that were run.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Eric beside the bare server.
    pub(crate) beside_bare: Vec<Comparison>,
    /// Eric beside itself.
    pub(crate) beside_itself: Vec<Comparison>,
    pub(crate) events: Vec<Served>,
    pub(crate) memory: Vec<Memory>,
    pub(crate) crowds: Vec<Crowd>,
    pub(crate) on_disk: Vec<OnDisk>,
    pub(crate) recoveries: Vec<Recovery>,
    pub(crate) behind: Vec<Behind>,
    /// How much of the machine's CPU other programs took meanwhile: above a few percent the figures are in doubt.
    pub(crate) percent_for_others: u64,
    /// Rows that could not be measured, and why.
    pub(crate) failed: Vec<(String, String)>,
}

/// One path, in CPU of the server process.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    pub(crate) name: String,
    pub(crate) base: Figure,
    pub(crate) eric: Figure,
    /// The ratio that was aimed at.
    pub(crate) goal: f64,
    /// How much more it may be at most, in microseconds, where that was aimed at, too.
    pub(crate) goal_added_micros: Option<f64>,
}

/// What one message, call or delivery costs.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) cpu_micros: f64,
    /// Absent where the load pauses by itself.
    pub(crate) per_second: Option<f64>,
    /// From just before the publishing call to the receipt, on live streams.
    pub(crate) latency: Option<Latency>,
}

/// In milliseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) median: f64,
    pub(crate) p99: f64,
}

impl Latency {
    /// Of a histogram of nanoseconds.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let millis = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e6;
        Self { median: millis(0.5), p99: millis(0.99) }
    }
}

/// What one idle thing keeps resident.
#[derive(Debug, Serialize)]
pub(crate) struct Memory {
    pub(crate) name: String,
    pub(crate) bare_bytes: Option<f64>,
    pub(crate) eric_bytes: f64,
    pub(crate) goal_bytes: f64,
}

/// Many listeners that reject what they get, and what that does to the others.
#[derive(Debug, Serialize)]
pub(crate) struct Crowd {
    pub(crate) name: String,
    /// Resident bytes of the server for each listener, its backlog included.
    pub(crate) bytes_a_listener: f64,
    /// CPU of the server for a rejection and the delivery that follows.
    pub(crate) cpu_micros: f64,
    pub(crate) rejections: u64,
    /// From just before a broadcast to its receipt on other streams, the longest, in milliseconds: while nobody rejects.
    pub(crate) longest_before: f64,
    /// The same while they do.
    pub(crate) longest: f64,
    pub(crate) goal: f64,
}

/// A start of a server over a directory: until it answers, in seconds.
#[derive(Debug, Serialize)]
pub(crate) struct Recovery {
    pub(crate) name: String,
    pub(crate) messages: u64,
    /// Over an empty directory.
    pub(crate) empty_seconds: f64,
    pub(crate) seconds: f64,
    pub(crate) goal: f64,
}

/// A backlog that one stream drains, and what that does to others, in milliseconds: from just before a broadcast to its
/// receipt on live streams, the longest.
#[derive(Debug, Serialize)]
pub(crate) struct Behind {
    pub(crate) name: String,
    /// From memory.
    pub(crate) at_hand_per_second: f64,
    /// From disk.
    pub(crate) per_second: f64,
    /// While nothing is drained.
    pub(crate) longest_before: f64,
    pub(crate) longest_at_hand: f64,
    pub(crate) longest: f64,
}

impl Report {
    /// Prints what there is.
    pub(crate) fn print(&self, plan: &Plan) {
        if plan.json {
            let json = serde_json::to_string_pretty(self).expect("no map has a key that is no text");
            return println!("{json}");
        }
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        println!("{cores} cores, shared by server and client; the median of {plan}.");
        println!("Other programs took {} % of the CPU meanwhile.", self.percent_for_others);
        if plan.quick {
            println!("A quick run: the figures mean nothing.");
        }
        let (bare, itself) = ("CPU of the server a message, beside bare tonic", "Eric beside itself");
        table(bare, &self.beside_bare, BESIDE_BARE, Comparison::all_cells);
        table(itself, &self.beside_itself, BESIDE_ITSELF, Comparison::cells);
        events::print(&self.events);
        table("Resident memory", &self.memory, MEMORY, Memory::cells);
        table("A crowd that rejects", &self.crowds, CROWDS, Crowd::cells);
        on_disk::print(&self.on_disk);
        table("A start over a directory", &self.recoveries, RECOVERIES, Recovery::cells);
        table("A listener far behind", &self.behind, BEHIND, Behind::cells);
    }

    /// A fault if a row could not be measured.
    pub(crate) fn outcome(&self) -> Outcome {
        let told = |(name, reason): &(String, String)| format!("\n  {name}: {reason}");
        match self.failed.iter().map(told).collect::<String>() {
            none if none.is_empty() => Ok(()),
            failed => Err(format!("not measured:{failed}").into()),
        }
    }
}

const BESIDE_BARE: &str = "path | bare | Eric | ratio | goal | bare, a second | Eric, a second \
    | bare, latency ms (p99) | Eric, latency ms (p99)";
const BESIDE_ITSELF: &str =
    "what | the one | the other | ratio | goal | the one, a second | the other, a second";
const MEMORY: &str = "idle | bare | Eric | ratio | goal";

const CROWDS: &str = "what | memory a listener | CPU a rejection and its delivery | rejections \
    | others' longest latency before | while they reject | goal";

const RECOVERIES: &str = "what | empty | full | read a second | goal";
const BEHIND: &str = "what | from memory, a second | from disk, a second | ratio | others' longest latency before \
    | while it comes from memory | while it comes from disk";

fn table<T>(title: &str, rows: &[T], head: &str, cells: impl Fn(&T) -> Vec<String>) {
    if rows.is_empty() {
        return;
    }
    println!("\n**{title}**\n\n| {head} |");
    println!("|{}", " --- |".repeat(head.split('|').count()));
    for row in rows {
        println!("| {} |", cells(row).join(" | "));
    }
}

impl Comparison {
    /// What is aimed at is a ratio.
    pub(crate) fn new(name: &str, (base, eric): (Figure, Figure), goal: f64) -> Self {
        Self { name: name.to_owned(), base, eric, goal, goal_added_micros: None }
    }

    fn cells(&self) -> Vec<String> {
        let ratio = self.eric.cpu_micros / self.base.cpu_micros;
        vec![
            self.name.clone(),
            format!("{} µs", digits(self.base.cpu_micros)),
            format!("{} µs", digits(self.eric.cpu_micros)),
            format!("{} ×", digits(ratio)),
            judged(ratio <= self.goal, &format!("{} ×", self.goal)) + &self.added_goal(),
            self.base.rate_cell(),
            self.eric.rate_cell(),
        ]
    }

    fn added_goal(&self) -> String {
        let Some(most) = self.goal_added_micros else { return String::new() };
        let added = self.eric.cpu_micros - self.base.cpu_micros;
        format!(", {}", judged(added <= most, &format!("{} of {most} µs more", digits(added))))
    }

    fn all_cells(&self) -> Vec<String> {
        [self.cells(), vec![self.base.latency_cell(), self.eric.latency_cell()]].concat()
    }
}

impl Figure {
    fn rate_cell(&self) -> String {
        self.per_second.map_or_else(String::new, thousands)
    }

    fn latency_cell(&self) -> String {
        let cell = |latency: &Latency| format!("{} ({})", digits(latency.median), digits(latency.p99));
        self.latency.as_ref().map_or_else(String::new, cell)
    }
}

impl Memory {
    fn cells(&self) -> Vec<String> {
        let kib = |bytes: f64| format!("{} KiB", digits(bytes / 1024.0));
        let ratio = self.bare_bytes.map(|bare| format!("{} ×", digits(self.eric_bytes / bare)));
        vec![
            self.name.clone(),
            self.bare_bytes.map_or_else(String::new, kib),
            kib(self.eric_bytes),
            ratio.unwrap_or_default(),
            judged(self.eric_bytes <= self.goal_bytes, &kib(self.goal_bytes)),
        ]
    }
}

impl Crowd {
    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            format!("{} KiB", digits(self.bytes_a_listener / 1024.0)),
            format!("{} µs", digits(self.cpu_micros)),
            thousands(self.rejections as f64),
            format!("{} ms", digits(self.longest_before)),
            format!("{} ms", digits(self.longest)),
            judged(self.longest <= self.goal, &format!("{} ms", self.goal)),
        ]
    }
}

impl Recovery {
    fn cells(&self) -> Vec<String> {
        // a quick run may take no longer over a few
        let per_second = self.messages as f64 / (self.seconds - self.empty_seconds).max(0.001);
        vec![
            self.name.clone(),
            format!("{:.2} s", self.empty_seconds),
            format!("{:.2} s", self.seconds),
            thousands(per_second),
            judged(per_second >= self.goal, &thousands(self.goal)),
        ]
    }
}

impl Behind {
    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            thousands(self.at_hand_per_second),
            thousands(self.per_second),
            format!("{} ×", digits(self.per_second / self.at_hand_per_second)),
            format!("{} ms", digits(self.longest_before)),
            format!("{} ms", digits(self.longest_at_hand)),
            format!("{} ms", digits(self.longest)),
        ]
    }
}

fn judged(reached: bool, goal: &str) -> String {
    format!("{goal} {}", if reached { "✓" } else { "✗" })
}

/// Two digits that count: the rest is noise.
fn digits(value: f64) -> String {
    match value {
        _ if value >= 10.0 => format!("{value:.0}"),
        _ if value >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn thousands(value: f64) -> String {
    let text = format!("{value:.0}");
    let separated = text.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group));
    separated.collect::<Vec<_>>().join(",")
}
