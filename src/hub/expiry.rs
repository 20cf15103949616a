//! When a message has waited too long.

use std::time::Duration;

/// A moment on the hub's clock, in milliseconds, at which a message is expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Expiry(u64);

impl Expiry {
    /// The message has no `ttl`.
    pub(super) const NEVER: Self = Self(u64::MAX);
    /// It was found to be expired, and its content is gone.
    pub(super) const PAST: Self = Self(0);

    #[cfg(test)]
    pub(super) fn at(millis: u64) -> Self {
        Self(millis)
    }

    /// So long after now.
    pub(super) fn after(ttl: Option<Duration>, now: u64) -> Self {
        let millis = |ttl: Duration| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        ttl.map_or(Self::NEVER, |ttl| Self::at_moment(now.saturating_add(millis(ttl))))
    }

    /// At a moment of the hub's clock; at the very beginning of it, just after.
    pub(super) fn at_moment(millis: u64) -> Self {
        Self(millis.max(1))
    }

    /// Whether it is so by now.
    pub(super) fn is_past(self, now: u64) -> bool {
        self != Self::NEVER && self.0 <= now
    }

    /// What is past does not come again.
    pub(super) fn unless_past(self) -> Self {
        if self == Self::PAST { Self::NEVER } else { self }
    }

    /// The moment; `None`: never.
    pub(super) fn moment(self) -> Option<u64> {
        (self != Self::NEVER).then_some(self.0)
    }
}
