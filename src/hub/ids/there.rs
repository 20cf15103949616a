//! Which records are there, as places tell them.

use std::ops::Range;

/// The number of a record as a place tells it; 0: none. Numbers go in a circle there: a place that has not been looked at
/// for so long that its number is another's is taken for that one's, until that has gone too; the record tells.
pub(super) type Told = u32;

/// So many there are.
pub(super) const NUMBERS: Told = (1 << 24) - 1;

/// The records that are there; they follow one another.
#[derive(Clone, Copy)]
pub(super) struct There {
    oldest: usize,
    /// How the oldest is told.
    first: Told,
    count: Told,
}

impl There {
    pub(super) fn new(numbers: &Range<usize>) -> Self {
        let first = (numbers.start % NUMBERS as usize) as Told + 1;
        Self { oldest: numbers.start, first, count: numbers.len() as Told }
    }

    /// How the next one is told.
    pub(super) fn next(self) -> Told {
        let next = self.first + self.count;
        if next > NUMBERS { next - NUMBERS } else { next }
    }

    /// The next one has come.
    pub(super) fn push(&mut self) {
        self.count += 1;
    }

    pub(super) fn has(self, told: Told) -> bool {
        (told != 0) & (self.age(told) < self.count)
    }

    /// The number of one that is there.
    pub(super) fn number(self, told: Told) -> usize {
        self.oldest + self.age(told) as usize
    }

    /// By how much younger than the oldest it would be.
    fn age(self, told: Told) -> Told {
        let turn = if told < self.first { NUMBERS } else { 0 };
        (told + turn).wrapping_sub(self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_apart_all_around_the_circle() {
        let turn = NUMBERS as usize;
        for oldest in [0, 1, turn - 3, turn - 2, turn - 1, turn, turn + 1, 5 * turn - 2] {
            let mut there = There::new(&(oldest..oldest));
            let told: Vec<_> = (0..5)
                .map(|_| {
                    let next = there.next();
                    assert!(!there.has(next));
                    there.push();
                    next
                })
                .collect();
            assert!(!there.has(0) && !there.has(there.next()));
            for (number, told) in (oldest..).zip(told) {
                assert!((1..=NUMBERS).contains(&told));
                assert_eq!((there.has(told), there.number(told)), (true, number));
                assert!(!There::new(&(number + 1..oldest + 5)).has(told), "it has gone");
            }
        }
    }
}
