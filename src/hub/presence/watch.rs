//! Listeners come and go, and those who watch are told.

use super::{
    super::{
        Hub, attendance::OPEN, channel::Channel, explicit::PULLS_APART, listener::Listener,
        options::ListenOptions, place::Close, standing::Standing,
    },
    PresenceChange, Roll, Who,
};
use crate::log::Position;
use std::{
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

/// So many listeners are looked at, then others may have the channel.
const LOOKED_AT_ONCE: usize = 1024;

impl Hub {
    /// A stream, or a pull, of a listener has begun. A pull without a session is nobody who could stay.
    pub(in crate::hub) fn attends(
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
        channel.presence.tell(listener.who(standing), standing.attendance, now);
    }

    /// A listener's stream, or its pull, has ended. A shutdown says nothing: clients come back.
    pub(in crate::hub) fn departs(
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
        channel.presence.tell(listener.who(standing), standing.attendance, now);
    }

    /// A listener was stopped, or is there no more.
    pub(in crate::hub) fn ends_attendance(
        &self,
        channel: &Channel,
        listener: &Listener,
        standing: &mut Standing,
    ) {
        standing.attendance.until = 0;
        channel.presence.tell(listener.who(standing), standing.attendance, self.clock_ms());
    }

    /// Begins to watch who listens on a channel.
    pub(in crate::hub) fn watch_presence(&self, channel: &Arc<Channel>) -> Watch {
        let (key, complete) = {
            let mut roll = channel.presence.roll();
            let roll = roll.get_or_insert_with(|| Roll::new(channel.birth, &self.alarms));
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
                let standing = listener.lock();
                channel.presence.tell(listener.who(&standing), standing.attendance, self.clock_ms());
                next = Some(listener.birth);
            }
        }
    }

    /// Somebody's grace may be over, or those who watch have been left in peace for long enough.
    pub(in crate::hub) fn look_after_presence(&self, channel: &Channel) {
        if let Some(roll) = &mut *channel.presence.roll() {
            roll.look_after(self.clock_ms());
        }
    }

    /// Lets go of what everybody has been told.
    pub(in crate::hub) fn tend_presence(channel: &Channel) {
        if channel.presence.watched.load(Ordering::Relaxed)
            && let Some(roll) = &mut *channel.presence.roll()
        {
            roll.forget_told();
        }
    }
}

impl Listener {
    fn who<'a>(&'a self, standing: &'a Standing) -> Who<'a> {
        let session = standing.claim.as_ref().and_then(|claim| claim.holder());
        Who { birth: self.birth, id: &self.id, session }
    }
}

/// One who watches: a cursor on the roll. Dropping it ends the watch, and the last one the roll.
#[derive(Debug)]
pub(in crate::hub) struct Watch {
    channel: Arc<Channel>,
    key: usize,
    /// Messages and presence take turns: neither delays the other.
    told_last: bool,
}

impl Watch {
    /// What was not told yet, in its order; at most so much that it fits into any response.
    pub(in crate::hub) fn poll(&mut self, context: &Context<'_>) -> Poll<Vec<PresenceChange>> {
        let mut roll = self.channel.presence.roll();
        let Some(roll) = &mut *roll else { return Poll::Pending };
        let changes = roll.read(self.key, context.waker());
        self.told_last = !changes.is_empty();
        if changes.is_empty() { Poll::Pending } else { Poll::Ready(changes) }
    }

    /// Whether messages have the next turn; the one after is presence's again.
    pub(in crate::hub) fn yields(&mut self) -> bool {
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
