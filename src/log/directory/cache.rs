//! The newest messages in memory, by position. What is not durable yet is always among them.

use super::super::{Entry, Position};
use std::collections::VecDeque;

/// What a place counts for, beside its message's bytes.
const PLACE: u64 = 128;

/// A place for every position from the first on: what was no message, or is deleted, is an empty one.
#[derive(Debug)]
pub(super) struct Cache {
    first: u64,
    places: VecDeque<Option<Entry>>,
    bytes: u64,
    limit: u64,
}

impl Cache {
    /// Begins behind this position.
    pub(super) fn after(position: Position, limit: u64) -> Self {
        Self { first: position.0 + 1, places: VecDeque::new(), bytes: 0, limit }
    }

    /// Takes the next position.
    pub(super) fn push(&mut self, entry: Option<Entry>) {
        self.bytes += PLACE + entry.as_ref().map_or(0, len);
        self.places.push_back(entry);
    }

    pub(super) fn forget(&mut self, position: u64) {
        let place = self.place(position).and_then(|place| self.places.get_mut(place));
        if let Some(entry) = place.and_then(Option::take) {
            self.bytes -= len(&entry);
        }
    }

    /// Lets the oldest go where it holds too much, as far as they are durable.
    pub(super) fn shrink(&mut self, durable: Position) {
        while self.first <= durable.0
            && (self.bytes > self.limit || matches!(self.places.front(), Some(None)))
        {
            let Some(gone) = self.places.pop_front() else { return };
            self.first += 1;
            self.bytes -= PLACE + gone.as_ref().map_or(0, len);
        }
    }

    /// Whether it is too old to be here.
    pub(super) fn is_past(&self, position: Position) -> bool {
        position.0 < self.first
    }

    pub(super) fn get(&self, position: Position) -> Option<&Entry> {
        self.places.get(self.place(position.0)?)?.as_ref()
    }

    fn place(&self, position: u64) -> Option<usize> {
        usize::try_from(position.checked_sub(self.first)?).ok()
    }
}

fn len(entry: &Entry) -> u64 {
    entry.message.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Kind, contract::message};

    fn entry(position: u64) -> Option<Entry> {
        let position = Position(position);
        let message = message("m");
        Some(Entry { position, accepted_at: 0, kind: Kind::Broadcast, message, dead_letter: None })
    }

    #[test]
    fn what_is_not_durable_stays_whatever_the_limit() {
        let mut cache = Cache::after(Position(4), 0);
        (5..=7).for_each(|position| cache.push(entry(position)));
        cache.shrink(Position(5));
        assert!(cache.is_past(Position(5)) && cache.get(Position(5)).is_none());
        assert!(cache.get(Position(6)).is_some() && cache.get(Position(7)).is_some());
        assert!(cache.get(Position(8)).is_none());
        cache.shrink(Position(7));
        assert_eq!((cache.bytes, cache.places.len()), (0, 0));
    }

    #[test]
    fn what_is_forgotten_holds_no_bytes_and_its_place_goes_with_the_oldest() {
        let mut cache = Cache::after(Position(0), 1 << 20);
        (1..=3).for_each(|position| cache.push(entry(position)));
        [1, 1, 9].into_iter().for_each(|position| cache.forget(position));
        cache.shrink(Position(3));
        assert!(cache.is_past(Position(1)) && !cache.is_past(Position(2)));
        assert_eq!(cache.bytes, 2 * (PLACE + message("m").len() as u64));
    }
}
