//! A listener's own dispatches: those that wait, and behind them those that were handed over and may be asked for
//! again.

mod kept;

use super::{
    expiry::Expiry,
    tally::{Quota, Tally},
};
use crate::log::Position;
use std::collections::VecDeque;

#[derive(Clone, Copy, Debug)]
struct Own {
    position: Position,
    bytes: u32,
    /// When it was handed over, in seconds of the hub's clock.
    handed_at: u32,
    expiry: Expiry,
    /// So many have expired and are gone; this one is the last of them. 0: it is there.
    gone: u32,
}

impl Own {
    fn tally(&self) -> Tally {
        if self.gone > 0 { Tally::default() } else { Tally::one(u64::from(self.bytes)) }
    }
}

/// One that is kept, or several that have expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dispatch {
    pub(super) position: Position,
    pub(super) bytes: u64,
    pub(super) expiry: Expiry,
    /// How many messages stand here: more than one only where they have expired.
    pub(super) count: u64,
}

impl From<&Own> for Dispatch {
    fn from(own: &Own) -> Self {
        let (bytes, count) = (u64::from(own.bytes), u64::from(own.gone.max(1)));
        Self { position: own.position, bytes, expiry: own.expiry, count }
    }
}

/// What was dropped while it waited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    /// What there was.
    pub(super) tally: Tally,
    /// How many had expired before.
    pub(super) expired: u64,
}

/// What of a replay window must go: older than this, or more than this.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) handed_since: u32,
    pub(super) quota: Quota,
}

/// Dispatches in rising order.
#[derive(Debug)]
pub(super) struct Queue {
    window: VecDeque<Own>,
    waiting: VecDeque<Own>,
    window_tally: Tally,
    waiting_tally: Tally,
    /// The last one that left the window.
    floor: Position,
    /// None of those that wait, and are there, is expired before this.
    next_expiry: Expiry,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            window: VecDeque::new(),
            waiting: VecDeque::new(),
            window_tally: Tally::default(),
            waiting_tally: Tally::default(),
            floor: Position::ZERO,
            next_expiry: Expiry::NEVER,
        }
    }
}

