//! What a driver sends. Whoever reads a message back can tell by its id what it must be:
//!
//! | its id begins with | it |
//! | --- | --- |
//! | `a` | is broadcast, and stays |
//! | `w` | is appended together with others |
//! | `r` | is sent to `receiver`, and its id is remembered |
//! | `d`, `b` | is deleted with the place of the channel, of `bulk`, that says so; of `b` there are very many |
//! | `m` | is sent to `receiver`, and moved to `dead` with the place of `receiver` that says so |

use super::super::*;
use crate::log::{DeadLetter, DeadLetterCause};

pub(super) const LISTENERS: [&str; 3] = ["receiver", "dead", "bulk"];

/// More than are deleted by one commit.
pub(super) const VERY_MANY: u64 = 4_200;

/// A channel and its listeners, as far as they are there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Places {
    pub(super) channel: Option<Position>,
    pub(super) listeners: [Option<Position>; LISTENERS.len()],
}

impl Places {
    pub(super) fn found(told: &[Recovered]) -> Self {
        let mut places = Self::default();
        for found in told {
            match found {
                Recovered::Channel(channel) => places.channel = Some(channel.birth),
                Recovered::Listener(listener) => {
                    let at = LISTENERS.iter().position(|id| *id == &*listener.id);
                    places.listeners[at.expect("no other was registered")] = Some(listener.birth);
                }
                Recovered::Removed(_) | Recovered::Accepted(_) | Recovered::Message(_) => {}
            }
        }
        places
    }

    /// Whom the message of an id is for; `None`: all.
    pub(super) fn listener(&self, id: &str) -> Option<Position> {
        match id.as_bytes()[0] {
            b'r' | b'm' => self.listeners[0],
            b'b' => self.listeners[2],
            _ => None,
        }
    }

    pub(super) fn record(&self, id: &str) -> Record {
        Record::Message {
            channel: self.channel.expect("it was made"),
            listener: self.listener(id),
            accepted_at: writer::now() * 1_000_000,
            remember_until: remembers(id).then(|| writer::now() + 3_600_000),
            message: sent(id),
            dead_letter: None,
        }
    }

    /// What takes the place of a message that is moved.
    pub(super) fn letter(&self, id: &str, position: Position) -> Record {
        let (cause, reason, moved_at) = (DeadLetterCause::FinalRejection, String::new(), writer::now());
        let listener = LISTENERS[0].into();
        let facts = DeadLetter { cause, reason, listener, position, attempts: 1, moved_at };
        Record::Message {
            channel: self.channel.expect("it was made"),
            listener: self.listeners[1],
            accepted_at: moved_at * 1_000_000,
            remember_until: None,
            message: sent(id),
            dead_letter: Some(Arc::new(facts)),
        }
    }
}

pub(super) fn sent(id: &str) -> Message {
    let sum = id.bytes().fold(7_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    message(id, sum % if id.starts_with('b') { 50 } else { 3_000 })
}

/// Its place among those that were sent one after another, and they.
pub(super) fn series(id: &str) -> (&str, u64) {
    let (series, number) = id.rsplit_once('-').expect("an id ends in a number");
    (series, number.parse().expect("an id ends in a number"))
}

pub(super) fn remembers(id: &str) -> bool {
    match id.as_bytes()[0] {
        b'r' | b'm' | b'd' => true,
        b'b' => series(id).1.is_multiple_of(64),
        _ => false,
    }
}
