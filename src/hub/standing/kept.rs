//! A listener's standing over the end of a process.

use super::{End, Explicit, Gaps, Position, Queue, Ring, Standing};
use crate::hub::{
    expiry::Expiry,
    kept::{ExplicitKept, ListenerKept},
    settings::ListenerSettings,
};

/// What the log gives back of one listener beside its standing.
#[derive(Debug, Default)]
pub(in crate::hub) struct Regained {
    /// Its own dispatches, in rising order.
    pub(in crate::hub) messages: Vec<(Position, u64, Expiry)>,
    /// The end that was dispatched to it.
    pub(in crate::hub) end: Option<End>,
    /// The last position that the log has given.
    pub(in crate::hub) last: Position,
}

impl Standing {
    /// What is kept of it.
    pub(in crate::hub) fn kept_state(&self) -> ListenerKept {
        ListenerKept {
            start: Some(self.start),
            hears_from: (self.hears_from != self.start).then_some(self.hears_from),
            deaf: self.deaf,
            passed: self.passed,
            passed_tally: self.passed_tally,
            split: self.split,
            cleared: self.cleared,
            floor: self.queue.floor(),
            gaps: self.gaps.kept_state(),
            lost: self.lost,
            running: self.running && self.seated.is_none(),
            halted: self.halted,
            end: self.end.as_ref().map(|end| end.position).filter(|position| *position > self.passed),
            explicit: self.explicit.as_ref().map(|explicit| explicit.kept_state()),
            ring: None,
        }
    }

    /// As it was kept. One of which nothing is kept has not been looked at since it was born. `gone`: as
    /// [`Queue::of_kept`] tells it.
    pub(in crate::hub) fn of_kept(
        birth: Position,
        explicit: bool,
        settings: ListenerSettings,
        kept: &ListenerKept,
        regained: Regained,
        ring: &Ring,
        gone: &mut Vec<Position>,
    ) -> Self {
        let start = kept.start.unwrap_or(birth);
        let passed = kept.passed.max(start);
        // one that acknowledges has no window
        let done = if explicit { passed } else { kept.floor.max(kept.cleared) };
        let gaps = Gaps::of_kept(&kept.gaps, explicit);
        let mut messages = regained.messages;
        // what waited is part of a gap: whoever was to have it deleted was cut off
        gone.extend(messages.extract_if(.., |own| own.0 > passed && gaps.cover(own.0)).map(|own| own.0));
        let queue = Queue::of_kept(kept.floor, done, passed, messages, gone);
        // of one that was never saved it is kept what was there before it
        let exact = kept.passed < start && start >= ring.floor();
        let counted = if exact { ring.tally_through(start) } else { kept.passed_tally };
        let mut standing = Self {
            start,
            hears_from: kept.hears_from.unwrap_or(start),
            deaf: kept.deaf,
            passed,
            passed_tally: counted,
            split: kept.split,
            cleared: kept.cleared,
            gaps,
            lost: kept.lost,
            settings,
            running: kept.running,
            halted: kept.halted,
            end: regained.end.map(Box::new),
            queue,
            ..Self::new(start, ring)
        };
        if explicit {
            // what was acknowledged by itself is gone, and may be acknowledged again
            let delivered = regained.last.max(passed);
            // of one that was never saved nothing is kept, and yet its messages may have been delivered
            let begun = ExplicitKept::default();
            let kept = kept.explicit.as_ref().unwrap_or(&begun);
            let explicit = Explicit::of_kept(kept, passed, delivered, |ordinal| ring.bytes_of(ordinal));
            standing.explicit = Some(Box::new(explicit));
        }
        standing
    }
}
