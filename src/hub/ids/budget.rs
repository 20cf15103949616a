//! What all channels together may take to remember ids, and who may have how much of it.

use super::records::Record;
use std::{
    mem::size_of,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// What an id takes. To the records comes an eighth: of those that have gone or have not come, and of lists of their parts.
/// A table that takes four times as many as there are has eight times four bytes for each.
const ID_BYTES: u64 = (size_of::<Record>() as u64 * 9).div_ceil(8) + 8 * 4;
/// Room is granted for so large a part of what one has: senders on all cores meet here.
const MORE: u64 = 16;
const MOST_AT_ONCE: u64 = 64;
/// That ids are forgotten before their time is told no more often, in milliseconds.
const TOLD_EVERY: u64 = 60_000;

/// The server's budget.
///
/// One half of it is shared out in equal parts, and each channel's part is always its own. Of the other half whoever
/// needs it may have what he needs, as long as no more than a half is taken.
#[derive(Debug)]
pub(in crate::hub) struct Budget {
    max: u64,
    taken: AtomicU64,
    /// A channel's part.
    share: AtomicU64,
    evicted: AtomicU64,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    evicted: u64,
    at: Option<u64>,
}

impl Budget {
    pub(in crate::hub) fn new(max: u64) -> Self {
        let (taken, share, evicted) = Default::default();
        Self { max, taken, share, evicted, told: Mutex::default() }
    }

    /// Nothing is to be remembered.
    pub(in crate::hub) fn is_none(&self) -> bool {
        self.max == 0
    }

    /// There are so many channels.
    pub(in crate::hub) fn share_among(&self, channels: usize) {
        self.share.store(self.half() / (channels as u64).max(1), Ordering::Relaxed);
    }

    fn half(&self) -> u64 {
        self.max / 2
    }

    fn share(&self) -> u64 {
        self.share.load(Ordering::Relaxed)
    }

    /// For how many more there is room where one has room for so many.
    pub(super) fn grant(&self, granted: usize) -> usize {
        let left = (self.share() / ID_BYTES).saturating_sub(granted as u64);
        // the parts of those who came first were larger: what they still have must not lead beyond the whole
        let limit = if left > 0 { self.max } else { self.half() };
        let wanted = (granted as u64 / MORE).clamp(1, MOST_AT_ONCE).min(left.max(1));
        let more = |taken: u64| wanted.min(limit.saturating_sub(taken) / ID_BYTES);
        let take = |taken| Some(taken + more(taken) * ID_BYTES).filter(|after| *after > taken);
        let taken = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.map_or(0, |before| usize::try_from(more(before)).unwrap_or(usize::MAX))
    }

    /// No channel gets room for more ids.
    pub(super) fn most(&self) -> usize {
        usize::try_from(self.half() / ID_BYTES).unwrap_or(usize::MAX)
    }

    pub(super) fn release(&self, ids: usize) {
        self.taken.fetch_sub(bytes(ids), Ordering::Relaxed);
    }

    /// How many ids one who has room for so many should forget for others: he has more than his part, and more than a
    /// half is taken.
    pub(super) fn excess(&self, granted: usize) -> usize {
        let beyond_part = bytes(granted).saturating_sub(self.share());
        let beyond_half = self.taken().saturating_sub(self.half());
        usize::try_from(beyond_part.min(beyond_half).div_ceil(ID_BYTES)).unwrap_or(usize::MAX)
    }

    pub(super) fn count_evictions(&self, ids: usize) {
        self.evicted.fetch_add(ids as u64, Ordering::Relaxed);
    }

    /// What is taken, in bytes.
    pub(in crate::hub) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// How many ids were forgotten before their time.
    pub(in crate::hub) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Tells the operator of ids that were forgotten before their time.
    pub(in crate::hub) fn tell(&self, now: u64) {
        if let Some(ids) = self.untold(now) {
            tracing::warn!(
                ids,
                max_idempotency_bytes = self.max,
                "ids were forgotten before their time, since there is no room for more: a message that is sent again \
                 after such a time is accepted again"
            );
        }
    }

    fn untold(&self, now: u64) -> Option<u64> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let evicted = self.evicted();
        let lately = told.at.is_some_and(|at| now < at + TOLD_EVERY);
        if evicted == told.evicted || lately {
            return None;
        }
        let before = std::mem::replace(&mut *told, Told { evicted, at: Some(now) }).evicted;
        Some(evicted - before)
    }
}

fn bytes(ids: usize) -> u64 {
    ids as u64 * ID_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(ids: usize, channels: usize) -> Budget {
        let budget = Budget::new(bytes(ids));
        budget.share_among(channels);
        budget
    }

    /// How many ids one gets who has so many.
    fn granted(budget: &Budget, has: usize) -> usize {
        let more = |has: &usize| Some(budget.grant(*has)).filter(|more| *more > 0).map(|more| has + more);
        std::iter::successors(Some(has), more).last().map_or(0, |last| last - has)
    }

    #[test]
    fn one_may_have_a_half_and_then_each_has_his_part() {
        let budget = budget(100, 5);
        assert_eq!(granted(&budget, 0), 50);
        assert!(budget.most() >= 50);
        assert_eq!([granted(&budget, 0), granted(&budget, 0)], [10, 10]);
        assert_eq!(budget.taken(), bytes(70));
    }

    #[test]
    fn the_whole_is_never_passed_however_many_come_one_after_the_other() {
        let budget = budget(1000, 1);
        for channels in 1..200 {
            budget.share_among(channels);
            granted(&budget, 0);
            assert!(budget.taken() <= bytes(1000), "{channels} channels");
        }
        assert!(budget.taken() > bytes(995), "the test has come to the limit");
    }

    #[test]
    fn who_has_more_than_his_part_gives_others_theirs() {
        let budget = budget(100, 1);
        assert_eq!((granted(&budget, 0), budget.excess(50)), (50, 0));
        budget.share_among(5);
        assert_eq!(budget.excess(50), 0, "nobody needs it");
        assert_eq!((granted(&budget, 0), budget.excess(50), budget.excess(10)), (10, 10, 0));
        budget.release(10);
        assert_eq!(budget.excess(40), 0);
    }

    #[test]
    fn what_was_released_is_granted_again() {
        let budget = budget(20, 2);
        assert_eq!(granted(&budget, 0), 10);
        budget.release(4);
        assert_eq!(granted(&budget, 6), 4);
    }

    #[test]
    fn it_is_told_at_most_once_a_minute() {
        let budget = budget(0, 1);
        assert_eq!(budget.untold(0), None);
        budget.count_evictions(3);
        assert_eq!((budget.untold(5), budget.untold(6)), (Some(3), None));
        budget.count_evictions(1);
        assert_eq!((budget.untold(TOLD_EVERY), budget.untold(TOLD_EVERY + 5)), (None, Some(1)));
        assert_eq!(budget.untold(9 * TOLD_EVERY), None);
        assert_eq!(budget.evicted(), 4);
    }
}
