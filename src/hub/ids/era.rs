//! Ids that were accepted one after the other, and how they are found.

use super::{
    Remembered,
    key::Key,
    places::Places,
    reach::Reach,
    records::{Part, Records},
    there::There,
};
use crate::log::Position;

/// By so much larger is the next one while ids become more and more: each that there is costs a look.
const GROWTH: usize = 4;
/// In so many parts the records go that belong to a large table.
const PARTS: usize = 128;
const SMALLEST_PART: usize = 8;
/// What takes more than so many times as many ids as there are was made for a burst that is over.
const FAR_TOO_LARGE: usize = GROWTH;

/// Ids under a table that never grows: when they are more than it takes, others come into the next one.
///
/// To move one would be a walk into memory that nobody has looked at for long.
#[derive(Debug)]
pub(super) struct Era {
    records: Records,
    /// Where they stand; of a key that came again after it had expired, the later one.
    places: Places,
    /// It takes so many at once.
    max: usize,
    reach: Reach,
}

impl Era {
    /// For so many at once.
    fn with_room_for(ids: usize, reach: Reach) -> Self {
        let places = Places::for_records(ids);
        let records = Records::in_parts_of((places.most() / PARTS).max(SMALLEST_PART));
        Self { records, max: places.most(), places, reach }
    }

    /// The first that a channel has.
    pub(super) fn first(reach: Reach) -> Self {
        Self::with_room_for(0, reach)
    }

    /// The one after this one, where there are so many ids in all, and at most so many may become of them: if they become
    /// not many more, it takes all.
    pub(super) fn next(&self, ids: usize, most: usize, reach: Reach) -> Self {
        let grows = self.is_full() && self.records.there().start == 0;
        let grown = if grows { GROWTH * self.max } else { 0 };
        Self::with_room_for(grown.max(ids + ids / 2).min(most), reach)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.len() == 0
    }

    /// It takes no more.
    pub(super) fn is_full(&self) -> bool {
        self.records.len() >= self.max
    }

    /// Whether it takes this one.
    pub(super) fn takes(&self, id: &Remembered) -> bool {
        !self.is_full() && self.reach.holds(id)
    }

    pub(super) fn is_far_too_large_for(&self, ids: usize) -> bool {
        self.places.most() > FAR_TOO_LARGE * ids && self.places.buckets() > 1
    }

    /// It takes no more, also when some have gone.
    pub(super) fn close(&mut self) {
        self.max = 0;
    }

    /// Until when the oldest is remembered.
    pub(super) fn expires(&self) -> Option<u64> {
        self.records.oldest().map(|oldest| self.reach.until(oldest))
    }

    /// The oldest goes; there is one.
    pub(super) fn forget_oldest(&mut self) -> Option<Part> {
        self.records.pop()
    }

    /// Whether it goes on with this one.
    pub(super) fn can_fill(&self, part: &Part) -> bool {
        part.capacity() == self.records.part()
    }

    /// Where the message with this key was accepted, while that is remembered.
    pub(super) fn find(&self, key: Key, now: u64) -> Option<Position> {
        self.find_among(self.there(), key, now)
    }

    /// Of those that are taken for new, tells which are.
    pub(super) fn tell_new(&self, keys: &[Key], now: u64, new: &mut [bool]) {
        let there = self.there();
        self.places.bring_near(keys.iter().copied());
        for (key, new) in keys.iter().zip(new) {
            *new &= self.find_among(there, *key, now).is_none();
        }
    }

    fn there(&self) -> There {
        There::new(&self.records.there())
    }

    fn find_among(&self, there: There, key: Key, now: u64) -> Option<Position> {
        let Self { records, places, reach, .. } = self;
        let number = places.find(key, there, |number| records.is_of(number, key))?;
        let found = records.get(number).filter(|found| reach.until(found) > now)?;
        Some(reach.position(found))
    }

    /// Takes in as many as it takes, and tells how many.
    pub(super) fn add(&mut self, ids: &[Remembered], emptied: &mut Part) -> usize {
        let (room, mut there) = (self.max.saturating_sub(self.records.len()), self.there());
        let Self { records, places, reach, .. } = self;
        // those that were just looked for are near
        places.bring_near(ids.iter().take(room).map(|id| id.key));
        let mut taken = 0;
        for id in ids.iter().take(room).take_while(|id| reach.holds(id)) {
            places.put(id.key, there, |number| records.is_of(number, id.key));
            records.push(reach.shorten(id), emptied);
            there.push();
            taken += 1;
        }
        taken
    }

    /// As if so many had come and gone, or a few less.
    #[cfg(test)]
    pub(super) fn skip(&mut self, numbers: usize) {
        self.records.skip(numbers);
    }

    /// What it takes, in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.records.bytes() + self.places.bytes()
    }
}
