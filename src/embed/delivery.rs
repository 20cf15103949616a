//! What a receiver gets, and what a sender hears.

use super::{Message, message};
use crate::{
    hub::{Accepted, Gap},
    log::{Entry, Kind, Position},
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A message with its place in the channel's order.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Delivery {
    /// The message, as it was sent.
    pub message: Message,
    /// Its position: rising within a channel, not consecutive.
    pub sequence: Position,
    /// When it was accepted.
    pub accept_time: SystemTime,
    /// Dispatched to this listener alone, or broadcast.
    pub kind: Kind,
}

impl Delivery {
    pub(super) fn of(entry: &Entry) -> Self {
        let since = Duration::from_nanos(u64::try_from(entry.accepted_at).unwrap_or_default());
        Self {
            message: message::decode(&entry.message),
            sequence: entry.position,
            accept_time: UNIX_EPOCH + since,
            kind: entry.kind,
        }
    }
}

/// What a stream brings, in rising sequence.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<T> {
    /// A message, or what was made of it.
    Message(T),
    /// Messages are missing here, and will not come.
    Gap(Gap),
}

impl<T> Event<T> {
    /// What the message is, unless it is a gap.
    pub fn message(self) -> Option<T> {
        match self {
            Self::Message(message) => Some(message),
            Self::Gap(_) => None,
        }
    }
}

/// What was next for a listener.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delivered {
    /// What is missing before it.
    pub gaps: Vec<Gap>,
    /// The message; `None` where none waits.
    pub delivery: Option<Delivery>,
}

/// A message was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// Its id.
    pub message_id: String,
    /// Its position in the channel's order; of a duplicate, that of the first.
    pub sequence: Position,
    /// How many listeners it was accepted for, watchers not counted; `None` of a broadcast that is a duplicate.
    pub receivers: Option<u64>,
    /// It was accepted before, and nothing was queued.
    pub duplicate: bool,
}

impl Receipt {
    pub(super) fn new(message_id: String, accepted: Accepted) -> Self {
        let Accepted { position, receivers, duplicate } = accepted;
        Self { message_id, sequence: position, receivers, duplicate }
    }
}
