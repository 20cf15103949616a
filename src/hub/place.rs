//! A subscription's place: its seat at a desk, and its part of a limit.

use super::{Hub, channel::Channel, listener::Seated};
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

impl Drop for Place {
    fn drop(&mut self) {
        self.channel.desks[self.seated.core].leave(self.seated.seat);
        let count = if self.alone { &self.hub.streams } else { &self.hub.sharing };
        count.fetch_sub(1, Ordering::Relaxed);
    }
}
