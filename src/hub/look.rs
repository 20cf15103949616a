//! What is next for a stream: the order of a channel's broadcasts, a listener's own dispatches and its gaps.

use super::{
    batch::Room,
    cursor::{Cursor, Lapsed, Look},
    explicit::Explicit,
    gap::{Gap, GapReason},
    next::Next,
    ring::Ring,
    standing::Standing,
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

/// Messages that fit in a batch.
#[derive(Default)]
struct Taken {
    positions: Vec<Position>,
    tally: Tally,
}

impl Taken {
    fn of(room: Room, messages: impl Iterator<Item = Next>) -> Self {
        let mut taken = Self::default();
        room.take(
            messages,
            |next| next.bytes,
            |next| {
                taken.positions.push(next.position);
                taken.tally += Tally::one(next.bytes);
            },
        );
        taken
    }
}

impl View<'_> {
    /// Looks what is next.
    pub(super) fn look(self, cursor: Cursor, room: Room) -> Look {
        if self.standing.is_withheld(self.safe) {
            return self.found(Vec::new(), Taken::default(), Lapsed::default(), cursor);
        }
        let due = self.due_again(cursor);
        let again = self.affordable_of(&due, room);
        if !again.positions.is_empty() {
            return self.found(Vec::new(), again, Lapsed::default(), cursor);
        }
        let lapsed = self.lapsed(cursor.at);
        if !lapsed.is_empty() {
            return self.tell_lapsed(lapsed, cursor);
        }
        let mut to_say = self.standing.gaps.to_say(cursor.said).peekable();
        let (mut gaps, mut expired, mut cursor) = (Vec::new(), Lapsed::default(), cursor);
        // behind a noted gap there may be more that is too old, and the other way round
        while let Some(gap) = self
            .too_old(&mut cursor, to_say.peek())
            .or_else(|| self.noted(&mut cursor, &mut to_say))
            .or_else(|| self.expired(&mut cursor, to_say.peek(), &mut expired))
        {
            gaps.push(gap);
        }
        let messages = self.messages(cursor, to_say.peek(), room);
        if let Some(last) = messages.positions.last() {
            cursor.at = *last;
        }
        let has_more = !due.is_empty() || self.has_more(cursor, to_say.peek());
        let starved = messages.positions.is_empty() && has_more;
        Look { starved, ..self.found(gaps, messages, expired, cursor) }
    }

    /// Whether a message stands next that would be sent if it were affordable.
    fn has_more(self, cursor: Cursor, gap: Option<&Gap>) -> bool {
        let stop = gap.map_or(self.safe, |gap| gap.after.min(self.safe));
        let next = self.pending(cursor.at).next();
        let held = self.held_back();
        self.standing.explicit.is_some()
            && next.is_some_and(|next| next.position <= stop && held.is_none_or(|held| next.position < held))
    }

    fn found(self, gaps: Vec<Gap>, messages: Taken, expired: Lapsed, cursor: Cursor) -> Look {
        let Self { standing, ring, .. } = self;
        Look {
            gaps,
            positions: messages.positions,
            taken: messages.tally,
            expired,
            cursor,
            tally: standing.tally_through(cursor.at, ring),
            passed: standing.passed,
            cleared: standing.cleared,
            hears_from: standing.hears_from,
            deaf: standing.deaf,
            lost: standing.lost,
            touched: standing.explicit.as_ref().map_or(0, |explicit| explicit.touched()),
            marked: ring.marked(),
            starved: false,
        }
    }

    /// Rejected ones that come again alone, where others may overtake them; of those behind the cursor only what comes before
    /// all others there: whoever acknowledges through it has had what stands before it.
    fn due_again(self, cursor: Cursor) -> Vec<Next> {
        let Some(explicit) = &self.standing.explicit else { return Vec::new() };
        let find = |position: Position| self.standing.find(position, self.ring);
        let due = explicit.due_again(self.now).filter_map(find).filter(|next| !next.expiry.is_past(self.now));
        let mut due: Vec<_> = due.collect();
        if due.last().is_some_and(|last| last.position > cursor.at) {
            let message = self.pending(cursor.at).next().map(|next| next.position);
            let gaps = self.standing.gaps.to_say(cursor.said).map(|gap| gap.through);
            let first = gaps.chain(message).min();
            let comes_first = |next: &Next| first.is_none_or(|first| next.position < first);
            due.retain(|next| next.position <= cursor.at || comes_first(next));
        }
        due
    }

    fn affordable_of(self, due: &[Next], room: Room) -> Taken {
        let Some(explicit) = self.standing.explicit.as_ref().filter(|_| !due.is_empty()) else {
            return Taken::default();
        };
        Taken::of(room, explicit.affordable(due.iter().copied()))
    }

    /// Rejected ones that have expired before they came again alone, behind where the stream stands. Others are told at their
    /// place: whoever passes a gap has had what stands before it.
    fn lapsed(self, at: Position) -> Vec<Next> {
        let Some(explicit) = &self.standing.explicit else { return Vec::new() };
        let find = |position: Position| self.standing.find(position, self.ring);
        let passed = explicit.set_aside().filter(|position| *position <= at);
        passed.filter_map(find).filter(|next| next.expiry.is_past(self.now)).collect()
    }

    fn tell_lapsed(self, lapsed: Vec<Next>, mut cursor: Cursor) -> Look {
        let gaps = &self.standing.gaps;
        let gap = |next: &Next| Gap {
            reason: GapReason::Expired,
            after: next.position.before(),
            through: next.position,
            count: Some(1),
        };
        let told: Vec<_> = lapsed.iter().map(gap).collect();
        let last = told.last().map_or(Position::ZERO, |gap| gap.through);
        if gaps.first_to_say(cursor.said).is_none_or(|gap| gap.through > last) {
            cursor.said = cursor.said.max(last);
        }
        let lapsed = Lapsed { count: lapsed.len() as u64, each: lapsed };
        self.found(told, Taken::default(), lapsed, cursor)
    }

    /// The leading messages behind a cursor, up to the next gap.
    fn messages(self, cursor: Cursor, gap: Option<&Gap>, room: Room) -> Taken {
        let Self { standing, ring, .. } = self;
        // behind the next gap another batch begins: a batch has its gaps before its first message
        let stop = gap.map_or(self.safe, |gap| gap.after.min(self.safe));
        let stop = self.held_back().map_or(stop, |held| held.before().min(stop));
        let mut at = cursor.at;
        let messages = self.waiting(cursor.at).take_while(|next| {
            let after = std::mem::replace(&mut at, next.position);
            let its_turn = next.position <= stop && !self.has_lapsed(next) && !self.is_due(next);
            its_turn && self.nothing_lost_between(after, next)
        });
        let messages = messages.filter(|next| standing.wants(next));
        match &standing.explicit {
            None => Taken::of(room, messages),
            Some(explicit) => {
                let passed = standing.broadcasts_passed(ring);
                let near = |next: &Next| {
                    next.ordinal.is_none_or(|ordinal| ordinal.saturating_sub(passed.messages) <= MAX_AHEAD)
                };
                Taken::of(room, explicit.affordable(messages.take_while(near)))
            }
        }
    }

    /// In strict order nothing passes a rejected message whose time has not come.
    fn held_back(self) -> Option<Position> {
        self.standing.held_back(self.ring, self.now).map(|next| next.position)
    }

    /// What is in the receiver's order behind a position, and not acknowledged by itself.
    fn pending(self, at: Position) -> impl Iterator<Item = Next> {
        let standing = self.standing;
        standing.merged(self.ring, at).filter(move |next| standing.wants(next))
    }

    /// Whether everything behind a position and before a message that was meant for the receiver is kept, noted gaps apart.
    fn nothing_lost_between(self, at: Position, next: &Next) -> bool {
        self.nothing_lost_before(at, next.position.before())
    }

    /// The same up to another position: what is lost there is noted before anything behind it is told.
    fn nothing_lost_before(self, at: Position, through: Position) -> bool {
        let Self { standing, ring, .. } = self;
        let gone = || gone(standing, ring).max(standing.cleared);
        at >= through || at >= standing.floor(ring) && (at >= standing.passed || at >= gone())
    }

    /// What waits for the receiver behind a position, those that come again by themselves included.
    pub(super) fn waiting(self, at: Position) -> impl Iterator<Item = Next> {
        let standing = self.standing;
        standing.merged(self.ring, at).filter(move |next| !standing.is_acknowledged(next))
    }

    /// Whether what stands behind the cursor has expired; one that came again alone is in hand there, and has not.
    fn has_lapsed(self, next: &Next) -> bool {
        let came = |explicit: &Explicit| !explicit.wants(next) && explicit.in_hand(next.position);
        next.expiry.is_past(self.now) && !self.standing.explicit.as_deref().is_some_and(came)
    }

    /// Whether it comes again alone, and now.
    fn is_due(self, next: &Next) -> bool {
        let explicit = self.standing.explicit.as_ref();
        explicit.is_some_and(|explicit| explicit.is_due(next.position, self.now))
    }

    /// A token may reach back further than what is kept.
    fn too_old(self, cursor: &mut Cursor, noted: Option<&Gap>) -> Option<Gap> {
        let Self { standing, ring, .. } = self;
        if cursor.at >= standing.passed {
            return None;
        }
        let gone = gone(standing, ring);
        let reason = if standing.cleared >= gone { GapReason::Purged } else { ring.why_gone(cursor.at) };
        let floor = gone.max(standing.cleared).min(standing.passed).min(self.safe);
        let noted = noted.map_or(floor, |gap| gap.after);
        let through = floor.min(noted).min(standing.before_next(ring, cursor.at));
        let gap = Gap { reason, after: cursor.at, through, count: None };
        cursor.at = cursor.at.max(through);
        (gap.after < through).then_some(gap)
    }

    /// The next noted gap, where it lies before the next message.
    fn noted(self, cursor: &mut Cursor, to_say: &mut Peekable<impl Iterator<Item = Gap>>) -> Option<Gap> {
        let gap = *to_say.peek()?;
        // what is due again comes first where it stands first
        let first = self.waiting(cursor.at).find(|next| self.standing.wants(next) || self.is_due(next));
        let before_next = first.map_or(Position(u64::MAX), |next| next.position.before());
        if gap.through > self.safe
            || gap.after > before_next
            || !self.nothing_lost_before(cursor.at, gap.after)
        {
            return None;
        }
        to_say.next();
        let said = *cursor;
        *cursor = Cursor { at: said.at.max(gap.through), said: said.said.max(gap.through) };
        // a token of another listener may lie within it
        let within = self.standing.explicit.is_none() && gap.after < said.at && said.at < gap.through;
        Some(if within { Gap { after: said.at, count: None, ..gap } } else { gap })
    }

    /// Messages that have waited too long, where they are next: all that stand together are one gap.
    fn expired(self, cursor: &mut Cursor, noted: Option<&Gap>, expired: &mut Lapsed) -> Option<Gap> {
        let noted = noted.map_or(self.safe, |gap| gap.after);
        let stop = self.held_back().map_or(noted, |held| held.before().min(noted)).min(self.safe);
        let (mut gap, mut after, mut at) = (None, cursor.at, cursor.at);
        let together = self.waiting(cursor.at).take_while(|next| {
            let after = std::mem::replace(&mut at, next.position);
            next.position <= stop && self.nothing_lost_between(after, next)
        });
        for next in together {
            if self.has_lapsed(&next) {
                let (reason, count) = (GapReason::Expired, Some(0));
                let gap = gap.get_or_insert(Gap { reason, after, through: after, count });
                (gap.through, gap.count) = (next.position, gap.count.map(|count| count + 1));
                expired.count += 1;
                // others pass all of them at once
                expired.each.extend(self.standing.explicit.is_some().then_some(next));
                continue;
            }
            // whoever passes a gap has had what stands before it; one that comes again by itself later is no part of one
            if self.is_due(&next) || self.standing.wants(&next) || gap.is_some() {
                break;
            }
            after = next.position;
        }
        cursor.at = gap.map_or(cursor.at, |gap| gap.through);
        if self.standing.explicit.is_some() {
            // it will be among the noted ones
            cursor.said = gap.map_or(cursor.said, |gap| gap.through.max(cursor.said));
        }
        gap
    }
}

/// The last position of what was handed over, or told as a gap, and is not remembered any more.
fn gone(standing: &Standing, ring: &Ring) -> Position {
    standing.floor(ring).max(standing.queue.floor()).max(standing.gaps.forgotten())
}
