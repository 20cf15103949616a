//! What a log on disk says of itself, for those who look after it.

use std::time::Duration;

/// Whether a log on disk takes what it is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogState {
    /// All is well.
    #[default]
    Writing,
    /// The disk is full, a quota is used up, or somebody else holds the file: it tries again.
    Stalled,
    /// The file is not to be trusted: nothing more is written until the next start.
    Failed,
}

/// A log on disk, in numbers. What is counted begins with the process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// The size of the file.
    pub file_bytes: u64,
    /// The part of it that is free, a moment ago.
    pub free_bytes: u64,
    /// The size of the write-ahead log beside it, which is taken up anew again and again.
    pub wal_bytes: u64,
    /// When the oldest message was accepted, in nanoseconds since 1970-01-01 UTC, a moment ago.
    pub oldest: Option<i64>,
    /// Commits that are done.
    pub commits: u64,
    /// How many were done a second, in the last second or two.
    pub commits_per_second: f64,
    /// The records in them.
    pub records: u64,
    /// So long, or a little less, half of the commits took at most.
    pub commit_p50: Duration,
    /// Likewise, 99 of 100.
    pub commit_p99: Duration,
    /// The longest.
    pub commit_max: Duration,
    /// So often what was accepted is brought to the disk; zero: before it is answered.
    pub sync_interval: Duration,
    /// Whether it takes what it is given.
    pub state: LogState,
}
