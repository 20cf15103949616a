//! The broadcasts a channel keeps: once for all its listeners, by position.

use super::tally::{Quota, Tally};
use crate::log::Position;
use std::collections::VecDeque;

#[derive(Debug)]
struct Kept {
    position: Position,
    /// The bytes of every broadcast of the channel up to and with this one.
    bytes_through: u64,
}

/// Broadcasts in rising order, of which the oldest go first.
#[derive(Debug)]
pub(super) struct Ring {
    kept: VecDeque<Kept>,
    total: Tally,
    dropped: Tally,
    /// The last one that was dropped; at first the channel's birth.
    floor: Position,
    /// The last one that was dropped because a backlog's limit was passed.
    overflowed: Position,
}

impl Ring {
    pub(super) fn new(birth: Position) -> Self {
        Self {
            kept: VecDeque::new(),
            total: Tally::default(),
            dropped: Tally::default(),
            floor: birth,
            overflowed: Position::ZERO,
        }
    }

    pub(super) fn push(&mut self, position: Position, bytes: u64) {
        self.total += Tally::one(bytes);
        self.kept.push_back(Kept { position, bytes_through: self.total.bytes });
    }

    /// Every broadcast there ever was.
    pub(super) fn total(&self) -> Tally {
        self.total
    }

    /// Those that are gone.
    pub(super) fn dropped(&self) -> Tally {
        self.dropped
    }

    /// Those that are kept.
    pub(super) fn kept(&self) -> Tally {
        self.total - self.dropped
    }

    /// The last one that is gone.
    pub(super) fn floor(&self) -> Position {
        self.floor
    }

    /// The last one that went because a backlog's limit was passed.
    pub(super) fn overflowed(&self) -> Position {
        self.overflowed
    }

    /// The first that is kept.
    pub(super) fn first(&self) -> Option<Position> {
        self.kept.front().map(|kept| kept.position)
    }

    /// The newest.
    pub(super) fn last(&self) -> Position {
        self.kept.back().map_or(self.floor, |kept| kept.position)
    }

    fn index_after(&self, position: Position) -> usize {
        match self.kept.back() {
            Some(last) if last.position > position => {
                self.kept.partition_point(|kept| kept.position <= position)
            }
            Some(_) | None => self.kept.len(),
        }
    }

    /// The kept ones behind a position, with their sizes.
    pub(super) fn after(&self, position: Position) -> impl Iterator<Item = (Position, u64)> + '_ {
        let from = self.index_after(position);
        let mut bytes = self.bytes_before(from);
        self.kept.range(from..).map(move |kept| {
            let size = kept.bytes_through - bytes;
            bytes = kept.bytes_through;
            (kept.position, size)
        })
    }

    fn bytes_before(&self, index: usize) -> u64 {
        index.checked_sub(1).map_or(self.dropped.bytes, |before| self.kept[before].bytes_through)
    }

    /// All up to a position that is not below the floor.
    pub(super) fn tally_through(&self, position: Position) -> Tally {
        let index = self.index_after(position);
        Tally { messages: self.dropped.messages + index as u64, bytes: self.bytes_before(index) }
    }

    /// Drops the oldest until the rest keeps to the quota.
    pub(super) fn drop_beyond(&mut self, quota: Quota, dropped: &mut Vec<Position>) {
        while !quota.holds(self.kept()) && self.drop_first(dropped) {
            self.overflowed = self.floor;
        }
    }

    /// Drops all up to a position.
    pub(super) fn drop_through(&mut self, position: Position, dropped: &mut Vec<Position>) {
        while self.first().is_some_and(|first| first <= position) {
            self.drop_first(dropped);
        }
    }

    /// Drops the oldest; false where there is none.
    pub(super) fn drop_first(&mut self, dropped: &mut Vec<Position>) -> bool {
        let Some(first) = self.kept.pop_front() else { return false };
        self.dropped = Tally { messages: self.dropped.messages + 1, bytes: first.bytes_through };
        self.floor = first.position;
        dropped.push(first.position);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> Ring {
        let mut ring = Ring::new(Position(1));
        for n in 1..=5 {
            ring.push(Position(n * 10), n);
        }
        ring
    }

    #[test]
    fn what_is_behind_a_position_comes_in_order_with_its_size() {
        let ring = ring();
        assert_eq!(ring.after(Position(30)).collect::<Vec<_>>(), [(Position(40), 4), (Position(50), 5)]);
        assert_eq!(ring.after(Position(35)).count(), 2);
        assert_eq!(ring.after(Position(50)).count(), 0);
        assert_eq!(ring.tally_through(Position(30)), Tally { messages: 3, bytes: 6 });
    }

    #[test]
    fn the_oldest_go_until_the_quota_is_kept() {
        let (mut ring, mut dropped) = (ring(), Vec::new());
        ring.drop_beyond(Quota { messages: 10, bytes: 9 }, &mut dropped);
        assert_eq!(dropped, [Position(10), Position(20), Position(30)]);
        assert_eq!((ring.floor(), ring.overflowed()), (Position(30), Position(30)));
        assert_eq!(ring.kept(), Tally { messages: 2, bytes: 9 });
        assert_eq!(ring.tally_through(Position(30)), ring.dropped());
        ring.drop_beyond(Quota { messages: 1, bytes: 1 }, &mut dropped);
        assert_eq!(ring.kept().messages, 1, "one always fits");
    }
}
