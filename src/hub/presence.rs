//! Presence: who listens on a channel, for those who watch for it.
//!
//! A listener's [`Attendance`] is always known. A channel has a [`roll`] of who listens, and
//! of what has changed, only while somebody watches for it.

mod roll;
mod watch;

use super::attendance::Attendance;
use crate::log::Position;
use roll::Roll;
#[cfg(test)]
pub(super) use roll::{MAX_PAST, TOLD_AT_ONCE};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
pub(super) use watch::Watch;

/// What happened to a listener's presence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresenceEvent {
    /// It listens, and did before the watch began.
    Present,
    /// It began to listen.
    Joined,
    /// It listens no more.
    Left,
    /// What was told is void: all who listen follow anew.
    Reset,
}

/// A listener's coming or going.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceChange {
    /// What happened.
    pub event: PresenceEvent,
    /// The listener's id; empty in a reset.
    pub listener: Arc<str>,
    /// Since when, in nanoseconds since 1970-01-01 UTC.
    pub at: i64,
    /// The session that listens, or did, where it named itself.
    pub session: Option<Arc<str>>,
}

/// A listener, as the roll has it.
#[derive(Clone, Copy, Debug)]
struct Who<'a> {
    birth: Position,
    id: &'a Arc<str>,
    /// The session that has it, where that named itself.
    session: Option<&'a Arc<str>>,
}

/// A channel's presence.
#[derive(Debug)]
pub(super) struct Presence {
    /// Milliseconds that a client may be away.
    grace: AtomicU64,
    /// Whether there is a roll, for those who pass by.
    watched: AtomicBool,
    /// Taken under a listener's lock; with nothing under it but the alarms, and a stream's list of who is ready.
    roll: Mutex<Option<Box<Roll>>>,
}

impl Presence {
    pub(super) fn new(grace: Duration) -> Self {
        let grace = AtomicU64::new(super::millis(grace));
        Self { grace, watched: AtomicBool::new(false), roll: Mutex::default() }
    }

    pub(super) fn set_grace(&self, grace: Duration) {
        self.grace.store(super::millis(grace), Ordering::Relaxed);
    }

    /// How many entries its roll has, where it has one.
    #[cfg(test)]
    pub(super) fn kept(&self) -> Option<usize> {
        self.roll().as_ref().map(|roll| roll.kept())
    }

    fn until_grace_ends(&self, now: u64) -> u64 {
        now.saturating_add(self.grace.load(Ordering::Relaxed))
    }

    fn roll(&self) -> MutexGuard<'_, Option<Box<Roll>>> {
        self.roll.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts on the roll how a listener stands. Its lock is held, so that what happens to it comes there in order, and a
    /// roll that is begun meanwhile finds it either here or by itself.
    fn tell(&self, listener: Who<'_>, attendance: Attendance, now: u64) {
        if !self.watched.load(Ordering::Relaxed) {
            return;
        }
        if let Some(roll) = &mut *self.roll() {
            roll.note(listener, attendance, now);
        }
    }
}
