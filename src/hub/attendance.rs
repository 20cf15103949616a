//! Whether a listener listens: that is always known, and costs its stream nothing.

/// The end of what has no end yet.
pub(super) const OPEN: u64 = u64::MAX;

/// Whether a listener listens: a client that comes back soon enough was never away.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attendance {
    /// Since when, in nanoseconds since 1970-01-01 UTC.
    pub(super) since: i64,
    /// Until when, in milliseconds of the hub's clock, unless it comes back.
    pub(super) until: u64,
}

impl Attendance {
    pub(super) fn lasts(self, now: u64) -> bool {
        now < self.until
    }

    pub(super) fn begin(&mut self, now: u64) {
        if !self.lasts(now) {
            self.since = super::now();
        }
        self.until = OPEN;
    }
}
