//! A listener: a cursor in the channel's order, and its own dispatches.

mod kept;

pub(super) use kept::Regained;

use super::{
    channel::{Channel, State},
    cursor::{Cursor, Look},
    desk::Tail,
    explicit::Explicit,
    gap::{Gap, GapReason, Gaps},
    look::{self, Next},
    presence::Attendance,
    queue::{Queue, Window},
    ring::Ring,
    session::Claim,
    settings::{AcknowledgementMode, ListenerSettings},
    tally::{Quota, Tally},
    unsaved::{Guard, Mark, Who},
};
use crate::{error::Error, log::Position, message::Message};
use std::sync::{Arc, Mutex, atomic::AtomicBool};

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

/// A registered listener.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) id: Arc<str>,
    pub(super) birth: Position,
    pub(super) created_at: i64,
    pub(super) mode: AcknowledgementMode,
    /// A bell for it alone is on its way.
    pub(super) rung: AtomicBool,
    /// The birth of its channel.
    channel: Position,
    pub(super) unsaved: Mark,
    standing: Mutex<Standing>,
}

impl Listener {
    pub(super) fn new(
        id: Arc<str>,
        birth: Position,
        created_at: i64,
        mode: AcknowledgementMode,
        channel: &Channel,
        standing: Standing,
    ) -> Self {
        let (rung, unsaved) = (AtomicBool::new(false), channel.unsaved.of_another());
        let (channel, standing) = (channel.birth, Mutex::new(standing));
        Self { id, birth, created_at, mode, rung, channel, unsaved, standing }
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
    pub(super) fn lock(&self) -> Guard<'_, Standing> {
        let who = Who { channel: self.channel, listener: Some(self.birth) };
        Guard::lock(&self.standing, &self.unsaved, who)
    }
}

/// Where a receiver stands. A listener's outlives its streams, a watcher's does not.
#[derive(Debug)]
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
    /// It stands in the channel's list of windows that grow old.
    pub(super) ageing: bool,
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
            seated: None,
            claim: None,
            attendance: Attendance::default(),
            idle_since: 0,
            alarm: None,
            end: None,
            ageing: false,
        };
        if start < ring.floor() {
            let gap = Gap { reason: GapReason::Trimmed, after: start, through: ring.floor(), count: None };
            standing.give_up(gap, ring);
        }
        standing
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
    pub(super) fn waits(&self, position: Position, state: &State) -> bool {
        position > self.passed
            && look::merged(self, state.ring_for(self), position.before())
                .next()
                .is_some_and(|next| next.position == position && !self.is_acknowledged(&next))
    }

    /// Takes out an own dispatch that waits, without a word to its stream.
    pub(super) fn take_out(
        &mut self,
        position: Position,
        ring: &Ring,
        now: u64,
        dropped: &mut Vec<Position>,
    ) {
        if self.explicit.is_some() {
            self.acknowledge_one(position, ring, dropped);
            self.advance(ring, now);
        } else if self.queue.remove(position).is_some() {
            dropped.push(position);
        }
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

    /// Makes the rules true that were left aside while nobody looked: broadcasts that are gone become a gap, and of
    /// what is beyond the quota the oldest go.
    pub(super) fn settle(
        &mut self,
        ring: &Ring,
        allowance: Allowance,
        now: u64,
        dropped: &mut Vec<Position>,
    ) {
        if self.explicit.is_some() {
            self.tell_trimmed(ring, now);
        } else {
            self.note_trimmed(ring);
        }
        let before = self.passed;
        self.drop_beyond(ring, allowance, dropped);
        if self.passed > before {
            self.begin_with_another(ring, now);
        }
    }

    /// What was the first is gone; what stands behind it may be acknowledged.
    pub(super) fn begin_with_another(&mut self, ring: &Ring, now: u64) {
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
    fn tell_trimmed(&mut self, ring: &Ring, now: u64) {
        if self.passed_tally.messages >= ring.dropped().messages {
            return;
        }
        let Some(explicit) = &mut self.explicit else { return };
        explicit.forget_holes(ring.dropped().messages, ring);
        let count = self.trimmed(ring);
        let before = self.queue.last_waiting_through(ring.floor()).unwrap_or_default();
        let gap = Gap {
            reason: look::gone_reason(ring, self.passed),
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
        self.lose(look::gone_reason(ring, self.passed), through, 0, ring);
    }

    fn drop_oldest(&mut self, ring: &Ring, quota: Quota, dropped: &mut Vec<Position>) {
        let mut left = self.backlog(ring);
        let mut through = self.passed;
        let mut count = 0;
        for next in look::merged(self, ring, self.passed) {
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

    pub(super) fn is_acknowledged(&self, next: &Next) -> bool {
        self.explicit.as_ref().is_some_and(|explicit| explicit.acknowledged(next))
    }

    /// Everything up to a position goes, window included; what waited becomes a gap. Tells how much that was.
    pub(super) fn purge(&mut self, through: Position, ring: &Ring, dropped: &mut Vec<Position>) -> u64 {
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

    fn give_up(&mut self, gap: Gap, ring: &Ring) {
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

    pub(super) fn pass(&mut self, through: Position, ring: &Ring) {
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
        match &self.explicit {
            Some(explicit) => explicit.touched() == found.touched && self.cleared == found.cleared,
            None => (self.passed, self.cleared, self.lost) == (found.passed, found.cleared, found.lost),
        }
    }

    /// Whether there may be something for a stream at a place that no bell will bring.
    pub(super) fn has_news(&self, cursor: Cursor) -> bool {
        if let Some(explicit) = &self.explicit {
            return explicit.stirred()
                || self.queue.last_waiting().is_some_and(|own| own > explicit.sent())
                || self.gaps.any_to_say(explicit.said());
        }
        cursor.at < self.passed || self.queue.first_waiting().is_some() || self.gaps.any_to_say(cursor.said)
    }

    /// Moves to where a look has led.
    pub(super) fn move_to(&mut self, next: &Look, now: u32, keep: Window, dropped: &mut Vec<Position>) {
        if next.cursor.at > self.passed {
            self.lost += next.expired.len() as u64;
        }
        self.gaps.hand_over(next.cursor.said, now, keep.handed_since);
        self.hand_over(next.cursor.at, next.tally, now, keep, dropped);
    }

    /// Moves over broadcasts that were shared, for a stream at `cursor`; false where it has something else to say first.
    pub(super) fn take_level(&mut self, cursor: Cursor, through: Position, tail: &Tail) -> bool {
        // it may have come while it heard no broadcasts
        if self.deaf || tail.first() <= self.hears_from {
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
}

fn to_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
