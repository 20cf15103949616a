//! Over the starts of a server: what goes on, and what is of another life.

use super::{Ledger, NOWHERE, Span};
use crate::v1;
use std::sync::Arc;

/// Whose sequences they are. Those of another life may be those of other messages.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Life {
    pub(super) incarnation: Arc<str>,
    pub(super) birth: i64,
}

/// Another start of the server, of which nothing came yet: the first that comes tells whether it has what the one before
/// had. Until then what is said is said of the one before.
#[derive(Debug)]
pub(super) struct Successor {
    incarnation: Arc<str>,
    /// How far the token reached that the stream was opened with: it answers for nothing beyond.
    known_through: i64,
}

impl Default for Life {
    fn default() -> Self {
        Self { incarnation: "".into(), birth: 0 }
    }
}

impl Ledger {
    /// A stream begins, which brings everything that is not acknowledged; its token reached as far as `known_through`.
    /// Of another listener nothing that is known holds; what was still to be said to the one before is given back.
    pub(in super::super) fn started(
        &mut self,
        incarnation: &Arc<str>,
        birth: i64,
        generation: i64,
        known_through: i64,
    ) -> Option<v1::Acknowledgement> {
        if self.epoch == 0 || birth != self.life.birth {
            return self.begin(Life { incarnation: incarnation.clone(), birth }, generation);
        }
        let goes_on = *incarnation == self.life.incarnation;
        self.successor = (!goes_on).then(|| Successor { incarnation: incarnation.clone(), known_through });
        if !goes_on && generation <= self.generation {
            self.fall_back(generation);
        } else if generation > self.generation {
            self.rewound(generation, NOWHERE);
        }
        if !goes_on {
            self.begun = generation;
        }
        None
    }

    /// What comes first from another start of the server tells whether it goes on. Where it does not, nothing that is
    /// known holds; what was still to be said to the one before is given back.
    pub(super) fn judge_successor(&mut self, batch: &v1::Batch) -> Option<v1::Acknowledgement> {
        let Successor { incarnation, known_through } = self.successor.take()?;
        if tells_another_life(batch) {
            return self.begin(Life { incarnation, birth: self.life.birth }, batch.generation);
        }
        self.life.incarnation = incarnation;
        self.forget_beyond(known_through);
        None
    }

    fn begin(&mut self, life: Life, generation: i64) -> Option<v1::Acknowledgement> {
        let left = self.take();
        let (epoch, singly) = (self.epoch + 1, self.singly);
        *self = Self { life, epoch, generation, singly, ..Self::default() };
        left
    }

    /// A power cut took the generations that a server with an interval of fsync had not kept.
    fn fall_back(&mut self, generation: i64) {
        (self.generation, self.rewind) = (generation, NOWHERE);
        for entry in self.entries.values_mut() {
            entry.generation = entry.generation.min(generation);
        }
    }

    /// What lies there may be another message.
    fn forget_beyond(&mut self, through: i64) {
        let next = through.saturating_add(1);
        self.entries.split_off(&next);
        self.gaps.split_off(&Span::behind(through));
        self.unsent.gaps.split_off(&Span::behind(through));
        self.unsent.sequences.split_off(&next);
        self.unsent.attempts.split_off(&next);
        self.through = self.through.min(through);
    }
}

/// Whether it begins with the gap that tells of another life.
pub(in super::super) fn tells_another_life(batch: &v1::Batch) -> bool {
    batch.gaps.iter().any(|gap| gap.reason() == v1::GapReason::OtherLife)
}
