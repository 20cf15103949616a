//! What all who take part share.

use crate::{books::Shelf, cast::Cast, road::Roads};
use std::cell::Cell;

#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) enum Act {
    Wild,
    /// Nothing is sent, cut, rejected or left any more.
    Calm,
    Done,
}

pub(crate) struct Stage {
    pub(crate) cast: Cast,
    pub(crate) books: Shelf,
    pub(crate) roads: Roads,
    pub(crate) seed: u64,
    pub(crate) act: Cell<Act>,
    /// More waits than receivers are fast enough for: senders pause.
    pub(crate) crowded: Cell<bool>,
}

impl Stage {
    pub(crate) fn calm(&self) -> bool {
        self.act.get() >= Act::Calm
    }

    pub(crate) fn done(&self) -> bool {
        self.act.get() >= Act::Done
    }

    /// The chances of one of those who take part.
    pub(crate) fn rng(&self, number: u64) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number)
    }
}
