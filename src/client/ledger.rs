//! What the program of one EXPLICIT listener has received and done with. It knows no clock and no network.
//!
//! A delivery is known from its arrival until the server has confirmed that everything up to it is done
//! with. So each is handed out once, however often it comes, and `through_sequence` never covers one that is
//! not done with.

mod attempts;
mod lives;
mod unsent;

pub(super) use attempts::Attempts;
pub(super) use lives::tells_another_life;

use super::Gap;
use crate::v1;
use lives::{Life, Successor};
use std::{collections::BTreeMap, sync::Arc};
use unsent::Unsent;

/// More gaps than a server has waiting for one listener.
const MAX_GAPS: usize = 128;
/// Below every sequence.
pub(super) const NOWHERE: i64 = i64::MIN;

/// The bookkeeping of one listener, over all streams of a subscription.
#[derive(Debug)]
pub(super) struct Ledger {
    life: Life,
    /// Another start of the server that may go on with it.
    successor: Option<Successor>,
    /// Counts the lives, so that what was handed out in another one is told apart.
    epoch: u64,
    generation: i64,
    /// A later one that the server has begun, of which nothing came yet.
    begun: i64,
    /// What came in an older generation, from here on, comes again in this one.
    rewind: i64,
    /// All deliveries that were received up to here are done with.
    through: i64,
    /// Deliveries that were received above `through`, by their sequence.
    entries: BTreeMap<i64, Entry>,
    /// The latest gaps: the server may pass a gap before it is told.
    gaps: BTreeMap<Span, State>,
    unsent: Unsent,
    /// What came before is not known: nothing is said but single sequences.
    singly: bool,
}

#[derive(Debug)]
struct Entry {
    state: State,
    /// In which it came last.
    generation: i64,
    attempt: i32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// Received, and not in the program's hands.
    Open,
    /// In the program's hands.
    Held,
    /// Done with.
    Done,
}

/// What a gap covers, in the order of the ends: two may end at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    through: i64,
    after: i64,
}

impl Span {
    pub(super) fn of(gap: &v1::Gap) -> Self {
        Self { through: gap.through_sequence, after: gap.after_sequence }
    }

    pub(super) fn of_told(gap: &Gap) -> Self {
        Self { through: gap.through_sequence, after: gap.after_sequence }
    }

    fn into_wire(self) -> v1::Gap {
        v1::Gap { after_sequence: self.after, through_sequence: self.through, ..Default::default() }
    }

    /// Before all that end behind a sequence.
    fn behind(sequence: i64) -> Self {
        Self { through: sequence.saturating_add(1), after: NOWHERE }
    }
}

/// How the server knows a delivery.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Claim {
    pub(super) incarnation: Arc<str>,
    pub(super) birth: i64,
    pub(super) generation: i64,
    pub(super) attempt: i32,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            life: Life::default(),
            successor: None,
            epoch: 0,
            generation: 0,
            begun: 0,
            rewind: NOWHERE,
            through: NOWHERE,
            entries: BTreeMap::new(),
            gaps: BTreeMap::new(),
            unsent: Unsent::default(),
            singly: false,
        }
    }
}

impl Ledger {
    /// For what comes without all that stands before it.
    pub(super) fn singly() -> Self {
        Self { singly: true, ..Self::default() }
    }

    /// Which life it is: what is handed out carries it.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// A batch arrived; `attempts` are those of its repeats. Where it tells of another life, what was still to be said
    /// in the one before is given back.
    pub(super) fn received(&mut self, batch: &v1::Batch, attempts: &Attempts) -> Option<v1::Acknowledgement> {
        let first_gap = batch.gaps.first().map(|gap| gap.after_sequence.saturating_add(1));
        let first = batch.deliveries.first().map(|delivery| delivery.sequence);
        // a heartbeat says nothing of where a new generation begins
        let first = first_gap.into_iter().chain(first).min()?;
        let left = self.judge_successor(batch);
        if batch.generation > self.generation {
            self.rewound(batch.generation, first);
        }
        batch.gaps.iter().for_each(|gap| self.gap(gap));
        for delivery in &batch.deliveries {
            self.delivery(delivery.sequence, batch.generation, attempts.of(delivery.sequence));
        }
        left
    }

    fn rewound(&mut self, generation: i64, rewind: i64) {
        for entry in self.entries.range_mut(..rewind).map(|(_, entry)| entry) {
            // below the rewind point what was outstanding stays so
            if entry.generation == self.generation {
                entry.generation = generation;
            }
        }
        (self.generation, self.rewind) = (generation, rewind);
    }

    fn gap(&mut self, gap: &v1::Gap) {
        let gap = Span::of(gap);
        let Span { through: end, after } = gap;
        if end > after {
            // what is missing does not come again; who holds it may still say what became of it
            let missing = self.entries.range(after.saturating_add(1)..=end);
            let missing = missing.filter(|(_, entry)| entry.state == State::Open);
            let missing: Vec<_> = missing.map(|(&sequence, _)| sequence).collect();
            for sequence in missing {
                self.entries.remove(&sequence);
            }
            self.close_ranks();
        }
        if *self.gaps.entry(gap).or_insert(State::Open) == State::Done {
            self.unsent.gaps.insert(gap);
        }
        while self.gaps.len() > MAX_GAPS {
            self.gaps.pop_first();
        }
    }

