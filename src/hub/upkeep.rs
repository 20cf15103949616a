//! What has to be done now and then, whoever calls: windows and ids grow old, messages and listeners expire, deadlines
//! pass.

use super::{
    Hub, alarm::Whom, channel::Channel, dead_letter::Failure, explicit::Failing, listener::Listener,
    queue::Dispatch, ring::Ring, standing::Standing,
};
use crate::log::Position;
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

/// How often. A replay window may last longer by this much, and what has expired stays in memory for so long.
const EVERY: Duration = Duration::from_secs(1);
pub(super) const EVERY_MILLIS: u64 = 1000;
/// How often the log is told who has changed: with time for a slow commit, what it keeps is less than a second behind.
const SAVE_EVERY: Duration = Duration::from_millis(500);
/// Whoever waits for a channel has time to take it.
const PAUSE: Duration = Duration::from_millis(1);
/// With no alarm set, it is looked again after this.
const LONG: Duration = Duration::from_secs(3600);

impl Hub {
    /// Lets go of what has grown old. [`keep`] does so once a second, and lets others have a channel meanwhile.
    pub fn upkeep(&self) {
        for channel in self.every_channel() {
            while self.trim_some(&channel) {}
        }
        self.finish_upkeep();
    }

    fn every_channel(&self) -> Vec<Arc<Channel>> {
        self.channels().by_id.values().cloned().collect()
    }

    /// Lets go of some of a channel's windows. True: there may be more.
    fn trim_some(&self, channel: &Channel) -> bool {
        let (mut state, mut dropped) = (channel.lock(), Vec::new());
        let more = state.unmarked().trim(self.clock(), &mut dropped);
        if !dropped.is_empty() {
            state.has_changed();
        }
        drop(state);
        self.forget(&dropped);
        more
    }

    fn expire_some(channel: &Channel, now: u64, expired: &mut Vec<Position>) {
        let mut state = channel.lock();
        if state.ring.has_expired(now) {
            state.expire(now, expired);
        }
    }

    fn finish_upkeep(&self) {
        self.set_calendar();
        let (millis, mut dropped) = (self.clock_ms(), Vec::new());
        for channel in self.every_channel() {
            Self::expire_some(&channel, millis, &mut dropped);
            channel.clear_desks();
            Self::tend_presence(&channel);
            self.forget(&dropped);
            dropped.clear();
            // no log is told of these
            while channel.lock().unmarked().ids.tend(self.clock_ms(), &self.id_budget) {}
        }
        self.save();
        self.id_budget.tell(self.clock_ms());
        self.gone().forget_old();
    }

    /// A listener's alarm has rung: does what is due, and sets the next.
    pub(super) fn look_after(&self, channel: &Arc<Channel>, listener: &Arc<Listener>, now: u64) {
        let mut state = channel.lock();
        if state.removed || state.listener(&listener.id).is_none_or(|there| there.birth != listener.birth) {
            return;
        }
        let mut dropped = Vec::new();
        let overdue = {
            let mut standing = listener.lock();
            standing.alarm = None;
            state.settle(&mut standing, &mut dropped);
            let ring = state.ring_for(&standing);
            standing.expire(now, ring, &mut dropped);
            if standing.attended(now) { standing.overdue(ring, now) } else { Vec::new() }
        };
        self.forget(&dropped);
        let reason = "it was not acknowledged in time";
        let failing = |position| Failing { position, delay: None, last: false, reason };
        let failing: Vec<_> = overdue.into_iter().map(failing).collect();
        let failed = self.fail_deliveries(channel, &mut state, listener, &failing, Failure::Rejected);
        let idle = listener.lock().is_idle(now);
        if idle {
            drop(state);
            self.expire_listener(channel, listener);
            return;
        }
        {
            let mut standing = listener.lock();
            if let Some(explicit) = &mut standing.explicit {
                explicit.stir();
            }
            let next = self.next_moment(&standing, state.ring_for(&standing), now);
            // while the log takes nothing it is tried again now and then
            let next = if failed.is_err() { Some(now + EVERY_MILLIS) } else { next };
            self.set_alarm(channel, listener, &mut standing, next);
        }
        drop(state);
        self.bells.ring_listener(channel, listener);
    }

    /// When a listener is to be looked after next.
    pub(super) fn next_moment(&self, standing: &Standing, ring: &Ring, now: u64) -> Option<u64> {
        let idle = standing.idle_moment();
        // not at once: what has expired meanwhile is found by whoever looks
        let expiry = standing.queue.next_expiry().moment();
        let expiry = expiry.map(|moment| moment.max(now + EVERY_MILLIS));
        let explicit = standing.explicit.as_ref().filter(|_| standing.attended(now)).and_then(|explicit| {
            let first = standing.first_in_hand(ring).map(|next| next.position);
            let next = explicit.next_moment(now, standing.ack_deadline(), first);
            let held_until = standing.held_back(ring, now).and_then(|next| next.expiry.moment());
            next.into_iter().chain(held_until).min()
        });
        // one that is due and could not be dealt with is not tried in a loop
        [idle, expiry, explicit.map(|moment| moment.max(now + 1))].into_iter().flatten().min()
    }
}

