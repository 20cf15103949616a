//! A subscription's place: its seat at a desk, and its part of a limit.

use super::{Hub, channel::Channel, standing::Seated};
use std::sync::{Arc, atomic::Ordering};

/// A place among the open subscriptions. Dropping it leaves nothing behind.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) hub: Arc<Hub>,
    pub(super) channel: Arc<Channel>,
    pub(super) seated: Seated,
    /// It is a stream of its own, and counts as one.
    pub(super) alone: bool,
}

/// What the end of a subscription means for what it has delivered and what is not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Close {
    /// Its client went away.
    Client,
    /// A Pull was answered: another one may go on.
    Pull,
    /// It was withdrawn, or the server ended it: that is no attempt.
    Withdrawn,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.channel.desks[self.seated.core].leave(self.seated.seat);
        let count = if self.alone { &self.hub.streams } else { &self.hub.sharing };
        count.fetch_sub(1, Ordering::Relaxed);
    }
}
