//! The one thread that writes: it commits whatever waits, and what waits meanwhile rides on the next commit.

use super::{
    super::{LogState, Position},
    figures::{look, look_for_free},
    pending::Item,
    rhythm::Rhythm,
    room::Disk,
    rows::{Rows, mark},
    shared::Shared,
    trouble,
    upkeep::Upkeep,
};
use rusqlite::{Connection, TransactionBehavior};
use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// How often it looks what there is to say of the file.
const LOOK: Duration = Duration::from_secs(1);
/// How long it waits where it could not write.
const AGAIN: Duration = Duration::from_secs(1);
/// What it tries first then.
const PROBE: usize = 64;
/// Whether the disk has room it looks after so many bytes of messages.
const LOOK_AFTER: u64 = 256 * 1024;

#[derive(Debug)]
pub(super) struct Writer {
    connection: Connection,
    shared: Arc<Shared>,
    file: PathBuf,
    disk: Arc<Disk>,
    /// In bytes, since it looked at the disk.
    unlooked: u64,
    rhythm: Rhythm,
    upkeep: Upkeep,
    /// What was taken and is not durable yet.
    batch: Vec<Item>,
    written: Position,
    /// Something was written since it looked.
    unseen: bool,
    look_at: Instant,
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        shared: Arc<Shared>,
        file: PathBuf,
        disk: Arc<Disk>,
        rhythm: Rhythm,
    ) -> Self {
        let written = shared.watermark.position();
        let (upkeep, batch, look_at) = (Upkeep::new(), Vec::new(), Instant::now());
        let (unlooked, unseen) = (0, false);
        Self { connection, shared, file, disk, unlooked, rhythm, upkeep, batch, written, unseen, look_at }
    }

    pub(super) fn run(mut self) {
        while self.turn() {}
        if self.shared.standing() != LogState::Failed {
            self.end();
        }
    }

    fn turn(&mut self) -> bool {
        let pause = self.pause();
        let open = !self.batch.is_empty() || self.shared.take(&mut self.batch, pause);
        if !open && self.batch.is_empty() {
            return false;
        }
        let count = match self.shared.standing() {
            LogState::Writing => self.batch.len(),
            LogState::Stalled => PROBE.min(self.batch.len()),
            LogState::Failed => return false,
        };
        match self.write(count).and_then(|()| self.rest()) {
            Ok(()) => {
                self.look();
                true
            }
            Err(error) => self.failed(&error),
        }
    }

    /// How long there is nothing to do, unless something comes.
    fn pause(&self) -> Duration {
        let look = self.unseen.then_some(self.look_at);
        let due = self.rhythm.due().into_iter().chain(look).fold(self.upkeep.due(), Instant::min);
        due.saturating_duration_since(Instant::now())
    }

    fn look(&mut self) {
        if self.unseen && self.look_at <= Instant::now() {
            look(&self.connection, &self.shared);
            (self.unseen, self.look_at) = (false, Instant::now() + LOOK);
        }
    }

    /// Commits the first so many of the batch.
    fn write(&mut self, count: usize) -> rusqlite::Result<()> {
        if count == 0 && !self.rhythm.is_due() && self.upkeep.due() > Instant::now() {
            return Ok(());
        }
        self.unseen = true;
        self.rhythm.set(&self.connection)?;
        let now = now();
        let items = &self.batch[..count];
        let last = items.iter().rev().find_map(Item::last).unwrap_or(self.written);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut rows = Rows::new(&transaction, now)?;
        items.iter().try_for_each(|item| rows.put(item))?;
        let left = rows.finish();
        let deleted = self.upkeep.due() <= Instant::now() && self.upkeep.step(&transaction, now)?;
        let marked = left.unmarked || deleted || (count == 0 && self.rhythm.is_due());
        if marked {
            mark(&transaction, last, now)?;
        }
        let began = Instant::now();
        transaction.commit()?;
        if count > 0 || marked {
            self.shared.written.fetch_add(1, Ordering::Relaxed);
        }
        self.rhythm.committed();
        self.upkeep.take(left);
        self.wrote(count, last, began.elapsed());
        Ok(())
    }

    fn wrote(&mut self, count: usize, last: Position, took: Duration) {
        self.written = last;
        let items = self.batch.drain(..count);
        let (records, bytes) =
            items.fold((0, 0), |(records, bytes), item| (records + item.len(), bytes + item.weight()));
        if count > 0 {
            self.shared.stats.committed(records, took);
        }
        // before anybody knows that it is safe, and sends more
        self.look_for_room(bytes);
        self.shared.durable(last, bytes);
    }

    fn look_for_room(&mut self, bytes: u64) {
        self.unlooked += bytes;
        if self.unlooked >= LOOK_AFTER {
            self.unlooked = 0;
            look_for_free(&self.connection, &self.shared);
            self.disk.look(&self.shared, bytes);
        }
    }

    /// Where writes never pause, the write-ahead log begins anew only if somebody brings its small rest over between
    /// two of them.
    fn rest(&self) -> rusqlite::Result<()> {
        if !self.shared.wal_rest.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
    }

    fn failed(&mut self, error: &rusqlite::Error) -> bool {
        self.upkeep.failed();
        if let Some(why) = trouble::passes(&self.file, error) {
            return self.stall(&why);
        }
        trouble::tell_failed(&self.file, error);
        self.shared.fail();
        false
    }

    /// Waits, and makes room in the write-ahead log: it may be all that is needed.
    fn stall(&mut self, why: &str) -> bool {
        if self.shared.standing() != LogState::Stalled {
            tracing::error!(file = %self.file.display(), error = why, "the log cannot be written: trying again");
            self.shared.stall();
        }
        let open = self.shared.sleep(AGAIN);
        if let Err(error) = checkpoint(&self.connection, "RESTART")
            && trouble::passes(&self.file, &error).is_none()
        {
            return self.failed(&error);
        }
        open
    }

    /// A file that was closed well needs nothing read over at the next start.
    fn end(&self) {
        if let Err(error) = checkpoint(&self.connection, "TRUNCATE") {
            tracing::warn!(file = %self.file.display(), %error, "the log was closed without a last checkpoint");
        }
    }
}

fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<()> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()))
}

/// In milliseconds since 1970-01-01 UTC.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