impl Queue {
    pub(super) fn push(&mut self, position: Position, bytes: u64, expiry: Expiry) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let own = Own { position, bytes, handed_at: 0, expiry, gone: 0 };
        self.waiting_tally += own.tally();
        self.next_expiry = self.next_expiry.min(expiry);
        self.waiting.push_back(own);
    }

    /// Those that wait.
    pub(super) fn waiting(&self) -> Tally {
        self.waiting_tally
    }

    /// The first that waits.
    pub(super) fn first_waiting(&self) -> Option<Position> {
        self.waiting.front().map(|own| own.position)
    }

    /// The last that waits.
    pub(super) fn last_waiting(&self) -> Option<Position> {
        self.waiting.back().map(|own| own.position)
    }

    /// The last that waits up to a position.
    pub(super) fn last_waiting_through(&self, position: Position) -> Option<Position> {
        let before = self.first_after(position).checked_sub(1)?;
        self.waiting.get(before).map(|own| own.position)
    }

    /// The last one that was handed over and can no longer be asked for; what was dropped while it waited is a gap.
    pub(super) fn floor(&self) -> Position {
        self.floor
    }

    /// When the oldest of the window was handed over.
    pub(super) fn window_since(&self) -> Option<u32> {
        self.window.front().map(|own| own.handed_at)
    }

    /// When it is worth to look for expired ones.
    pub(super) fn next_expiry(&self) -> Expiry {
        self.next_expiry
    }

    /// The kept ones behind a position.
    pub(super) fn after(&self, position: Position) -> impl Iterator<Item = Dispatch> + '_ {
        let from = self.window.partition_point(|own| own.position <= position);
        let own = self.window.range(from..).chain(self.waiting.range(self.first_after(position)..));
        own.map(Dispatch::from)
    }

    fn first_after(&self, position: Position) -> usize {
        match self.waiting.front() {
            Some(first) if first.position <= position => {
                self.waiting.partition_point(|own| own.position <= position)
            }
            Some(_) | None => 0,
        }
    }

    /// Those up to a position were handed over.
    pub(super) fn hand_over(&mut self, through: Position, now: u32) {
        while let Some(own) = self.take_waiting(through) {
            self.window_tally += own.tally();
            self.window.push_back(Own { handed_at: now, ..own });
        }
    }

    fn take_waiting(&mut self, through: Position) -> Option<Own> {
        let own = self.waiting.pop_front_if(|own| own.position <= through)?;
        self.waiting_tally -= own.tally();
        Some(own)
    }

    /// Drops those that wait, up to a position; tells what they were.
    pub(super) fn drop_waiting(&mut self, through: Position, dropped: &mut Vec<Position>) -> Dropped {
        let mut told = Dropped::default();
        while let Some(own) = self.take_waiting(through) {
            told.tally += own.tally();
            told.expired += u64::from(own.gone);
            dropped.push(own.position);
        }
        told
    }

    /// Takes one out of those that wait, wherever it stands.
    pub(super) fn remove(&mut self, position: Position) -> Option<Dispatch> {
        let index = self.first_after(position.before());
        let own = *self.waiting.get(index).filter(|own| own.position == position)?;
        self.waiting.remove(index);
        self.waiting_tally -= own.tally();
        Some(Dispatch::from(&own))
    }

    /// Takes the content from those behind a position that have expired, and puts what stands next to each other
    /// together, so that any number of them is passed at once; what is `apart` has something else between.
    pub(super) fn expire(
        &mut self,
        now: u64,
        behind: Position,
        apart: impl Fn(Position, Position) -> bool,
        expired: &mut Vec<Position>,
    ) {
        if !self.next_expiry.is_past(now) {
            return;
        }
        self.next_expiry = Expiry::NEVER;
        let mut kept: VecDeque<Own> = VecDeque::with_capacity(self.waiting.len());
        for mut own in std::mem::take(&mut self.waiting) {
            if own.gone == 0 && own.position > behind && own.expiry.is_past(now) {
                self.waiting_tally -= own.tally();
                expired.push(own.position);
                (own.gone, own.expiry) = (1, Expiry::PAST);
            }
            self.next_expiry = self.next_expiry.min(own.expiry.unless_past());
            let together = |last: &Own| last.gone > 0 && own.gone > 0 && !apart(last.position, own.position);
            match kept.back_mut().filter(|last| together(last)) {
                Some(last) => (last.position, last.gone) = (own.position, last.gone.saturating_add(own.gone)),
                None => kept.push_back(own),
            }
        }
        kept.shrink_to(kept.len() * 2);
        self.waiting = kept;
    }

    /// Drops everything.
    pub(super) fn drop_all(&mut self, dropped: &mut Vec<Position>) {
        self.drop_window(Position(u64::MAX), dropped);
        self.drop_waiting(Position(u64::MAX), dropped);
    }

    /// Lets go what the window must not hold any longer.
    pub(super) fn trim_window(&mut self, keep: Window, dropped: &mut Vec<Position>) {
        while let Some(first) = self.window.front()
            && (first.handed_at < keep.handed_since || !fits(keep.quota, self.window_tally))
        {
            let through = first.position;
            self.drop_window(through, dropped);
        }
    }

    /// Drops the window up to a position.
    pub(super) fn drop_window(&mut self, through: Position, dropped: &mut Vec<Position>) {
        while let Some(own) = self.window.pop_front_if(|own| own.position <= through) {
            self.window_tally -= own.tally();
            self.floor = self.floor.max(own.position);
            dropped.push(own.position);
        }
    }
}

/// Unlike a backlog, a window need not hold even one message.
fn fits(quota: Quota, tally: Tally) -> bool {
    tally.messages <= quota.messages && tally.bytes <= quota.bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_expired_ones_is_one_step() {
        let (mut queue, mut expired) = (Queue::default(), Vec::new());
        queue.push(Position(1), 10, Expiry::NEVER);
        (2..=1000).for_each(|n| queue.push(Position(n), 10, Expiry::at(n)));
        queue.expire(999, Position::ZERO, |_, _| false, &mut expired);
        let left: Vec<_> = queue.after(Position(1)).map(|own| (own.position.0, own.count)).collect();
        assert_eq!((left, expired.len()), (vec![(999, 998), (1000, 1)], 998));
        assert_eq!(queue.waiting(), Tally { messages: 2, bytes: 20 });
        let told = queue.drop_waiting(Position(1000), &mut expired);
        assert_eq!((told.tally.messages, told.expired, queue.waiting()), (2, 998, Tally::default()));
    }

    #[test]
    fn what_somebody_has_in_hand_does_not_expire() {
        let (mut queue, mut expired) = (Queue::default(), Vec::new());
        (1..=3).for_each(|n| queue.push(Position(n), 10, Expiry::at(1)));
        queue.expire(5, Position(2), |_, _| false, &mut expired);
        assert_eq!((expired, queue.waiting().messages), (vec![Position(3)], 2));
        assert_eq!(queue.remove(Position(2)).map(|own| own.count), Some(1));
        assert_eq!(queue.waiting().messages, 1);
    }
}
