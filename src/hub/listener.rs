//! A registered listener: who it is, and behind a lock where it stands.

use super::{
    settings::AcknowledgementMode,
    standing::Standing,
    unsaved::{Guard, Mark, Who},
};
use crate::{error::Error, log::Position};
use std::sync::{Arc, Mutex, atomic::AtomicBool};

/// A registered listener.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) id: Arc<str>,
    pub(super) birth: Position,
    pub(super) created_at: i64,
    pub(super) mode: AcknowledgementMode,
    /// A bell for it alone is on its way.
    pub(super) rung: AtomicBool,
    /// The birth of its channel.
    channel: Position,
    pub(super) unsaved: Mark,
    standing: Mutex<Standing>,
}

impl Listener {
    pub(super) fn new(
        id: Arc<str>,
        birth: Position,
        created_at: i64,
        mode: AcknowledgementMode,
        channel: Position,
        unsaved: Mark,
        standing: Standing,
    ) -> Self {
        let (rung, standing) = (AtomicBool::new(false), Mutex::new(standing));
        Self { id, birth, created_at, mode, rung, channel, unsaved, standing }
    }

    /// Whether messages are acknowledged, as whoever gives credit takes it.
    pub(super) fn must_be_explicit(&self, channel: &Arc<str>) -> Result<(), Error> {
        match self.mode {
            AcknowledgementMode::Explicit => Ok(()),
            AcknowledgementMode::Automatic => {
                let (channel, listener) = (channel.to_string(), self.id.to_string());
                Err(Error::NotExplicit { channel, listener })
            }
        }
    }

    /// Taken after the channel's lock where both are.
    pub(super) fn lock(&self) -> Guard<'_, Standing> {
        let who = Who { channel: self.channel, listener: Some(self.birth) };
        Guard::lock(&self.standing, &self.unsaved, who)
    }
}
