//! What is remembered, in the order in which it came.

use super::key::Key;
use crate::log::Position;
use std::collections::VecDeque;

/// What is remembered of a message.
#[derive(Clone, Copy, Debug)]
pub(in crate::hub) struct Remembered {
    pub(in crate::hub) key: Key,
    pub(in crate::hub) position: Position,
    /// In milliseconds of the hub's clock. Later ones may expire earlier: the window was shortened.
    pub(in crate::hub) until: u64,
}

/// A part of [`Records`]. One whose records have all gone is the next that is filled: memory that is asked for anew is
/// found page by page.
pub(super) type Part = Vec<Remembered>;

/// A queue in parts, so that nothing is copied when it grows, and its memory goes with what goes.
#[derive(Debug)]
pub(super) struct Records {
    parts: VecDeque<Part>,
    /// A part holds two to this power.
    size: u32,
    /// How many parts have gone.
    gone: usize,
    /// The numbers of the oldest and of the next that will come. They are counted from 0.
    oldest: usize,
    next: usize,
}

impl Records {
    /// In parts of so many, a power of two.
    pub(super) fn in_parts_of(part: usize) -> Self {
        let (gone, oldest, next) = Default::default();
        Self { parts: VecDeque::new(), size: part.ilog2(), gone, oldest, next }
    }

    pub(super) fn len(&self) -> usize {
        self.next - self.oldest
    }

    /// How many have ever come.
    pub(super) fn count(&self) -> usize {
        self.next
    }

    pub(super) fn oldest(&self) -> Option<&Remembered> {
        self.get(self.oldest)
    }

    /// The one with this number, unless it has gone.
    pub(super) fn get(&self, number: usize) -> Option<&Remembered> {
        let there = (self.oldest..self.next).contains(&number);
        there.then(|| &self.parts[(number >> self.size) - self.gone][number & (self.part() - 1)])
    }

    /// So many are in a part.
    pub(super) fn part(&self) -> usize {
        1 << self.size
    }

    pub(super) fn push(&mut self, record: Remembered, emptied: &mut Part) {
        let (number, part) = (self.next, self.part());
        if number & (part - 1) == 0 {
            let emptied = Some(std::mem::take(emptied)).filter(|emptied| emptied.capacity() == part);
            self.parts.push_back(emptied.unwrap_or_else(|| Vec::with_capacity(part)));
        }
        self.parts[(number >> self.size) - self.gone].push(record);
        self.next += 1;
    }

    /// The oldest goes; there is one. With the last of a part the part goes.
    pub(super) fn pop(&mut self) -> Option<Part> {
        self.oldest += 1;
        let emptied = (self.oldest & (self.part() - 1) == 0).then(|| self.parts.pop_front())?;
        self.gone += 1;
        emptied
    }

    /// What it takes, in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let records = self.parts.iter().map(|part| part.capacity() * size_of::<Remembered>()).sum::<usize>();
        records + self.parts.capacity() * size_of::<Vec<Remembered>>()
    }
}
