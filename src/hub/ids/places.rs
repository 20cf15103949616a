//! Where records stand, found by key.
//!
//! A look at a table of millions waits for memory, and for the machine to find that memory, far longer than it computes.
//! So all that a look or an addition touches lies together, in a bucket of one cache line, nearly always. For the same
//! reason nothing is ever taken out: a place whose record has gone is one that may be taken.

use super::{
    key::Key,
    there::{NUMBERS, There, Told},
};
use std::hint::black_box;

/// Places in a bucket, which is a cache line.
const PLACES: usize = BUCKET - 1;
const BUCKET: usize = 16;
/// So many of them may be taken, in the mean: with 9 a look took a third longer, with 11 twice as long, since more and more
/// stand where they do not belong.
const TAKEN: usize = 8;
/// No table has more, so that most of the numbers that places tell have gone. It is made under its channel's lock, but not
/// touched: the system gives it page by page.
const MOST_BUCKETS: usize = 1 << 18;

/// Its places, and last the number of the newest record that has found no room here and stands further on, or none.
type Bucket = [Place; BUCKET];

/// How a record is told, and as much of its key as fits beside that.
type Place = u32;

/// A table of so many buckets has one more, so that they may begin where a cache line does.
const LARGE: usize = 64;
const CACHE_LINE: usize = 64;

#[derive(Debug)]
pub(super) struct Places {
    places: Vec<Place>,
    /// Where the first bucket begins.
    start: usize,
    buckets: usize,
}

impl Places {
    /// For at least so many, in a number of buckets that is a power of two.
    pub(super) fn for_records(records: usize) -> Self {
        let buckets = records.div_ceil(TAKEN).clamp(1, MOST_BUCKETS).next_power_of_two();
        let spare = usize::from(buckets >= LARGE);
        let places = vec![0; (buckets + spare) * BUCKET];
        // an address may not tell; then it begins with the first
        let start = places.as_ptr().align_offset(CACHE_LINE);
        Self { start: if start < spare * BUCKET { start } else { 0 }, places, buckets }
    }

    pub(super) fn buckets(&self) -> usize {
        self.buckets
    }

    /// How many records may stand here at once.
    pub(super) fn most(&self) -> usize {
        self.buckets * TAKEN
    }

    fn bucket(&self, bucket: usize) -> &Bucket {
        self.places[self.place(bucket)..].first_chunk().expect("it is whole")
    }

    /// The first place of a bucket.
    fn place(&self, bucket: usize) -> usize {
        self.start + bucket * BUCKET
    }

    /// Touches what will be looked at. A look waits 100 to 250 ns for memory that is in no cache; of touches, none of which
    /// decides anything, a dozen wait together.
    pub(super) fn bring_near(&self, keys: impl Iterator<Item = Key>) {
        let touched = keys.fold(0, |sum, key| sum ^ self.bucket(self.first(key))[0]);
        // so that it is done
        black_box(touched);
    }

    /// Of the records that are there the number of a key's; `is_its` tells whether a number is.
    pub(super) fn find(&self, key: Key, there: There, is_its: impl Fn(usize) -> bool) -> Option<usize> {
        for bucket in self.buckets_for(key) {
            let bucket = self.bucket(bucket);
            if let Some(place) = place_of(bucket, key, there, &is_its) {
                return Some(there.number(told(bucket[place])));
            }
            if !there.has(told(bucket[PLACES])) {
                return None;
            }
        }
        None
    }

    /// Puts the next record under a key, in place of the one that stands there.
    pub(super) fn put(&mut self, key: Key, there: There, is_its: impl Fn(usize) -> bool) {
        for bucket in self.buckets_for(key) {
            let (first, bucket) = (self.place(bucket), self.bucket(bucket));
            if let Some(place) = place_of(bucket, key, there, &is_its).or_else(|| free_place(bucket, there)) {
                self.places[first + place] = mark(key) | there.next();
                return;
            }
            self.places[first + PLACES] = there.next();
        }
        debug_assert!(false, "a table has more places than records");
    }

    /// The buckets, in the order in which a key is looked for there.
    fn buckets_for(&self, key: Key) -> impl Iterator<Item = usize> + use<> {
        let (first, last) = (self.first(key), self.buckets - 1);
        (0..=last).map(move |further| (first + further) & last)
    }

    fn first(&self, key: Key) -> usize {
        key.hash() as usize & (self.buckets - 1)
    }

    /// What it takes, in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.places.capacity() * size_of::<Place>()
    }
}

/// Where a key stands in a bucket. Nearly always nowhere, and that is found without a branch: for several places at once.
fn place_of(bucket: &Bucket, key: Key, there: There, is_its: impl Fn(usize) -> bool) -> Option<usize> {
    let mark = mark(key);
    let alike = |place: &Place| place & !NUMBERS == mark;
    if !bucket.iter().fold(false, |any, place| any | alike(place)) {
        return None;
    }
    let is_its = |told: Told| there.has(told) && is_its(there.number(told));
    bucket[..PLACES].iter().position(|place| alike(place) && is_its(told(*place)))
}

fn free_place(bucket: &Bucket, there: There) -> Option<usize> {
    bucket[..PLACES].iter().position(|place| !there.has(told(*place)))
}

fn told(place: Place) -> Told {
    place & NUMBERS
}

fn mark(key: Key) -> Place {
    key.mark() & !NUMBERS
}
