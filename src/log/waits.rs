//! Who waits for a log's order to become safe.
//!
//! Those of one thread wait at one desk, in the order of their positions. A rise of the watermark that reaches some of
//! them wakes the desk's attendant, once, and he wakes just those, on their own thread: woken from another, each would
//! cost a system call. Desk 0 has no attendant: whoever waits there is woken by the one who brings the rise.

use super::Position;
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    task::Waker,
};
use tokio::sync::Notify;

/// The desk of all threads that have none of their own.
pub(super) const OUTSIDE: usize = 0;

#[derive(Debug, Default)]
pub(super) struct Waits {
    outside: Desk,
    others: OnceLock<Box<[Desk]>>,
}

/// Where the waiting of one thread wait.
#[derive(Debug, Default)]
pub(super) struct Desk {
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    /// By position, then by ticket.
    waiting: VecDeque<Waiting>,
    last_ticket: u64,
}

#[derive(Debug)]
struct Waiting {
    place: Place,
    waker: Waker,
}

/// What somebody waits for, and a number that no other has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) position: Position,
    ticket: u64,
}

impl Waits {
    /// So many desks have an attendant. Only the first who says so is heard.
    pub(super) fn set_up(&self, attended: usize) {
        drop(self.others.set((0..attended).map(|_| Desk::default()).collect()));
    }

    /// The desk of this number; [`OUTSIDE`], where there is none.
    pub(super) fn desk(&self, number: usize) -> &Desk {
        self.attended().get(number.wrapping_sub(1)).unwrap_or(&self.outside)
    }

    fn attended(&self) -> &[Desk] {
        self.others.get().map_or(&[], |desks| desks)
    }

    /// Wakes whoever waits for a position up to this one, or has him woken.
    pub(super) fn settle(&self, through: Position) {
        self.outside.settle(through);
        self.attended().iter().filter(|desk| desk.has_due(through)).for_each(|desk| desk.wake.notify_one());
    }
}

impl Desk {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Comes to wait, or waits on under a waker that may be another.
    pub(super) fn wait(&self, position: Position, known: Option<Place>, waker: &Waker) -> Place {
        let mut queue = self.queue();
        if let Some(place) = known
            && let Some(waiting) = queue.find(place).and_then(|at| queue.waiting.get_mut(at))
        {
            waiting.waker.clone_from(waker);
            return place;
        }
        queue.last_ticket += 1;
        let place = Place { position, ticket: queue.last_ticket };
        // nearly always the last: positions rise
        let at = queue.waiting.partition_point(|waiting| waiting.place < place);
        queue.waiting.insert(at, Waiting { place, waker: waker.clone() });
        place
    }

    /// Waits no longer.
    pub(super) fn leave(&self, place: Place) {
        let left = {
            let mut queue = self.queue();
            queue.find(place).and_then(|at| queue.waiting.remove(at))
        };
        // a waker may be the last to hold its task, which may wait here too
        drop(left);
    }

    /// Wakes whoever waits for a position up to this one.
    pub(super) fn settle(&self, through: Position) {
        while let Some(waker) = self.next_due(through) {
            waker.wake();
        }
    }

    fn has_due(&self, through: Position) -> bool {
        self.queue().waiting.front().is_some_and(|first| first.place.position <= through)
    }

    fn next_due(&self, through: Position) -> Option<Waker> {
        let mut queue = self.queue();
        let first = queue.waiting.front()?;
        if first.place.position > through {
            return None;
        }
        queue.waiting.pop_front().map(|first| first.waker)
    }

    /// Comes back when somebody is due.
    pub(super) async fn called(&self) {
        self.wake.notified().await;
    }
}

impl Queue {
    fn find(&self, place: Place) -> Option<usize> {
        self.waiting.binary_search_by_key(&place, |waiting| waiting.place).ok()
    }
}
