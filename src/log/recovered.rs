//! What a log has kept over the end of a process, as it gives that back at the start of the next.

use super::{DeadLetter, Position, Removal, Text};
use std::sync::Arc;

/// One thing that was kept. They come in this order: removals, channels, listeners, accepted ids and messages; each in
/// rising order, but for the ids of messages that were about to go, which come among the messages.
#[derive(Clone, Debug)]
pub enum Recovered {
    /// What went lately.
    Removed(Removal),
    /// A channel.
    Channel(RecoveredChannel),
    /// A listener of a channel that came before.
    Listener(RecoveredListener),
    /// The id of a message that is gone.
    Accepted(AcceptedId),
    /// A message.
    Message(RecoveredMessage),
}

/// A channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredChannel {
    /// The position of its creation.
    pub birth: Position,
    /// Its id.
    pub id: Arc<str>,
    /// When it was created, in nanoseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// Its settings and where it stood.
    pub text: Text,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredListener {
    /// The position of its registration.
    pub birth: Position,
    /// The birth of its channel.
    pub channel: Position,
    /// Its id.
    pub id: Arc<str>,
    /// When it was registered, in nanoseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// It acknowledges.
    pub explicit: bool,
    /// Its settings and where it stood.
    pub text: Text,
}

/// An id that is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedId {
    /// Where its message stood.
    pub position: Position,
    /// The birth of its channel.
    pub channel: Position,
    /// The birth of the listener that it was for; `None`: a broadcast.
    pub listener: Option<Position>,
    /// Until when, in milliseconds since 1970-01-01 UTC.
    pub until: i64,
    /// The id.
    pub id: Arc<str>,
}

/// A message, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredMessage {
    /// Where it stands.
    pub position: Position,
    /// The birth of its channel.
    pub channel: Position,
    /// The birth of the listener it is for; `None`: a broadcast.
    pub listener: Option<Position>,
    /// Its size, as [`crate::message::Message::len`] has it.
    pub bytes: u64,
    /// When it was accepted, in nanoseconds since 1970-01-01 UTC.
    pub accepted_at: i64,
    /// When it expires, in milliseconds since 1970-01-01 UTC.
    pub expires_at: Option<i64>,
    /// The id that its sender gave it, and until when that is remembered, in milliseconds since 1970-01-01 UTC; `None`
    /// where that time is over.
    pub remembered: Option<(Arc<str>, i64)>,
    /// Why it is a dead letter, where it is one.
    pub dead_letter: Option<Arc<DeadLetter>>,
}
