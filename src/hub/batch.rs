//! What a stream hands over at once.

use super::{gap::Gap, token::ResumeToken};
use crate::log::{Entry, Position};
use bytes::Bytes;
use std::sync::{Arc, OnceLock};

/// Gaps, and the messages behind them. Streams that are level share one, and the frame made of it.
#[derive(Debug)]
pub struct Batch {
    /// What is missing before the first message.
    pub gaps: Vec<Gap>,
    /// The messages, in rising order.
    pub entries: Vec<Entry>,
    /// Where a stream stands that has it.
    pub token: ResumeToken,
    frames: [OnceLock<Bytes>; FORMATS],
}

/// So many ways there are to write a batch.
pub const FORMATS: usize = 3;

impl Batch {
    pub(super) fn new(gaps: Vec<Gap>, entries: Vec<Entry>, token: ResumeToken) -> Self {
        Self { gaps, entries, token, frames: Default::default() }
    }

    /// The batch as a door sends it: made by the first stream that asks, and shared by all. `format` is below
    /// [`FORMATS`], and always means the same way to write it.
    pub fn frame(&self, format: usize, make: impl FnOnce(&Self) -> Bytes) -> Bytes {
        match self.frames.get(format) {
            Some(frame) => frame.get_or_init(|| make(self)).clone(),
            None => make(self),
        }
    }
}

/// What one stream gets at once: a batch that others may share, and what is its own about it.
#[derive(Clone, Debug)]
pub struct Handed {
    /// The gaps and the messages.
    pub batch: Arc<Batch>,
    /// The generation of the listener that they belong to; 0 where it was never rewound.
    pub generation: u64,
    /// Which of the messages were delivered before, in rising order.
    pub repeats: Vec<Repeat>,
}

/// A message that comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// Where it stands.
    pub position: Position,
    /// One more than it has failed: rejected, not acknowledged in time, or left by a client that went away.
    pub attempt: u32,
}

impl Handed {
    /// A batch with nothing of its own about it.
    pub(super) fn shared(batch: Arc<Batch>) -> Self {
        Self { batch, generation: 0, repeats: Vec::new() }
    }
}

/// How much a batch may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    messages: usize,
    bytes: u64,
}

impl Room {
    /// What a message takes in a batch beside its own bytes, at most, and rounded up.
    const BESIDE: u64 = 64;
    /// More would be a long time in one go for the core's other streams.
    const MAX_MESSAGES: usize = 4096;

    pub(super) fn new(max_messages: usize, max_bytes: u64) -> Self {
        Self { messages: max_messages.min(Self::MAX_MESSAGES), bytes: max_bytes }
    }

    /// What these take of it.
    pub(super) fn taken_by(entries: &[Entry]) -> u64 {
        entries.iter().map(|entry| entry.message.len() as u64 + Self::BESIDE).sum()
    }

    /// Whether so many messages that take so much fit; one always does.
    pub(super) fn holds(self, messages: usize, bytes: u64) -> bool {
        messages <= 1 || (messages <= self.messages && bytes <= self.bytes)
    }

    /// Takes the leading messages that fit, one by one; the first always does.
    pub(super) fn take<T>(
        self,
        messages: impl Iterator<Item = T>,
        bytes: impl Fn(&T) -> u64,
        mut keep: impl FnMut(T),
    ) {
        let (mut left, mut first) = (self.bytes, true);
        for message in messages.take(self.messages) {
            let size = bytes(&message) + Self::BESIDE;
            let Some(rest) = left.checked_sub(size).or(first.then_some(0)) else { break };
            (left, first) = (rest, false);
            keep(message);
        }
    }
}
