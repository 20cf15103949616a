//! How long to wait before trying again.

use std::time::Duration;

/// Waits that double, each shortened at random by up to a half, so that clients which lost the same server
/// do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest first wait.
    pub initial: Duration,
    /// No wait is longer.
    pub maximum: Duration,
}

impl Default for Backoff {
    /// 100 ms, doubling up to 10 s.
    fn default() -> Self {
        Self { initial: Duration::from_millis(100), maximum: Duration::from_secs(10) }
    }
}

impl Backoff {
    /// The wait after so many failures before this one.
    pub(super) fn delay(&self, failures: u32) -> Duration {
        self.jittered(failures, fastrand::f64())
    }

    fn jittered(&self, failures: u32, chance: f64) -> Duration {
        self.longest(failures).mul_f64(1.0 - chance / 2.0)
    }

    fn longest(&self, failures: u32) -> Duration {
        // 2^16 times any useful first wait is above any useful maximum
        let factor = 1_u32 << failures.min(16);
        self.initial.saturating_mul(factor).min(self.maximum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { initial: Duration::from_millis(100), maximum: Duration::from_secs(1) };

    #[test]
    fn waits_double_up_to_the_maximum() {
        let waits = [0, 1, 2, 3, 4, 60, u32::MAX].map(|failures| BACKOFF.jittered(failures, 0.0).as_millis());
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000, 1000]);
    }

    #[test]
    fn chance_takes_up_to_a_half() {
        assert_eq!(BACKOFF.jittered(1, 1.0), Duration::from_millis(100));
        assert_eq!(BACKOFF.jittered(1, 0.5), Duration::from_millis(150));
    }

    #[test]
    fn a_huge_first_wait_is_cut_to_the_maximum() {
        let backoff = Backoff { initial: Duration::MAX, maximum: Duration::from_secs(1) };
        assert_eq!(backoff.jittered(9, 0.0), Duration::from_secs(1));
    }
}
