//! What the running log has done, counted.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Commits are counted by how long they took: up to 2⁶ µs, 2⁷ µs, …; the last has all that took longer.
const BUCKETS: usize = 18;
const FIRST: u32 = 6;

/// Counters of a log; they only rise.
#[derive(Debug, Default)]
pub(super) struct Stats {
    commits: AtomicU64,
    records: AtomicU64,
    micros: AtomicU64,
    took: [AtomicU64; BUCKETS],
}

/// What a log has done since it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Transactions that have become durable.
    pub commits: u64,
    /// The records in them: by commits, this is the mean batch.
    pub records: u64,
    /// What the commits took, all in all: the write-ahead log is written and, with [`super::Sync::Always`], synced.
    pub commit_time: Duration,
    /// How many commits took at most so long, and longer than the one before; the last has all that took longer.
    pub commits_by_time: Vec<(Duration, u64)>,
}

impl Stats {
    pub(super) fn committed(&self, records: u64, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bits = u64::BITS - micros.saturating_sub(1).leading_zeros();
        let bucket = (bits.saturating_sub(FIRST) as usize).min(BUCKETS - 1);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(records, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        self.took[bucket].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    pub(super) fn counts(&self) -> Counts {
        let bound = |bucket| Duration::from_micros(1_u64 << (FIRST as usize + bucket));
        let by_time = self.took.iter().enumerate();
        Counts {
            commits: self.commits(),
            records: self.records.load(Ordering::Relaxed),
            commit_time: Duration::from_micros(self.micros.load(Ordering::Relaxed)),
            commits_by_time: by_time.map(|(at, n)| (bound(at), n.load(Ordering::Relaxed))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_counted_where_its_time_belongs() {
        let stats = Stats::default();
        for micros in [0, 64, 65, 128, u64::MAX] {
            stats.committed(2, Duration::from_micros(micros));
        }
        let counts = stats.counts();
        let by_time: Vec<_> = counts.commits_by_time.iter().map(|(_, commits)| *commits).collect();
        assert_eq!((by_time[0], by_time[1], by_time[BUCKETS - 1]), (2, 2, 1));
        assert_eq!((counts.commits, counts.records), (5, 10));
        assert_eq!(counts.commits_by_time[1].0, Duration::from_micros(128));
    }
}
