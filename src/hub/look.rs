//! What is next for a stream: the order of a channel's broadcasts, a listener's own dispatches and its gaps.

use super::{
    batch::Room,
    cursor::{Cursor, Look},
    expiry::Expiry,
    gap::{Gap, GapReason},
    listener::Standing,
    ring::Ring,
    tally::Tally,
};
use crate::log::Position;
use std::iter::Peekable;

/// An EXPLICIT listener's broadcasts may be acknowledged this far past the oldest that is not: it bounds what must be
/// remembered of them.
const MAX_AHEAD: u64 = 65_536;

/// What a look is at: a receiver whose standing is settled, and what is visible now.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) standing: &'a Standing,
    pub(super) ring: &'a Ring,
    /// Up to here everything is safe.
    pub(super) safe: Position,
    /// By the hub's clock, in milliseconds.
    pub(super) now: u64,
}

/// A message in a receiver's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) position: Position,
    pub(super) bytes: u64,
    pub(super) expiry: Expiry,
    /// Several, where they have expired.
    pub(super) count: u64,
    /// Its number among the channel's broadcasts; `None`: it is the listener's own.
    pub(super) ordinal: Option<u64>,
}

impl View<'_> {
    /// Looks what is next.
    pub(super) fn look(self, cursor: Cursor, room: Room) -> Look {
        let due = self.due_again(room);
        if !due.is_empty() {
            return self.found(Vec::new(), due, Vec::new(), cursor);
        }
        let mut to_say = self.standing.gaps.to_say(cursor.said).peekable();
        let (mut gaps, mut expired, mut cursor) = (Vec::new(), Vec::new(), cursor);
        // behind a noted gap there may be more that is too old, and the other way round
        while let Some(gap) = self
            .too_old(&mut cursor, to_say.peek())
            .or_else(|| self.noted(&mut cursor, &mut to_say))
            .or_else(|| self.expired(&mut cursor, to_say.peek(), &mut expired))
        {
            gaps.push(gap);
        }
        let messages = self.messages(cursor, to_say.peek(), room);
        if let Some(last) = messages.last() {
            cursor.at = last.position;
        }
        self.found(gaps, messages, expired, cursor)
    }

    fn found(self, gaps: Vec<Gap>, messages: Vec<Next>, expired: Vec<Next>, cursor: Cursor) -> Look {
        let Self { standing, ring, .. } = self;
        let mut taken = Tally::default();
        messages.iter().for_each(|next| taken += Tally::one(next.bytes));
        Look {
            gaps,
            positions: messages.iter().map(|next| next.position).collect(),
            taken,
            expired,
            cursor,
            tally: standing.tally_through(cursor.at, ring),
            passed: standing.passed,
            cleared: standing.cleared,
            touched: standing.explicit.as_ref().map_or(0, |explicit| explicit.touched()),
        }
    }

    /// Rejected ones that come again alone, where others may overtake them.
    fn due_again(self, room: Room) -> Vec<Next> {
        let Some(explicit) = &self.standing.explicit else { return Vec::new() };
        let find = |position: Position| self.standing.find(position, self.ring);
        let due = explicit.due_again(self.now).filter_map(find).filter(|next| !next.expiry.is_past(self.now));
        room.take(explicit.affordable(due), |next| next.bytes)
    }

    /// The leading messages behind a cursor, up to the next gap.
    fn messages(self, cursor: Cursor, gap: Option<&Gap>, room: Room) -> Vec<Next> {
        let Self { standing, ring, .. } = self;
        // behind the next gap another batch begins: a batch has its gaps before its first message
        let stop = gap.map_or(self.safe, |gap| gap.after.min(self.safe));
        let stop = self.held_back().map_or(stop, |held| held.before().min(stop));
        let mut at = cursor.at;
        let messages = self.pending(cursor.at).take_while(|next| {
            let goes_on = next.position <= stop
                && !next.expiry.is_past(self.now)
                && (at == next.position.before() || nothing_lost_after(standing, ring, at));
            at = next.position;
            goes_on
        });
        match &standing.explicit {
            None => room.take(messages, |next| next.bytes),
            Some(explicit) => {
                let passed = standing.broadcasts_passed(ring);
                let near =
                    |next: &Next| next.ordinal.is_none_or(|ordinal| ordinal - passed.messages <= MAX_AHEAD);
                room.take(explicit.affordable(messages.take_while(near)), |next| next.bytes)
            }
        }
    }

    /// In strict order nothing passes a rejected message whose time has not come.
    fn held_back(self) -> Option<Position> {
        self.standing.explicit.as_ref()?.held_back(self.now)
    }

    /// What is in the receiver's order behind a position, and not acknowledged by itself.
    fn pending(self, at: Position) -> impl Iterator<Item = Next> {
        let standing = self.standing;
        merged(standing, self.ring, at).filter(move |next| standing.wants(next))
    }

    /// What waits for the receiver behind a position, those that come again by themselves included.
    pub(super) fn waiting(self, at: Position) -> impl Iterator<Item = Next> {
        let standing = self.standing;
        merged(standing, self.ring, at).filter(move |next| !standing.is_acknowledged(next))
    }

    /// A token may reach back further than what is kept.
    fn too_old(self, cursor: &mut Cursor, noted: Option<&Gap>) -> Option<Gap> {
        let Self { standing, ring, .. } = self;
        if cursor.at >= standing.passed {
            return None;
        }
        let gone = gone(standing, ring);
        let reason = if standing.cleared >= gone { GapReason::Purged } else { gone_reason(ring, cursor.at) };
        let floor = gone.max(standing.cleared).min(standing.passed).min(self.safe);
        let noted = noted.map_or(floor, |gap| gap.after);
        let through = floor.min(noted).min(before_next(standing, ring, cursor.at));
        let gap = Gap { reason, after: cursor.at, through, count: None };
        cursor.at = cursor.at.max(through);
        (gap.after < through).then_some(gap)
    }

    /// The next noted gap, where it lies before the next message.
    fn noted(self, cursor: &mut Cursor, to_say: &mut Peekable<impl Iterator<Item = Gap>>) -> Option<Gap> {
        let gap = *to_say.peek()?;
        let before_next =
            self.pending(cursor.at).next().map_or(Position(u64::MAX), |next| next.position.before());
        if gap.through > self.safe || gap.after > before_next {
            return None;
        }
        to_say.next();
        let said = *cursor;
        *cursor = Cursor { at: said.at.max(gap.through), said: said.said.max(gap.through) };
        // a token of another listener may lie within it
        let within = gap.after < said.at && said.at < gap.through;
        Some(if within { Gap { after: said.at, count: None, ..gap } } else { gap })
    }

    /// Messages that have waited too long, where they are next: all that stand together are one gap.
    fn expired(self, cursor: &mut Cursor, noted: Option<&Gap>, expired: &mut Vec<Next>) -> Option<Gap> {
        let noted = noted.map_or(self.safe, |gap| gap.after);
        let stop = self.held_back().map_or(noted, |held| held.before().min(noted)).min(self.safe);
        let run = self.pending(cursor.at);
        let run = run.take_while(|next| next.position <= stop && next.expiry.is_past(self.now));
        let (mut gap, before) = (None, expired.len());
        expired.extend(run);
        for next in &expired[before..] {
            let gap = gap.get_or_insert(Gap {
                reason: GapReason::Expired,
                after: cursor.at,
                through: cursor.at,
                count: Some(0),
            });
            gap.through = next.position;
            gap.count = gap.count.map(|count| count + next.count);
        }
        if let Some(gap) = gap {
            // it is noted once it is said, and is not said twice
            *cursor = Cursor { at: gap.through, said: cursor.said.max(gap.through) };
        }
        gap
    }
}

