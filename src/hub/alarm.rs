//! Alarms: a listener, or a channel's presence, is looked after by itself when its time has come.

use crate::log::Position;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// Who is looked after, by the births.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    Listener {
        channel: Position,
        listener: Position,
    },
    /// Those who watch who listens on a channel.
    Presence {
        channel: Position,
    },
}

impl Whom {
    /// No other has this birth.
    fn birth(self) -> Position {
        match self {
            Self::Listener { listener: birth, .. } | Self::Presence { channel: birth } => birth,
        }
    }
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

    pub(super) fn put(&self, moment: u64, whom: Whom) {
        let first = {
            let mut set = self.set();
            set.insert((moment, whom.birth()), whom);
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

    pub(super) fn due(&self, now: u64) -> Option<Whom> {
        let mut set = self.set();
        let first = set.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }
}