impl Hub {
    /// Has a listener looked after at a moment, unless that is so sooner.
    pub(super) fn set_alarm(
        &self,
        channel: &Channel,
        listener: &Listener,
        standing: &mut Standing,
        moment: Option<u64>,
    ) {
        let Some(moment) = moment.filter(|moment| standing.alarm.is_none_or(|alarm| *moment < alarm)) else {
            return;
        };
        self.silence(listener, standing);
        standing.alarm = Some(moment);
        let whom = Whom::Listener { channel: channel.birth, listener: listener.birth };
        self.alarms.put(moment, whom);
    }

    /// Takes a listener's alarm back.
    pub(super) fn silence(&self, listener: &Listener, standing: &mut Standing) {
        if let Some(alarm) = standing.alarm.take() {
            self.alarms.cancel(alarm, listener.birth);
        }
    }

    /// Looks after everybody whose alarm rings by now.
    pub(super) fn ring_alarms(&self) {
        while self.ring_one().is_some() {}
    }

    /// Tells who was looked after; `None`: it is nobody's time.
    pub(super) fn ring_one(&self) -> Option<Whom> {
        let now = self.clock_ms();
        let whom = self.alarms.due(now)?;
        match whom {
            Whom::Listener { channel, listener } => {
                if let Some(channel) = self.born(channel) {
                    let listener = channel.lock().born(listener).cloned();
                    listener.into_iter().for_each(|listener| self.look_after(&channel, &listener, now));
                }
            }
            Whom::Presence { channel } => {
                self.born(channel).into_iter().for_each(|channel| self.look_after_presence(&channel));
            }
        }
        Some(whom)
    }
}

impl Standing {
    /// Own dispatches that have expired become gaps, unless a client has them in hand.
    pub(super) fn expire(&mut self, now: u64, ring: &Ring, expired: &mut Vec<Position>) {
        let (attended, before) = (self.attended(now), expired.len());
        let Self { queue, gaps, explicit, .. } = self;
        let explicit = explicit.as_ref().filter(|_| attended);
        let in_hand = |position| explicit.is_some_and(|explicit| explicit.in_hand(position));
        let apart = |one, other| ring.any_between(one, other) || gaps.any_between(one, other);
        let runs = queue.expire(now, in_hand, apart, expired);
        if runs.is_empty() {
            return;
        }
        for run in runs {
            self.lost += run.count;
            let waits = |other: Position| move |own: Dispatch| own.position < other;
            let apart = |one, other| {
                ring.any_between(one, other) || queue.after(one).next().is_some_and(waits(other))
            };
            gaps.expire(run, apart);
        }
        if let Some(explicit) = &mut self.explicit {
            explicit.forget_expired(&expired[before..]);
        }
        self.advance(ring, now);
    }

    /// Whether a stream is open, or pulls that count as one.
    pub(super) fn attended(&self, now: u64) -> bool {
        self.seated.is_some() || self.explicit.as_ref().is_some_and(|explicit| explicit.is_pulled(now))
    }

    /// When it will have been idle for too long.
    pub(super) fn idle_moment(&self) -> Option<u64> {
        // who receives dead letters never idles out
        let timeout = self.settings.idle_timeout.filter(|_| self.seated.is_none() && !self.deaf)?;
        Some(self.idle_since.saturating_add(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)))
    }

    pub(super) fn is_idle(&self, now: u64) -> bool {
        self.idle_moment().is_some_and(|moment| moment <= now)
    }
}

/// Trims the windows of all channels. Between two parts others may have the channel: its lock is given to whoever asks when
/// it is free, and not to whoever has waited.
async fn trim(hub: &Weak<Hub>) {
    let channels = hub.upgrade().map(|there| there.every_channel());
    for channel in channels.unwrap_or_default() {
        while hub.upgrade().is_some_and(|there| there.trim_some(&channel)) {
            sleep(PAUSE).await;
            if let Some(there) = hub.upgrade() {
                there.ring_alarms();
            }
        }
    }
}

/// Keeps a hub up for as long as it is there.
pub async fn keep(hub: Weak<Hub>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut saves = interval(SAVE_EVERY);
    saves.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let Some(there) = hub.upgrade() else { return };
        let (alarms, began) = (Arc::clone(&there.alarms), there.began);
        drop(there);
        let next =
            alarms.next().map_or(Instant::now() + LONG, |moment| began + Duration::from_millis(moment));
        let (ticked, save) = tokio::select! {
            _ = ticks.tick() => (true, false),
            _ = saves.tick() => (false, true),
            () = sleep_until(next) => (false, false),
            () = alarms.sooner() => (false, false),
        };
        let Some(there) = hub.upgrade() else { return };
        there.ring_alarms();
        if save {
            there.save();
        }
        if ticked {
            drop(there);
            trim(&hub).await;
            let Some(there) = hub.upgrade() else { return };
            there.finish_upkeep();
        }
    }
}
