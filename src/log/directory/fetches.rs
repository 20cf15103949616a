//! Reads for those who do something else meanwhile, on a thread of its own.

use super::super::{Entry, LogError, Position};
use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

type Answer = oneshot::Sender<Result<Vec<Entry>, LogError>>;

/// Who waits, in order. Each stream waits for one answer at a time, so streams bound it.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    waiting: Mutex<Waiting>,
    came: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    wanted: VecDeque<(Vec<Position>, Answer)>,
    closing: bool,
}

/// However a run ends, nobody waits for it any longer.
struct End<'f>(&'f Fetches);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.close();
        self.0.lock().wanted.clear();
    }
}

impl Fetches {
    pub(super) fn push(&self, positions: Vec<Position>, answer: Answer) {
        let mut waiting = self.lock();
        // whoever asks too late is told by the answer that is dropped
        if !waiting.closing {
            waiting.wanted.push_back((positions, answer));
            self.came.notify_one();
        }
    }

    /// Answers until it is closed. Whoever still waits when it ends, or panics, gets no answer.
    pub(super) fn run(&self, read: impl Fn(&[Position]) -> Result<Vec<Entry>, LogError>) {
        let _end = End(self);
        while let Some((positions, answer)) = self.next() {
            // a stream that ended wants nothing any more
            if !answer.is_closed() {
                drop(answer.send(read(&positions)));
            }
        }
    }

    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.came.notify_all();
    }

    fn next(&self) -> Option<(Vec<Position>, Answer)> {
        let waiting = self.lock();
        let nothing = |waiting: &mut Waiting| waiting.wanted.is_empty() && !waiting.closing;
        let came = self.came.wait_while(waiting, nothing);
        let mut waiting = came.unwrap_or_else(PoisonError::into_inner);
        if waiting.closing { None } else { waiting.wanted.pop_front() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
