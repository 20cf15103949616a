//! What Eric over a directory is measured against: SQLite and nothing else, kept as one would keep messages in it.
//!
//! Its rows hold a position and a message. There is no network and no queue: one thread writes so many rows a
//! transaction and waits for the disk, again and again. Pages are as large as Eric's; checkpoints are SQLite's own. Its file
//! never shrinks. A second one's can, as Eric's can, for which SQLite writes a page a commit: it tells what that comes to.

use crate::{Outcome, load::empty_histogram, messages, proc};
use hdrhistogram::Histogram;
use prost::Message as _;
use rusqlite::{Connection, params};
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tokio::task::spawn_blocking;

/// Its file's name.
pub(crate) const FILE: &str = "store.db";

/// Whether a file can give space back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shrinks {
    Yes,
    No,
}

/// A file with messages.
pub(crate) struct Store {
    connection: Connection,
    message: Vec<u8>,
    last: i64,
    /// What its threads have had written.
    pub(crate) written: u64,
}

/// What one run came to.
pub(crate) struct Stored {
    pub(crate) messages: u64,
    pub(crate) elapsed: Duration,
    /// What each commit took, in nanoseconds.
    pub(crate) latency: Histogram<u64>,
}

impl Store {
    /// Makes the file.
    pub(crate) fn open(directory: &Path, shrinks: Shrinks) -> Outcome<Self> {
        let connection = Connection::open(directory.join(FILE))?;
        connection.pragma_update(None, "page_size", 4096)?;
        let vacuum = if shrinks == Shrinks::Yes { "INCREMENTAL" } else { "NONE" };
        connection.pragma_update(None, "auto_vacuum", vacuum)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let table = "CREATE TABLE message (position INTEGER PRIMARY KEY, message BLOB NOT NULL) STRICT";
        connection.execute(table, [])?;
        Ok(Self { connection, message: messages::message().encode_to_vec(), last: 0, written: 0 })
    }

    /// Writes for so long, with so many messages a commit.
    pub(crate) async fn run(self, batch: u64, time: Duration) -> Outcome<(Self, Stored)> {
        spawn_blocking(move || self.counted(|it| it.write(batch, time))).await?
    }

    /// Brings what lies in the write-ahead log over into the file.
    pub(crate) async fn settle(self) -> Outcome<Self> {
        let checkpoint =
            |it: &mut Self| Ok(it.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?);
        Ok(spawn_blocking(move || self.counted(checkpoint)).await??.0)
    }

    fn counted<T>(mut self, work: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<(Self, T)> {
        let before = proc::written_by_this_thread()?;
        let done = work(&mut self)?;
        self.written += proc::written_by_this_thread()? - before;
        Ok((self, done))
    }

    fn write(&mut self, batch: u64, time: Duration) -> Outcome<Stored> {
        let (start, mut messages) = (Instant::now(), 0);
        let mut latency = empty_histogram();
        while start.elapsed() < time || messages == 0 {
            let began = Instant::now();
            self.commit(batch)?;
            latency.saturating_record(began.elapsed().as_nanos() as u64);
            messages += batch;
        }
        Ok(Stored { messages, elapsed: start.elapsed(), latency })
    }

    fn commit(&mut self, batch: u64) -> Outcome {
        let Self { connection, message, last, .. } = self;
        insert(connection, last, std::iter::repeat_n(&**message, batch as usize))
    }

    /// Writes these, and tells the position of the last.
    pub(crate) fn keep<'m>(&mut self, messages: impl Iterator<Item = &'m [u8]>) -> Outcome<i64> {
        insert(&mut self.connection, &mut self.last, messages)?;
        Ok(self.last)
    }
}

// In one transaction.
fn insert<'m>(
    connection: &mut Connection,
    last: &mut i64,
    messages: impl Iterator<Item = &'m [u8]>,
) -> Outcome {
    let transaction = connection.transaction()?;
    let mut insert = transaction.prepare_cached("INSERT INTO message VALUES (?1, ?2)")?;
    for message in messages {
        *last += 1;
        insert.execute(params![*last, message])?;
    }
    drop(insert);
    Ok(transaction.commit()?)
}
