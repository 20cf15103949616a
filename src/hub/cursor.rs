//! Where a stream stands, and what it has found to be next.

use super::{gap::Gap, next::Next, tally::Tally};
use crate::log::Position;

/// Where a stream stands. It is behind its listener's standing while it repeats what an older token asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Everything up to here was handed over on this stream, or before.
    pub(super) at: Position,
    /// The gaps up to here were.
    pub(super) said: Position,
}

/// What is next.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) gaps: Vec<Gap>,
    pub(super) positions: Vec<Position>,
    /// What the messages there are.
    pub(super) taken: Tally,
    /// What the gaps among them tell to have expired.
    pub(super) expired: Lapsed,
    /// Where the stream stands with it.
    pub(super) cursor: Cursor,
    /// The channel's broadcasts up to there, where they can be counted.
    pub(super) tally: Option<Tally>,
    /// Where the receiver stood when it was looked, to see whether that has changed.
    pub(super) passed: Position,
    pub(super) cleared: Position,
    pub(super) hears_from: Position,
    pub(super) deaf: bool,
    pub(super) lost: u64,
    pub(super) touched: u64,
    /// How many broadcasts had been marked as expired.
    pub(super) marked: u64,
    /// There is more, and what is outstanding must be acknowledged first.
    pub(super) starved: bool,
}

/// What has expired where it is next: there may be millions.
#[derive(Debug, Default)]
pub(super) struct Lapsed {
    pub(super) count: u64,
    /// All of them, for who is to let go of each.
    pub(super) each: Vec<Next>,
}

impl Look {
    pub(super) fn empty(&self) -> bool {
        self.gaps.is_empty() && self.positions.is_empty()
    }
}
