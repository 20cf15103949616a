//! How often something happens a second, lately.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A rate is of at least so long, or of all the time there was.
const LEAST: Duration = Duration::from_secs(1);

/// What was counted, and when.
type Sample = (Instant, u64);

/// The rate of a count that only rises, told by whoever counts.
#[derive(Debug)]
pub(super) struct Rate(Mutex<[Sample; 2]>);

impl Rate {
    pub(super) fn since(now: Instant) -> Self {
        Self(Mutex::new([(now, 0); 2]))
    }

    /// It has come to so many.
    pub(super) fn counted(&self, count: u64, now: Instant) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [_, last] = *samples;
        if now.saturating_duration_since(last.0) >= LEAST {
            *samples = [last, (now, count)];
        }
    }

    /// So many a second where it has come to so many: of the last second or two, or of the time since it was last told.
    pub(super) fn per_second(&self, count: u64, now: Instant) -> f64 {
        let samples = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let long_ago = |(at, _): &&Sample| now.saturating_duration_since(*at) >= LEAST;
        let (at, before) = *samples.iter().rev().find(long_ago).unwrap_or(&samples[0]);
        let passed = now.saturating_duration_since(at).as_secs_f64();
        if passed > 0.0 { count.saturating_sub(before) as f64 / passed } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_of_lately_and_sinks_when_nothing_happens() {
        let began = Instant::now();
        let at = |millis| began + Duration::from_millis(millis);
        let rate = Rate::since(began);
        assert_eq!(rate.per_second(0, began), 0.0);
        (1..=100).for_each(|n| rate.counted(n, at(10 * n)));
        assert_eq!(rate.per_second(100, at(1000)), 100.0);
        (1..=100).for_each(|n| rate.counted(100 + 5 * n, at(1000 + 10 * n)));
        assert_eq!(rate.per_second(600, at(2000)), 500.0);
        assert_eq!(rate.per_second(600, at(2500)), 500.0 / 1.5);
        assert_eq!(rate.per_second(600, at(4000)), 0.0);
        assert_eq!(rate.per_second(601, at(4000)), 0.5);
    }
}
