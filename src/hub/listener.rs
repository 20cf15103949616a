//! A listener: a cursor in the channel's order, and its own dispatches.

use super::{
    channel::Channel,
    cursor::{Cursor, Look},
    gap::{Gap, GapReason, Gaps},
    queue::{Queue, Window},
    ring::Ring,
    settings::{AcknowledgementMode, ListenerSettings},
    tally::{Quota, Tally},
};
use crate::{error::Error, log::Position, message::Message};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool};

/// Where a listener's stream sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seated {
    /// Which stream it is: seats are given again.
    pub(super) stream: u64,
    pub(super) core: usize,
    pub(super) seat: usize,
}

/// An end that was dispatched.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) position: Position,
    pub(super) message: Message,
}

/// How much may wait. What was accepted before the limit was set is not dropped for it, until more comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    pub(super) quota: Quota,
    pub(super) since: Position,
}

/// A registered listener.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) id: Arc<str>,
    pub(super) birth: Position,
    pub(super) created_at: i64,
    pub(super) mode: AcknowledgementMode,
    /// A bell for it alone is on its way.
    pub(super) rung: AtomicBool,
    standing: Mutex<Standing>,
}

impl Listener {
    pub(super) fn new(
        id: Arc<str>,
        birth: Position,
        created_at: i64,
        mode: AcknowledgementMode,
        standing: Standing,
    ) -> Self {
        Self { id, birth, created_at, mode, rung: AtomicBool::new(false), standing: Mutex::new(standing) }
    }

    /// Whether messages are acknowledged, as whoever gives credit takes it.
    pub(super) fn must_be_explicit(&self, channel: &Channel) -> Result<(), Error> {
        match self.mode {
            AcknowledgementMode::Explicit => Ok(()),
            AcknowledgementMode::Automatic => {
                let (channel, listener) = (channel.id.to_string(), self.id.to_string());
                Err(Error::NotExplicit { channel, listener })
            }
        }
    }

    /// Taken after the channel's lock where both are.
    pub(super) fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a receiver stands. A listener's outlives its streams, a watcher's does not.
#[derive(Debug)]
pub(super) struct Standing {
    /// Everything up to here was never meant for it.
    pub(super) start: Position,
    /// Everything up to here was handed over, or is a gap.
    pub(super) passed: Position,
    /// The channel's broadcasts up to there, to count what waits without walking it.
    passed_tally: Tally,
    /// Everything up to here was purged: no token brings it back.
    pub(super) cleared: Position,
    /// A gap among broadcasts that are gone was begun and has to go round dispatches that are not.
    split: bool,
    pub(super) queue: Queue,
    pub(super) gaps: Gaps,
    /// What was lost to gaps, as far as it could be counted.
    pub(super) lost: u64,
    pub(super) settings: ListenerSettings,
    pub(super) running: bool,
    pub(super) seated: Option<Seated>,
    /// The message that says that no more will come, dispatched to it alone.
    pub(super) end: Option<Box<End>>,
    /// It stands in the channel's list of windows that grow old.
    pub(super) ageing: bool,
}

impl Standing {
    /// Begins behind a position; what of it is gone already is a gap.
    pub(super) fn new(start: Position, ring: &Ring) -> Self {
        let mut standing = Self {
            start,
            passed: start,
            passed_tally: ring.tally_through(start),
            cleared: Position::ZERO,
            split: false,
            queue: Queue::default(),
            gaps: Gaps::default(),
            lost: 0,
            settings: ListenerSettings::default(),
            running: false,
            seated: None,
            end: None,
            ageing: false,
        };
        if start < ring.floor() {
            let gap = Gap { reason: GapReason::Trimmed, after: start, through: ring.floor(), count: None };
            standing.give_up(gap, ring);
        }
        standing
    }

    /// What waits for it.
    pub(super) fn backlog(&self, ring: &Ring) -> Tally {
        let mut backlog = ring.total() - self.gone_or_passed(ring);
        backlog += self.queue.waiting();
        backlog
    }

    fn gone_or_passed(&self, ring: &Ring) -> Tally {
        let dropped = ring.dropped();
        if self.passed_tally.messages < dropped.messages { dropped } else { self.passed_tally }
    }

