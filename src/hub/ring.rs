//! The broadcasts a channel keeps: once for all its listeners, by position.

mod kept;

use super::{
    expiry::Expiry,
    gap::GapReason,
    tally::{Quota, Tally},
};
use crate::log::Position;
use std::collections::VecDeque;

#[derive(Debug)]
struct Kept {
    position: Position,
    /// The bytes of every broadcast of the channel up to and with this one.
    bytes_through: u64,
    expiry: Expiry,
}

/// One that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broadcast {
    pub(super) position: Position,
    pub(super) bytes: u64,
    /// Which of all broadcasts of the channel it is, counted from 1.
    pub(super) ordinal: u64,
    pub(super) expiry: Expiry,
}

/// Between these places somebody may have broadcasts in hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct InHand {
    pub(super) after: Position,
    pub(super) through: Position,
}

impl InHand {
    pub(super) const NOTHING: Self = Self { after: Position(u64::MAX), through: Position::ZERO };

    pub(super) fn add(&mut self, after: Position, through: Position) {
        (self.after, self.through) = (self.after.min(after), self.through.max(through));
    }

    fn holds(&self, position: Position) -> bool {
        position > self.after && position <= self.through
    }
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
    /// The last one that was dropped because it had expired.
    expired: Position,
    /// None of the kept ones that are not marked as expired is so before this.
    next_expiry: Expiry,
    /// How many were ever marked so.
    marked: u64,
}

impl Ring {
    pub(super) fn new(birth: Position) -> Self {
        Self {
            kept: VecDeque::new(),
            total: Tally::default(),
            dropped: Tally::default(),
            floor: birth,
            overflowed: Position::ZERO,
            expired: Position::ZERO,
            next_expiry: Expiry::NEVER,
            marked: 0,
        }
    }

    pub(super) fn push(&mut self, position: Position, bytes: u64, expiry: Expiry) {
        self.total += Tally::one(bytes);
        self.next_expiry = self.next_expiry.min(expiry);
        self.kept.push_back(Kept { position, bytes_through: self.total.bytes, expiry });
    }

