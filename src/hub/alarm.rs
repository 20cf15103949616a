//! Alarms: a listener, or a channel's presence, is looked after by itself when its time has come.

use super::{
    Hub,
    channel::Channel,
    listener::{Listener, Standing},
};
use crate::log::Position;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};
use tokio::sync::Notify;

/// Who is looked after.
#[derive(Debug)]
enum Whom {
    Listener(Weak<Channel>, Weak<Listener>),
    /// Those who watch who listens on a channel.
    Presence(Weak<Channel>),
}

/// Who is to be looked after, by the moment in milliseconds of the hub's clock. A listener stands here once, and so
/// does a channel.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    set: Mutex<BTreeMap<(u64, Position), Whom>>,
    sooner: Notify,
}

impl Alarms {
    fn set(&self) -> MutexGuard<'_, BTreeMap<(u64, Position), Whom>> {
        self.set.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, moment: u64, birth: Position, whom: Whom) {
        let first = {
            let mut set = self.set();
            set.insert((moment, birth), whom);
            set.first_key_value().is_some_and(|((first, _), _)| *first == moment)
        };
        if first {
            self.sooner.notify_one();
        }
    }

    /// Has a channel's presence looked after.
    pub(super) fn put_presence(&self, moment: u64, birth: Position, channel: Weak<Channel>) {
        self.put(moment, birth, Whom::Presence(channel));
    }

    pub(super) fn cancel(&self, moment: u64, birth: Position) {
        self.set().remove(&(moment, birth));
    }

    /// When the next one rings.
    pub(super) fn next(&self) -> Option<u64> {
        self.set().first_key_value().map(|((moment, _), _)| *moment)
    }

    /// Waits until one is set that rings before all others.
    pub(super) async fn sooner(&self) {
        self.sooner.notified().await;
    }

    fn due(&self, now: u64) -> Option<Whom> {
        let mut set = self.set();
        let first = set.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }
}

impl Hub {
    /// Has a listener looked after at a moment, unless that is so sooner.
    pub(super) fn set_alarm(
        &self,
        channel: &Arc<Channel>,
        listener: &Arc<Listener>,
        standing: &mut Standing,
        moment: Option<u64>,
    ) {
        let Some(moment) = moment.filter(|moment| standing.alarm.is_none_or(|alarm| *moment < alarm)) else {
            return;
        };
        self.silence(listener, standing);
        standing.alarm = Some(moment);
        let whom = Whom::Listener(Arc::downgrade(channel), Arc::downgrade(listener));
        self.alarms.put(moment, listener.birth, whom);
    }

    /// Takes a listener's alarm back.
    pub(super) fn silence(&self, listener: &Listener, standing: &mut Standing) {
        if let Some(alarm) = standing.alarm.take() {
            self.alarms.cancel(alarm, listener.birth);
        }
    }

    /// Looks after everybody whose alarm rings by now.
    pub(super) fn ring_alarms(&self) {
        let now = self.clock_ms();
        while let Some(whom) = self.alarms.due(now) {
            match whom {
                Whom::Listener(channel, listener) => {
                    if let (Some(channel), Some(listener)) = (channel.upgrade(), listener.upgrade()) {
                        self.look_after(&channel, &listener, now);
                    }
                }
                Whom::Presence(channel) => {
                    channel.upgrade().into_iter().for_each(|channel| self.look_after_presence(&channel));
                }
            }
        }
    }
}
