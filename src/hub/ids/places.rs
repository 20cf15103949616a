//! Where records stand, found by key, in a table from which nothing is taken.
//!
//! A look at a table of millions waits for memory, and for the machine to find that memory, far longer than it computes.
//! So all that a look or an addition touches lies together, in a bucket of one cache line, nearly always.

use super::key::Key;
use std::hint::black_box;

/// Places in a bucket.
pub(super) const BUCKET: usize = 16;
/// No table has more. It is made under its channel's lock, but not touched: the system gives it page by page.
pub(super) const MOST_PLACES: usize = 1 << 22;

/// They are filled from the first on; what does not fit stands in the next bucket.
type Bucket = [Place; BUCKET];

/// The number of a record plus one, and as much of its key as fits beside it; 0: none.
type Place = u32;

const NUMBER: Place = MOST_PLACES as Place - 1;

/// A table of so many buckets has one more, so that they may begin where a cache line does.
const LARGE: usize = 64;
const CACHE_LINE: usize = 64;

#[derive(Debug)]
pub(super) struct Places {
    places: Vec<Place>,
    /// Where the first bucket begins.
    start: usize,
    /// How many buckets there are, less one: a power of two, less one.
    last: usize,
}

impl Places {
    /// At least so many, in a number of buckets that is a power of two.
    pub(super) fn at_least(places: usize) -> Self {
        let buckets = places.min(MOST_PLACES).div_ceil(BUCKET).next_power_of_two();
        let spare = usize::from(buckets >= LARGE);
        let places = vec![0; (buckets + spare) * BUCKET];
        // an address may not tell; then it begins with the first
        let start = places.as_ptr().align_offset(CACHE_LINE);
        Self { start: if start < spare * BUCKET { start } else { 0 }, places, last: buckets - 1 }
    }

    /// How many there are. A quarter is to stay free, so that a look ends soon.
    pub(super) fn count(&self) -> usize {
        (self.last + 1) * BUCKET
    }

    fn bucket(&self, bucket: usize) -> &Bucket {
        self.places[self.start + bucket * BUCKET..].first_chunk().expect("it is whole")
    }

    /// Touches what will be looked at. A look waits 100 to 250 ns for memory that is in no cache; of touches, none of which
    /// decides anything, a dozen wait together.
    pub(super) fn bring_near(&self, keys: &[Key]) {
        let touched = keys.iter().fold(0, |sum, key| sum ^ self.bucket(self.first(*key))[0]);
        // so that it is done
        black_box(touched);
    }

    /// The number that stands under a key; `is_its` tells whether a number is this key's.
    pub(super) fn find(&self, key: Key, is_its: impl Fn(usize) -> bool) -> Option<usize> {
        let mut bucket = self.first(key);
        loop {
            let places = self.bucket(bucket);
            if let Some(place) = place_of(places, key, &is_its) {
                return number(places[place]);
            }
            if !is_full(places) {
                return None;
            }
            bucket = self.next(bucket);
        }
    }

    /// Puts a number under a key, in place of the one that stands there.
    pub(super) fn put(&mut self, key: Key, number: usize, is_its: impl Fn(usize) -> bool) {
        let mut bucket = self.first(key);
        loop {
            let places = self.bucket(bucket);
            let free = || (!is_full(places)).then(|| taken(places));
            if let Some(place) = place_of(places, key, &is_its).or_else(free) {
                self.places[self.start + bucket * BUCKET + place] = mark(key) | (number as Place + 1);
                return;
            }
            bucket = self.next(bucket);
        }
    }

    /// The bucket in which a key is looked for first.
    fn first(&self, key: Key) -> usize {
        key.hash() as usize & self.last
    }

    /// The one in which it is looked for if that is full.
    fn next(&self, bucket: usize) -> usize {
        (bucket + 1) & self.last
    }

    /// What it takes, in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.places.capacity() * size_of::<Place>()
    }
}

/// Where a key stands in a bucket. Nearly always nowhere, and that is found without a branch: for all places at once.
fn place_of(places: &Bucket, key: Key, is_its: impl Fn(usize) -> bool) -> Option<usize> {
    let mark = mark(key);
    let alike = |place: &Place| place & !NUMBER == mark;
    if !places.iter().fold(false, |any, place| any | alike(place)) {
        return None;
    }
    places.iter().position(|place| alike(place) && number(*place).is_some_and(&is_its))
}

fn is_full(places: &Bucket) -> bool {
    places[BUCKET - 1] != 0
}

/// How many places of a bucket are taken.
fn taken(places: &Bucket) -> usize {
    places.iter().fold(0, |taken, place| taken + u32::from(*place != 0)) as usize
}

fn number(place: Place) -> Option<usize> {
    (place & NUMBER).checked_sub(1).map(|number| number as usize)
}

fn mark(key: Key) -> Place {
    key.mark() & !NUMBER
}
