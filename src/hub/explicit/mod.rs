//! What an EXPLICIT listener has in hand: what was delivered, and is neither acknowledged nor gone.
//!
//! In reading order: this is what is known; [`holes`] are broadcasts acknowledged before others; [`notes`] is what is
//! known of single messages; [`deliver`], [`acknowledge`] and [`reject`] change it.

mod acknowledge;
mod deliver;
mod holes;
mod kept;
mod notes;
mod reject;

pub(super) use acknowledge::Covers;
pub(super) use reject::{Failed, Failing};

use super::{
    next::Next,
    ring::Ring,
    settings::Redelivery,
    tally::{Quota, Tally},
};
use crate::log::Position;
use holes::Holes;
use notes::Notes;
use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroU64,
    sync::Arc,
};

/// Pulls of one session that are less than this apart, in milliseconds, are one stream.
pub(super) const PULLS_APART: u64 = 60_000;

/// What is known of an EXPLICIT listener beside its standing, whose `passed` is how far everything is acknowledged.
#[derive(Clone, Debug)]
pub(super) struct Explicit {
    /// Where its stream stands, or the last one stood: what lies between `passed` and here is outstanding.
    sent: Position,
    /// The channel's broadcasts up to there, where they can be counted.
    sent_tally: Option<Tally>,
    /// The gaps up to here were said on its stream.
    said: Position,
    outstanding: Tally,
    /// Up to here everything was delivered once.
    delivered: Position,
    /// The same of this generation.
    reached: Position,
    generation: u64,
    /// The first message of this generation.
    rewound: Position,
    holes: Holes,
    /// How many that were acknowledged by themselves are among the broadcasts that are gone and not yet told of.
    gone_holes: u64,
    notes: Notes,
    credit: Quota,
    redelivery: Redelivery,
    /// Counts what was delivered at once, from anywhere on: no earlier start, or listener of this id, was there.
    turn: NonZeroU64,
    /// Since when the first that is not acknowledged is the first, and delivered, in milliseconds of the hub's clock.
    first_since: u64,
    /// The stream has sent all that it may.
    starved: bool,
    /// Its generation began with a setting, of which the log was not told.
    begun: bool,
    /// Something has changed that a stream must look at.
    stirred: bool,
    /// Counts what may make a look out of date.
    touched: u64,
    /// Its last stream ended by the client's side; whose it was.
    left: Option<Option<Arc<str>>>,
    /// Who pulls, and until when the pulls count as one stream.
    pulls: Option<(Arc<str>, u64)>,
}

impl Explicit {
    pub(super) fn new(start: Position) -> Self {
        Self {
            sent: start,
            sent_tally: None,
            said: Position::ZERO,
            outstanding: Tally::default(),
            delivered: start,
            reached: start,
            generation: 0,
            rewound: Position::ZERO,
            holes: Holes::default(),
            gone_holes: 0,
            notes: Notes::default(),
            credit: super::Credit::default().0,
            redelivery: Redelivery::Strict,
            turn: any_turn(),
            first_since: 0,
            starved: false,
            begun: false,
            stirred: false,
            touched: 0,
            left: None,
            pulls: None,
        }
    }

    pub(super) fn sent(&self) -> Position {
        self.sent
    }

    pub(super) fn said(&self) -> Position {
        self.said
    }

    pub(super) fn outstanding(&self) -> Tally {
        self.outstanding
    }

