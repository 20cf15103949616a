//! What a listener has in hand, over the end of a process: its streams are gone, and all that is there counts as
//! delivered.

use super::{
    super::kept::{ExplicitKept, LeftKept},
    Explicit, Position, Redelivery,
    holes::Holes,
    notes::Notes,
};

impl Explicit {
    /// What is kept of it.
    pub(in super::super) fn kept_state(&self) -> ExplicitKept {
        let session = |session: &Option<std::sync::Arc<str>>| session.as_deref().map(str::to_owned);
        ExplicitKept {
            generation: self.generation,
            rewound: self.rewound,
            holes: self.holes.runs(),
            gone_holes: self.gone_holes,
            // at once where a delivery has failed, and so without those that were acknowledged by themselves though their
            // deletion comes with the next save: a crash brings these again, as it may, and they begin anew
            failed: self.notes.all_failed(),
            overtaking: self.redelivery == Redelivery::Overtaking,
            left: self.left.as_ref().map(|left| LeftKept { session: session(left) }),
        }
    }

    /// As it was kept, for a listener that has passed so far. `bytes_of`: the size of a broadcast by its number.
    pub(in super::super) fn of_kept(
        kept: &ExplicitKept,
        passed: Position,
        delivered: Position,
        bytes_of: impl Fn(u64) -> u64,
    ) -> Self {
        let left = kept.left.as_ref().map(|left| left.session.as_deref().map(Into::into));
        Self {
            delivered,
            reached: delivered,
            generation: kept.generation,
            rewound: kept.rewound,
            holes: Holes::of_runs(&kept.holes, bytes_of),
            gone_holes: kept.gone_holes,
            notes: Notes::of_failed(&kept.failed),
            redelivery: kept.redelivery(),
            left,
            ..Self::new(passed)
        }
    }
}
