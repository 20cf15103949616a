//! What is handed over becomes outstanding.

use super::{
    super::{
        batch::Repeat,
        cursor::{Cursor, Look},
        desk::Tail,
        gap::{GapReason, Said},
        next::Next,
        ring::Ring,
        settings::Redelivery,
        standing::Standing,
        tally::{Quota, Tally},
    },
    Explicit,
    notes::Deadline,
};
use crate::log::Position;
use std::num::NonZeroU64;

impl Explicit {
    /// Where a stream of the listener stands, whatever that stream believes.
    pub(in super::super) fn cursor(&self) -> Cursor {
        Cursor { at: self.sent, said: self.said }
    }

    fn take_in_hand(&mut self, found: &Look) -> Vec<Repeat> {
        let mut repeats = Vec::new();
        for &position in &found.positions {
            let failed = self.notes.failed(position);
            if position <= self.delivered {
                repeats.push(Repeat { position, attempt: failed.saturating_add(1) });
            }
            if failed > 0 && self.overtaking() {
                self.notes.of(position).sent = true;
            }
        }
        self.outstanding += found.taken;
        repeats
    }

    fn count_turn(&mut self) {
        self.turn = self.turn.checked_add(1).unwrap_or(NonZeroU64::MIN);
    }

    fn go_to(&mut self, cursor: Cursor, tally: Option<Tally>) {
        (self.sent, self.sent_tally, self.said) = (cursor.at, tally, cursor.said);
        self.delivered = self.delivered.max(self.sent);
        self.reached = self.reached.max(self.sent);
    }

    /// The time in which deliveries are to be acknowledged begins.
    fn begin_deadlines(&mut self, positions: &[Position], was_idle: bool, allowed: Option<u64>, now: u64) {
        if was_idle {
            self.first_since = now;
        }
        if !self.overtaking() {
            positions.first().into_iter().for_each(|first| self.notes.forget_deadlines(*first));
        } else if let Some(allowed) = allowed {
            for position in positions {
                self.notes.of(*position).deadline = Some(Deadline::Usual(now.saturating_add(allowed)));
            }
        }
    }

    /// Whether the channel's redelivery has changed since its last stream looked.
    pub(in super::super) fn adopts(&self, redelivery: Redelivery) -> bool {
        self.redelivery != redelivery
    }
}

impl Standing {
    /// A stream begins: everything that is not acknowledged comes, in order. One that goes on after a pull has in hand
    /// what that had.
    pub(in super::super) fn begin_stream(&mut self, credit: Quota, goes_on: bool) {
        let (passed, tally) = (self.passed, self.passed_tally());
        let Some(explicit) = &mut self.explicit else { return };
        (explicit.left, explicit.pulls) = (None, None);
        explicit.set_credit(credit);
        explicit.touch();
        if !goes_on {
            explicit.notes.begin_again(Position::ZERO);
            explicit.outstanding = Tally::default();
            (explicit.sent, explicit.sent_tally, explicit.said) = (passed, tally, Position::ZERO);
        }
    }

    /// What is next was handed over. `unwanted` was read and is of no type that was asked for.
    pub(in super::super) fn deliver(
        &mut self,
        found: &Look,
        unwanted: &[Position],
        ring: &Ring,
        now: u64,
        dropped: &mut Vec<Position>,
    ) -> Vec<Repeat> {
        let allowed = self.ack_deadline();
        let Some(explicit) = &mut self.explicit else { return Vec::new() };
        let was_idle = explicit.outstanding.messages == 0;
        let repeats = explicit.take_in_hand(found);
        if found.positions.len() > unwanted.len() || !found.gaps.is_empty() {
            explicit.count_turn();
        }
        // of the generation before it may be said what lies below the point that this one was rewound to
        let had = explicit.reached.max(explicit.rewound.before());
        explicit.go_to(found.cursor, found.tally);
        explicit.begin_deadlines(&found.positions, was_idle, allowed, now);
        self.tell(found, Said { at: u32::try_from(now / 1000).unwrap_or(u32::MAX), had }, ring, dropped);
        for &position in unwanted {
            self.acknowledge_one(position, ring, dropped);
        }
        self.advance(ring, now);
        repeats
    }

    /// What has expired is no longer among what waits; a gap that was told stays until it is passed.
    fn tell(&mut self, found: &Look, said: Said, ring: &Ring, dropped: &mut Vec<Position>) {
        for gap in found.gaps.iter().filter(|gap| gap.reason == GapReason::Expired) {
            if !self.gaps.ends_at(gap.through) {
                self.lost += gap.count.unwrap_or_default();
                self.gaps.insert(*gap, Some(said));
            }
        }
        self.gaps.told(&found.gaps, said);
        for next in &found.expired.each {
            self.let_go(next, ring, dropped);
        }
    }

    /// Takes a message from what waits, without a word.
    pub(super) fn let_go(&mut self, next: &Next, ring: &Ring, dropped: &mut Vec<Position>) {
        match next.ordinal {
            None => {
                self.queue.remove(next.position);
                dropped.push(next.position);
            }
            Some(ordinal) => {
                if let Some(explicit) = self.explicit.as_mut().filter(|_| ring.floor() < next.position) {
                    explicit.holes.put(ordinal, next.bytes);
                }
            }
        }
        if let Some(explicit) = &mut self.explicit {
            explicit.notes.remove(next.position);
        }
    }

