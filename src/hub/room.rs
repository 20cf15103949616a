//! Room in the log: at `max_log_bytes` replay windows go first, then the oldest broadcasts of the channels that drop
//! their oldest; what is left is what was promised.

use super::{Hub, channel::Channel, settings::Overflow};
use crate::{
    error::{Error, Limit},
    log::Position,
};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// Making room looks at every channel, so it makes so much at once: a part of the whole.
const SHARE: u64 = 64;
/// Of one channel, so many broadcasts at once, before it is seen who has the oldest then.
const AT_ONCE: usize = 64;

/// One at a time makes room.
#[derive(Debug, Default)]
pub(super) struct Room {
    making: Mutex<()>,
    /// Nothing more could be freed when it was last tried, and nothing has changed since.
    exhausted: AtomicBool,
}

impl Room {
    fn making(&self) -> MutexGuard<'_, ()> {
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was delivered, accepted, deleted or allowed: there may be more to free than there was.
    pub(super) fn changed(&self) {
        // looked at first: it is seldom so, and every core comes here
        if self.exhausted.load(Ordering::SeqCst) {
            self.exhausted.store(false, Ordering::SeqCst);
        }
    }
}

impl Hub {
    /// Sees that the log has room for so many more bytes.
    pub(super) fn make_room(&self, bytes: u64) -> Result<(), Error> {
        let limit = self.limits.max_log_bytes;
        let fits = || limit == 0 || self.log.bytes() + bytes <= limit;
        if fits() {
            return Ok(());
        }
        let _one = self.room.making();
        // whoever waited for the lock may find room; what changes while it is made counts for the next
        if !fits() && !self.room.exhausted.swap(true, Ordering::SeqCst) {
            self.free(limit.saturating_sub(bytes + limit / SHARE));
        }
        if fits() {
            self.room.changed();
            return Ok(());
        }
        Err(Error::LimitReached { limit: Limit::LogBytes, value: limit })
    }

    fn free(&self, down_to: u64) {
        let channels: Vec<_> = self.channels().by_id.values().cloned().collect();
        for channel in &channels {
            if self.log.bytes() <= down_to {
                return;
            }
            let mut dropped = Vec::new();
            channel.lock().drop_windows(&mut dropped);
            self.forget(&dropped);
        }
        while self.log.bytes() > down_to && self.free_oldest(&channels, down_to) {}
    }

    /// Drops the oldest broadcasts of the channel that has the oldest; false where none has any that may go.
    fn free_oldest(&self, channels: &[Arc<Channel>], down_to: u64) -> bool {
        let oldest = channels
            .iter()
            .filter_map(|channel| Some((oldest_to_go(channel)?, channel)))
            .min_by_key(|(first, _)| *first);
        let Some((_, channel)) = oldest else { return false };
        let mut dropped = Vec::new();
        let mut state = channel.lock();
        for _ in 0..AT_ONCE {
            if self.log.bytes() <= down_to || !state.ring.drop_first(&mut dropped) {
                break;
            }
            self.forget(&dropped);
            dropped.clear();
        }
        true
    }
}

fn oldest_to_go(channel: &Channel) -> Option<Position> {
    let state = channel.lock();
    match state.settings.broadcast_overflow {
        Overflow::DropOldest => state.ring.first(),
        Overflow::RejectNew => None,
    }
}
