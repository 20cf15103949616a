//! Where a receiver stands in its channel's order: a cursor, its own dispatches, and the gaps it has to be told of.
//!
//! [`pass`] moves it on, [`lose`] makes gaps of what cannot reach it, [`undo`] takes back what a log refused, [`kept`] is
//! what a log keeps of it.

mod kept;
mod lose;
mod pass;
mod undo;

pub(super) use kept::Regained;

use super::{
    attendance::Attendance,
    cursor::Cursor,
    explicit::Explicit,
    gap::{Gap, GapReason, Gaps},
    next::Next,
    queue::Queue,
    ring::Ring,
    session::Claim,
    settings::ListenerSettings,
    tally::{Quota, Tally},
};
use crate::{log::Position, message::Message};

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

/// How much may wait. What was accepted before the limit was set, or before a start, is not dropped for it, until more
/// comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    pub(super) quota: Quota,
    pub(super) since: Position,
}

/// Where a receiver stands. A listener's outlives its streams, a watcher's does not.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    /// Everything up to here was never meant for it.
    pub(super) start: Position,
    /// Broadcasts up to here were never meant for it.
    pub(super) hears_from: Position,
    /// It receives dead letters and no broadcasts: for it the channel has none.
    pub(super) deaf: bool,
    /// Everything up to here was handed over, or acknowledged where that is explicit, or is a gap.
    pub(super) passed: Position,
    /// The channel's broadcasts up to there, to count what waits without walking it.
    passed_tally: Tally,
    /// What is delivered and not acknowledged, where that is explicit.
    pub(super) explicit: Option<Box<Explicit>>,
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
    /// It was stopped, and nobody has opened it anew since: whoever comes back by himself is not to start it.
    pub(super) halted: bool,
    pub(super) seated: Option<Seated>,
    /// Who has its stream, and from whom it was taken.
    pub(super) claim: Option<Box<Claim>>,
    /// Whether it listens, for those who watch for that.
    pub(super) attendance: Attendance,
    /// Since when no stream is open, and nothing was asked of it, in milliseconds of the hub's clock.
    pub(super) idle_since: u64,
    /// When it is looked after by itself, in milliseconds of the hub's clock.
    pub(super) alarm: Option<u64>,
    /// The message that says that no more will come, dispatched to it alone.
    pub(super) end: Option<Box<End>>,
    /// A dead letter was sent back from here since its stream looked.
    sent_back: bool,
    /// It stands in the channel's list of windows that grow old.
    pub(super) ageing: bool,
    /// That its deliveries failed, or that it was purged, is safe when the log has come to here: what follows from it is
    /// not told before.
    withheld: Position,
}

impl Standing {
    /// Begins behind a position; what of it is gone already is a gap.
    pub(super) fn new(start: Position, ring: &Ring) -> Self {
        let mut standing = Self {
            start,
            hears_from: start,
            deaf: false,
            passed: start,
            passed_tally: ring.tally_through(start),
            explicit: None,
            cleared: Position::ZERO,
            split: false,
            queue: Queue::default(),
            gaps: Gaps::default(),
            lost: 0,
            settings: ListenerSettings::default(),
            running: false,
            halted: false,
            seated: None,
            claim: None,
            attendance: Attendance::default(),
            idle_since: 0,
            alarm: None,
            end: None,
            sent_back: false,
            ageing: false,
            withheld: Position::ZERO,
        };
        if start < ring.floor() {
            // one who comes back had no backlog that could overflow
            let expired = ring.why_gone(start) == GapReason::Expired;
            let reason = if expired { GapReason::Expired } else { GapReason::Trimmed };
            let gap = Gap { reason, after: start, through: ring.floor(), count: None };
            standing.give_up(gap, ring);
        }
        standing
    }

    /// What follows from what has happened is told once the log has come to here.
    pub(super) fn withhold_until(&mut self, position: Position) {
        self.withheld = position;
        if let Some(explicit) = &mut self.explicit {
            explicit.touch();
        }
    }

    /// Where the log is to have come for that.
    pub(super) fn withheld(&self) -> Position {
        self.withheld
    }

    /// Whether that is not safe yet.
    pub(super) fn is_withheld(&self, safe: Position) -> bool {
        self.withheld > safe
    }

    /// It is new, and acknowledges what it gets.
    pub(super) fn begin_explicit(&mut self) {
        let mut gaps = Gaps::explicit();
        self.gaps.to_say(Position::ZERO).for_each(|gap| gaps.insert(gap, None));
        self.gaps = gaps;
        self.explicit = Some(Box::new(Explicit::new(self.passed)));
    }

    /// It receives dead letters from here on, and no broadcasts: those that wait are a gap, behind its own dispatches.
    pub(super) fn hear_no_more(&mut self, at: Position, ring: &Ring, silence: &Ring) {
        let waiting = (self.backlog(ring) - self.queue.waiting()).messages;
        if waiting > 0 {
            let after = self.queue.last_waiting().unwrap_or_default().max(self.passed);
            let gap = Gap { reason: GapReason::Purged, after, through: at, count: Some(waiting) };
            self.gaps.insert(gap, None);
            self.lost += waiting;
        }
        self.deaf = true;
        (self.passed_tally, self.split) = (Tally::default(), false);
        let own: Vec<_> = self.queue.after(self.passed).map(|own| own.position).collect();
        if let Some(explicit) = &mut self.explicit {
            explicit.hear_other(silence);
            explicit.forget_trimmed(at, &own);
        }
        self.recount(silence);
    }

