//! What is remembered, in the order in which it came.

use super::key::{Check, Key};
use std::{collections::VecDeque, ops::Range};

/// What is remembered of a message, as short as can be: what a cache holds of these it holds of nothing else.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) check: Check,
    /// Both as its era counts them.
    pub(super) position: u32,
    pub(super) until: u32,
}

/// A part of [`Records`]. One whose records have all gone is the next that is filled: memory that is asked for anew is
/// found page by page.
pub(super) type Part = Vec<Record>;

/// A queue in parts, so that nothing is copied when it grows, and its memory goes with what goes.
#[derive(Debug)]
pub(super) struct Records {
    parts: VecDeque<Part>,
    /// A part holds two to this power.
    size: u32,
    /// How many parts have gone.
    gone: usize,
    /// The numbers of those that are there. They are counted from 0.
    there: Range<usize>,
}

impl Records {
    /// In parts of so many, a power of two.
    pub(super) fn in_parts_of(part: usize) -> Self {
        Self { parts: VecDeque::new(), size: part.ilog2(), gone: 0, there: 0..0 }
    }

    /// The numbers of those that are there.
    pub(super) fn there(&self) -> Range<usize> {
        self.there.clone()
    }

    pub(super) fn len(&self) -> usize {
        self.there.len()
    }

    pub(super) fn oldest(&self) -> Option<&Record> {
        self.get(self.there.start)
    }

    /// The one with this number, unless it has gone.
    pub(super) fn get(&self, number: usize) -> Option<&Record> {
        let there = self.there.contains(&number);
        there.then(|| &self.parts[(number >> self.size) - self.gone][number & (self.part() - 1)])
    }

    /// Whether the one with this number is there and has this key.
    pub(super) fn is_of(&self, number: usize, key: Key) -> bool {
        self.get(number).is_some_and(|record| record.check == key.check())
    }

    /// So many are in a part.
    pub(super) fn part(&self) -> usize {
        1 << self.size
    }

    pub(super) fn push(&mut self, record: Record, emptied: &mut Part) {
        let (number, part) = (self.there.end, self.part());
        if number & (part - 1) == 0 {
            let emptied = Some(std::mem::take(emptied)).filter(|emptied| emptied.capacity() == part);
            self.parts.push_back(emptied.unwrap_or_else(|| Vec::with_capacity(part)));
        }
        self.parts.back_mut().expect("the one that is being filled").push(record);
        self.there.end += 1;
    }

    /// The oldest goes; there is one. With the last of a part the part goes.
    pub(super) fn pop(&mut self) -> Option<Part> {
        self.there.start += 1;
        let emptied = (self.there.start & (self.part() - 1) == 0).then(|| self.parts.pop_front())?;
        self.gone += 1;
        emptied
    }

    /// As if nearly as many had come and gone, or a few less: a whole number of parts.
    #[cfg(test)]
    pub(super) fn skip(&mut self, numbers: usize) {
        self.parts.clear();
        self.gone = numbers >> self.size;
        self.there = self.gone << self.size..self.gone << self.size;
    }

    /// What it takes, in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let records = self.parts.iter().map(|part| part.capacity() * size_of::<Record>()).sum::<usize>();
        records + self.parts.capacity() * size_of::<Part>()
    }
}
