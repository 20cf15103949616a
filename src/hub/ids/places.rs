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

#[derive(Debug)]
pub(super) struct Places {
    buckets: Vec<Bucket>,
}

/// Where a key stands, or would.
struct Spot {
    bucket: usize,
    place: usize,
}

impl Places {
    /// At least so many, in a number of buckets that is a power of two.
    pub(super) fn at_least(places: usize) -> Self {
        let buckets = places.min(MOST_PLACES).div_ceil(BUCKET).next_power_of_two();
        Self { buckets: vec![[0; BUCKET]; buckets] }
    }

    /// How many there are. A quarter is to stay free, so that a look ends soon.
    pub(super) fn count(&self) -> usize {
        self.buckets.len() * BUCKET
    }

    /// Touches what will be looked at. A look waits 100 to 250 ns for memory that is in no cache; of touches, none of which
    /// decides anything, a dozen wait together.
    pub(super) fn bring_near(&self, keys: &[Key]) {
        let last = self.buckets.len() - 1;
        let touched = keys.iter().fold(0, |sum, key| sum ^ self.buckets[key.hash() as usize & last][0]);
        // so that it is done
        black_box(touched);
    }

    /// The number that stands under a key; `is_its` tells whether a number is this key's.
    pub(super) fn find(&self, key: Key, is_its: impl Fn(usize) -> bool) -> Option<usize> {
        let Spot { bucket, place } = self.spot(key, is_its);
        number(self.buckets[bucket][place])
    }

    /// Puts a number under a key, in place of the one that stands there.
    pub(super) fn put(&mut self, key: Key, number: usize, is_its: impl Fn(usize) -> bool) {
        let Spot { bucket, place } = self.spot(key, is_its);
        self.buckets[bucket][place] = mark(key) | (number as Place + 1);
    }

    fn spot(&self, key: Key, is_its: impl Fn(usize) -> bool) -> Spot {
        let last = self.buckets.len() - 1;
        let mut bucket = key.hash() as usize & last;
        loop {
            let places = &self.buckets[bucket];
            let (taken, mut alike) = compare(places, mark(key));
            while alike != 0 {
                let place = alike.trailing_zeros() as usize;
                if number(places[place]).is_some_and(&is_its) {
                    return Spot { bucket, place };
                }
                alike &= alike - 1;
            }
            if taken < BUCKET {
                return Spot { bucket, place: taken };
            }
            bucket = (bucket + 1) & last;
        }
    }

    /// What it takes, in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>()
    }
}

/// How many places of a bucket are taken, and which of those have this mark, a bit each. Without a branch: it is done for
/// all at once.
fn compare(places: &Bucket, mark: Place) -> (usize, u32) {
    let (mut taken, mut alike) = (0_u32, 0_u32);
    for (at, place) in places.iter().enumerate() {
        taken |= u32::from(*place != 0) << at;
        alike |= u32::from(place & !NUMBER == mark) << at;
    }
    (taken.count_ones() as usize, alike & taken)
}

fn number(place: Place) -> Option<usize> {
    (place & NUMBER).checked_sub(1).map(|number| number as usize)
}

fn mark(key: Key) -> Place {
    key.mark() & !NUMBER
}
