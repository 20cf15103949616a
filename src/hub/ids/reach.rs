//! From where an era counts positions and times, so that four bytes hold each of them.

use super::{Remembered, records::Record};
use crate::log::Position;

/// Of what can be told half is before the first that comes: a log gives ids back nearly in order, and a window may be shortened.
const BEFORE: u64 = 1 << 31;

#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    position: u64,
    /// In milliseconds of the hub's clock.
    time: u64,
}

impl Reach {
    /// That has this one in its midst.
    pub(super) fn around(id: &Remembered) -> Self {
        Self { position: id.position.0.saturating_sub(BEFORE), time: id.until.saturating_sub(BEFORE) }
    }

    /// Whether it reaches as far as this one: 2 billion positions, and 24 days.
    pub(super) fn holds(self, id: &Remembered) -> bool {
        let in_reach = |of: u64, from: u64| of.checked_sub(from).is_some_and(|far| far <= u32::MAX.into());
        in_reach(id.position.0, self.position) && in_reach(id.until, self.time)
    }

    /// It holds it.
    pub(super) fn shorten(self, id: &Remembered) -> Record {
        let (position, until) = (id.position.0 - self.position, id.until - self.time);
        Record { check: id.key.check(), position: position as u32, until: until as u32 }
    }

    pub(super) fn position(self, record: &Record) -> Position {
        Position(self.position + u64::from(record.position))
    }

    pub(super) fn until(self, record: &Record) -> u64 {
        self.time + u64::from(record.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::ids::Keys;

    fn id(position: u64, until: u64) -> Remembered {
        Remembered { key: Keys::default().key(None, "a"), position: Position(position), until }
    }

    #[test]
    fn the_one_it_is_for_is_always_held_and_told_as_it_is() {
        for (position, until) in [(0, 0), (1, 5), (u64::MAX, u64::MAX), (BEFORE, 1 << 40)] {
            let (id, reach) = (id(position, until), Reach::around(&id(position, until)));
            assert!(reach.holds(&id), "{id:?}");
            let record = reach.shorten(&id);
            assert_eq!((reach.position(&record), reach.until(&record)), (id.position, id.until));
        }
    }

    #[test]
    fn what_is_too_far_is_not_held() {
        let (far, reach) = (u64::from(u32::MAX), Reach::around(&id(BEFORE + 10, BEFORE + 100)));
        let held = |position, until| reach.holds(&id(position, until));
        assert!(held(10, 100) && held(10 + far, 100 + far));
        assert!(!held(9, 100) && !held(10, 99) && !held(11 + far, 100) && !held(10, 101 + far));
    }
}
