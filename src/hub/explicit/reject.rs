//! What is rejected comes again, or is buried.

use super::{
    super::{
        expiry::Expiry,
        gap::{Gap, GapReason},
        next::Next,
        ring::Ring,
        settings::{ChannelSettings, Redelivery},
        standing::Standing,
    },
    Explicit,
};
use crate::{error::Error, log::Position};
use std::time::Duration;

/// A delivery that has failed.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Failing<'a> {
    pub(in super::super) position: Position,
    /// Until it comes again; `None`: the channel's back-off.
    pub(in super::super) delay: Option<Duration>,
    /// It never comes again.
    pub(in super::super) last: bool,
    /// Why, for people.
    pub(in super::super) reason: &'a str,
}

/// What is to become of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Failed {
    pub(in super::super) message: Next,
    /// How often it has failed, this time included.
    pub(in super::super) attempts: u32,
    /// When it comes again; `None`: never.
    pub(in super::super) delay: Option<Duration>,
}

/// What has expired in nobody's hand is gone.
fn is_kept(next: &Next) -> bool {
    next.expiry != Expiry::PAST
}

impl Standing {
    /// Whether a delivery may be rejected or prolonged.
    ///
    /// # Errors
    /// [`Error::StaleGeneration`], [`Error::NotDelivered`], [`Error::NotOutstanding`], [`Error::InvalidSetting`].
    pub(in super::super) fn check_in_hand(
        &self,
        position: Position,
        attempt: Option<u32>,
        generation: Option<u64>,
        ring: &Ring,
    ) -> Result<Next, Error> {
        let not_outstanding = Error::NotOutstanding { sequence: position.0 };
        let Some(explicit) = &self.explicit else { return Err(not_outstanding) };
        let generation = generation.unwrap_or(explicit.generation);
        if generation < explicit.generation {
            return Err(Error::StaleGeneration { generation: explicit.generation });
        }
        if position > explicit.delivered || generation > explicit.generation {
            return Err(Error::NotDelivered { delivered: explicit.delivered.0 });
        }
        if explicit.overtaking() {
            explicit.check_attempt(position, attempt)?;
        } else if position > explicit.reached {
            return Err(not_outstanding);
        }
        self.find(position, ring).filter(is_kept).ok_or(not_outstanding)
    }

