//! What remembers: every log keeps the same contract, so the rules of delivery exist once, in the hub.
//!
//! A log gives each record the next position of one rising order, tells through a [`Watermark`] how far that
//! order is safe, gives records back by position, and forgets those it is told to.

mod memory;
mod watermark;

#[cfg(test)]
mod contract;
#[cfg(test)]
pub(crate) mod held;

pub use memory::Memory;
pub use watermark::Watermark;

use crate::message::Message;
use std::{fmt, sync::Arc};

/// A place in the log's order. Positions rise by one for each record; 0 is before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// How a message is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// For one listener.
    Dispatch,
    /// For all of a channel's.
    Broadcast,
}

/// What takes a position.
#[derive(Clone, Debug)]
pub enum Record {
    /// A message that was accepted.
    Message {
        /// Dispatch or broadcast.
        kind: Kind,
        /// When it was accepted, in nanoseconds since 1970-01-01 UTC.
        accepted_at: i64,
        /// The message.
        message: Message,
        /// Why it is a dead letter, where it is one.
        dead_letter: Option<Arc<DeadLetter>>,
    },
    /// A channel or a listener came, changed or went: it takes a position so that there is one order of all that
    /// happens. A log that ends with its process keeps nothing of it.
    Change,
    /// A server has started: the positions from here on are this incarnation's.
    Start {
        /// Its tag.
        incarnation: u64,
    },
}

/// A start of a server, as a log has it on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Its first position.
    pub position: Position,
    /// Its tag.
    pub incarnation: u64,
}

/// Why a message stands in a dead letter listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// What moved it.
    pub cause: DeadLetterCause,
    /// What the last rejection said; empty where it said nothing.
    pub reason: String,
    /// The id of the listener that it was meant for.
    pub listener: Arc<str>,
    /// Its position there.
    pub position: Position,
    /// How often it was attempted there.
    pub attempts: u32,
    /// When it was moved, in nanoseconds since 1970-01-01 UTC.
    pub moved_at: i64,
}

/// What moves a message to a dead letter listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadLetterCause {
    /// It had as many attempts as it may have.
    MaxAttempts,
    /// A rejection said that it is final.
    FinalRejection,
}

/// A message as a log gives it back.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where it stands.
    pub position: Position,
    /// When it was accepted, in nanoseconds since 1970-01-01 UTC.
    pub accepted_at: i64,
    /// Dispatch or broadcast.
    pub kind: Kind,
    /// The message.
    pub message: Message,
    /// Why it is a dead letter, where it is one.
    pub dead_letter: Option<Arc<DeadLetter>>,
}

/// What accepted means with a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It survives its sender, and is lost with the process.
    Memory,
}

/// Why a log did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// It cannot write or read for now.
    #[error("the log is unavailable")]
    Unavailable,
}

/// What a log must do. `contract.rs` holds the tests that every log passes.
pub trait Log: Send + Sync + 'static {
    /// Gives the record the next position. It returns at once; the record is safe when the watermark has
    /// reached the position, and what was appended earlier is never safe later.
    ///
    /// # Errors
    /// [`LogError::Unavailable`]: nothing was appended and no position taken.
    fn append(&self, record: Record) -> Result<Position, LogError>;

    /// How far the order is safe.
    fn watermark(&self) -> &Watermark;

    /// Appends the messages at these rising positions to `found`, in order. Those that were deleted, and records
    /// that are no messages, are left out.
    ///
    /// # Errors
    /// [`LogError::Unavailable`]: nothing was added to `found`.
    fn read(&self, positions: &[Position], found: &mut Vec<Entry>) -> Result<(), LogError>;

    /// Forgets the messages at these positions. What is gone already is passed over.
    fn delete(&self, positions: &[Position]);

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
}

/// What a message counts for in [`Log::bytes`]: its encoded size, and what it takes in the log's and the hub's
/// tables beside it.
pub fn kept_bytes(message: &Message) -> u64 {
    const IN_TABLES: u64 = 128;
    message.len() as u64 + IN_TABLES
}
