//! A receiver moves on: what was handed over is passed.

use super::{Cursor, Position, Ring, Standing, Tally};
use crate::hub::{cursor::Look, desk::Tail, queue::Window};

impl Standing {
    pub(in crate::hub) fn pass(&mut self, through: Position, ring: &Ring) {
        self.passed = through;
        if let Some(tally) = self.tally_through(through, ring) {
            self.passed_tally = tally;
            self.split = false;
        }
        let tally = self.passed_tally();
        if let Some(explicit) = &mut self.explicit {
            explicit.passed(through, tally, ring);
        }
    }

    /// Messages up to a position were handed over; `tally` is that of the channel's broadcasts up to there, where
    /// it is known: what was trimmed beyond can no longer be counted where it is not.
    pub(in crate::hub) fn hand_over(
        &mut self,
        through: Position,
        tally: Option<Tally>,
        now: u32,
        keep: Window,
        dropped: &mut Vec<Position>,
    ) {
        if through <= self.passed {
            return;
        }
        self.passed = through;
        self.split = tally.is_none();
        self.passed_tally = tally.unwrap_or(self.passed_tally);
        if self.queue.first_waiting().is_some() {
            self.queue.hand_over(through, now);
            self.queue.trim_window(keep, dropped);
        }
    }

    /// Whether nothing of what was found was lost, purged or sent back meanwhile, or, where it would be in hand, has expired.
    pub(in crate::hub) fn still(&self, found: &Look, ring: &Ring) -> bool {
        match &self.explicit {
            Some(explicit) => {
                (explicit.touched(), self.cleared, ring.marked())
                    == (found.touched, found.cleared, found.marked)
            }
            None => {
                !self.sent_back
                    && (self.hears_from, self.deaf) == (found.hears_from, found.deaf)
                    && (self.passed, self.cleared, self.lost) == (found.passed, found.cleared, found.lost)
            }
        }
    }

    /// Whether there may be something for a stream at a place that no bell will bring.
    pub(in crate::hub) fn has_news(&self, cursor: Cursor) -> bool {
        if let Some(explicit) = &self.explicit {
            return explicit.stirred()
                || self.queue.last_waiting().is_some_and(|own| own > explicit.sent())
                || self.gaps.any_to_say(explicit.said());
        }
        cursor.at < self.passed || self.queue.first_waiting().is_some() || self.gaps.any_to_say(cursor.said)
    }

    /// Moves to where a look has led.
    pub(in crate::hub) fn move_to(
        &mut self,
        next: &Look,
        now: u32,
        keep: Window,
        dropped: &mut Vec<Position>,
    ) {
        if next.cursor.at > self.passed {
            self.lost += next.expired.count;
        }
        self.gaps.hand_over(next.cursor.said, now, keep.handed_since);
        self.hand_over(next.cursor.at, next.tally, now, keep, dropped);
    }

    /// Moves over broadcasts that were shared, for a stream at `cursor`; false where it has something else to say first.
    pub(in crate::hub) fn take_level(&mut self, cursor: Cursor, through: Position, tail: &Tail) -> bool {
        // it may have come while it heard no broadcasts
        if self.deaf || tail.first() <= self.hears_from || self.is_withheld(through) {
            return false;
        }
        if self.explicit.is_some() {
            return self.take_level_in_hand(cursor, through, tail);
        }
        let level = cursor.at == self.passed
            && !self.gaps.any_to_say(cursor.said)
            && self.queue.first_waiting().is_none_or(|own| own > through);
        if level {
            self.passed = through;
            self.passed_tally = tail.tally;
            self.split = false;
        }
        level
    }
}