    pub(super) fn delivered(&self) -> Position {
        self.delivered
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether nobody may hear of its generation: a crash would undo it.
    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    /// The log is told.
    pub(super) fn is_kept(&mut self) {
        self.begun = false;
    }

    pub(super) fn turn(&self) -> NonZeroU64 {
        self.turn
    }

    pub(super) fn touched(&self) -> u64 {
        self.touched
    }

    /// What was acknowledged one by one.
    pub(super) fn holes(&self) -> Tally {
        self.holes.tally()
    }

    fn overtaking(&self) -> bool {
        self.redelivery == Redelivery::Overtaking
    }

    /// Whether the cursor comes to it: it is not acknowledged by itself, and does not come again by itself.
    pub(super) fn wants(&self, next: &Next) -> bool {
        let acknowledged = next.ordinal.is_some_and(|ordinal| self.holes.has(ordinal));
        let by_itself = self.overtaking() && self.notes.failed(next.position) > 0;
        !acknowledged && !by_itself
    }

    pub(super) fn acknowledged(&self, next: &Next) -> bool {
        next.ordinal.is_some_and(|ordinal| self.holes.has(ordinal))
    }

    /// Nothing behind this is in hand.
    pub(super) fn in_hand_through(&self) -> Position {
        if self.overtaking() { self.notes.last_sent().max(self.sent) } else { self.sent }
    }

    /// Whether the stream has it in hand.
    pub(super) fn in_hand(&self, position: Position) -> bool {
        match self.notes.get(position) {
            Some(note) if self.overtaking() && note.failed > 0 => note.sent,
            _ => position <= self.sent,
        }
    }

    /// Rejected messages whose time has not come, where nothing may pass them.
    pub(super) fn held_back(&self, now: u64) -> impl Iterator<Item = Position> + '_ {
        let overtaking = self.overtaking();
        self.notes.not_due(self.sent, now).filter(move |_| !overtaking)
    }

