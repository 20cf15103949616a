//! The ids that were accepted lately: a message that is sent again is accepted once.
//!
//! No text is kept: an id stands as a `key`. What is remembered of it are `records`, which an `era` finds by its `places`; these
//! tell which records are `there`, and records tell positions and times as far as an era has `reach`. What all channels may
//! take has a `budget`.

mod budget;
mod era;
mod key;
mod places;
mod reach;
mod records;
mod there;

pub(super) use budget::Budget;
pub(super) use key::{Key, Keys};

use crate::log::Position;
use era::Era;
use reach::Reach;
use records::Part;
use std::collections::VecDeque;

/// Whoever tends a memory holds its channel's lock for no more than so many at once.
const AT_ONCE: usize = 4096;
/// Where there is no room such a part of them goes at once.
const PART_AT_ONCE: usize = 1024;
/// What has expired goes with what comes: more than one of them, so that the memory of a burst gets smaller again.
const FOR_EACH: usize = 2;

/// What is to be remembered of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remembered {
    pub(super) key: Key,
    pub(super) position: Position,
    /// In milliseconds of the hub's clock. Later ones may expire earlier: the window was shortened.
    pub(super) until: u64,
}

/// Keys that came, by some bits of each: of a run of messages, nearly all have bits of their own.
#[derive(Default)]
struct Seen([u64; 16]);

impl Seen {
    /// False: one like it may have come before.
    fn add(&mut self, key: Key) -> bool {
        let bits = key.check() as usize;
        let (word, bit) = (&mut self.0[bits / 64 % 16], 1 << (bits % 64));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}

/// The ids of one channel.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// Most of the time there is one; more while there are more and more ids.
    eras: VecDeque<Era>,
    len: usize,
    /// For so many there is room in the budget.
    granted: usize,
    /// When the oldest expires, or one that was the oldest when it was last looked at: to look is to wait for memory.
    expires: u64,
    emptied: Part,
}

impl Ids {
    /// Where the message with this key was accepted, while that is remembered.
    pub(super) fn find(&self, key: Key, now: u64) -> Option<Position> {
        // one that came again after it had expired stands later
        self.eras.iter().rev().find_map(|era| era.find(key, now))
    }

    /// Of each of these whether it is new for certain: neither remembered nor, as far as a few bits tell, the same as one
    /// before it. All are looked for at once, since looks that follow one another wait for memory together.
    pub(super) fn are_new(&self, keys: &[Key], now: u64) -> Vec<bool> {
        let mut seen = Seen::default();
        let mut new: Vec<_> = keys.iter().map(|key| seen.add(*key)).collect();
        self.eras.iter().for_each(|era| era.tell_new(keys, now, &mut new));
        new
    }

    /// Remembers ids that are not remembered, and for that, where the budget has no room, forgets the oldest.
    pub(super) fn remember(&mut self, mut ids: &[Remembered], now: u64, budget: &Budget) {
        if self.expires <= now {
            self.forget_expired(now, FOR_EACH * ids.len());
        }
        while let Some(first) = ids.first() {
            let room = self.make_room(ids.len(), budget);
            if room == 0 {
                return budget.count_evictions(ids.len());
            }
            self.provide_for(first, budget);
            let newest = self.eras.back_mut().expect("it was provided");
            let taken = newest.add(&ids[..room], &mut self.emptied);
            self.len += taken;
            ids = &ids[taken..];
        }
    }

    /// Of so many, for how many there is room. For that the oldest may go, and with it some more if there are many: who
    /// makes room for each that comes asks each time whether he must.
    fn make_room(&mut self, wanted: usize, budget: &Budget) -> usize {
        if self.spare() < wanted {
            self.granted += budget.grant(self.granted);
        }
        if self.spare() == 0 {
            let evicted = (self.len / PART_AT_ONCE).max(wanted).min(self.len);
            (0..evicted).for_each(|_| self.forget_oldest());
            budget.count_evictions(evicted);
        }
        self.spare().min(wanted)
    }

    /// Where the newest era does not take this one, the next one will.
    fn provide_for(&mut self, id: &Remembered, budget: &Budget) {
        if self.eras.back().is_none_or(|newest| !newest.takes(id)) {
            let reach = Reach::around(id);
            let next = match self.eras.back() {
                None => Era::first(reach),
                Some(newest) => newest.next(self.len, budget.most(), reach),
            };
            // none is empty but the newest
            self.eras.pop_back_if(|newest| newest.is_empty());
            // most channels have few ids, and need one
            self.eras.reserve_exact(1);
            self.eras.push_back(next);
        }
    }

    /// There is one.
    fn forget_oldest(&mut self) {
        let oldest = self.eras.front_mut().expect("no era is empty but the newest");
        let emptied = oldest.forget_oldest();
        self.len -= 1;
        if oldest.is_empty() && self.eras.len() > 1 {
            self.eras.pop_front();
        }
        let newest = self.eras.back();
        if let Some(mut emptied) = emptied.filter(|part| newest.is_some_and(|newest| newest.can_fill(part))) {
            emptied.clear();
            self.emptied = emptied;
        }
    }

    /// Tells how many went.
    fn forget_expired(&mut self, now: u64, at_most: usize) -> usize {
        let mut gone = 0;
        loop {
            self.expires = self.eras.front().and_then(Era::expires).unwrap_or_default();
            if gone == at_most || self.len == 0 || self.expires > now {
                return gone;
            }
            self.forget_oldest();
            gone += 1;
        }
    }

    /// Lets go of what has expired, and of what other channels have a right to. True: it has stopped on the way.
    pub(super) fn tend(&mut self, now: u64, budget: &Budget) -> bool {
        let left = AT_ONCE - self.forget_expired(now, AT_ONCE);
        let excess = budget.excess(self.granted);
        let evicted = excess.saturating_sub(self.spare()).min(self.len).min(left);
        (0..evicted).for_each(|_| self.forget_oldest());
        budget.count_evictions(evicted);
        if evicted == left {
            return true;
        }
        (self.expires, self.emptied) = Default::default();
        self.shrink();
        if excess > 0 || self.spare() > self.granted / 4 {
            self.give_back(budget);
        }
        false
    }

    fn spare(&self) -> usize {
        self.granted - self.len
    }

    /// What was made for a burst goes with the last id that it took.
    fn shrink(&mut self) {
        if self.len == 0 {
            self.eras = VecDeque::new();
        } else if let Some(newest) = self.eras.back_mut()
            && newest.is_far_too_large_for(self.len)
        {
            newest.close();
        }
    }

    fn give_back(&mut self, budget: &Budget) {
        budget.release(self.spare());
        self.granted = self.len;
    }

    /// Forgets everything: the channel is gone.
    pub(super) fn clear(&mut self, budget: &Budget) {
        budget.release(self.granted);
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests;
