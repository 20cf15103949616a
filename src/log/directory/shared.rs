//! What those who append and read share with the writer, under one lock that is held over no disk.

use super::{
    super::{LogError, LogState, Position, Record, Watermark},
    kept::Kept,
    pending::{Item, Pending},
    seen::Seen,
    stats::Stats,
};
use std::{
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

#[derive(Debug)]
pub(super) struct State {
    pub(super) standing: LogState,
    /// What was kept has been told.
    pub(super) recovered: bool,
    pub(super) pending: Pending,
    pub(super) kept: Kept,
    /// What is left of the disk is for what makes room: no message is taken.
    pub(super) tight: bool,
    /// The writer sleeps: only then it has to be woken.
    sleeping: bool,
    closing: bool,
}

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    work: Condvar,
    /// Apart from the other: what wakes the writer is nothing to those who only sleep.
    closed: Condvar,
    /// What [`Kept::bytes`] says, for those who only look.
    bytes: AtomicU64,
    pub(super) watermark: Watermark,
    pub(super) stats: Stats,
    pub(super) seen: Seen,
    /// What was written so far, in transactions of any kind.
    pub(super) written: AtomicU64,
    /// The rest of the write-ahead log is small: whoever writes should bring it over between two commits.
    pub(super) wal_rest: AtomicBool,
}

impl Shared {
    pub(super) fn new(pending: Pending, kept: Kept, recovered: bool) -> Self {
        let watermark = Watermark::default();
        watermark.rise_at_append(pending.last);
        let bytes = AtomicU64::new(kept.bytes());
        let standing = LogState::Writing;
        let state =
            State { standing, recovered, pending, kept, tight: false, sleeping: false, closing: false };
        let (work, closed, written, wal_rest) = Default::default();
        let (state, stats, seen) = (Mutex::new(state), Stats::default(), Seen::default());
        Self { state, work, closed, bytes, watermark, stats, seen, written, wal_rest }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // no section can panic half way
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does it, and wakes the writer where there is something for it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let changed = change(&mut state);
        self.bytes.store(state.kept.bytes(), Ordering::Relaxed);
        let wake = (!state.pending.is_empty() || state.closing) && std::mem::take(&mut state.sleeping);
        drop(state);
        if wake {
            self.work.notify_one();
        }
        changed
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn standing(&self) -> LogState {
        self.lock().standing
    }

    /// Takes all that waits; where nothing does, sleeps at most so long. False: the log closes.
    pub(super) fn take(&self, batch: &mut Vec<Item>, pause: Duration) -> bool {
        let mut state = self.lock();
        if state.pending.is_empty() && !state.closing && !pause.is_zero() {
            state.sleeping = true;
            let waited = self.work.wait_timeout_while(state, pause, |state| state.sleeping);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.sleeping = false;
        }
        state.pending.take(batch);
        !state.closing
    }

    /// Sleeps, whatever waits. False: the log closes.
    pub(super) fn sleep(&self, pause: Duration) -> bool {
        let waited = self.closed.wait_timeout_while(self.lock(), pause, |state| !state.closing);
        !waited.unwrap_or_else(PoisonError::into_inner).0.closing
    }

    /// Everything up to here is on disk, and the log can be written.
    pub(super) fn durable(&self, position: Position, bytes: u64) {
        let mut state = self.lock();
        if state.standing == LogState::Failed {
            return;
        }
        let resumes = std::mem::replace(&mut state.standing, LogState::Writing) == LogState::Stalled;
        state.pending.settle(bytes);
        state.kept.cache.shrink(position);
        drop(state);
        if resumes || position > self.watermark.position() {
            self.watermark.rise(position);
        }
    }

    pub(super) fn stall(&self) {
        self.lock().standing = LogState::Stalled;
        self.watermark.stall();
    }

    /// Nothing more is written until the next start.
    pub(super) fn fail(&self) {
        let mut state = self.lock();
        state.standing = LogState::Failed;
        state.pending.clear();
        drop(state);
        self.watermark.stall();
    }

    pub(super) fn close(&self) {
        let mut state = self.lock();
        (state.closing, state.sleeping) = (true, false);
        drop(state);
        self.work.notify_all();
        self.closed.notify_all();
    }
}

impl State {
    pub(super) fn can_write(&self) -> Result<(), LogError> {
        (self.recovered && self.standing == LogState::Writing).then_some(()).ok_or(LogError::Unavailable)
    }

    /// `moves`: it takes the place of another, and is no more than was there.
    fn has_room(&self, record: &Record, moves: bool) -> bool {
        let too_much = self.tight && !moves && matches!(record, Record::Message { .. });
        self.pending.has_room(record) && !too_much
    }

    pub(super) fn append(&mut self, record: Record) -> Result<Position, LogError> {
        self.can_write()?;
        if !self.has_room(&record, false) {
            return Err(LogError::Unavailable);
        }
        let position = Position(self.pending.last.0 + 1);
        self.kept.enter(position, &record);
        self.pending.push(record);
        Ok(position)
    }

    pub(super) fn append_all(
        &mut self,
        records: Vec<Record>,
        gone: &[Position],
    ) -> Result<Position, LogError> {
        self.can_write()?;
        if records.first().is_some_and(|first| !self.has_room(first, !gone.is_empty())) {
            return Err(LogError::Unavailable);
        }
        let first = Position(self.pending.last.0 + 1);
        for (position, record) in (first.0..).zip(&records) {
            self.kept.enter(Position(position), record);
        }
        self.pending.push_all(records, self.kept.forget(gone));
        Ok(first)
    }
}
