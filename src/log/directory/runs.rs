//! Positions that follow each other, as one run: what is deleted mostly comes so.

/// From the first through the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Run {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Run {
    pub(super) fn len(self) -> u64 {
        self.last - self.first + 1
    }

    /// Becomes longer by one that follows it; false: it does not.
    fn take(&mut self, next: Self) -> bool {
        let follows = self.last + 1 == next.first;
        if follows {
            self.last = next.last;
        }
        follows
    }
}

/// Positions in rising order, none of them twice; what touches is one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Runs {
    runs: Vec<Run>,
    len: u64,
}

impl Runs {
    /// How many positions these are.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Run> + '_ {
        self.runs.iter().copied()
    }

    /// Takes others in, which it does not have yet.
    pub(super) fn join(&mut self, others: Self) {
        self.len += others.len;
        self.runs.extend(others.runs);
        self.order();
    }

    fn order(&mut self) {
        // runs that are in order already, one after the other, are merged in one pass
        self.runs.sort();
        self.runs.dedup_by(|next, run| run.take(*next));
    }
}

/// Positions as they come, in whatever order, none of them twice.
#[derive(Debug, Default)]
pub(super) struct Gathered(Runs);

impl Gathered {
    pub(super) fn push(&mut self, position: u64) {
        self.push_run(Run { first: position, last: position });
    }

    pub(super) fn push_run(&mut self, run: Run) {
        self.0.len += run.len();
        if !self.0.runs.last_mut().is_some_and(|last| last.take(run)) {
            self.0.runs.push(run);
        }
    }

    pub(super) fn sorted(mut self) -> Runs {
        self.0.order();
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(positions: &[u64]) -> Runs {
        let mut gathered = Gathered::default();
        positions.iter().for_each(|position| gathered.push(*position));
        gathered.sorted()
    }

    #[test]
    fn what_touches_becomes_one_run() {
        let sorted = runs(&[5, 6, 9, 1, 2, 3, 4]);
        let runs: Vec<_> = sorted.iter().collect();
        assert_eq!(runs, [Run { first: 1, last: 6 }, Run { first: 9, last: 9 }]);
        assert_eq!(sorted.len(), 7);
    }

    #[test]
    fn what_is_joined_is_in_order_whichever_came_first() {
        let (mut one, two) = (runs(&[4, 5, 9]), runs(&[1, 3, 6, 10]));
        one.join(two);
        assert_eq!(one, runs(&[1, 3, 4, 5, 6, 9, 10]));
    }
}
