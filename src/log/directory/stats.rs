//! What the running log has done, counted.

use super::rate::Rate;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Commits are counted by how long they took, in steps of a quarter of an octave: up to 64 µs, 80, 96, 112, 128, 160, …;
/// the last step has all that took longer than seven seconds.
const STEPS: usize = 1 + 4 * 17;
/// Whatever is shorter than 2 to this, in microseconds, is as good as it.
const FIRST: u32 = 6;

/// How many commits took so long.
#[derive(Debug)]
struct Took([AtomicU64; STEPS]);

impl Default for Took {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

/// Counters of a log; they only rise.
#[derive(Debug)]
pub(super) struct Stats {
    commits: AtomicU64,
    rate: Rate,
    records: AtomicU64,
    micros: AtomicU64,
    longest: AtomicU64,
    took: Took,
}

/// What a log has done since it was opened.
#[derive(Clone, Debug, PartialEq)]
pub struct Counts {
    /// Transactions that have become durable.
    pub commits: u64,
    /// How many did a second, lately.
    pub commits_per_second: f64,
    /// The records in them: by commits, this is the mean batch.
    pub records: u64,
    /// What the commits took, all in all: the write-ahead log is written and, with [`super::Sync::Always`], synced.
    pub commit_time: Duration,
    /// The commit that took longest.
    pub longest: Duration,
    /// How many commits took at most so long, and longer than the one before; the last has all that took longer.
    pub commits_by_time: Vec<(Duration, u64)>,
}

impl Default for Stats {
    fn default() -> Self {
        let (commits, records, micros, longest, took) = Default::default();
        Self { commits, rate: Rate::since(Instant::now()), records, micros, longest, took }
    }
}

impl Stats {
    pub(super) fn committed(&self, records: u64, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let before = self.commits.fetch_add(1, Ordering::Relaxed);
        self.rate.counted(before + 1, Instant::now());
        self.records.fetch_add(records, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        self.longest.fetch_max(micros, Ordering::Relaxed);
        self.took.0[step(micros)].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    pub(super) fn counts(&self) -> Counts {
        let by_time = self.took.0.iter().enumerate();
        Counts {
            commits: self.commits(),
            commits_per_second: self.rate.per_second(self.commits(), Instant::now()),
            records: self.records.load(Ordering::Relaxed),
            commit_time: Duration::from_micros(self.micros.load(Ordering::Relaxed)),
            longest: Duration::from_micros(self.longest.load(Ordering::Relaxed)),
            commits_by_time: by_time.map(|(at, n)| (bound(at), n.load(Ordering::Relaxed))).collect(),
        }
    }
}

impl Counts {
    /// So long, or a little less, this part of the commits took at most.
    pub fn within(&self, part: f64) -> Duration {
        let commits: u64 = self.commits_by_time.iter().map(|(_, commits)| commits).sum();
        let mut rest = (commits as f64 * part).ceil() as u64;
        let step = self.commits_by_time.iter().find(|(_, commits)| {
            rest = rest.saturating_sub(*commits);
            rest == 0
        });
        step.map_or(Duration::ZERO, |(bound, _)| (*bound).min(self.longest))
    }
}

/// The step that a time belongs to.
fn step(micros: u64) -> usize {
    let Some(beyond) = micros.checked_sub((1 << FIRST) + 1) else { return 0 };
    // counted from one below the step's end, so that a bound belongs to what it bounds
    let micros = beyond + (1 << FIRST);
    let octave = micros.ilog2();
    let quarter = (micros >> (octave - 2)) & 3;
    (1 + 4 * (octave - FIRST) as usize + quarter as usize).min(STEPS - 1)
}

/// The longest time of a step.
fn bound(step: usize) -> Duration {
    let Some(step) = step.checked_sub(1) else { return Duration::from_micros(1 << FIRST) };
    let (octave, quarter) = (FIRST as usize + step / 4, step as u64 % 4);
    Duration::from_micros((5 + quarter) << (octave - 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_counted_where_its_time_belongs() {
        for micros in [0, 63, 64, 65, 80, 81, 96, 97, 127, 128, 129, 160, 161, 1_000, 5_000_000] {
            let step = step(micros);
            assert!(Duration::from_micros(micros) <= bound(step), "{micros}");
            assert!(step == 0 || Duration::from_micros(micros) > bound(step - 1), "{micros}");
        }
        assert_eq!((step(64), step(65), step(u64::MAX)), (0, 1, STEPS - 1));
        assert!(bound(STEPS - 2) > Duration::from_secs(7));
    }

    #[test]
    fn a_part_of_the_commits_took_at_most_so_long() {
        let stats = Stats::default();
        assert_eq!(stats.counts().within(0.5), Duration::ZERO);
        (0..98).for_each(|_| stats.committed(2, Duration::from_micros(100)));
        [900, 30_000_000].into_iter().for_each(|micros| stats.committed(2, Duration::from_micros(micros)));
        let counts = stats.counts();
        assert_eq!((counts.commits, counts.records), (100, 200));
        assert_eq!(counts.within(0.5), Duration::from_micros(112));
        assert_eq!(counts.within(0.99), Duration::from_micros(1024));
        assert_eq!((counts.longest.as_secs(), counts.within(1.0) <= counts.longest), (30, true));
    }
}
