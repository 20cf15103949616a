//! Gaps over the end of a process.

use super::{Gaps, Noted, Said};
use crate::hub::kept::{GapKept, GapsKept};

impl Gaps {
    /// What is kept of them.
    pub(in crate::hub) fn kept_state(&self) -> GapsKept {
        let kept = |noted: &Noted| GapKept {
            reason: noted.gap.reason,
            after: noted.gap.after,
            through: noted.gap.through,
            count: noted.gap.count,
            told: noted.said.map(|said| said.had),
        };
        GapsKept { noted: self.noted.iter().map(kept).collect(), said: self.said, forgotten: self.forgotten }
    }

    /// The gaps as they were kept; those that were said were so just now, since times are not kept.
    pub(in crate::hub) fn of_kept(kept: &GapsKept, explicit: bool) -> Self {
        let noted = |kept: &GapKept| {
            let said = kept.told.map(|had| Said { at: 0, had });
            Noted { gap: kept.gap(), said }
        };
        Self {
            noted: kept.noted.iter().map(noted).collect(),
            explicit,
            said: kept.said,
            forgotten: kept.forgotten,
        }
    }
}
