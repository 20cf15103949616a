//! Who listens on a channel, as a watcher is told.

use super::time;
use crate::v1;
use std::time::SystemTime;

pub use crate::v1::PresenceEvent;

/// A listener's coming or going, told to [`Watch::on_presence`](super::Watch::on_presence).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Presence {
    /// What happened.
    pub event: PresenceEvent,
    /// The listener's id.
    pub listener: String,
    /// Since when, by the server's clock.
    pub time: SystemTime,
    /// The session that listens; empty where it named none.
    pub session: String,
}

impl From<v1::Presence> for Presence {
    fn from(presence: v1::Presence) -> Self {
        Self {
            event: presence.event(),
            listener: presence.listener,
            time: time::or_epoch(presence.time),
            session: presence.session,
        }
    }
}
