//! Gaps over the end of a process.

use super::{Gaps, Noted};
use crate::hub::kept::{GapKept, GapsKept};

impl Gaps {
    /// What is kept of them.
    pub(in crate::hub) fn kept_state(&self) -> GapsKept {
        let kept = |noted: &Noted| GapKept {
            reason: noted.gap.reason,
            after: noted.gap.after,
            through: noted.gap.through,
            count: noted.gap.count,
            said: noted.said_at.is_some(),
            behind: noted.behind,
            had: noted.had,
        };
        GapsKept { noted: self.noted.iter().map(kept).collect(), said: self.said, forgotten: self.forgotten }
    }

    /// The gaps as they were kept; those that were said were so just now, since times are not kept.
    pub(in crate::hub) fn of_kept(kept: &GapsKept, explicit: bool) -> Self {
        let noted = |kept: &GapKept| {
            let (gap, said_at) = (kept.gap(), kept.said.then_some(0));
            Noted { gap, said_at, behind: kept.behind, had: kept.had }
        };
        Self {
            noted: kept.noted.iter().map(noted).collect(),
            explicit,
            said: kept.said,
            forgotten: kept.forgotten,
        }
    }
}
