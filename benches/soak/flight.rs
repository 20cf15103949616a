//! What an AUTOMATIC listener may lose, and nothing more.
//!
//! "A client that reconnects with its resume token gets what was lost in flight. Without a token, what was in flight may be
//! lost." So what may be lost was handed over on a stream that was cut, and the next stream begins without a token. How far
//! it was handed over, the server says twice: `Listener.passed_sequence` while no stream is open, and where the next begins.

use crate::{
    cast::{Mode, Receiver},
    event::{Begins, Stream},
};
use std::collections::{HashMap, HashSet};

#[derive(Debug)]
pub(crate) struct Flight {
    automatic: bool,
    /// Another client was there before this one, and what it was handed is its own to get.
    fights: bool,
    /// Streams that the server did not end: something may have been on its way when they broke.
    open: HashSet<Stream>,
    /// Those that begin without a token; how far their listener was handed over before, where that was said.
    afresh: HashMap<Stream, Option<i64>>,
    handed_over: Option<i64>,
}

impl Flight {
    pub(crate) fn new(receiver: &Receiver) -> Self {
        let automatic = receiver.mode == Mode::Automatic;
        let (open, afresh) = (HashSet::new(), HashMap::new());
        Self { automatic, fights: receiver.fights(), open, afresh, handed_over: None }
    }

    pub(crate) fn handed_over(&mut self, through: i64) {
        self.handed_over = Some(through);
    }

    pub(crate) fn opened(&mut self, stream: Stream, begins: Begins) {
        self.open.insert(stream);
        let handed_over = self.handed_over.take();
        if matches!(begins, Begins::Afresh) {
            self.afresh.insert(stream, handed_over);
        }
    }

    /// What was handed over on it has arrived, since the end has: nothing was in flight.
    pub(crate) fn ended(&mut self, stream: Stream) {
        self.open.remove(&stream);
    }

    /// Up to where messages may be lost that were in flight when a stream begins at `at`; `None`: nothing may.
    pub(crate) fn may_lose(&mut self, stream: Stream, at: i64) -> Option<i64> {
        let handed_over = self.afresh.remove(&stream)?;
        let cut = self.open.iter().any(|other| *other < stream);
        self.open.retain(|other| *other >= stream);
        let through = handed_over.map_or(at, |through| through.min(at));
        (self.automatic && (cut || self.fights)).then_some(through)
    }
}
