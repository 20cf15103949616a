//! Broadcasts that were acknowledged one by one, before the ones in front of them: a small bitmap, by their numbers.

use super::super::tally::Tally;
use std::collections::VecDeque;

const BITS: u64 = 64;

/// Numbers of broadcasts that lie behind everything that is acknowledged, and are so themselves.
#[derive(Clone, Debug, Default)]
pub(super) struct Holes {
    words: VecDeque<u64>,
    /// The number of the first word.
    first: u64,
    tally: Tally,
    /// No number above this is in it.
    last: u64,
}

impl Holes {
    /// How many there are, and their bytes.
    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// First and last of those that stand together.
    pub(super) fn runs(&self) -> Vec<(u64, u64)> {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for (word, first) in self.words.iter().zip(self.first..) {
            let mut bits = *word;
            while bits != 0 {
                let ordinal = first * BITS + u64::from(bits.trailing_zeros());
                match runs.last_mut().filter(|(_, last)| last + 1 == ordinal) {
                    Some((_, last)) => *last = ordinal,
                    None => runs.push((ordinal, ordinal)),
                }
                bits &= bits - 1;
            }
        }
        runs
    }

    /// Those of such runs.
    pub(super) fn of_runs(runs: &[(u64, u64)], bytes_of: impl Fn(u64) -> u64) -> Self {
        let mut holes = Self::default();
        for ordinal in runs.iter().flat_map(|(first, last)| *first..=*last) {
            holes.put(ordinal, bytes_of(ordinal));
        }
        holes
    }

    /// None is above this.
    pub(super) fn last(&self) -> u64 {
        if self.tally.messages == 0 { 0 } else { self.last }
    }

    pub(super) fn has(&self, ordinal: u64) -> bool {
        let word = (ordinal / BITS).checked_sub(self.first).and_then(|word| usize::try_from(word).ok());
        word.and_then(|word| self.words.get(word)).is_some_and(|word| word >> (ordinal % BITS) & 1 == 1)
    }

    /// False where it is there already. Nothing below what was dropped is put in.
    pub(super) fn put(&mut self, ordinal: u64, bytes: u64) -> bool {
        if self.words.is_empty() {
            self.first = ordinal / BITS;
        }
        while ordinal / BITS < self.first {
            self.first -= 1;
            self.words.push_front(0);
        }
        let word = usize::try_from(ordinal / BITS - self.first).unwrap_or(usize::MAX);
        while self.words.len() <= word {
            self.words.push_back(0);
        }
        let bit = 1 << (ordinal % BITS);
        if self.words[word] & bit != 0 {
            return false;
        }
        self.words[word] |= bit;
        self.last = self.last.max(ordinal);
        self.tally += Tally::one(bytes);
        true
    }

    /// Takes out all up to a number, and tells what they were.
    pub(super) fn drop_through(&mut self, ordinal: u64, bytes_of: impl Fn(u64) -> u64) -> Tally {
        let mut dropped = Tally::default();
        while let Some(word) = self.words.front_mut()
            && self.first * BITS <= ordinal
        {
            let begin = self.first * BITS;
            let whole = ordinal - begin >= BITS - 1;
            let below = if whole { u64::MAX } else { (1 << (ordinal - begin + 1)) - 1 };
            let mut bits = *word & below;
            *word &= !below;
            while bits != 0 {
                dropped += Tally::one(bytes_of(begin + u64::from(bits.trailing_zeros())));
                bits &= bits - 1;
            }
            if !whole {
                break;
            }
            self.words.pop_front();
            self.first += 1;
        }
        self.tally -= dropped;
        if self.tally.messages == 0 {
            self.words.clear();
            self.tally = Tally::default();
        }
        dropped
    }

    /// The sizes are counted anew: some that are gone could no longer be looked up.
    pub(super) fn recount(&mut self, bytes_of: impl Fn(u64) -> u64) {
        self.tally = Tally::default();
        for (word, first) in self.words.iter().zip(self.first..) {
            let mut bits = *word;
            while bits != 0 {
                self.tally += Tally::one(bytes_of(first * BITS + u64::from(bits.trailing_zeros())));
                bits &= bits - 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn bytes_of(ordinal: u64) -> u64 {
        ordinal * 3
    }

    fn tally(set: &BTreeSet<u64>) -> Tally {
        set.iter().fold(Tally::default(), |mut tally, ordinal| {
            tally += Tally::one(bytes_of(*ordinal));
            tally
        })
    }

    proptest! {
        #[test]
        fn it_is_a_set_of_numbers(steps in proptest::collection::vec((any::<bool>(), 1_u64..400), 1..60)) {
            let (mut holes, mut set, mut floor) = (Holes::default(), BTreeSet::new(), 0);
            for (drop, ordinal) in steps {
                if drop {
                    floor = floor.max(ordinal);
                    let kept = set.split_off(&(ordinal + 1));
                    prop_assert_eq!(holes.drop_through(ordinal, bytes_of), tally(&set));
                    set = kept;
                } else if ordinal > floor {
                    prop_assert_eq!(holes.put(ordinal, bytes_of(ordinal)), set.insert(ordinal));
                }
                prop_assert_eq!(holes.tally(), tally(&set));
                prop_assert!((1..400).all(|ordinal| holes.has(ordinal) == set.contains(&ordinal)));
                prop_assert!(set.last().is_none_or(|last| *last <= holes.last()));
                let again = Holes::of_runs(&holes.runs(), bytes_of);
                prop_assert_eq!((again.tally(), again.runs()), (holes.tally(), holes.runs()));
                prop_assert!((1..400).all(|ordinal| again.has(ordinal) == set.contains(&ordinal)));
                holes.recount(bytes_of);
                prop_assert_eq!(holes.tally(), tally(&set));
            }
        }
    }
}
