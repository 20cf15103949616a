//! What a log keeps: messages, who they are for, and the starts of the server.

use super::Position;
use crate::message::Message;
use std::sync::Arc;

/// How a message is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// For one listener.
    Dispatch,
    /// For all of a channel's.
    Broadcast,
}

impl Kind {
    /// Of a message for this listener, or for all.
    pub fn of(listener: Option<Position>) -> Self {
        if listener.is_some() { Self::Dispatch } else { Self::Broadcast }
    }
}

/// What takes a position.
#[derive(Clone, Debug)]
pub enum Record {
    /// A message that was accepted.
    Message {
        /// The birth of its channel.
        channel: Position,
        /// The birth of the listener it is for; `None`: a broadcast.
        listener: Option<Position>,
        /// When it was accepted, in nanoseconds since 1970-01-01 UTC.
        accepted_at: i64,
        /// Until when its id is remembered, in milliseconds since 1970-01-01 UTC; `None`: its sender gave it none.
        remember_until: Option<i64>,
        /// The message.
        message: Message,
        /// Why it is a dead letter, where it is one. Then it does not expire.
        dead_letter: Option<Arc<DeadLetter>>,
    },
    /// A channel was created: its birth is the record's position.
    Channel {
        /// Its id.
        id: Arc<str>,
        /// When it was created, in nanoseconds since 1970-01-01 UTC.
        created_at: i64,
        /// Its settings and where it stands.
        text: Text,
    },
    /// A listener was registered: its birth is the record's position.
    Listener {
        /// The birth of its channel.
        channel: Position,
        /// Its id.
        id: Arc<str>,
        /// When it was registered, in nanoseconds since 1970-01-01 UTC.
        created_at: i64,
        /// It acknowledges.
        explicit: bool,
        /// Its settings and where it stands.
        text: Text,
    },
    /// The settings or the state of a channel or a listener have changed.
    Changed(Change),
    /// A channel, with all its listeners, or a listener is gone. Its messages are deleted by themselves.
    Removed(Removal),
    /// A server has started: the positions from here on are this incarnation's.
    Start {
        /// Its tag.
        incarnation: u64,
        /// When, in nanoseconds since 1970-01-01 UTC.
        started_at: i64,
    },
}

/// What a log keeps of a channel or a listener, as JSON objects in words of the hub.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// What was set.
    pub settings: String,
    /// Where it stands.
    pub state: String,
}

/// A channel or a listener, by its birth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whom {
    /// A channel.
    Channel(Position),
    /// A listener.
    Listener(Position),
}

/// What has changed of a channel or a listener; what is `None` stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whose.
    pub whom: Whom,
    /// Its settings: a JSON object.
    pub settings: Option<String>,
    /// Where it stands: a JSON object.
    pub state: Option<String>,
}

/// What went, and how: it is told for a while to those who ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// A channel, or a listener.
    pub whom: Whom,
    /// The channel's id.
    pub channel: Arc<str>,
    /// The listener's id; `None`: the channel went.
    pub listener: Option<Arc<str>>,
    /// Nobody had listened for too long.
    pub expired: bool,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub at: i64,
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
