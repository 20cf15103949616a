//! Which of many listeners is the furthest behind, without walking them.
//!
//! Each listener stands here under a key that is never above its true one. Keys rise by themselves, when a
//! listener is handed messages; that is not told here. Whoever asks for the lowest looks at the true key of the
//! first, and puts it back where it belongs, until the first is where it belongs. A listener that was handed a
//! thousand messages meanwhile costs one step, one that is idle none.

use super::spread::Spread;
use crate::log::Position;
use std::collections::BTreeSet;

/// Listeners, named by their births, in the order of their keys.
#[derive(Debug, Default)]
pub(super) struct Lowest {
    order: BTreeSet<(i64, Position)>,
    keys: Spread<Position, i64>,
}

impl Lowest {
    /// Puts a listener under a key, or moves it there.
    pub(super) fn put(&mut self, listener: Position, key: i64) {
        self.remove(listener);
        self.order.insert((key, listener));
        self.keys.insert(listener, key);
    }

    /// Moves a listener down, where its true key has fallen.
    pub(super) fn lower(&mut self, listener: Position, key: i64) {
        if self.keys.get(&listener).is_some_and(|known| key < *known) {
            self.put(listener, key);
        }
    }

    pub(super) fn remove(&mut self, listener: Position) {
        if let Some(key) = self.keys.remove(&listener) {
            self.order.remove(&(key, listener));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// The lowest true key, as `key_of` tells it of a listener; after so many steps an error, with what no true key is below.
    pub(super) fn first(
        &mut self,
        steps: usize,
        key_of: impl Fn(Position) -> i64,
    ) -> Option<Result<i64, i64>> {
        for _ in 0..steps {
            let &(known, listener) = self.order.first()?;
            let key = key_of(listener);
            if key <= known {
                return Some(Ok(known));
            }
            self.put(listener, key);
        }
        self.order.first().map(|(known, _)| Err(*known))
    }

    /// The lowest listener, where its true key is at most this; looks no further than needed.
    pub(super) fn at_most(
        &mut self,
        bound: i64,
        mut key_of: impl FnMut(Position) -> i64,
    ) -> Option<Position> {
        while let Some(&(known, listener)) = self.order.first()
            && known <= bound
        {
            let key = key_of(listener);
            if key <= bound {
                return Some(listener);
            }
            self.put(listener, key);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_rose_by_itself_is_found_out() {
        let mut lowest = Lowest::default();
        (1..=3).for_each(|n| lowest.put(Position(n), 0));
        let keys = [0, 30, 10, 20];
        let key_of = |listener: Position| keys[listener.0 as usize];
        assert_eq!(lowest.first(1, key_of), Some(Err(0)));
        assert_eq!(lowest.first(3, key_of), Some(Ok(10)));
        assert_eq!(lowest.at_most(9, key_of), None);
        assert_eq!(lowest.at_most(10, key_of), Some(Position(2)));
        lowest.remove(Position(2));
        assert_eq!(lowest.first(1, key_of), Some(Ok(20)));
    }
}
