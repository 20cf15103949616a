//! What the server has not been told yet, and what it is told.

use super::{Ledger, NOWHERE, Span, State};
use crate::v1;
use std::collections::{BTreeMap, BTreeSet};

/// What the next Acknowledge says.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    pub(super) through: bool,
    pub(super) sequences: BTreeSet<i64>,
    pub(super) attempts: BTreeMap<i64, i32>,
    pub(super) gaps: BTreeSet<Span>,
}

impl Ledger {
    /// Something is done with that the server has not been told.
    pub(in super::super) fn has_unsent(&self) -> bool {
        let Unsent { through, sequences, attempts, gaps } = &self.unsent;
        let single = !(sequences.is_empty() && attempts.is_empty() && gaps.is_empty());
        single || (*through && self.sayable().is_some())
    }

    /// What the server would say of an acknowledgement of nothing, as far as that is known.
    pub(in super::super) fn known(&self) -> v1::Acknowledged {
        let through_sequence = self.through.max(0);
        v1::Acknowledged { through_sequence, covered_messages: 0, generation: self.generation }
    }

    /// Not as far as a gap that was not told: it would not be repeated.
    fn sayable(&self) -> Option<i64> {
        let untold = self.gaps.iter().find(|(_, gap)| **gap != State::Done);
        let through = untold.map_or(self.through, |(gap, _)| self.through.min(gap.through.saturating_sub(1)));
        Some(through).filter(|&through| through > NOWHERE)
    }

    /// What to say now, without the names of channel and listener.
    pub(in super::super) fn take(&mut self) -> Option<v1::Acknowledgement> {
        if !self.has_unsent() {
            return None;
        }
        let Unsent { through, sequences, attempts, gaps } = std::mem::take(&mut self.unsent);
        let said = v1::Acknowledgement {
            birth: self.life.birth,
            incarnation: self.life.incarnation.to_string(),
            // what is done with is so, whichever generation it came in
            generation: Some(self.generation.max(self.begun)),
            through_sequence: self.sayable().filter(|_| through),
            sequences: sequences.into_iter().collect(),
            attempts: attempts
                .into_iter()
                .map(|(sequence, attempt)| v1::Attempt { sequence, attempt })
                .collect(),
            gaps: gaps.into_iter().map(Span::into_wire).collect(),
            ..Default::default()
        };
        Some(said)
    }

    /// Nobody can be told.
    pub(in super::super) fn say_nothing(&mut self) {
        self.unsent = Unsent::default();
    }

    /// It did not reach the server, as far as that is known.
    pub(in super::super) fn put_back(&mut self, epoch: u64, said: &v1::Acknowledgement) {
        if epoch != self.epoch {
            return;
        }
        self.unsent.through |= said.through_sequence.is_some();
        for &sequence in &said.sequences {
            match sequence <= self.through {
                true => self.unsent.through = true,
                false => drop(self.unsent.sequences.insert(sequence)),
            }
        }
        for attempt in &said.attempts {
            self.unsent.attempts.entry(attempt.sequence).or_insert(attempt.attempt);
        }
        self.unsent.gaps.extend(said.gaps.iter().map(Span::of));
    }

    /// The server has applied what was said. Whether it is to be said again: in the generation in which it was
    /// said it may have covered nothing, since the server had begun another.
    pub(in super::super) fn confirmed(
        &mut self,
        epoch: u64,
        said: &v1::Acknowledgement,
        answer: &v1::Acknowledged,
    ) -> bool {
        if epoch != self.epoch {
            return false;
        }
        let through = answer.through_sequence;
        if through > self.through {
            self.entries = self.entries.split_off(&through.saturating_add(1));
            self.through = through;
            self.close_ranks();
        }
        let outrun = said.generation.is_some_and(|generation| generation < answer.generation);
        if outrun {
            self.begun = self.begun.max(answer.generation);
            self.put_back(epoch, said);
        }
        outrun
    }
}