    /// Whether one more message of this size keeps to the quota.
    pub(super) fn has_room(&self, ring: &Ring, quota: Quota, bytes: u64) -> bool {
        let mut backlog = self.backlog(ring);
        backlog += Tally::one(bytes);
        quota.holds(backlog)
    }

    /// Makes the rules true that were left aside while nobody looked: broadcasts that are gone become a gap, and of
    /// what is beyond the quota the oldest go.
    pub(super) fn settle(&mut self, ring: &Ring, allowance: Allowance, dropped: &mut Vec<Position>) {
        self.note_trimmed(ring);
        let newest = self.queue.last_waiting().map_or(ring.last(), |own| own.max(ring.last()));
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
        ring.dropped().messages.saturating_sub(self.passed_tally.messages)
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
        let reason = if ring.overflowed() > self.passed { GapReason::Overflow } else { GapReason::Trimmed };
        self.lose(reason, through, 0, ring);
    }

    fn drop_oldest(&mut self, ring: &Ring, quota: Quota, dropped: &mut Vec<Position>) {
        let mut left = self.backlog(ring);
        let mut through = self.passed;
        let mut broadcasts = ring.after(self.passed).peekable();
        let mut count = 0;
        while !self.with_end_beside(quota, through).holds(left) {
            let own = self.queue.first_waiting().unwrap_or(Position(u64::MAX));
            match broadcasts.next_if(|(broadcast, _)| *broadcast < own) {
                Some((broadcast, bytes)) => {
                    left -= Tally::one(bytes);
                    through = broadcast;
                }
                None => {
                    left -= self.queue.drop_waiting(own, dropped);
                    through = own;
                }
            }
            count += 1;
        }
        self.lose(GapReason::Overflow, through, count, ring);
    }

    /// Everything up to a position goes, window included; what waited becomes a gap. Tells how much that was.
    pub(super) fn purge(&mut self, through: Position, ring: &Ring, dropped: &mut Vec<Position>) -> u64 {
        self.cleared = self.cleared.max(through);
        self.queue.drop_window(through, dropped);
        let own = self.queue.drop_waiting(through, dropped);
        let broadcasts = ring.tally_through(through.max(ring.floor())) - self.gone_or_passed(ring);
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

    fn give_up(&mut self, gap: Gap, ring: &Ring) {
        self.gaps.note(gap);
        self.pass(gap.through, ring);
    }

    fn pass(&mut self, through: Position, ring: &Ring) {
        self.passed = through;
        if through >= ring.floor() {
            self.passed_tally = ring.tally_through(through);
            self.split = false;
        }
    }

    /// Messages up to a position were handed over; `tally` is that of the channel's broadcasts up to there, where
    /// it is known: what was trimmed beyond can no longer be counted where it is not.
    pub(super) fn hand_over(
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

    /// Whether nothing of what was found was lost or purged meanwhile.
    pub(super) fn still(&self, found: &Look) -> bool {
        self.passed == found.passed && self.cleared == found.cleared
    }

    /// Moves to where a look has led.
    pub(super) fn move_to(&mut self, next: &Look, now: u32, keep: Window, dropped: &mut Vec<Position>) {
        self.gaps.hand_over(next.cursor.said, now, keep.handed_since);
        self.hand_over(next.cursor.at, next.tally, now, keep, dropped);
    }

    /// Moves over broadcasts that were shared, for a stream at `cursor`; false where it has something else to say first.
    pub(super) fn take_level(&mut self, cursor: Cursor, through: Position, tally: Tally) -> bool {
        let level = cursor.at == self.passed
            && !self.gaps.any_after(cursor.said)
            && self.queue.first_waiting().is_none_or(|own| own > through);
        if level {
            self.passed = through;
            self.passed_tally = tally;
            self.split = false;
        }
        level
    }

    /// How near to being full of messages it is; the lower the nearer. It falls with its own dispatches and rises when
    /// it is handed messages; broadcasts do not change it.
    pub(super) fn slack_in_messages(&self, ring: &Ring) -> i64 {
        to_i64(self.gone_or_passed(ring).messages) - to_i64(self.queue.waiting().messages)
    }

    /// The same for bytes.
    pub(super) fn slack_in_bytes(&self, ring: &Ring) -> i64 {
        to_i64(self.gone_or_passed(ring).bytes) - to_i64(self.queue.waiting().bytes)
    }
}

fn to_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
