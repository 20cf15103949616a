//! What was found wrong, and how it is told.

use std::fmt;

/// So many of a kind are told in full.
const SHOWN: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) lost: Vec<String>,
    pub(crate) out_of_order: Vec<String>,
    pub(crate) unannounced: Vec<String>,
    /// Delivered after their acknowledgement was answered, twice, or without having been sent; answers that must not be.
    pub(crate) other: Vec<String>,
    /// Messages that were in flight to a client without a token when it was cut off: no fault.
    pub(crate) in_flight: usize,
    /// Messages that merged gaps may tell of, and others may have acknowledged: no fault.
    pub(crate) in_doubt: usize,
}

impl Faults {
    pub(crate) fn none(&self) -> bool {
        self.kinds().iter().all(|faults| faults.is_empty())
    }

    fn kinds(&self) -> [&Vec<String>; 4] {
        [&self.lost, &self.out_of_order, &self.unannounced, &self.other]
    }

    pub(crate) fn add(&mut self, more: Self) {
        self.lost.extend(more.lost);
        self.out_of_order.extend(more.out_of_order);
        self.unannounced.extend(more.unannounced);
        self.other.extend(more.other);
        self.in_flight += more.in_flight;
        self.in_doubt += more.in_doubt;
    }
}

#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) faults: Faults,
    pub(crate) figures: String,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.figures)?;
        let kinds = self.faults.kinds();
        for (kind, faults) in ["lost", "out of order", "unannounced gap", "fault"].iter().zip(kinds) {
            for fault in faults.iter().take(SHOWN) {
                writeln!(f, "{kind}: {fault}")?;
            }
        }
        let [lost, order, gaps, other] = kinds.map(Vec::len);
        write!(f, "lost {lost}, out of order {order}, unannounced gaps {gaps}")?;
        if other > 0 { write!(f, ", other faults {other}") } else { Ok(()) }
    }
}
