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
}

impl Own {
    fn tally(&self) -> Tally {
        Tally::one(u64::from(self.bytes))
    }
}

/// One that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dispatch {
    pub(super) position: Position,
    pub(super) bytes: u64,
    pub(super) expiry: Expiry,
}

impl From<&Own> for Dispatch {
    fn from(own: &Own) -> Self {
        Self { position: own.position, bytes: u64::from(own.bytes), expiry: own.expiry }
    }
}

/// Some that have expired, with nothing that waits between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: Position,
    pub(super) last: Position,
    pub(super) count: u64,
}

/// What of a replay window must go: older than this, or more than this.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) handed_since: u32,
    pub(super) quota: Quota,
}

/// Dispatches in rising order.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    window: VecDeque<Own>,
    waiting: VecDeque<Own>,
    window_tally: Tally,
    waiting_tally: Tally,
    /// The last one that left the window.
    floor: Position,
    /// None of those that wait is expired before this.
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
        let own = Own { position, bytes, handed_at: 0, expiry };
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
    pub(super) fn drop_waiting(&mut self, through: Position, dropped: &mut Vec<Position>) -> Tally {
        let mut told = Tally::default();
        while let Some(own) = self.take_waiting(through) {
            told += own.tally();
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

    /// Has one wait again where it stood, unless it still does.
    pub(super) fn put_back(&mut self, dispatch: Dispatch) {
        let Dispatch { position, bytes, expiry } = dispatch;
        let index = self.first_after(position.before());
        if self.waiting.get(index).is_some_and(|own| own.position == position) {
            return;
        }
        let own = Own { position, bytes: u32::try_from(bytes).unwrap_or(u32::MAX), handed_at: 0, expiry };
        self.waiting_tally += own.tally();
        self.next_expiry = self.next_expiry.min(expiry);
        self.waiting.insert(index, own);
    }

    /// Takes out those that have expired in nobody's hand, and tells them in runs; what is `apart` has something else
    /// between. Those that are taken out are appended to `expired`, to be deleted.
    pub(super) fn expire(
        &mut self,
        now: u64,
        in_hand: impl Fn(Position) -> bool,
        apart: impl Fn(Position, Position) -> bool,
        expired: &mut Vec<Position>,
    ) -> Vec<Run> {
        let (mut runs, mut goes_on) = (Vec::new(), false);
        if !self.next_expiry.is_past(now) {
            return runs;
        }
        self.next_expiry = Expiry::NEVER;
        self.waiting.retain(|own| {
            let stays = !own.expiry.is_past(now) || in_hand(own.position);
            if stays {
                self.next_expiry = self.next_expiry.min(own.expiry);
            } else {
                self.waiting_tally -= own.tally();
                expired.push(own.position);
                add_to(&mut runs, own.position, |last| goes_on && !apart(last, own.position));
            }
            goes_on = !stays;
            stays
        });
        self.waiting.shrink_to(self.waiting.len() * 2);
        runs
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

/// Makes the last run longer by one, or begins another.
fn add_to(runs: &mut Vec<Run>, position: Position, longer: impl Fn(Position) -> bool) {
    match runs.last_mut().filter(|run| longer(run.last)) {
        Some(run) => (run.last, run.count) = (position, run.count + 1),
        None => runs.push(Run { first: position, last: position, count: 1 }),
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
    fn what_has_expired_is_taken_out_in_runs() {
        let (mut queue, mut expired) = (Queue::default(), Vec::new());
        queue.push(Position(1), 10, Expiry::NEVER);
        (2..=1000).for_each(|n| queue.push(Position(n), 10, Expiry::at(n)));
        let apart = |one: Position, _| one == Position(500);
        let runs = queue.expire(999, |_| false, apart, &mut expired);
        let run = |first, last| Run { first: Position(first), last: Position(last), count: last - first + 1 };
        assert_eq!((runs, expired.len()), (vec![run(2, 500), run(501, 999)], 998));
        let left: Vec<_> = queue.after(Position::ZERO).map(|own| own.position.0).collect();
        assert_eq!((left, queue.waiting()), (vec![1, 1000], Tally { messages: 2, bytes: 20 }));
        let runs = queue.expire(1000, |_| false, |_, _| false, &mut expired);
        assert_eq!((runs, queue.waiting().messages), (vec![run(1000, 1000)], 1));
    }

    #[test]
    fn a_million_that_have_expired_leave_nothing_to_walk() {
        let (mut queue, mut expired) = (Queue::default(), Vec::new());
        (1..=1_000_000).for_each(|n| queue.push(Position(n), 10, Expiry::at(n)));
        queue.push(Position(2_000_000), 10, Expiry::NEVER);
        let runs = queue.expire(1_000_000, |_| false, |_, _| false, &mut expired);
        assert_eq!((runs.len(), runs[0].count, expired.len()), (1, 1_000_000, 1_000_000));
        assert_eq!(queue.after(Position::ZERO).count(), 1);
        assert!(queue.waiting.capacity() < 10, "their memory is given back");
    }

    #[test]
    fn what_waits_between_keeps_runs_apart() {
        let (mut queue, mut expired) = (Queue::default(), Vec::new());
        (1..=3).for_each(|n| queue.push(Position(n), 10, if n == 2 { Expiry::NEVER } else { Expiry::at(1) }));
        assert_eq!(queue.expire(1, |_| false, |_, _| false, &mut expired).len(), 2);
    }

    #[test]
    fn what_somebody_has_in_hand_does_not_expire() {
        let (mut queue, mut expired) = (Queue::default(), Vec::new());
        (1..=3).for_each(|n| queue.push(Position(n), 10, Expiry::at(1)));
        queue.expire(5, |position| position <= Position(2), |_, _| false, &mut expired);
        assert_eq!((expired, queue.waiting().messages), (vec![Position(3)], 2));
        assert!(queue.remove(Position(2)).is_some() && queue.remove(Position(3)).is_none());
        assert_eq!(queue.waiting().messages, 1);
    }
}
