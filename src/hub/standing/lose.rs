//! What cannot reach a receiver any more becomes a gap: what is beyond its backlog, older than what is kept, or purged.

use super::{Allowance, Gap, GapReason, Position, Quota, Ring, Standing, Tally};

impl Standing {
    /// Makes the rules true that were left aside while nobody looked: broadcasts that are gone become a gap, and of
    /// what is beyond the quota the oldest go. It asks for the time only where anything has changed: that it has not is the
    /// rule, for each message that is sent.
    pub(in crate::hub) fn settle(
        &mut self,
        ring: &Ring,
        allowance: Allowance,
        now: impl Fn() -> u64,
        dropped: &mut Vec<Position>,
    ) {
        if self.explicit.is_some() {
            self.tell_trimmed(ring, &now);
        } else {
            self.note_trimmed(ring);
        }
        let before = self.passed;
        self.drop_beyond(ring, allowance, dropped);
        if self.passed > before {
            self.begin_with_another(ring, now());
        }
    }

    /// What was the first is gone; what stands behind it may be acknowledged.
    pub(in crate::hub) fn begin_with_another(&mut self, ring: &Ring, now: u64) {
        if let Some(explicit) = &mut self.explicit {
            explicit.another_is_first(now);
            self.advance(ring, now);
        }
    }

    fn drop_beyond(&mut self, ring: &Ring, allowance: Allowance, dropped: &mut Vec<Position>) {
        let heard = if ring.last() > self.hears_from { ring.last() } else { Position::ZERO };
        let newest = self.queue.last_waiting().map_or(heard, |own| own.max(heard));
        let quota = self.with_end_beside(allowance.quota, self.passed);
        if newest > allowance.since && !quota.holds(self.backlog(ring)) {
            self.drop_oldest(ring, allowance.quota, dropped);
        }
    }

    /// An end that was dispatched to a full listener stands beside its backlog, as long as it waits behind `passed`.
    fn with_end_beside(&self, quota: Quota, passed: Position) -> Quota {
        let Some(end) = self.end.as_ref().filter(|end| end.position > passed) else { return quota };
        Quota {
            messages: quota.messages.saturating_add(1),
            bytes: quota.bytes.saturating_add(end.message.len() as u64),
        }
    }

    /// Broadcasts that are gone and of which it has not been told. They count when it is told of the last of them.
    fn trimmed(&self, ring: &Ring) -> u64 {
        if self.passed >= ring.floor() {
            return 0;
        }
        let acknowledged = self.explicit.as_ref().map_or(0, |explicit| explicit.gone_holes());
        ring.dropped().messages.saturating_sub(self.passed_tally.messages + acknowledged)
    }

    /// Broadcasts that are gone are told of where the last of them stood; an own dispatch before it may still be in hand.
    fn tell_trimmed(&mut self, ring: &Ring, now: impl Fn() -> u64) {
        if self.passed_tally.messages >= ring.dropped().messages {
            return;
        }
        let now = now();
        let Some(explicit) = &mut self.explicit else { return };
        explicit.forget_holes(ring.dropped().messages, ring);
        let count = self.trimmed(ring);
        let before = self.queue.last_waiting_through(ring.floor()).unwrap_or_default();
        let gap = Gap {
            reason: ring.why_gone(self.passed),
            after: before.max(self.passed),
            through: ring.floor(),
            count: Some(count),
        };
        let own: Vec<_> = self.queue.after(self.passed).map(|own| own.position).collect();
        self.passed_tally = ring.dropped();
        if let Some(explicit) = &mut self.explicit {
            explicit.forget_trimmed(ring.floor(), &own);
        }
        if count > 0 {
            self.lost += count;
            self.gaps.insert(gap, None);
            self.recount(ring);
        }
        let first_own = self.queue.after(self.passed).next();
        let first_own = first_own.map_or(Position(u64::MAX), |own| own.position.before());
        let to = ring.floor().min(first_own);
        if to > self.passed {
            self.pass(to, ring);
            if let Some(explicit) = &mut self.explicit {
                explicit.another_is_first(now);
            }
        }
        self.advance(ring, now);
    }

    /// A gap has its place between the dispatches that are still there.
    fn note_trimmed(&mut self, ring: &Ring) {
        if self.trimmed(ring) == 0 {
            return;
        }
        let before_own = self.queue.first_waiting().map_or(Position(u64::MAX), Position::before);
        let through = ring.floor().min(before_own);
        if through <= self.passed {
            return;
        }
        self.lose(ring.why_gone(self.passed), through, 0, ring);
    }

    fn drop_oldest(&mut self, ring: &Ring, quota: Quota, dropped: &mut Vec<Position>) {
        let mut left = self.backlog(ring);
        let mut through = self.passed;
        let mut count = 0;
        for next in self.merged(ring, self.passed) {
            if self.with_end_beside(quota, through).holds(left) {
                break;
            }
            through = next.position;
            if self.is_acknowledged(&next) {
                continue;
            }
            left -= Tally::one(next.bytes);
            count += 1;
        }
        self.queue.drop_waiting(through, dropped);
        self.lose(GapReason::Overflow, through, count, ring);
    }

    /// Everything up to a position goes, window included; what waited becomes a gap. Tells how much that was.
    pub(in crate::hub) fn purge(
        &mut self,
        through: Position,
        ring: &Ring,
        dropped: &mut Vec<Position>,
    ) -> u64 {
        self.cleared = self.cleared.max(through);
        self.queue.drop_window(through, dropped);
        let own = self.queue.drop_waiting(through, dropped);
        let known = match &mut self.explicit {
            Some(explicit) => {
                explicit.holes_through(ring.tally_through(through.max(ring.floor())).messages, ring)
            }
            None => Tally::default(),
        };
        let all = ring.tally_through(through.max(ring.floor()).max(self.hears_from));
        let broadcasts = all - self.broadcasts_passed(ring) - known;
        let waited = own.messages + broadcasts.messages;
        if waited > 0 {
            self.lose(GapReason::Purged, through, waited, ring);
        }
        waited
    }

    /// So many that waited up to a position become a gap, and with them the broadcasts among them that were gone.
    fn lose(&mut self, reason: GapReason, through: Position, waited: u64, ring: &Ring) {
        let whole = through >= ring.floor();
        let trimmed = if whole { self.trimmed(ring) } else { 0 };
        let count = (whole && !self.split).then_some(waited + trimmed);
        self.lost += waited + trimmed;
        self.split = !whole;
        self.give_up(Gap { reason, after: self.passed, through, count }, ring);
    }

    pub(super) fn give_up(&mut self, gap: Gap, ring: &Ring) {
        if self.explicit.is_some() {
            // there may be some behind it that were said
            self.gaps.insert(gap, None);
        } else {
            let gap = self.gaps.swallow(gap);
            self.gaps.note(gap);
        }
        self.pass(gap.through, ring);
        if let Some(explicit) = &mut self.explicit {
            explicit.lost();
            self.recount(ring);
        }
    }
}
