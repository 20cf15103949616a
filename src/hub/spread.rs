//! A map that grows without a pause.
//!
//! A table that grows moves everything that it holds, with its owner's lock held: for a million listeners that was a third
//! of a second in which their channel stood still. Here what is many lies in many tables, each of which moves its own part.

use crate::log::Position;
use std::{
    borrow::Borrow,
    collections::{HashMap, hash_map},
    hash::Hash,
    sync::Arc,
};

/// So many lie in one table; beyond it there are many, for good.
const TOGETHER: usize = 8_192;
const PARTS_BITS: u32 = 8;
/// The golden ratio, as a fraction of 2^64: multiples of it are spread evenly (Knuth, volume 3, 6.4).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// What a key has that says in which part it lies; what it is borrowed as has the same. Keys that are alike by intent, and
/// lie in one part, cost what one table would.
pub(super) trait Spot {
    fn spot(&self) -> u64;
}

impl Spot for str {
    fn spot(&self) -> u64 {
        self.as_bytes().chunks(8).fold(self.len() as u64, |spot, some| {
            let mut word = [0; 8];
            word[..some.len()].copy_from_slice(some);
            (spot.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(GOLDEN)
        })
    }
}

impl Spot for Arc<str> {
    fn spot(&self) -> u64 {
        (**self).spot()
    }
}

impl Spot for Position {
    fn spot(&self) -> u64 {
        self.0
    }
}

/// The same as a `HashMap`.
#[derive(Debug)]
pub(super) struct Spread<K, V> {
    /// None, one, or all parts.
    parts: Vec<HashMap<K, V>>,
    len: usize,
}

impl<K, V> Default for Spread<K, V> {
    fn default() -> Self {
        Self { parts: Vec::new(), len: 0 }
    }
}

impl<K: Eq + Hash + Spot, V> Spread<K, V> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + Spot + ?Sized,
    {
        self.parts.get(self.part(key))?.get(key)
    }

    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.parts.len() {
            0 => self.parts.push(HashMap::new()),
            1 if self.len >= TOGETHER => self.part_ways(),
            _ => {}
        }
        let part = self.part(&key);
        let before = self.parts[part].insert(key, value);
        self.len += usize::from(before.is_none());
        before
    }

    pub(super) fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + Spot + ?Sized,
    {
        let part = self.part(key);
        let removed = self.parts.get_mut(part)?.remove(key)?;
        self.len -= 1;
        Some(removed)
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.parts.iter().flat_map(HashMap::values)
    }

    fn part<Q: Spot + ?Sized>(&self, key: &Q) -> usize {
        if self.parts.len() <= 1 {
            return 0;
        }
        (key.spot().wrapping_mul(GOLDEN) >> (u64::BITS - PARTS_BITS)) as usize
    }

    fn part_ways(&mut self) {
        let all = std::mem::take(&mut self.parts);
        self.parts.resize_with(1 << PARTS_BITS, HashMap::new);
        for (key, value) in all.into_iter().flat_map(hash_map::HashMap::into_iter) {
            let part = self.part(&key);
            self.parts[part].insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(count: usize, end: &str) -> Spread<Arc<str>, usize> {
        let mut map = Spread::default();
        for n in 0..count {
            assert_eq!(map.insert(format!("listener-{n:07}{end}").into(), n), None);
        }
        map
    }

    fn assert_even<K, V>(map: &Spread<K, V>) {
        let share = map.len >> PARTS_BITS;
        let largest = map.parts.iter().map(HashMap::len).max().unwrap_or_default();
        assert!(largest < 2 * share, "{largest} of {share}");
    }

    #[test]
    fn no_part_has_much_more_than_its_share() {
        for end in ["", ".eu-west-1.example.org", "-a-very-long-name-of-a-place"] {
            assert_even(&filled(100_000, end));
        }
        let mut births = Spread::default();
        (0..100_000).for_each(|n| _ = births.insert(Position(2 * n), n));
        assert_even(&births);
    }

    #[test]
    fn ids_of_any_length_have_a_part() {
        let mut map = filled(TOGETHER, "");
        for id in ["", "a", "sevenby", "eightbyt", "é", "💥💥💥💥"] {
            map.insert(id.into(), 0);
            assert_eq!(map.get(id), Some(&0), "{id}");
        }
    }

    proptest! {
        #[test]
        fn it_is_a_map(before in TOGETHER - 20..TOGETHER + 20, steps in prop::collection::vec((0..40_u64, any::<bool>()), 0..80)) {
            let (mut map, mut plain) = (Spread::default(), HashMap::new());
            for n in 0..before as u64 {
                prop_assert_eq!(map.insert(Position(n * 3), n), plain.insert(Position(n * 3), n));
            }
            for (key, puts) in steps {
                let key = Position(before as u64 * 3 - 60 + key * 3);
                match puts {
                    true => prop_assert_eq!(map.insert(key, 7), plain.insert(key, 7)),
                    false => prop_assert_eq!(map.remove(&key), plain.remove(&key)),
                }
                prop_assert_eq!((map.len(), map.get(&key)), (plain.len(), plain.get(&key)));
            }
            prop_assert_eq!(map.values().sum::<u64>(), plain.values().sum::<u64>());
        }
    }
}
