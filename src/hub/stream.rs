//! An open stream, as those share it who read it and who change it.

use super::{
    Hub,
    members::{Members, Open},
    options::{ListenOptions, Receiver},
    shared::MAX_SUBSCRIPTIONS,
};
use crate::{
    error::{Error, Limit},
    id::ChannelId,
};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

/// Names an open stream of a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamId(pub(super) u64);

impl StreamId {
    /// The largest that is begun with. It is random: one of an older start of the server names nothing.
    pub(super) const LARGEST_FIRST: u64 = 1 << 48;

    pub(super) fn parse(text: &str) -> Option<Self> {
        u64::from_str_radix(text.strip_prefix('s')?, 16).ok().map(Self)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{:x}", self.0)
    }
}

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// For listeners, who may come and go.
    Listen,
    /// For watchers, or whoever else is named when it opens and stays.
    Watch,
}

/// The open streams of a hub, by their ids.
pub(super) type Streams = HashMap<StreamId, Weak<Stream>>;

/// A stream as those share it who read it and who change it.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) hub: Arc<Hub>,
    pub(super) id: StreamId,
    pub(super) kind: StreamKind,
    /// Its subscriptions sit there, wherever they are added.
    pub(super) core: usize,
    pub(super) max_bytes: u64,
    pub(super) open: Mutex<Open>,
}

impl Stream {
    pub(super) fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn not_found(&self) -> Error {
        Error::StreamNotFound { stream: self.id.to_string() }
    }

    /// The hub is about to end: a stream of nobody hears of it here, the others from their subscriptions.
    pub(super) fn wake(&self) {
        if let Members::Many(shared) = &self.open().members {
            shared.wake();
        }
    }

    pub(super) fn enter(
        &self,
        open: &mut Open,
        channel: ChannelId<'_>,
        receiver: Receiver<'_>,
        options: ListenOptions,
    ) -> Result<u32, Error> {
        if open.full() {
            let value = MAX_SUBSCRIPTIONS as u64;
            return Err(Error::LimitReached { limit: Limit::Subscriptions, value });
        }
        let options = ListenOptions { max_bytes: self.max_bytes, ..options };
        self.hub.subscribe_on(self.core, channel, receiver, options).map(|it| open.enter(it))
    }

    /// The number of the subscription that has this listener now.
    pub(super) fn number_of(
        &self,
        open: &Open,
        channel: ChannelId<'_>,
        receiver: Receiver<'_>,
    ) -> Option<u32> {
        match receiver {
            Receiver::Listener(id) => open.number_of(self.hub.seat_of(channel, id)?),
            Receiver::Watcher(_) => None,
        }
    }
}
