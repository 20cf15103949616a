//! A stream's place: its seat at a desk, and its part of the limit of streams.

use super::{Hub, channel::Channel, listener::Seated};
use std::sync::{Arc, atomic::Ordering};

/// A place among the open streams. Dropping it leaves nothing behind.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) hub: Arc<Hub>,
    pub(super) channel: Arc<Channel>,
    pub(super) seated: Seated,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.channel.desks[self.seated.core].leave(self.seated.seat);
        self.hub.streams.fetch_sub(1, Ordering::Relaxed);
    }
}