    /// It hears broadcasts again, from here on.
    pub(super) fn hear_from(&mut self, at: Position, ring: &Ring) {
        self.deaf = false;
        self.hears_from = at;
        (self.passed_tally, self.split) = (ring.tally_through(at), false);
        if let Some(explicit) = &mut self.explicit {
            explicit.hear_other(ring);
        }
        self.recount(ring);
    }

    /// What waits for it.
    pub(super) fn backlog(&self, ring: &Ring) -> Tally {
        let mut backlog = ring.total() - self.broadcasts_passed(ring) - self.holes();
        backlog += self.queue.waiting();
        backlog
    }

    /// The channel's broadcasts that it has passed, or that are gone.
    pub(super) fn broadcasts_passed(&self, ring: &Ring) -> Tally {
        let dropped = ring.dropped();
        if self.passed_tally.messages < dropped.messages { dropped } else { self.passed_tally }
    }

    /// All broadcasts up to a position, where they can be counted; those that were never meant for it count as passed.
    pub(super) fn tally_through(&self, position: Position, ring: &Ring) -> Option<Tally> {
        let position = position.max(self.hears_from);
        // one that acknowledges has a gap for all that is gone
        let position = if self.explicit.is_some() { position.max(ring.floor()) } else { position };
        (position >= ring.floor()).then(|| ring.tally_through(position))
    }

    /// The last broadcast that is gone and may have been meant for it.
    pub(super) fn floor(&self, ring: &Ring) -> Position {
        let told = self.explicit.is_some() || self.hears_from >= ring.floor();
        if told { Position::ZERO } else { ring.floor() }
    }

    /// No broadcast up to here waits for it.
    pub(super) fn heard(&self) -> Position {
        self.passed.max(self.hears_from)
    }

    pub(super) fn passed_ordinal(&self) -> u64 {
        self.passed_tally.messages
    }

    /// The channel's broadcasts up to where it has passed, where they can be counted.
    pub(super) fn passed_tally(&self) -> Option<Tally> {
        (!self.split).then_some(self.passed_tally)
    }

    /// What behind that was acknowledged by itself.
    fn holes(&self) -> Tally {
        self.explicit.as_ref().map_or(Tally::default(), |explicit| explicit.holes())
    }

    /// Whether a message waits for it.
    pub(super) fn waits(&self, position: Position, ring: &Ring) -> bool {
        position > self.passed
            && self
                .merged(ring, position.before())
                .next()
                .is_some_and(|next| next.position == position && !self.is_acknowledged(&next))
    }

    /// Takes out an own dispatch that waits, without a word to its stream. The log has forgotten it already.
    pub(super) fn take_out(&mut self, position: Position, ring: &Ring, now: u64) {
        if self.explicit.is_some() {
            self.acknowledge_one(position, ring, &mut Vec::new());
            self.advance(ring, now);
        } else {
            self.queue.remove(position);
            self.sent_back = true;
        }
    }

    /// Its stream looks what is next.
    pub(super) fn is_looked_at(&mut self) {
        self.sent_back = false;
    }

    /// Whether its stream's cursor comes to a message.
    pub(super) fn wants(&self, next: &Next) -> bool {
        self.explicit.as_ref().is_none_or(|explicit| explicit.wants(next))
    }

    /// Up to here everything was delivered once.
    pub(super) fn delivered(&self) -> Position {
        self.explicit.as_ref().map_or(self.passed, |explicit| explicit.delivered())
    }

    /// How long it may take to acknowledge, in milliseconds.
    pub(super) fn ack_deadline(&self) -> Option<u64> {
        self.settings.ack_deadline.map(|allowed| u64::try_from(allowed.as_millis()).unwrap_or(u64::MAX))
    }

    /// Where a stream stands that believes to stand at `cursor`.
    pub(super) fn cursor(&self, cursor: Cursor) -> Cursor {
        self.explicit.as_ref().map_or(cursor, |explicit| explicit.cursor())
    }

    /// Whether one more message of this size keeps to the quota.
    pub(super) fn has_room(&self, ring: &Ring, quota: Quota, bytes: u64) -> bool {
        let mut backlog = self.backlog(ring);
        backlog += Tally::one(bytes);
        quota.holds(backlog)
    }

    pub(super) fn is_acknowledged(&self, next: &Next) -> bool {
        self.explicit.as_ref().is_some_and(|explicit| explicit.acknowledged(next))
    }

    /// How near to being full of messages it is; the lower the nearer. It falls with its own dispatches and rises when
    /// it is handed messages; broadcasts do not change it.
    pub(super) fn slack_in_messages(&self, ring: &Ring) -> i64 {
        let passed = to_i64(self.broadcasts_passed(ring).messages) + to_i64(self.holes().messages);
        passed - to_i64(self.queue.waiting().messages)
    }

    /// The same for bytes.
    pub(super) fn slack_in_bytes(&self, ring: &Ring) -> i64 {
        let passed = to_i64(self.broadcasts_passed(ring).bytes) + to_i64(self.holes().bytes);
        passed - to_i64(self.queue.waiting().bytes)
    }

    /// Broadcasts and own dispatches behind a position, in one order.
    pub(super) fn merged(&self, ring: &Ring, at: Position) -> impl Iterator<Item = Next> {
        // what was purged may still be kept for others
        let at = at.max(self.cleared);
        Next::merge(ring.after(at.max(self.hears_from)), self.queue.after(at))
    }

    /// The place before the next message.
    pub(super) fn before_next(&self, ring: &Ring, at: Position) -> Position {
        self.merged(ring, at).next().map_or(Position(u64::MAX), |next| next.position.before())
    }
}

fn to_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
