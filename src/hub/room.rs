//! Room in the log: at `max_log_bytes` replay windows go first, then the oldest broadcasts of the channels that drop
//! their oldest; what is left is what was promised.

use super::{Hub, channel::Channel, settings::Overflow};
use crate::{
    error::{Error, Limit},
    log::Position,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Making room looks at every channel, so it makes so much at once: a part of the whole.
const SHARE: u64 = 64;
/// Of one channel, so many broadcasts at once, before it is seen who has the oldest then.
const AT_ONCE: usize = 64;

/// One at a time makes room.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// What the log held when nothing more could be freed.
    full_at: Mutex<Option<u64>>,
}

impl Room {
    fn full_at(&self) -> MutexGuard<'_, Option<u64>> {
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    /// Sees that the log has room for so many more bytes.
    pub(super) fn make_room(&self, bytes: u64) -> Result<(), Error> {
        let limit = self.limits.max_log_bytes;
        if limit == 0 || self.log.bytes() + bytes <= limit {
            return Ok(());
        }
        let mut full_at = self.room.full_at();
        // whoever waited for the lock may find room; and where nothing has gone since, nothing will
        let held = self.log.bytes();
        if held + bytes > limit && full_at.is_none_or(|at| held < at) {
            self.free(limit.saturating_sub(bytes + limit / SHARE));
            *full_at = None;
        }
        if self.log.bytes() + bytes <= limit {
            return Ok(());
        }
        *full_at = Some(self.log.bytes());
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
        while self.log.bytes() > down_to && self.free_oldest(&channels) {}
    }

    /// Drops the oldest broadcasts of the channel that has the oldest; false where none has any that may go.
    fn free_oldest(&self, channels: &[Arc<Channel>]) -> bool {
        let oldest = channels
            .iter()
            .filter_map(|channel| Some((oldest_to_go(channel)?, channel)))
            .min_by_key(|(first, _)| *first);
        let Some((_, channel)) = oldest else { return false };
        let mut dropped = Vec::new();
        let mut state = channel.lock();
        for _ in 0..AT_ONCE {
            state.ring.drop_first(&mut dropped);
        }
        drop(state);
        self.forget(&dropped);
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
