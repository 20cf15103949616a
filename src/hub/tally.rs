//! Messages and bytes, counted together.

use serde::{Deserialize, Serialize};
use std::ops::{AddAssign, Sub, SubAssign};

/// So many messages of so many bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Messages.
    pub messages: u64,
    /// Their encoded size.
    pub bytes: u64,
}

impl Tally {
    pub(super) fn one(bytes: u64) -> Self {
        Self { messages: 1, bytes }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}

impl SubAssign for Tally {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sub for Tally {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            messages: self.messages.saturating_sub(other.messages),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

/// At most so many messages and so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Messages.
    pub messages: u64,
    /// Their encoded size.
    pub bytes: u64,
}

impl Quota {
    /// Whether the tally keeps to it. One message fits whatever its size, unless none may.
    pub(super) fn holds(self, tally: Tally) -> bool {
        tally.messages <= self.messages && (tally.bytes <= self.bytes || tally.messages <= 1)
    }

    pub(super) fn larger(self, other: Self) -> Self {
        Self { messages: self.messages.max(other.messages), bytes: self.bytes.max(other.bytes) }
    }
}
