//! Ids that were accepted one after the other, and how they are found.

use super::{
    key::Key,
    records::{Records, Remembered},
};
use hashbrown::{HashTable, hash_table::Entry};

/// The smallest table, and the largest, which is laid out under its channel's lock: a byte for each place.
const FEWEST_PLACES: usize = 8;
const MOST_PLACES: usize = 1 << 22;
/// By so much larger is the next one while ids become more and more: each that there is costs a look.
const GROWTH: usize = 4;
/// In so many parts the records go that belong to a large table.
const PARTS: usize = 64;
const SMALLEST_PART: usize = 4;
/// What takes so many times as many ids as there are was made for a burst that is over.
const FAR_TOO_LARGE: usize = 4;

/// Ids under a table from which none is taken and which never grows: it is let go as a whole.
///
/// To take one out would be a walk into memory that nobody has looked at for long, and so would be to move one.
#[derive(Debug)]
pub(super) struct Era {
    records: Records,
    /// Where they stand, to be found by key, with those that have gone; of a key that came again after it had expired, the
    /// later one.
    places: HashTable<Place>,
    /// It takes so many.
    max: usize,
}

impl Era {
    fn with_places(places: usize) -> Self {
        let places = places.next_power_of_two().clamp(FEWEST_PLACES, MOST_PLACES);
        let records = Records::in_parts_of((places / PARTS).max(SMALLEST_PART));
        let places = HashTable::with_capacity(places / 8 * 7);
        Self { records, max: places.capacity(), places }
    }

    pub(super) fn first() -> Self {
        Self::with_places(FEWEST_PLACES)
    }

    /// The one after this one, where there are so many ids in all: when it is full, all that are older should have gone.
    pub(super) fn next(&self, ids: usize) -> Self {
        let none_has_gone = self.records.len() == self.max;
        Self::with_places(if none_has_gone { GROWTH * self.max } else { ids + ids / 2 })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.len() == 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.records.count() >= self.max
    }

    pub(super) fn is_far_too_large_for(&self, ids: usize) -> bool {
        self.max > FAR_TOO_LARGE * ids.max(FEWEST_PLACES)
    }

    /// It takes no more.
    pub(super) fn close(&mut self) {
        self.max = 0;
    }

    pub(super) fn oldest(&self) -> Option<&Remembered> {
        self.records.oldest()
    }

    /// The oldest goes; there is one.
    pub(super) fn forget_oldest(&mut self) {
        self.records.pop();
    }

    pub(super) fn find(&self, key: Key) -> Option<&Remembered> {
        let Self { records, places, .. } = self;
        places
            .find(key.hash(), |place| place.is_of(key, records))
            .and_then(|place| records.get(place.number()))
    }

    /// Takes one in; it is not full.
    pub(super) fn add(&mut self, id: Remembered) {
        let Self { records, places, .. } = self;
        let place = Place::new(records.count(), id.key);
        let unmoved = |_: &Place| unreachable!("it has a place for each that it takes");
        match places.entry(id.key.hash(), |other| other.is_of(id.key, records), unmoved) {
            Entry::Occupied(mut expired) => *expired.get_mut() = place,
            Entry::Vacant(free) => {
                free.insert(place);
            }
        }
        records.push(id);
    }

    /// What it takes, in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.records.bytes() + self.places.allocation_size()
    }
}

/// The number of a record, and as much of its key as fits beside it: the wrong one is rarely looked at.
#[derive(Clone, Copy, Debug)]
struct Place(u32);

impl Place {
    const NUMBER: u32 = MOST_PLACES as u32 - 1;

    fn new(number: usize, key: Key) -> Self {
        Self(number as u32 & Self::NUMBER | key.mark() & !Self::NUMBER)
    }

    fn number(self) -> usize {
        (self.0 & Self::NUMBER) as usize
    }

    fn is_of(self, key: Key, records: &Records) -> bool {
        (self.0 ^ key.mark()) & !Self::NUMBER == 0
            && records.get(self.number()).is_some_and(|record| record.key == key)
    }
}