    /// Moves to where everything is acknowledged or gone.
    pub(in super::super) fn advance(&mut self, ring: &Ring, now: u64) {
        let before_first = self.first_in_hand(ring).map_or(Position(u64::MAX), |next| next.position.before());
        let Some(explicit) = &mut self.explicit else { return };
        let to = before_first.min(explicit.delivered);
        if to > self.passed {
            explicit.first_since = now;
            self.pass(to, ring);
        }
    }

    /// The first that is neither acknowledged nor gone, delivered or not.
    pub(in super::super) fn first_in_hand(&self, ring: &Ring) -> Option<Next> {
        let explicit = self.explicit.as_ref()?;
        self.merged(ring, self.passed).find(|next| !explicit.acknowledged(next))
    }

    /// The first that is neither acknowledged, nor gone, nor expired by now, where a stream had it in hand.
    pub(in super::super) fn first_left(&self, ring: &Ring, now: u64) -> Option<Position> {
        let explicit = self.explicit.as_ref()?;
        let there = |next: &Next| !explicit.acknowledged(next) && !next.expiry.is_past(now);
        let first = self.merged(ring, self.passed).find(there)?.position;
        explicit.in_hand(first).then_some(first)
    }

    /// The first rejected message whose time has not come, and that has not expired, where nothing may pass it.
    pub(in super::super) fn held_back(&self, ring: &Ring, now: u64) -> Option<Next> {
        let held_back = self.explicit.as_ref()?.held_back(now);
        let mut found = held_back.filter_map(|position| self.find(position, ring));
        found.find(|next| !next.expiry.is_past(now))
    }

    /// What its stream has in hand, as it is known of `explicit`, its own.
    fn all_in_hand<'a>(&'a self, explicit: &'a Explicit, ring: &'a Ring) -> impl Iterator<Item = Next> + 'a {
        self.merged(ring, self.passed)
            .take_while(|next| next.position <= explicit.sent || explicit.overtaking())
            .filter(|next| !explicit.acknowledged(next) && explicit.in_hand(next.position))
    }

    /// Counts anew what is outstanding, where it cannot be told by what has changed.
    pub(in super::super) fn recount(&mut self, ring: &Ring) {
        let Some(explicit) = &self.explicit else { return };
        let outstanding = self.all_in_hand(explicit, ring).fold(Tally::default(), |mut tally, next| {
            tally += Tally::one(next.bytes);
            tally
        });
        if let Some(explicit) = &mut self.explicit {
            explicit.outstanding = outstanding;
        }
    }

    /// What is in hand has from now on the time that its listener allows, or more where it was given more.
    pub(in super::super) fn give_time(&mut self, ring: &Ring, now: u64) {
        let (Some(explicit), Some(allowed)) = (&self.explicit, self.ack_deadline()) else { return };
        let timed = explicit.overtaking().then(|| self.all_in_hand(explicit, ring));
        let timed: Vec<_> = timed.into_iter().flatten().map(|next| next.position).collect();
        let Some(explicit) = &mut self.explicit else { return };
        explicit.another_is_first(now);
        explicit.notes.loosen_deadlines();
        for position in timed {
            let (note, until) = (explicit.notes.of(position), now.saturating_add(allowed));
            let more = note.deadline.filter(|deadline| deadline.or(until) > until);
            note.deadline = more.or(Some(Deadline::Usual(until)));
        }
    }

    /// Takes broadcasts that the bell has brought, for a stream that stands just before them and has nothing else to say,
    /// and may have so many more in hand.
    pub(in super::super) fn take_level_in_hand(
        &mut self,
        cursor: Cursor,
        through: Position,
        tail: &Tail,
    ) -> bool {
        let (passed, timed) = (self.passed_ordinal(), self.settings.ack_deadline.is_some());
        let hears = !self.deaf;
        let Some(explicit) = &mut self.explicit else { return false };
        let Some(sent) = explicit.sent_tally.filter(|_| hears) else { return false };
        let mut outstanding = explicit.outstanding;
        outstanding += tail.tally - sent;
        let level = cursor.at == explicit.sent
            && !timed
            && !explicit.has_begun()
            && explicit.delivered < tail.first()
            && explicit.holes.last() <= sent.messages
            && !explicit.notes.any_after(explicit.sent)
            && tail.tally.messages.saturating_sub(passed) <= super::super::Credit::MAX_MESSAGES
            && outstanding.messages <= explicit.credit.messages
            && outstanding.bytes <= explicit.credit.bytes
            && !self.gaps.any_to_say(explicit.said)
            && self.queue.last_waiting().is_none_or(|own| own <= explicit.sent);
        if level {
            explicit.outstanding = outstanding;
            explicit.count_turn();
            explicit.go_to(Cursor { at: through, ..cursor }, Some(tail.tally));
        }
        level
    }
}
