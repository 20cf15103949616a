//! What is acknowledged never comes again.

use super::{
    super::{gap::Span, ring::Ring, standing::Standing, tally::Tally},
    Explicit,
    notes::Deadline,
};
use crate::{error::Error, log::Position};

/// What an acknowledgement names, as far as its generation lets it cover that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Covers {
    /// Everything up to here.
    pub(in super::super) through: Option<Position>,
    /// Single ones.
    pub(in super::super) singles: Vec<Position>,
    /// Single ones that came again alone, by the attempt.
    pub(in super::super) attempts: Vec<(Position, u32)>,
    /// Gaps that are known.
    pub(in super::super) gaps: Vec<Span>,
}

impl Covers {
    pub(in super::super) fn highest(&self) -> Position {
        let singles = self.singles.iter().chain(self.attempts.iter().map(|(position, _)| position));
        let gaps = self.gaps.iter().map(|(_, end)| end);
        singles.chain(&self.through).chain(gaps).copied().max().unwrap_or_default()
    }

    /// Nothing from a position on.
    fn below(&mut self, position: Position) {
        self.through = self.through.map(|through| through.min(position.before()));
        self.singles.retain(|single| *single < position);
        self.attempts.retain(|(single, _)| *single < position);
        self.gaps.retain(|(_, end)| *end < position);
    }
}

impl Explicit {
    /// Cuts what is named down to what a generation may cover: the one before covers what lies below the point it was
    /// rewound to, an older one nothing.
    fn cut(&self, covers: &mut Covers, generation: Option<u64>) -> Result<(), Error> {
        let generation = generation.unwrap_or(self.generation);
        if covers.highest() > self.delivered || generation > self.generation {
            return Err(Error::NotDelivered { delivered: self.delivered.0 });
        }
        match self.generation - generation {
            0 => {}
            1 => covers.below(self.rewound),
            _ => *covers = Covers::default(),
        }
        Ok(())
    }

    fn subtract(&mut self, tally: Tally) {
        self.outstanding -= tally;
        self.stirred |= self.starved;
    }
}

impl Standing {
    /// Acknowledges, and tells how many that covers that were not yet.
    ///
    /// # Errors
    /// [`Error::NotDelivered`]: nothing was changed.
    pub(in super::super) fn acknowledge(
        &mut self,
        mut covers: Covers,
        generation: Option<u64>,
        ring: &Ring,
        now: u64,
        dropped: &mut Vec<Position>,
    ) -> Result<u64, Error> {
        let Some(explicit) = &self.explicit else { return Ok(0) };
        explicit.cut(&mut covers, generation)?;
        let (overtaking, before) = (explicit.overtaking(), self.passed);
        let mut covered = 0;
        if let Some(through) = covers.through {
            covered += self.acknowledge_through(through, ring, dropped);
        }
        for &position in &covers.singles {
            let failed = self.explicit.as_ref().map_or(0, |explicit| explicit.notes.failed(position));
            // one that came again is acknowledged by its attempt
            if !overtaking || failed == 0 {
                covered += self.acknowledge_one(position, ring, dropped);
            }
        }
        for &(position, attempt) in &covers.attempts {
            let failed = self.explicit.as_ref().map_or(0, |explicit| explicit.notes.failed(position));
            if !overtaking || attempt == failed.saturating_add(1) {
                covered += self.acknowledge_one(position, ring, dropped);
            }
        }
        self.gaps.acknowledge(covers.through.unwrap_or_default(), &covers.singles, &covers.gaps);
        if self.passed > before {
            self.begin_with_another(ring, now);
        } else {
            self.advance(ring, now);
        }
        Ok(covered)
    }

    fn acknowledge_through(&mut self, through: Position, ring: &Ring, dropped: &mut Vec<Position>) -> u64 {
        let Some(explicit) = &self.explicit else { return 0 };
        if through <= self.passed {
            return 0;
        }
        if explicit.overtaking() && explicit.notes.any_failed_through(through) {
            return self.acknowledge_each_through(through, ring, dropped);
        }
        let mut covered = self.queue.drop_waiting(through, dropped);
        let all = ring.tally_through(through.max(self.hears_from).max(ring.floor()));
        let passed = self.broadcasts_passed(ring);
        let Some(explicit) = &mut self.explicit else { return 0 };
        let known = explicit.holes.drop_through(all.messages, |ordinal| ring.bytes_of(ordinal));
        covered += all - passed - known;
        let beyond = through > explicit.sent;
        if beyond {
            explicit.touch();
        } else {
            explicit.subtract(covered);
        }
        self.pass(through, ring);
        if beyond {
            // what came again alone may be in hand behind it
            self.recount(ring);
        }
        covered.messages
    }

    /// What was rejected is passed over.
    fn acknowledge_each_through(
        &mut self,
        through: Position,
        ring: &Ring,
        dropped: &mut Vec<Position>,
    ) -> u64 {
        let Some(explicit) = &self.explicit else { return 0 };
        let named: Vec<_> = self
            .merged(ring, self.passed)
            .take_while(|next| next.position <= through)
            .filter(|next| explicit.wants(next))
            .map(|next| next.position)
            .collect();
        named.into_iter().map(|position| self.acknowledge_one(position, ring, dropped)).sum()
    }

    /// Acknowledges one; 0 where that is none that waits.
    pub(in super::super) fn acknowledge_one(
        &mut self,
        position: Position,
        ring: &Ring,
        dropped: &mut Vec<Position>,
    ) -> u64 {
        let Some(next) = self.find(position, ring) else { return 0 };
        let Some(explicit) = &mut self.explicit else { return 0 };
        if explicit.in_hand(position) {
            explicit.subtract(Tally::one(next.bytes));
        } else {
            // it may have held back what stands behind it
            explicit.touch();
        }
        self.let_go(&next, ring, dropped);
        1
    }

    /// A message that is neither acknowledged nor gone.
    pub(in super::super) fn find(&self, position: Position, ring: &Ring) -> Option<super::Next> {
        if position <= self.passed {
            return None;
        }
        let explicit = self.explicit.as_ref()?;
        let found = self.merged(ring, position.before()).next();
        found.filter(|next| next.position == position && !explicit.acknowledged(next))
    }

    /// Other time for a message in hand: in strict order no less than it has as the first, unless it is the first or has none
    /// at all. Tells when it counts as rejected then.
    ///
    /// # Errors
    /// As a rejection of it.
    pub(in super::super) fn extend(
        &mut self,
        position: Position,
        attempt: Option<u32>,
        generation: Option<u64>,
        (now, until): (u64, u64),
        ring: &Ring,
    ) -> Result<Option<u64>, Error> {
        self.check_in_hand(position, attempt, generation, ring)?;
        if self.settings.ack_deadline.is_none() {
            return Ok(None);
        }
        let is_first = || self.first_in_hand(ring).is_some_and(|first| first.position == position);
        let runs = until <= now
            || self.explicit.as_ref().is_some_and(|explicit| explicit.overtaking())
            || is_first();
        let deadline = if runs { Deadline::At(until) } else { Deadline::NotBefore(until) };
        if let Some(explicit) = &mut self.explicit {
            explicit.notes.of(position).deadline = Some(deadline);
        }
        Ok(Some(until))
    }
}