    fn delivery(&mut self, sequence: i64, generation: i64, attempt: i32) {
        if sequence <= self.through {
            self.say_again(sequence, attempt);
            return;
        }
        let entry = Entry { state: State::Open, generation, attempt };
        let entry = self.entries.entry(sequence).or_insert(entry);
        (entry.generation, entry.attempt) = (generation, attempt);
        if entry.state == State::Done {
            self.say_again(sequence, attempt);
        }
    }

    /// It is done with, and the server does not know.
    fn say_again(&mut self, sequence: i64, attempt: i32) {
        match sequence <= self.through {
            true => self.unsent.through = true,
            false => drop(self.unsent.sequences.insert(sequence)),
        }
        self.note_attempt(sequence, attempt);
    }

    /// What comes again alone is acknowledged by its attempt.
    fn note_attempt(&mut self, sequence: i64, attempt: i32) {
        if attempt > 1 {
            self.unsent.attempts.insert(sequence, attempt);
        }
    }

    /// Whether the program is given what came at this place in this generation. It holds it then.
    pub(super) fn admit(&mut self, sequence: i64, generation: i64) -> bool {
        let comes_again = generation < self.generation && sequence >= self.rewind;
        match self.entries.get_mut(&sequence) {
            Some(entry) if entry.state == State::Open && !comes_again => {
                entry.state = State::Held;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Whether the program is told of a gap. It is being told then.
    pub(super) fn admit_gap(&mut self, gap: Span) -> bool {
        let gap = self.gaps.get_mut(&gap).filter(|gap| **gap == State::Open);
        gap.map(|gap| *gap = State::Held).is_some()
    }

    /// The program has been told of a gap.
    pub(super) fn told(&mut self, epoch: u64, gap: Span) {
        let Some(told) = self.gaps.get_mut(&gap).filter(|_| epoch == self.epoch) else { return };
        *told = State::Done;
        self.unsent.gaps.insert(gap);
        // it may have been what kept it
        self.unsent.through |= self.through > NOWHERE;
    }

    /// The program gave it back and said nothing of it: should it come again, it is handed out again.
    pub(super) fn let_go(&mut self, epoch: u64, sequence: i64) {
        if let Some(entry) = self.held(epoch, sequence) {
            entry.state = State::Open;
        }
    }

    /// The program is done with it. Said twice, it is said to the server twice.
    pub(super) fn done(&mut self, epoch: u64, sequence: i64) {
        if epoch != self.epoch {
            return;
        }
        if sequence <= self.through {
            self.unsent.through = true;
            return;
        }
        let Some(entry) = self.entries.get_mut(&sequence).filter(|entry| entry.state != State::Open) else {
            return;
        };
        entry.state = State::Done;
        let attempt = entry.attempt;
        self.unsent.sequences.insert(sequence);
        self.note_attempt(sequence, attempt);
        self.close_ranks();
    }

    /// It does not come again, and nothing is to be said of it: it was acknowledged, dropped or moved.
    pub(super) fn gone(&mut self, epoch: u64, sequence: i64) {
        if epoch == self.epoch {
            self.entries.remove(&sequence);
            self.close_ranks();
        }
    }

    /// A rejection was applied: the listener's generation, and whether it comes again.
    pub(super) fn rejected(&mut self, epoch: u64, sequence: i64, generation: i64, comes_again: bool) {
        if epoch != self.epoch {
            return;
        }
        if generation > self.generation {
            self.rewound(generation, sequence);
        }
        match comes_again {
            true => self.let_go(epoch, sequence),
            false => self.gone(epoch, sequence),
        }
    }

    /// How the server knows what is held; nothing where it is of another life, or gone.
    pub(super) fn claim(&self, epoch: u64, sequence: i64) -> Option<Claim> {
        let entry = self.entries.get(&sequence).filter(|_| epoch == self.epoch)?;
        Some(Claim {
            incarnation: self.life.incarnation.clone(),
            birth: self.life.birth,
            generation: entry.generation,
            attempt: entry.attempt,
        })
    }

    fn held(&mut self, epoch: u64, sequence: i64) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(&sequence).filter(|_| epoch == self.epoch)?;
        Some(entry).filter(|entry| entry.state == State::Held)
    }

    /// What is done with at the front need not be remembered singly.
    fn close_ranks(&mut self) {
        if self.singly {
            return;
        }
        while let Some(first) = self.entries.first_entry().filter(|first| first.get().state == State::Done) {
            let (sequence, _) = first.remove_entry();
            self.unsent.sequences.remove(&sequence);
            self.through = sequence;
            self.unsent.through = true;
        }
    }

    #[cfg(test)]
    fn remembered(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests;
