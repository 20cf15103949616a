//! Alarms: a listener is looked after by itself when its time has come.

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

type Whom = (Weak<Channel>, Weak<Listener>);

/// Who is to be looked after, by the moment in milliseconds of the hub's clock. A listener stands here once.
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
        self.alarms.put(moment, listener.birth, (Arc::downgrade(channel), Arc::downgrade(listener)));
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
        while let Some((channel, listener)) = self.alarms.due(now) {
            if let (Some(channel), Some(listener)) = (channel.upgrade(), listener.upgrade()) {
                self.look_after(&channel, &listener, now);
            }
        }
    }
}
