//! When a commit waits for the disk.

use super::options::Sync;
use rusqlite::Connection;
use std::time::{Duration, Instant};

/// Every commit does, or one in an interval: that one makes all before it durable too.
#[derive(Debug)]
pub(super) struct Rhythm {
    interval: Option<Duration>,
    /// The oldest commit that has not been synced.
    unsynced: Option<Instant>,
    /// The connection is set to sync.
    syncing: bool,
}

impl Rhythm {
    pub(super) fn new(sync: Sync) -> Self {
        let interval = match sync {
            Sync::Always => None,
            Sync::Interval(interval) => Some(interval),
        };
        Self { interval, unsynced: None, syncing: sync == Sync::Always }
    }

    /// When a commit has to wait for the disk, for the sake of those before it.
    pub(super) fn due(&self) -> Option<Instant> {
        Some(self.unsynced? + self.interval?)
    }

    pub(super) fn is_due(&self) -> bool {
        self.due().is_some_and(|due| due <= Instant::now())
    }

    /// Before a transaction: sets whether it will wait.
    pub(super) fn set(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let sync = self.interval.is_none() || self.is_due();
        if sync != self.syncing {
            connection.pragma_update(None, "synchronous", if sync { "FULL" } else { "NORMAL" })?;
            self.syncing = sync;
        }
        Ok(())
    }

    pub(super) fn committed(&mut self) {
        self.unsynced = if self.syncing { None } else { self.unsynced.or_else(|| Some(Instant::now())) };
    }
}