    /// How many were ever marked as expired.
    pub(super) fn marked(&self) -> u64 {
        self.marked
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

    /// Why broadcasts that are gone are so, for one who stands there.
    pub(super) fn why_gone(&self, at: Position) -> GapReason {
        match () {
            () if self.overflowed > at => GapReason::Overflow,
            () if self.expired > at => GapReason::Expired,
            () => GapReason::Trimmed,
        }
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
    pub(super) fn after(&self, position: Position) -> impl Iterator<Item = Broadcast> + '_ {
        let from = self.index_after(position);
        let mut through =
            Tally { messages: self.dropped.messages + from as u64, bytes: self.bytes_before(from) };
        self.kept.range(from..).map(move |kept| {
            let bytes = kept.bytes_through - through.bytes;
            through = Tally { messages: through.messages + 1, bytes: kept.bytes_through };
            Broadcast { position: kept.position, bytes, ordinal: through.messages, expiry: kept.expiry }
        })
    }

    /// Whether one that is kept, or the last that is gone, stands between two places.
    pub(super) fn any_between(&self, after: Position, before: Position) -> bool {
        let gone = after < self.floor && self.floor < before;
        gone || self.kept.get(self.index_after(after)).is_some_and(|kept| kept.position < before)
    }

    /// The size of one that is kept, by its number.
    pub(super) fn bytes_of(&self, ordinal: u64) -> u64 {
        let index =
            ordinal.checked_sub(self.dropped.messages + 1).and_then(|index| usize::try_from(index).ok());
        let kept = index.and_then(|index| Some((index, self.kept.get(index)?)));
        kept.map_or(0, |(index, kept)| kept.bytes_through - self.bytes_before(index))
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

    /// Marks those that have expired and are in nobody's hand, and drops the oldest of them. Those that are marked are appended to `expired`, to be deleted.
    pub(super) fn expire(&mut self, now: u64, in_hand: &InHand, expired: &mut Vec<Position>) {
        if self.next_expiry.is_past(now) {
            self.mark_expired(now, in_hand, expired);
        }
        self.drop_expired(in_hand.after);
    }

    fn mark_expired(&mut self, now: u64, in_hand: &InHand, expired: &mut Vec<Position>) {
        self.next_expiry = Expiry::NEVER;
        for kept in self.kept.iter_mut().filter(|kept| kept.expiry != Expiry::PAST) {
            if kept.expiry.is_past(now) && !in_hand.holds(kept.position) {
                kept.expiry = Expiry::PAST;
                self.marked += 1;
                expired.push(kept.position);
            }
            self.next_expiry = self.next_expiry.min(kept.expiry.unless_past());
        }
    }

    /// Whether there is something for [`Ring::expire`] to do.
    pub(super) fn has_expired(&self, now: u64) -> bool {
        self.next_expiry.is_past(now) || self.kept.front().is_some_and(|kept| kept.expiry == Expiry::PAST)
    }

    /// Drops the oldest that are marked as expired.
    fn drop_expired(&mut self, through: Position) {
        let mut gone = Vec::new();
        while self.kept.front().is_some_and(|kept| kept.expiry == Expiry::PAST && kept.position <= through) {
            self.drop_first(&mut gone);
            self.expired = self.floor;
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
            ring.push(Position(n * 10), n, Expiry::NEVER);
        }
        ring
    }

    #[test]
    fn what_is_behind_a_position_comes_in_order_with_its_size() {
        let ring = ring();
        let behind = ring.after(Position(30)).map(|kept| (kept.position.0, kept.bytes, kept.ordinal));
        assert_eq!(behind.collect::<Vec<_>>(), [(40, 4, 4), (50, 5, 5)]);
        assert_eq!((ring.bytes_of(4), ring.bytes_of(6)), (4, 0));
        assert_eq!(ring.after(Position(35)).count(), 2);
        assert_eq!(ring.after(Position(50)).count(), 0);
        assert_eq!(ring.tally_through(Position(30)), Tally { messages: 3, bytes: 6 });
    }

    #[test]
    fn the_oldest_go_until_the_quota_is_kept() {
        let (mut ring, mut dropped) = (ring(), Vec::new());
        ring.drop_beyond(Quota { messages: 10, bytes: 9 }, &mut dropped);
        assert_eq!(dropped, [Position(10), Position(20), Position(30)]);
        assert_eq!((ring.floor(), ring.overflowed), (Position(30), Position(30)));
        assert_eq!(ring.kept(), Tally { messages: 2, bytes: 9 });
        assert_eq!(ring.tally_through(Position(30)), ring.dropped());
        ring.drop_beyond(Quota { messages: 1, bytes: 1 }, &mut dropped);
        assert_eq!(ring.kept().messages, 1, "one always fits");
    }

    #[test]
    fn what_has_expired_is_marked_and_goes_when_it_is_the_oldest() {
        let (mut ring, mut expired) = (Ring::new(Position(1)), Vec::new());
        [5, 9, 5, 5].iter().zip(2..).for_each(|(at, n)| ring.push(Position(n), 1, Expiry::at(*at)));
        ring.expire(5, &InHand::NOTHING, &mut expired);
        assert_eq!((expired.len(), ring.floor(), ring.expired), (3, Position(2), Position(2)));
        let left: Vec<_> = ring.after(Position(0)).map(|kept| kept.expiry.is_past(5)).collect();
        assert_eq!(left, [false, true, true]);
        expired.clear();
        let mut in_hand = InHand::NOTHING;
        in_hand.add(Position(2), Position(4));
        ring.expire(9, &in_hand, &mut expired);
        assert_eq!((&*expired, ring.floor()), (&[][..], Position(2)), "somebody has the first in hand");
        ring.expire(9, &InHand::NOTHING, &mut expired);
        assert_eq!((expired, ring.floor()), (vec![Position(3)], Position(5)));
    }
}
