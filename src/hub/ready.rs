//! Which of a stream's subscriptions have been woken: a stream of thousands looks after those, and after no other.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
};

/// The subscriptions of one stream that have something to do, in the order in which they said so.
#[derive(Debug, Default)]
pub(super) struct Ready {
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    woken: VecDeque<u32>,
    /// Whom to wake when the first comes on the list: whoever reads the stream.
    reader: Option<Waker>,
}

impl Ready {
    /// Taken under every other lock, and never held while one is taken.
    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says who reads the stream. Whatever comes on the list after this wakes him.
    pub(super) fn read_by(&self, waker: &Waker) {
        let mut list = self.list();
        if !list.reader.as_ref().is_some_and(|known| known.will_wake(waker)) {
            list.reader = Some(waker.clone());
        }
    }

    /// Who has waited the longest.
    pub(super) fn next(&self) -> Option<u32> {
        self.list().woken.pop_front()
    }

    /// How many wait for their turn.
    pub(super) fn waiting(&self) -> usize {
        self.list().woken.len()
    }

    /// Wakes the reader, for something that is no subscription's.
    pub(super) fn wake(&self) {
        if let Some(reader) = &self.list().reader {
            reader.wake_by_ref();
        }
    }

    fn push(&self, number: u32) {
        let mut list = self.list();
        list.woken.push_back(number);
        // he empties the list before he sleeps, so the first on it finds him asleep or on his way
        if let Some(reader) = list.reader.as_ref().filter(|_| list.woken.len() == 1) {
            reader.wake_by_ref();
        }
    }
}

/// What wakes one subscription: it comes on its stream's list, once however often it is woken.
#[derive(Debug)]
pub(super) struct Call {
    number: u32,
    listed: AtomicBool,
    ready: Arc<Ready>,
}

impl Call {
    pub(super) fn new(number: u32, ready: &Arc<Ready>) -> Arc<Self> {
        Arc::new(Self { number, listed: AtomicBool::new(false), ready: Arc::clone(ready) })
    }

    /// It has its turn now: what wakes it from here on puts it on the list again.
    pub(super) fn answered(&self) {
        self.listed.store(false, Ordering::SeqCst);
    }
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.listed.swap(true, Ordering::SeqCst) {
            self.ready.push(self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_woken_twice_stands_on_the_list_once_and_behind_the_others() {
        let ready = Arc::default();
        let [first, second] = [1, 2].map(|number| Call::new(number, &ready));
        for call in [&first, &second, &first] {
            call.wake_by_ref();
        }
        assert_eq!((ready.next(), ready.waiting()), (Some(1), 1));
        first.answered();
        first.wake_by_ref();
        assert_eq!([ready.next(), ready.next(), ready.next()], [Some(2), Some(1), None]);
    }
}
