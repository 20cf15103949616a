//! What a crash may bring again, and nothing more.
//!
//! "A crash may redeliver what was acknowledged in its last second"; and AUTOMATIC, where handed over is delivered: "a lost
//! cursor only redelivers". A token sets the cursor, so it may come again only to one that comes back without.

use crate::event::Event;
use std::time::Duration;

/// What was done before it is on disk.
pub(crate) const LAST: Duration = Duration::from_secs(1);

/// The ends of the server, in their order, by their places among the events.
#[derive(Debug, Default)]
pub(crate) struct Crashes(Vec<(usize, Duration)>);

impl Crashes {
    pub(crate) fn of(events: &[Event]) -> Self {
        let crash = |(place, event): (usize, &Event)| Some((place, event.killed()?));
        Self(events.iter().enumerate().filter_map(crash).collect())
    }

    /// Whether there was none.
    pub(crate) fn none(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether what was done at a moment, by a server that was there at this place of the events, may be forgotten by the
    /// one that is there at a later place.
    pub(crate) fn may_forget(&self, done: (usize, Duration), later: usize) -> bool {
        self.0.iter().any(|(place, when)| (done.0..later).contains(place) && done.1 + LAST >= *when)
    }
}
