//! The ids that were accepted lately: a message that is sent again is accepted once.
//!
//! No text is kept. An id stands as 128 bits that are hashed with keys of this start, so that nobody can make ids that
//! meet.

mod budget;

pub(super) use budget::Budget;

use crate::log::Position;
use hashbrown::{HashTable, hash_table::Entry};
use std::{
    collections::VecDeque,
    hash::{BuildHasher, Hasher, RandomState},
};

/// Whoever tends a memory holds its channel's lock for no more than so many at once.
const AT_ONCE: usize = 4096;
/// What has expired goes with what comes: more than one of them, so that the memory of a burst gets smaller again.
const FOR_EACH: usize = 2;

/// An id, and whom its message was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key([u64; 2]);

impl Key {
    fn hash(self) -> u64 {
        self.0[0]
    }
}

/// Makes keys.
#[derive(Debug, Default)]
pub(super) struct Keys([RandomState; 2]);

impl Keys {
    /// The key of an id for a listener, by its birth: under the same id another one may come. Without one, of a
    /// broadcast.
    pub(super) fn key(&self, receiver: Option<Position>, id: &str) -> Key {
        // no listener is born before the first record
        let receiver = receiver.unwrap_or(Position::ZERO);
        Key(std::array::from_fn(|half| {
            let mut hasher = self.0[half].build_hasher();
            hasher.write_u64(receiver.0);
            hasher.write(id.as_bytes());
            hasher.finish()
        }))
    }
}

/// What is remembered of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remembered {
    pub(super) key: Key,
    pub(super) position: Position,
    /// In milliseconds of the hub's clock. Later ones may expire earlier: the window was shortened.
    pub(super) until: u64,
}

/// The ids of one channel.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// In the order of their acceptance.
    order: VecDeque<Remembered>,
    /// The number of the oldest. They are numbered as they come, round and round.
    first: u32,
    /// The numbers, to be found by key; of a key that came again after it had expired, the later one.
    numbers: HashTable<u32>,
    /// For so many there is room in the budget.
    granted: usize,
}

impl Ids {
    /// Where the message with this key was accepted, while that is remembered.
    pub(super) fn find(&self, key: Key, now: u64) -> Option<Position> {
        let Self { order, first, numbers, .. } = self;
        let number = numbers.find(key.hash(), |number| at(order, *first, *number).key == key)?;
        let found = at(order, *first, *number);
        (found.until > now).then_some(found.position)
    }

    /// Remembers an id that is not remembered, and for that, where the budget has no room, forgets the oldest.
    pub(super) fn remember(&mut self, id: Remembered, now: u64, budget: &Budget) {
        self.forget_expired(now, FOR_EACH);
        if !self.has_room(budget) {
            budget.count_eviction();
            if self.forget_oldest().is_none() {
                return;
            }
        }
        self.add(id);
    }

    fn has_room(&mut self, budget: &Budget) -> bool {
        if self.order.len() < self.granted {
            return true;
        }
        let more = budget.grant(self.granted);
        self.granted += usize::from(more);
        more
    }

    fn add(&mut self, id: Remembered) {
        let Self { order, first, numbers, .. } = self;
        let number = first.wrapping_add(wrapped(order.len()));
        let same = |number: &u32| at(order, *first, *number).key == id.key;
        match numbers.entry(id.key.hash(), same, |number| at(order, *first, *number).key.hash()) {
            Entry::Occupied(mut expired) => *expired.get_mut() = number,
            Entry::Vacant(place) => {
                place.insert(number);
            }
        }
        if order.len() == order.capacity() {
            // by less than it would by itself: most of the time nothing is added without something that goes
            order.reserve_exact(order.len() / 4 + 1);
        }
        order.push_back(id);
    }

    fn forget_oldest(&mut self) -> Option<Remembered> {
        let oldest = self.order.pop_front()?;
        let number = self.first;
        self.first = number.wrapping_add(1);
        if let Ok(found) = self.numbers.find_entry(oldest.key.hash(), |other| *other == number) {
            found.remove();
        }
        Some(oldest)
    }

    /// Tells how many went.
    fn forget_expired(&mut self, now: u64, at_most: usize) -> usize {
        let expired = |ids: &Self| ids.order.front().is_some_and(|oldest| oldest.until <= now);
        let mut gone = 0;
        while gone < at_most && expired(self) {
            self.forget_oldest();
            gone += 1;
        }
        gone
    }

    /// Lets go of what has expired, and of what other channels have a right to. True: it has stopped on the way.
    pub(super) fn tend(&mut self, now: u64, budget: &Budget) -> bool {
        let mut left = AT_ONCE - self.forget_expired(now, AT_ONCE);
        let excess = budget.excess(self.granted);
        while left > 0 && self.spare() < excess {
            self.forget_oldest();
            budget.count_eviction();
            left -= 1;
        }
        if left == 0 {
            return true;
        }
        if excess > 0 || self.spare() > self.granted / 4 {
            self.shrink();
            self.give_back(budget);
        }
        false
    }

    fn spare(&self) -> usize {
        self.granted - self.order.len()
    }

    fn shrink(&mut self) {
        let Self { order, first, numbers, .. } = self;
        order.shrink_to(order.len() + order.len() / 4);
        numbers.shrink_to(order.len(), |number| at(order, *first, *number).key.hash());
    }

    fn give_back(&mut self, budget: &Budget) {
        budget.release(self.spare());
        self.granted = self.order.len();
    }

    /// Forgets everything: the channel is gone.
    pub(super) fn clear(&mut self, budget: &Budget) {
        budget.release(self.granted);
        *self = Self::default();
    }
}

/// What has this number; every number in the table is of one that is there.
fn at(order: &VecDeque<Remembered>, first: u32, number: u32) -> &Remembered {
    &order[number.wrapping_sub(first) as usize]
}

/// There are never more than numbers: the budget has an end long before.
fn wrapped(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
