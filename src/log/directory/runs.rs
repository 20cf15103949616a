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
}

/// Positions, none of them twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Runs {
    runs: Vec<Run>,
    len: u64,
}

impl Runs {
    pub(super) fn push(&mut self, position: u64) {
        self.len += 1;
        match self.runs.last_mut() {
            Some(run) if run.last + 1 == position => run.last = position,
            _ => self.runs.push(Run { first: position, last: position }),
        }
    }

    pub(super) fn push_run(&mut self, run: Run) {
        self.len += run.len();
        self.runs.push(run);
    }

    pub(super) fn append(&mut self, mut more: Self) {
        self.len += more.len;
        self.runs.append(&mut more.runs);
    }

    /// How many positions these are.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// In rising order, and what touches as one.
    pub(super) fn sorted(mut self) -> Self {
        self.runs.sort_unstable();
        self.runs.dedup_by(|next, run| {
            let touches = run.last + 1 == next.first;
            if touches {
                run.last = next.last;
            }
            touches
        });
        self
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Run> + '_ {
        self.runs.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_touches_becomes_one_run() {
        let mut runs = Runs::default();
        [5, 6, 9, 1, 2, 3, 4].into_iter().for_each(|position| runs.push(position));
        let sorted = runs.sorted();
        let runs: Vec<_> = sorted.iter().collect();
        assert_eq!(runs, [Run { first: 1, last: 6 }, Run { first: 9, last: 9 }]);
        assert_eq!(sorted.len(), 7);
    }
}
