//! A listener's own dispatches: those that wait, and behind them those that were handed over and may be asked for
//! again.

use super::tally::{Quota, Tally};
use crate::log::Position;
use std::collections::VecDeque;

#[derive(Clone, Copy, Debug)]
struct Own {
    position: Position,
    bytes: u32,
    /// When it was handed over, in seconds of the hub's clock.
    handed_at: u32,
}

impl Own {
    fn tally(self) -> Tally {
        Tally::one(u64::from(self.bytes))
    }
}

/// What of a replay window must go: older than this, or more than this.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) handed_since: u32,
    pub(super) quota: Quota,
}

/// Dispatches in rising order.
#[derive(Debug, Default)]
pub(super) struct Queue {
    window: VecDeque<Own>,
    waiting: VecDeque<Own>,
    window_tally: Tally,
    waiting_tally: Tally,
    /// The last one that left the window.
    floor: Position,
}

impl Queue {
    pub(super) fn push(&mut self, position: Position, bytes: u64) {
        let own = Own { position, bytes: u32::try_from(bytes).unwrap_or(u32::MAX), handed_at: 0 };
        self.waiting_tally += own.tally();
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

    /// The last one that was handed over and can no longer be asked for; what was dropped while it waited is a gap.
    pub(super) fn floor(&self) -> Position {
        self.floor
    }

    /// When the oldest of the window was handed over.
    pub(super) fn window_since(&self) -> Option<u32> {
        self.window.front().map(|own| own.handed_at)
    }

    /// The kept ones behind a position, with their sizes.
    pub(super) fn after(&self, position: Position) -> impl Iterator<Item = (Position, u64)> + '_ {
        let from = self.window.partition_point(|own| own.position <= position);
        let waiting = match self.waiting.front() {
            Some(first) if first.position <= position => {
                self.waiting.partition_point(|own| own.position <= position)
            }
            Some(_) | None => 0,
        };
        let own = self.window.range(from..).chain(self.waiting.range(waiting..));
        own.map(|own| (own.position, u64::from(own.bytes)))
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
        let mut tally = Tally::default();
        while let Some(own) = self.take_waiting(through) {
            tally += own.tally();
            dropped.push(own.position);
        }
        tally
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
