//! A channel: who it is, where its streams sit, and behind a lock its state.

use super::{
    desk::{Desk, Ending},
    listener::Listener,
    presence::Presence,
    settings::{AcknowledgementMode, ChannelSettings},
    standing::{Seated, Standing},
    state::State,
    unsaved::{Guard, Mark, Who},
};
use crate::{error::Error, log::Position};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

/// A channel.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) id: Arc<str>,
    pub(super) birth: Position,
    pub(super) created_at: i64,
    /// One for each core; the first is for those outside of the cores.
    pub(super) desks: Box<[Desk]>,
    /// It has a stream delay, so that each of its streams goes its own pace.
    pub(super) paced: AtomicBool,
    /// Who listens, while somebody watches for it.
    pub(super) presence: Presence,
    pub(super) unsaved: Mark,
    state: Mutex<State>,
}

impl Channel {
    pub(super) fn new(
        id: Arc<str>,
        birth: Position,
        created_at: i64,
        desks: usize,
        unsaved: Mark,
        state: State,
    ) -> Self {
        Self {
            id,
            birth,
            created_at,
            desks: (0..desks).map(|_| Desk::default()).collect(),
            paced: AtomicBool::new(!state.settings.stream_delay.is_zero()),
            presence: Presence::new(state.settings.presence_grace),
            unsaved,
            state: Mutex::new(state),
        }
    }

    /// A listener of this channel, that is to be added.
    pub(super) fn listener(
        &self,
        id: Arc<str>,
        birth: Position,
        created_at: i64,
        mode: AcknowledgementMode,
        standing: Standing,
    ) -> Listener {
        Listener::new(id, birth, created_at, mode, self.birth, self.unsaved.of_another(), standing)
    }

    /// The critical section: it fixes admission, membership and position.
    pub(super) fn lock(&self) -> Guard<'_, State> {
        Guard::lock(&self.state, &self.unsaved, Who { channel: self.birth, listener: None })
    }

    /// As [`Channel::lock`], unless the channel is gone.
    pub(super) fn lock_existing(&self) -> Result<Guard<'_, State>, Error> {
        let state = self.lock();
        if state.removed { Err(self.is_removed()) } else { Ok(state) }
    }

    pub(super) fn is_removed(&self) -> Error {
        Error::ChannelRemoved { channel: self.id.to_string() }
    }

    /// How many subscriptions are open.
    pub(super) fn streams(&self) -> usize {
        self.desks.iter().map(Desk::occupied).sum()
    }

    /// Ends the stream that sits there, if any.
    pub(super) fn end_stream(&self, seated: Option<Seated>, ending: Ending) {
        if let Some(seated) = seated {
            self.desks[seated.core].end(seated.seat, seated.stream, ending);
        }
    }

    pub(super) fn end_streams(&self, ending: &Ending) {
        self.desks.iter().for_each(|desk| desk.end_all(ending));
    }

    pub(super) fn clear_desks(&self) {
        self.desks.iter().for_each(Desk::clear);
    }

    /// What of its settings is asked without the lock.
    pub(super) fn set(&self, settings: &ChannelSettings) {
        self.paced.store(!settings.stream_delay.is_zero(), Ordering::Relaxed);
        self.presence.set_grace(settings.presence_grace);
    }
}
