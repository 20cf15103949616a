//! Whom a subscription is for, where it begins, and how it is to be served.

use super::{ring::Ring, tally::Quota};
use crate::{id::ListenerId, log::Position};
use std::sync::Arc;

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

/// How much an EXPLICIT listener may have outstanding on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit(pub Quota);

impl Credit {
    /// No subscription may have more messages outstanding.
    pub const MAX_MESSAGES: u64 = 65_536;
}

impl Default for Credit {
    fn default() -> Self {
        Self(Quota { messages: 1000, bytes: 16 << 20 })
    }
}

/// Whether a new stream takes a listener from the one that has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TakeOver {
    /// Unless it is the reconnect of a session that was taken over by the one that has it.
    #[default]
    Fairly,
    /// Always.
    Always,
    /// Never.
    Never,
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
    /// How much may be outstanding; for an EXPLICIT listener alone.
    pub credit: Option<Credit>,
    /// Names the client's process.
    pub session: Option<Arc<str>>,
    /// Whether to take the listener from another stream.
    pub take_over: TakeOver,
    /// It comes back by itself, as browsers do, and not because somebody asked for it anew: a listener that was stopped
    /// meanwhile is refused.
    pub returns: bool,
    /// A watcher's stream also says who listens, where it is one of [`super::Hub::open_stream`].
    pub presence: bool,
    /// Only once a registration is safe, since what its stream tells of it holds for ever; until then it is refused with
    /// [`Error::NotSafeYet`](crate::error::Error::NotSafeYet). A program that embeds a hub need not ask for it.
    pub once_safe: bool,
    /// It is for one batch, and may be followed by others: pulls of one session that are less than 60 s apart are one
    /// stream.
    pub pull: bool,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            resume_token: None,
            types: Vec::new(),
            max_messages: usize::MAX,
            max_bytes: super::bell::MAX_TAIL_BYTES,
            credit: None,
            session: None,
            take_over: TakeOver::default(),
            returns: false,
            presence: false,
            once_safe: false,
            pull: false,
        }
    }
}