    /// What is to become of deliveries that have failed; nothing is changed yet.
    pub(in super::super) fn judge(
        &self,
        failing: &[Failing<'_>],
        settings: &ChannelSettings,
        ring: &Ring,
    ) -> Vec<Option<Failed>> {
        failing.iter().map(|failing| self.judge_one(failing, settings, ring)).collect()
    }

    fn judge_one(&self, failing: &Failing<'_>, settings: &ChannelSettings, ring: &Ring) -> Option<Failed> {
        let message = self.find(failing.position, ring).filter(is_kept)?;
        let failed = self.explicit.as_ref().map_or(0, |explicit| explicit.notes.failed(failing.position));
        let attempts = failed.saturating_add(1);
        let again = !failing.last && attempts < settings.max_attempts;
        let delay = again.then(|| failing.delay.unwrap_or_else(|| settings.backoff.after(attempts)));
        Some(Failed { message, attempts, delay })
    }

    /// Does what was judged: in strict order the listener is rewound to the first of them, in a new generation, if `rewinds`.
    pub(in super::super) fn fail(
        &mut self,
        failed: &[Failed],
        rewinds: bool,
        ring: &Ring,
        now: u64,
        dropped: &mut Vec<Position>,
    ) {
        let Some(first) = failed.iter().map(|failed| failed.message.position).min() else { return };
        if let Some(explicit) = &mut self.explicit {
            if rewinds && !explicit.overtaking() {
                explicit.rewind(first);
            }
            failed
                .iter()
                .filter(|failed| failed.delay.is_some())
                .for_each(|failed| explicit.note(failed, now));
            explicit.touch();
        }
        for failed in failed.iter().filter(|failed| failed.delay.is_none()) {
            self.bury(&failed.message, ring, dropped);
        }
        self.recount(ring);
        self.advance(ring, now);
    }

    /// Takes a message from what waits; a gap tells of it.
    fn bury(&mut self, message: &Next, ring: &Ring, dropped: &mut Vec<Position>) {
        let (after, through) = (message.position.before(), message.position);
        self.gaps.insert(Gap { reason: GapReason::Rejected, after, through, count: Some(1) }, None);
        self.lost += 1;
        self.let_go(message, ring, dropped);
    }

    /// Takes on a channel's other way to redeliver. Back in strict order everything comes again from the first on, in a new
    /// generation: what was overtaken must not stay so.
    pub(in super::super) fn adopt(&mut self, redelivery: Redelivery, ring: &Ring, now: impl Fn() -> u64) {
        let passed = self.passed;
        let Some(explicit) = self.explicit.as_mut().filter(|explicit| explicit.adopts(redelivery)) else {
            return;
        };
        explicit.redelivery = redelivery;
        match redelivery {
            Redelivery::Overtaking => explicit.notes.mark_sent(explicit.sent),
            Redelivery::Strict => {
                explicit.rewind(Position(passed.0.saturating_add(1)));
                explicit.begun = true;
            }
        }
        explicit.touch();
        self.recount(ring);
        self.give_time(ring, now());
    }

    /// Those that were not acknowledged in time.
    pub(in super::super) fn overdue(&self, ring: &Ring, now: u64) -> Vec<Position> {
        let (Some(explicit), Some(allowed)) = (&self.explicit, self.ack_deadline()) else {
            return Vec::new();
        };
        if explicit.overtaking() {
            let mut overdue = explicit.notes.overdue(now);
            overdue.retain(|position| explicit.in_hand(*position));
            return overdue;
        }
        let first =
            self.first_in_hand(ring).map(|next| next.position).filter(|first| *first <= explicit.sent);
        first.filter(|first| explicit.deadline(*first, allowed) <= now).into_iter().collect()
    }
}

impl Explicit {
    fn rewind(&mut self, first: Position) {
        self.generation += 1;
        self.rewound = first;
        self.notes.begin_again(first.before());
        if self.sent >= first {
            (self.sent, self.sent_tally) = (first.before(), None);
        }
        self.said = self.said.min(self.sent);
        self.reached = self.sent;
    }

    fn note(&mut self, failed: &Failed, now: u64) {
        let delay = failed.delay.map_or(0, |delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        let due = if delay == 0 { 0 } else { now.saturating_add(delay) };
        let note = self.notes.of(failed.message.position);
        (note.failed, note.due, note.sent, note.deadline) = (failed.attempts, due, false, None);
    }

    /// One that comes again alone is named with its attempt.
    fn check_attempt(&self, position: Position, attempt: Option<u32>) -> Result<(), Error> {
        let current = self.notes.failed(position).saturating_add(1);
        match attempt {
            None => {
                let description = "required where messages overtake rejected ones".to_owned();
                Err(Error::InvalidSetting { field: "attempt", description })
            }
            Some(attempt) if attempt < current => {
                Err(Error::StaleGeneration { generation: u64::from(current) })
            }
            Some(attempt) if attempt > current => Err(Error::NotDelivered { delivered: self.delivered.0 }),
            Some(_) if !self.notes.get(position).is_none_or(|note| note.failed == 0 || note.sent) => {
                Err(Error::NotOutstanding { sequence: position.0 })
            }
            Some(_) => Ok(()),
        }
    }

    /// Its stream has ended by the client's side; `whose` it was. A message that ends streams is found by that.
    pub(in super::super) fn leave(&mut self, whose: Option<std::sync::Arc<str>>) {
        self.left = Some(whose);
    }

    /// Whether the next stream, of this session, is another client than the one that left.
    pub(in super::super) fn was_left_by_another(&self, session: Option<&str>) -> bool {
        match &self.left {
            None => false,
            Some(None) => true,
            Some(Some(whose)) => session != Some(&**whose),
        }
    }
}
