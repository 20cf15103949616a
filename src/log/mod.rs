//! What remembers: every log keeps the same contract, so the rules of delivery exist once, in the hub.
//!
//! A log gives each record the next position of one rising order, tells through a [`Watermark`] how far that
//! order is safe, gives records back by position, and forgets those it is told to.

pub mod directory;
mod figures;
mod memory;
mod record;
mod recovered;
mod waits;
mod watermark;

#[cfg(test)]
mod contract;
#[cfg(test)]
pub(crate) mod held;
#[cfg(test)]
pub(crate) mod surviving;

pub use directory::Directory;
pub use figures::{Figures, LogState};
pub use memory::Memory;
pub use record::{Change, DeadLetter, DeadLetterCause, Entry, Kind, Record, Removal, Start, Text, Whom};
pub use recovered::{AcceptedId, Recovered, RecoveredChannel, RecoveredListener, RecoveredMessage};
pub use watermark::Watermark;

use crate::message::Message;
use serde::{Deserialize, Serialize};
use std::fmt;
use tokio::sync::oneshot;

/// A place in the log's order. Positions rise by one for each record; 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// Before every record.
    pub const ZERO: Self = Self(0);

    /// The position before this one.
    pub(crate) fn before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// As the wire has it. A position would have to rise a thousand million times a second for 292 years to pass it.
    pub fn to_i64(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What accepted means with a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It survives its sender, and is lost with the process.
    Memory,
    /// It is on disk, after fsync, or will be within the interval that an operator has set.
    Disk,
}

/// Why a log did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// It cannot write or read for now.
    #[error("the log is unavailable")]
    Unavailable,
    /// What it reads is not what was written.
    #[error("the log is damaged")]
    Corrupt,
}

/// What is being read.
pub type Fetch = oneshot::Receiver<Result<Vec<Entry>, LogError>>;

/// What a log must do. `contract.rs` holds the tests that every log passes.
///
/// A log that outlives its process keeps of a channel or a listener what the hub says: at once where that is a record,
/// and a little later where it is [saved](Log::save). It never looks into it.
pub trait Log: Send + Sync + 'static {
    /// Gives the record the next position. It returns at once; the record is safe when the watermark has
    /// reached the position, and what was appended earlier is never safe later.
    ///
    /// # Errors
    /// [`LogError::Unavailable`]: nothing was appended and no position taken.
    fn append(&self, record: Record) -> Result<Position, LogError>;

    /// Gives the records the next positions, tells the first, and forgets the messages at the positions that are `gone`,
    /// as [`Log::delete`] does. No crash keeps some of them and loses others, or leaves what is gone beside them.
    ///
    /// # Errors
    /// [`LogError::Unavailable`]: nothing was appended and no position taken.
    fn append_all(&self, records: Vec<Record>, gone: &[Position]) -> Result<Position, LogError>;

    /// How far the order is safe.
    fn watermark(&self) -> &Watermark;

    /// The last position that was given.
    fn last(&self) -> Position;

    /// Appends the messages at these rising positions to `found`, in order. Those that were deleted, and records
    /// that are no messages, are left out. It may wait for a disk.
    ///
    /// # Errors
    /// Nothing was added to `found`: [`LogError::Unavailable`], [`LogError::Corrupt`].
    fn read(&self, positions: &[Position], found: &mut Vec<Entry>) -> Result<(), LogError>;

    /// As [`Log::read`], without waiting: `false`, and nothing was added to `found`, where that would need a disk.
    ///
    /// # Errors
    /// As [`Log::read`].
    fn read_at_hand(&self, positions: &[Position], found: &mut Vec<Entry>) -> Result<bool, LogError> {
        self.read(positions, found).map(|()| true)
    }

    /// As [`Log::read`], while the caller does something else.
    fn fetch(&self, positions: &[Position]) -> Fetch {
        let (done, fetch) = oneshot::channel();
        let mut found = Vec::new();
        let read = self.read(positions, &mut found);
        // whoever asked may have gone
        let _ = done.send(read.map(|()| found));
        fetch
    }

    /// Forgets the messages at these positions. What is gone already is passed over. A log that outlives its process
    /// does so with the next [`Log::save`]: no crash loses a message whose receiver's place is not kept.
    fn delete(&self, positions: &[Position]);

    /// Keeps what has changed, a little later, all of it or nothing, together with what was deleted before: `changes`
    /// is asked once the deletions are counted, so that what they rest on is part of it. Each change is handed over
    /// under the lock of whom it is about; a [`Record::Changed`] that is appended meanwhile is the newer one.
    #[expect(clippy::type_complexity, reason = "a name would hide that each change is handed to a function")]
    fn save(&self, changes: &mut dyn FnMut(&mut dyn FnMut(Change)));

    /// Tells all that was kept over the end of a process, before anything is appended.
    ///
    /// # Errors
    /// [`LogError::Unavailable`], [`LogError::Corrupt`].
    fn recover(&self, found: &mut dyn FnMut(Recovered)) -> Result<(), LogError>;

    /// The starts on record, in rising order.
    fn starts(&self) -> Vec<Start>;

    /// Whether it can write now.
    ///
    /// # Errors
    /// [`LogError::Unavailable`]: an append would fail.
    fn check(&self) -> Result<(), LogError>;

    /// What the messages that are kept take, in bytes: [`kept_bytes`] of each.
    fn bytes(&self) -> u64;

    /// What accepted means.
    fn durability(&self) -> Durability;

    /// What a log on disk says of itself. It waits for no disk.
    fn figures(&self) -> Option<Figures> {
        None
    }
}

/// What a message counts for in [`Log::bytes`]: its encoded size, and what it takes in the log's and the hub's
/// tables beside it.
pub fn kept_bytes(message: &Message) -> u64 {
    kept_bytes_of(message.len() as u64)
}

/// The same for a message of this size.
pub(crate) fn kept_bytes_of(len: u64) -> u64 {
    const IN_TABLES: u64 = 128;
    len + IN_TABLES
}
