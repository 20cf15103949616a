//! Whom a subscription is for, where it begins, and how it is to be served.

use super::ring::Ring;
use crate::{id::ListenerId, log::Position};

/// Where a new receiver begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum From {
    /// With what is accepted from now on.
    #[default]
    New,
    /// With the oldest broadcast that is kept.
    Oldest,
}

impl From {
    pub(super) fn position(self, ring: &Ring, now: Position) -> Position {
        match self {
            Self::New => now,
            Self::Oldest => ring.floor(),
        }
    }
}

/// Whom a subscription is for.
#[derive(Clone, Copy, Debug)]
pub enum Receiver<'a> {
    /// A registered listener: its stream takes over from an older one.
    Listener(ListenerId<'a>),
    /// A listener for the time of this stream.
    Watcher(From),
}

/// How a subscription is to be served.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// Where to go on.
    pub resume_token: Option<String>,
    /// Only messages of these types, and the server's own; empty: all.
    pub types: Vec<String>,
    /// A batch has at most so many messages.
    pub max_messages: usize,
    /// A batch has at most so many bytes, unless it is a single message.
    pub max_bytes: u64,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            resume_token: None,
            types: Vec::new(),
            max_messages: usize::MAX,
            max_bytes: super::bell::MAX_TAIL_BYTES,
        }
    }
}
