//! What all who take part share.

use crate::{
    books::Shelf,
    cast::{Cast, Who},
    event::{Event, now},
    road::{Roads, broken},
};
use std::cell::Cell;
use tonic::Status;

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
    /// How often the server was killed; `None`: nobody does.
    pub(crate) crashes: Cell<Option<u32>>,
}

impl Stage {
    pub(crate) fn calm(&self) -> bool {
        self.act.get() >= Act::Calm
    }

    pub(crate) fn done(&self) -> bool {
        self.act.get() >= Act::Done
    }

    /// The listeners that are there from the beginning.
    pub(crate) fn begin(&self, births: Vec<(Who, i64)>) {
        let mut books = self.books.lock();
        births.into_iter().for_each(|(who, birth)| books.born(who, &self.cast.receivers[who], birth));
    }

    /// Just before the server is killed.
    pub(crate) fn crash(&self) {
        self.crashes.set(self.crashes.get().map(|crashes| crashes + 1));
        let (mut books, when) = (self.books.lock(), now());
        books.figures.crashes += 1;
        (0..self.cast.receivers.len()).for_each(|who| books.note(who, [Event::Killed { when }]));
    }

    /// Whether a call over a connection that nobody cuts may have failed so.
    pub(crate) fn excuses(&self, status: &Status) -> bool {
        self.crashes.get().is_some() && broken(status)
    }

    /// The chances of one of those who take part.
    pub(crate) fn rng(&self, number: u64) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number)
    }
}
