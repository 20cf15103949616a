//! What is missing, and why, as a value that a program can match on.

use crate::v1;

/// Messages that were meant for a receiver and cannot reach it, at their place in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// Why.
    pub reason: GapReason,
    /// Everything up to this sequence is not part of the gap.
    pub after_sequence: i64,
    /// The last sequence that the gap covers.
    pub through_sequence: i64,
    /// How many messages are missing, where that can be known.
    pub count: Option<i64>,
}

/// Why messages are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GapReason {
    /// The listener's backlog was full and its oldest were dropped.
    Overflow,
    /// They had a `ttl` and waited longer.
    Expired,
    /// They are older than what the server keeps.
    Trimmed,
    /// [`Client::purge_listener`](super::Client::purge_listener) removed them.
    Purged,
    /// They were rejected finally, or too often.
    Rejected,
    /// The resume token is of another start of a server without a log on disk, of another channel, or of a
    /// listener that was removed and registered again. What was missed cannot be known.
    OtherLife,
    /// A reason that this version does not know, by its number in the contract.
    Unknown(i32),
}

impl GapReason {
    /// As the contract spells it; nothing for one that is not known.
    pub fn name(self) -> Option<&'static str> {
        v1::GapReason::try_from(i32::from(self)).ok().map(|reason| reason.as_str_name())
    }
}

impl From<i32> for GapReason {
    fn from(number: i32) -> Self {
        match v1::GapReason::try_from(number) {
            Ok(v1::GapReason::Overflow) => Self::Overflow,
            Ok(v1::GapReason::Expired) => Self::Expired,
            Ok(v1::GapReason::Trimmed) => Self::Trimmed,
            Ok(v1::GapReason::Purged) => Self::Purged,
            Ok(v1::GapReason::Rejected) => Self::Rejected,
            Ok(v1::GapReason::OtherLife) => Self::OtherLife,
            Ok(v1::GapReason::Unspecified) | Err(_) => Self::Unknown(number),
        }
    }
}

impl From<GapReason> for i32 {
    fn from(reason: GapReason) -> Self {
        match reason {
            GapReason::Overflow => v1::GapReason::Overflow.into(),
            GapReason::Expired => v1::GapReason::Expired.into(),
            GapReason::Trimmed => v1::GapReason::Trimmed.into(),
            GapReason::Purged => v1::GapReason::Purged.into(),
            GapReason::Rejected => v1::GapReason::Rejected.into(),
            GapReason::OtherLife => v1::GapReason::OtherLife.into(),
            GapReason::Unknown(number) => number,
        }
    }
}

impl From<v1::Gap> for Gap {
    fn from(gap: v1::Gap) -> Self {
        Self {
            reason: gap.reason.into(),
            after_sequence: gap.after_sequence,
            through_sequence: gap.through_sequence,
            count: gap.count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_the_contract_is_a_variant() {
        for number in 1..=6 {
            let reason = GapReason::from(number);
            assert!(!matches!(reason, GapReason::Unknown(_)), "{number}");
            assert_eq!(i32::from(reason), number);
            assert!(reason.name().is_some_and(|name| name.starts_with("GAP_REASON_")));
        }
    }

    #[test]
    fn a_reason_of_a_later_release_keeps_its_number() {
        let reason = GapReason::from(1_000);
        assert_eq!((reason, reason.name()), (GapReason::Unknown(1_000), None));
    }
}
