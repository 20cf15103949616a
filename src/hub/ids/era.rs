//! Ids that were accepted one after the other, and how they are found.

use super::{
    key::Key,
    places::{BUCKET, Places},
    records::{Part, Records, Remembered},
};

/// By so much larger is the next one while ids become more and more: each that there is costs a look.
const GROWTH: usize = 4;
/// In so many parts the records go that belong to a large table.
const PARTS: usize = 128;
const SMALLEST_PART: usize = 4;
/// What takes so many times as many ids as there are was made for a burst that is over.
const FAR_TOO_LARGE: usize = 4;

/// Ids under a table from which none is taken and which never grows: it is let go as a whole.
///
/// To take one out would be a walk into memory that nobody has looked at for long, and so would be to move one.
#[derive(Debug)]
pub(super) struct Era {
    records: Records,
    /// Where they stand, with those that have gone; of a key that came again after it had expired, the
    /// later one.
    places: Places,
    /// It takes so many.
    max: usize,
}

impl Era {
    fn with_places(places: usize) -> Self {
        let places = Places::at_least(places);
        let records = Records::in_parts_of((places.count() / PARTS).max(SMALLEST_PART));
        Self { records, max: places.count() / 4 * 3, places }
    }

    pub(super) fn first() -> Self {
        Self::with_places(BUCKET)
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
        self.max > FAR_TOO_LARGE * ids.max(BUCKET)
    }

    /// It takes no more.
    pub(super) fn close(&mut self) {
        self.max = 0;
    }

    pub(super) fn oldest(&self) -> Option<&Remembered> {
        self.records.oldest()
    }

    /// The oldest goes; there is one.
    pub(super) fn forget_oldest(&mut self) -> Option<Part> {
        self.records.pop()
    }

    /// Whether it goes on with this one.
    pub(super) fn can_fill(&self, part: &Part) -> bool {
        part.capacity() == self.records.part()
    }

    pub(super) fn bring_near(&self, keys: &[Key]) {
        self.places.bring_near(keys);
    }

    pub(super) fn find(&self, key: Key) -> Option<&Remembered> {
        let Self { records, places, .. } = self;
        places.find(key, |number| is_of(records, number, key)).and_then(|number| records.get(number))
    }

    /// Takes one in; it is not full.
    pub(super) fn add(&mut self, id: Remembered, emptied: &mut Part) {
        let Self { records, places, .. } = self;
        places.put(id.key, records.count(), |number| is_of(records, number, id.key));
        records.push(id, emptied);
    }

    /// What it takes, in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.records.bytes() + self.places.bytes()
    }
}

fn is_of(records: &Records, number: usize, key: Key) -> bool {
    records.get(number).is_some_and(|record| record.key == key)
}
