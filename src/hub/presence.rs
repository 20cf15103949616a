//! Presence: who listens on a channel, for those who watch for it.
//!
//! A listener's [`Attendance`] is always known, and costs its stream nothing. A channel has a [`roll`] of who listens, and
//! of what has changed, only while somebody watches for it.

mod roll;

use super::{
    Hub,
    channel::Channel,
    explicit::PULLS_APART,
    listener::{Listener, Standing},
    options::ListenOptions,
    subscription::Close,
};
use crate::log::Position;
use roll::Roll;
#[cfg(test)]
pub(super) use roll::{MAX_PAST, TOLD_AT_ONCE};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

/// The end of what has no end yet.
const OPEN: u64 = u64::MAX;
/// So many listeners are looked at, then others may have the channel.
const LOOKED_AT_ONCE: usize = 1024;

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

/// Whether a listener listens: a client that comes back soon enough was never away.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attendance {
    /// Since when, in nanoseconds since 1970-01-01 UTC.
    since: i64,
    /// Until when, in milliseconds of the hub's clock, unless it comes back.
    until: u64,
}

impl Attendance {
    fn lasts(self, now: u64) -> bool {
        now < self.until
    }

    fn begin(&mut self, now: u64) {
        if !self.lasts(now) {
            self.since = super::now();
        }
        self.until = OPEN;
    }
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
    fn tell(&self, listener: &Listener, standing: &Standing, now: u64) {
        if !self.watched.load(Ordering::Relaxed) {
            return;
        }
        if let Some(roll) = &mut *self.roll() {
            let session = standing.claim.as_ref().and_then(|claim| claim.holder());
            roll.note(listener, session, standing.attendance, now);
        }
    }
}

impl Hub {
    /// A stream, or a pull, of a listener has begun. A pull without a session is nobody who could stay.
    pub(super) fn attends(
        &self,
        channel: &Channel,
        listener: &Listener,
        standing: &mut Standing,
        options: &ListenOptions,
    ) {
        if options.pull && options.session.is_none() {
            return;
        }
        let now = self.clock_ms();
        standing.attendance.begin(now);
        channel.presence.tell(listener, standing, now);
    }

    /// A listener's stream, or its pull, has ended. A shutdown says nothing: clients come back.
    pub(super) fn departs(
        &self,
        channel: &Channel,
        listener: &Listener,
        standing: &mut Standing,
        close: Close,
    ) {
        if self.closing.load(Ordering::SeqCst) {
            return;
        }
        let now = self.clock_ms();
        let named = standing.claim.as_ref().is_some_and(|claim| claim.holder().is_some());
        let attendance = &mut standing.attendance;
        attendance.until = match close {
            Close::Client => channel.presence.until_grace_ends(now),
            Close::Pull if named => now.saturating_add(PULLS_APART),
            // it took the place of a stream, and goes away for it
            Close::Pull if attendance.until == OPEN => channel.presence.until_grace_ends(now),
            Close::Pull => return,
            Close::Withdrawn => now,
        };
        channel.presence.tell(listener, standing, now);
    }

    /// A listener was stopped, or is there no more.
    pub(super) fn ends_attendance(&self, channel: &Channel, listener: &Listener, standing: &mut Standing) {
        standing.attendance.until = 0;
        channel.presence.tell(listener, standing, self.clock_ms());
    }

    /// Begins to watch who listens on a channel.
    pub(super) fn watch_presence(&self, channel: &Arc<Channel>) -> Watch {
        let (key, complete) = {
            let mut roll = channel.presence.roll();
            let roll = roll.get_or_insert_with(|| Roll::new(channel, &self.alarms));
            channel.presence.watched.store(true, Ordering::Relaxed);
            roll.enter()
        };
        let watch = Watch { channel: Arc::clone(channel), key, told_last: false };
        if !complete {
            self.call_the_roll(channel);
        }
        if let Some(roll) = &mut *channel.presence.roll() {
            roll.begin(key);
        }
        watch
    }

    /// Puts on the roll who listens; who does so from now on comes there by itself.
    fn call_the_roll(&self, channel: &Channel) {
        let mut next = Some(Position::ZERO);
        while let Some(after) = next.take() {
            let state = channel.lock();
            for listener in state.listeners_after(after).take(LOOKED_AT_ONCE) {
                channel.presence.tell(listener, &listener.lock(), self.clock_ms());
                next = Some(listener.birth);
            }
        }
    }

    /// Somebody's grace may be over, or those who watch have been left in peace for long enough.
    pub(super) fn look_after_presence(&self, channel: &Channel) {
        if let Some(roll) = &mut *channel.presence.roll() {
            roll.look_after(self.clock_ms());
        }
    }

    /// Lets go of what everybody has been told.
    pub(super) fn tend_presence(channel: &Channel) {
        if channel.presence.watched.load(Ordering::Relaxed)
            && let Some(roll) = &mut *channel.presence.roll()
        {
            roll.forget_told();
        }
    }
}

/// One who watches: a cursor on the roll. Dropping it ends the watch, and the last one the roll.
#[derive(Debug)]
pub(super) struct Watch {
    channel: Arc<Channel>,
    key: usize,
    /// Messages and presence take turns: neither delays the other.
    told_last: bool,
}

impl Watch {
    /// What was not told yet, in its order; at most so much that it fits into any response.
    pub(super) fn poll(&mut self, context: &Context<'_>) -> Poll<Vec<PresenceChange>> {
        let mut roll = self.channel.presence.roll();
        let Some(roll) = &mut *roll else { return Poll::Pending };
        let changes = roll.read(self.key, context.waker());
        self.told_last = !changes.is_empty();
        if changes.is_empty() { Poll::Pending } else { Poll::Ready(changes) }
    }

    /// Whether messages have the next turn; the one after is presence's again.
    pub(super) fn yields(&mut self) -> bool {
        std::mem::take(&mut self.told_last)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let presence = &self.channel.presence;
        let mut roll = presence.roll();
        if roll.as_mut().is_some_and(|roll| roll.leave(self.key)) {
            presence.watched.store(false, Ordering::Relaxed);
            let over = roll.take();
            drop(roll);
            // it may be long
            drop(over);
        }
    }
}