/// Why broadcasts that are gone are so, for one who stands there.
pub(super) fn gone_reason(ring: &Ring, at: Position) -> GapReason {
    match () {
        () if ring.overflowed() > at => GapReason::Overflow,
        () if ring.expired() > at => GapReason::Expired,
        () => GapReason::Trimmed,
    }
}

/// Whether everything behind a position that was meant for the receiver is kept, noted gaps apart.
fn nothing_lost_after(standing: &Standing, ring: &Ring, at: Position) -> bool {
    at >= standing.floor(ring) && (at >= standing.passed || at >= gone(standing, ring).max(standing.cleared))
}

/// The last position of what was handed over, or told as a gap, and is not remembered any more.
fn gone(standing: &Standing, ring: &Ring) -> Position {
    standing.floor(ring).max(standing.queue.floor()).max(standing.gaps.forgotten())
}

/// The place before the next message.
pub(super) fn before_next(standing: &Standing, ring: &Ring, at: Position) -> Position {
    merged(standing, ring, at).next().map_or(Position(u64::MAX), |next| next.position.before())
}

/// Broadcasts and own dispatches behind a position, in one order.
pub(super) fn merged(standing: &Standing, ring: &Ring, at: Position) -> impl Iterator<Item = Next> {
    // what was purged may still be kept for others
    let at = at.max(standing.cleared);
    let mut broadcasts = ring.after(at.max(standing.hears_from)).peekable();
    let mut own = standing.queue.after(at).peekable();
    std::iter::from_fn(move || {
        let own_first = match (broadcasts.peek(), own.peek()) {
            (Some(broadcast), Some(dispatch)) => dispatch.position < broadcast.position,
            (broadcast, _) => broadcast.is_none(),
        };
        if own_first { own.next().map(Next::from) } else { broadcasts.next().map(Next::from) }
    })
}

impl Next {
    /// Dispatches whose content is gone.
    pub(super) fn is_gone_dispatch(&self) -> bool {
        self.ordinal.is_none() && self.expiry == Expiry::PAST
    }
}

impl From<super::ring::Broadcast> for Next {
    fn from(broadcast: super::ring::Broadcast) -> Self {
        let super::ring::Broadcast { position, bytes, ordinal, expiry } = broadcast;
        Self { position, bytes, expiry, count: 1, ordinal: Some(ordinal) }
    }
}

impl From<super::queue::Dispatch> for Next {
    fn from(dispatch: super::queue::Dispatch) -> Self {
        let super::queue::Dispatch { position, bytes, expiry, count } = dispatch;
        Self { position, bytes, expiry, count, ordinal: None }
    }
}