    /// Rejected ones whose time has come, where they come again alone.
    pub(super) fn due_again(&self, now: u64) -> impl Iterator<Item = Position> + '_ {
        let overtaking = self.overtaking();
        self.notes.due(now).filter(move |_| overtaking)
    }

    /// Whether it is one of them.
    pub(super) fn is_due(&self, position: Position, now: u64) -> bool {
        self.overtaking() && self.notes.is_due(position, now)
    }

    /// Rejected ones that have not come again, where they come again alone.
    pub(super) fn set_aside(&self) -> impl Iterator<Item = Position> + '_ {
        let overtaking = self.overtaking();
        self.notes.set_aside().filter(move |_| overtaking)
    }

    /// The leading messages that may be sent before others are acknowledged.
    pub(super) fn affordable(&self, messages: impl Iterator<Item = Next>) -> impl Iterator<Item = Next> {
        let (mut outstanding, credit) = (self.outstanding, self.credit);
        messages.take_while(move |next| {
            outstanding += Tally::one(next.bytes);
            credit.holds(outstanding)
        })
    }

    /// A stream must look, whatever the bell has brought.
    pub(super) fn stirred(&self) -> bool {
        self.stirred
    }

    /// A stream has looked. `starved`: it may not send what is next; `more`: it found something beside its order, and
    /// there may be more of that.
    pub(super) fn looked(&mut self, starved: bool, more: bool) {
        self.stirred = more;
        self.starved = starved;
    }

    /// Has its stream look. Tells nothing to a stream that looks anyway.
    pub(super) fn stir(&mut self) {
        self.stirred = true;
    }

    /// Whether pulls go on as one stream.
    pub(super) fn is_pulled(&self, now: u64) -> bool {
        self.pulls.as_ref().is_some_and(|(_, until)| now < *until)
    }

    /// Whether a pull of this session goes on after the last.
    pub(super) fn goes_on(&self, session: Option<&str>, now: u64) -> bool {
        self.is_pulled(now) && self.pulls.as_ref().map(|(whose, _)| &**whose) == session
    }

    /// A pull of a session that named itself has ended: until another takes the listener, its client may come back.
    pub(super) fn pulled(&mut self, session: Option<Arc<str>>, now: u64) {
        self.left = session.clone().map(Some);
        self.pulls = session.map(|session| (session, now.saturating_add(PULLS_APART)));
    }

    /// It was stopped: what was pulled is no open stream.
    pub(super) fn stop(&mut self) {
        self.pulls = None;
    }

    pub(super) fn touch(&mut self) {
        self.touched += 1;
        self.stirred = true;
    }

    pub(super) fn set_credit(&mut self, credit: Quota) {
        self.credit = credit;
        self.stirred = true;
    }

    /// Takes out what was acknowledged one by one up to a broadcast; tells what that was.
    pub(super) fn holes_through(&mut self, ordinal: u64, ring: &Ring) -> Tally {
        self.holes.drop_through(ordinal, |ordinal| ring.bytes_of(ordinal))
    }

    /// The channel's broadcasts up to one are gone. What of them was acknowledged is no part of what was lost.
    pub(super) fn forget_holes(&mut self, ordinal: u64, ring: &Ring) {
        let gone = self.holes.drop_through(ordinal, |_| 0).messages;
        if gone > 0 {
            self.gone_holes += gone;
            self.holes.recount(|ordinal| ring.bytes_of(ordinal));
        }
    }

    /// The channel's broadcasts up to a position are gone, and a gap tells of them; its own dispatches there are not.
    pub(super) fn forget_trimmed(&mut self, floor: Position, own: &[Position]) {
        self.gone_holes = 0;
        self.notes.retain(|position| position > floor || own.binary_search(&position).is_ok());
        self.sent_tally = None;
        self.touch();
    }

    /// Since now another one is the first that is not acknowledged.
    pub(super) fn another_is_first(&mut self, now: u64) {
        self.first_since = now;
    }

    /// See [`Explicit::forget_holes`].
    pub(super) fn gone_holes(&self) -> u64 {
        self.gone_holes
    }

    /// Its listener hears other broadcasts from now on, or none.
    pub(super) fn hear_other(&mut self, ring: &Ring) {
        self.holes.drop_through(u64::MAX - 1, |ordinal| ring.bytes_of(ordinal));
        (self.gone_holes, self.sent_tally) = (0, None);
        self.touch();
    }

    /// Something that waited is gone, and a gap tells of it.
    pub(super) fn lost(&mut self) {
        self.touch();
    }

    /// These have expired: when they would have come again is of no interest.
    pub(super) fn forget_expired(&mut self, expired: &[Position]) {
        expired.iter().for_each(|position| self.notes.remove(*position));
        self.touch();
    }

    /// The listener has passed on: nothing up to there is outstanding or noted any more.
    /// `tally`: the channel's broadcasts up to there, where they can be counted.
    pub(super) fn passed(&mut self, through: Position, tally: Option<Tally>, ring: &Ring) {
        if let Some(tally) = tally {
            self.holes.drop_through(tally.messages, |ordinal| ring.bytes_of(ordinal));
            self.gone_holes = 0;
        }
        self.notes.drop_through(through);
        if self.sent <= through {
            (self.sent, self.sent_tally) = (through, tally);
        }
        if self.outstanding.messages == 0 {
            self.outstanding = Tally::default();
        }
    }

    /// The moments at which something is to be done, by itself, in milliseconds of the hub's clock: while its stream is
    /// open, a rejected message comes again, or one was not acknowledged in time.
    pub(super) fn next_moment(
        &self,
        now: u64,
        ack_deadline: Option<u64>,
        first: Option<Position>,
    ) -> Option<u64> {
        let due = self.notes.next_due(now);
        let deadline = ack_deadline.and_then(|allowed| {
            if self.overtaking() {
                // a newer stream may not have got it again
                let in_hand = self.notes.deadlines().filter(|(position, _)| self.in_hand(*position));
                return in_hand.map(|(_, deadline)| deadline).min();
            }
            let first = first.filter(|first| *first <= self.sent)?;
            Some(self.deadline(first, allowed))
        });
        due.into_iter().chain(deadline).min()
    }

    /// When the first that is not acknowledged counts as rejected.
    fn deadline(&self, first: Position, allowed: u64) -> u64 {
        let until = self.first_since.saturating_add(allowed);
        let extended = self.notes.get(first).and_then(|note| note.deadline);
        extended.map_or(until, |extended| extended.or(until))
    }
}

fn any_turn() -> NonZeroU64 {
    // as good as random, and for a million listeners far cheaper
    NonZeroU64::new(RandomState::new().hash_one(0)).unwrap_or(NonZeroU64::MIN)
}
