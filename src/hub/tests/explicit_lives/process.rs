//! A process ends, in order or cut off, and another one begins over what the log was told.

use super::*;
use std::collections::BTreeSet;

/// How far everything is done with, as the log would be told.
fn passed(hub: &Hub, listener: &str) -> u64 {
    let channel = hub.channel(channel_id("room")).unwrap();
    let state = channel.lock();
    let listener = hub.listener_in(&channel, &state, listener_id(listener)).unwrap();
    listener.lock().passed.0
}

impl Life {
    /// The log is told all.
    pub(super) fn save(&mut self) {
        (0..3).for_each(|listener| self.inspect(listener));
        self.hub.save();
        self.is_saved();
    }

    /// The log was told all: what is done with is gone for good.
    pub(super) fn is_saved(&mut self) {
        self.room.erase(&self.there());
        self.is_kept();
        (0..3).for_each(|listener| self.is_told(listener));
    }

    /// The log was told where the channel stands.
    pub(super) fn is_kept(&mut self) {
        self.room.keep(self.floor());
    }

    /// The log was told where a listener stands, and what of the channel's broadcasts was gone then.
    pub(super) fn is_told(&mut self, listener: usize) {
        if let Some(ear) = self.room.ears.get_mut(&listener) {
            ear.keep(passed(&self.hub, LISTENERS[listener]));
            self.is_kept();
        }
    }

    /// Somebody is about to hear of a generation: the log is told of one that began with a setting.
    pub(super) fn is_to_tell(&mut self, listener: usize) {
        if self.room.ears.get_mut(&listener).is_some_and(|ear| std::mem::take(&mut ear.begun)) {
            // what the hub does once somebody looks is done before
            self.inspect(listener);
            self.is_told(listener);
        }
    }

    /// The messages that are in the log, as far as it knows.
    fn there(&self) -> BTreeSet<u64> {
        self.log.inner.rows().into_iter().map(|position| position.0).collect()
    }

    /// What waits has what is left of its time, to the millisecond.
    fn check_expiries(&self, listener: usize) {
        let Some(ear) = self.room.ears.get(&listener) else { return };
        let channel = self.hub.channel(channel_id("room")).unwrap();
        let state = channel.lock();
        let listener = self.hub.listener_in(&channel, &state, listener_id(LISTENERS[listener])).unwrap();
        let standing = listener.lock();
        for next in standing.merged(state.ring_for(&standing), standing.passed) {
            // what is marked as past was found to be so before
            let expires = next.expiry.moment().map(|moment| moment.max(1));
            ear.check_expiry(next.position.0, expires);
        }
    }

    /// The next process begins so many milliseconds after the end of this one by the calendar, which may have been set.
    pub(super) async fn restart(&mut self, in_order: bool, later: i64) {
        if in_order {
            self.save();
        }
        self.begin_again(later).await;
    }

    /// Another process begins over what the log was told.
    pub(super) async fn begin_again(&mut self, later: i64) {
        let (ended, cores) = (self.now(), usize::from(self.core.is_some()));
        let away = ended as i64 + later;
        (self.log, self.hub) = self.log.begin_again(away, cores);
        self.began = tokio::time::Instant::now();
        self.core = (cores > 0).then(|| Core::new(&self.hub, 0));
        self.streams = [None, None, None];
        if self.room.restart(&Next { last: self.mark(), there: self.there(), away }, ended) {
            self.is_saved();
        }
        (0..3).for_each(|listener| self.check_expiries(listener));
        // nobody asks in its first moment
        tokio::time::advance(Duration::from_millis(1)).await;
        (0..3).for_each(|listener| self.inspect(listener));
    }
}
