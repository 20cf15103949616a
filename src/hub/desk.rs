//! A desk: where the streams of one channel on one core wait for its bell.
//!
//! Only its own core takes a desk's lock as a matter of course, so the lock costs next to nothing; others take it to
//! end a stream.

use super::{batch::Batch, expiry::Expiry};
use crate::{error::Error, log::Position};
use slab::Slab;
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Waker,
};

/// Why a stream has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The listener was stopped: final.
    Stopped,
    /// Another state of the world.
    Failed(Error),
}

/// What the last bell brought, for all streams that were level with it.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    /// No broadcast lies behind this and before the first of the batch.
    pub(super) after: Position,
    /// The channel's broadcasts up to the batch's last.
    pub(super) tally: super::tally::Tally,
    pub(super) batch: Arc<Batch>,
    /// What the batch takes of a stream's room.
    pub(super) bytes: u64,
    /// When the first of its messages expires.
    pub(super) expiry: Expiry,
}

impl Tail {
    /// Its first message.
    pub(super) fn first(&self) -> Position {
        self.batch.entries.first().map_or(Position::ZERO, |entry| entry.position)
    }

    /// Whether a stream at this place needs the whole batch and nothing before it.
    pub(super) fn suits(&self, at: Position) -> bool {
        self.after <= at && self.batch.entries.first().is_some_and(|first| at < first.position)
    }
}

#[derive(Debug, Default)]
struct Seat {
    /// Whose it is: seats are given again.
    stream: u64,
    waker: Option<Waker>,
    waiting: bool,
    ending: Option<Ending>,
}

impl Seat {
    /// Tells whether somebody waited.
    fn wake(&mut self) -> bool {
        let waited = std::mem::take(&mut self.waiting);
        if let Some(waker) = self.waker.as_ref().filter(|_| waited) {
            waker.wake_by_ref();
        }
        waited
    }
}

#[derive(Debug, Default)]
struct Seats {
    seats: Slab<Seat>,
    /// Up to here the bell has brought everything.
    seen: Position,
    tail: Option<Tail>,
}

/// What a stream finds when it looks up.
pub(super) struct Glance {
    pub(super) ending: Option<Ending>,
    pub(super) tail: Option<Tail>,
    pub(super) seen: Position,
}

/// One per channel and core.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// A bell is on its way.
    pub(super) rung: AtomicBool,
    occupied: AtomicUsize,
    seats: Mutex<Seats>,
}

impl Desk {
    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many streams wait here, or could.
    pub(super) fn occupied(&self) -> usize {
        self.occupied.load(Ordering::SeqCst)
    }

    /// Takes a seat; `head` is the channel's newest broadcast. What comes later rings for it, so the channel's lock is
    /// held meanwhile.
    pub(super) fn sit(&self, stream: u64, head: Position) -> usize {
        let mut seats = self.seats();
        if seats.seats.is_empty() {
            seats.seen = head;
        }
        self.occupied.fetch_add(1, Ordering::SeqCst);
        seats.seats.insert(Seat { stream, ..Seat::default() })
    }

    pub(super) fn leave(&self, seat: usize) {
        let mut seats = self.seats();
        if seats.seats.try_remove(seat).is_some() {
            self.occupied.fetch_sub(1, Ordering::SeqCst);
        }
        if seats.seats.is_empty() {
            seats.tail = None;
        }
    }

    /// Looks up, and waits from now on: what is rung after this wakes.
    pub(super) fn look_up(&self, seat: usize, waker: &Waker, at: Position) -> Glance {
        let mut seats = self.seats();
        let tail = seats.tail.as_ref().filter(|tail| tail.suits(at)).cloned();
        let seen = seats.seen;
        let ending = seats.seats.get_mut(seat).and_then(|seat| {
            seat.waiting = true;
            if !seat.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
                seat.waker = Some(waker.clone());
            }
            seat.ending.clone()
        });
        Glance { ending, tail, seen }
    }

    pub(super) fn seen(&self) -> Position {
        self.seats().seen
    }

    /// Brings what is new, and wakes those who wait; tells how many.
    pub(super) fn bring(&self, seen: Position, tail: Option<Tail>) -> usize {
        let mut seats = self.seats();
        seats.seen = seats.seen.max(seen);
        if tail.is_some() {
            seats.tail = tail;
        }
        seats.seats.iter_mut().filter_map(|(_, seat)| seat.wake().then_some(())).count()
    }

    /// For those outside of the cores, who read for themselves.
    pub(super) fn wake_all(&self, seen: Position) {
        let mut seats = self.seats();
        // two who broadcast may come here in the other order
        seats.seen = seats.seen.max(seen);
        for (_, seat) in &mut seats.seats {
            seat.wake();
        }
    }

    pub(super) fn wake(&self, seat: usize) {
        if let Some(seat) = self.seats().seats.get_mut(seat) {
            seat.wake();
        }
    }

    /// Lets go of what the bell brought, which should not lie here for ever: whoever has not taken it reads for himself.
    pub(super) fn clear(&self) {
        self.seats().tail = None;
    }

    /// Ends a stream, unless it has left.
    pub(super) fn end(&self, seat: usize, stream: u64, ending: Ending) {
        if let Some(seat) = self.seats().seats.get_mut(seat).filter(|seat| seat.stream == stream) {
            seat.ending.get_or_insert(ending);
            seat.wake();
        }
    }

    pub(super) fn end_all(&self, ending: &Ending) {
        for (_, seat) in &mut self.seats().seats {
            seat.ending.get_or_insert_with(|| ending.clone());
            seat.wake();
        }
    }
}
