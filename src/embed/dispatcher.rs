//! A dispatcher inside a program.

use super::{Channel, Error, Result};
use crate::{
    hub::{self, ChannelSettings, Hub, Limits},
    id::ChannelId,
    log::Memory,
};
use std::sync::Arc;

/// A payload may have so many bytes unless the dispatcher is told otherwise.
const MAX_PAYLOAD_BYTES: usize = 1 << 20;

/// All channels of a program. Cheap to clone: every clone is the same dispatcher.
#[derive(Clone, Debug)]
pub struct Dispatcher {
    hub: Arc<Hub>,
    max_payload_bytes: usize,
}

impl Dispatcher {
    /// A dispatcher that remembers in memory, with the default limits, and keeps itself up until its last handle is
    /// dropped.
    ///
    /// # Errors
    /// None with a log in memory.
    ///
    /// # Panics
    /// Outside of a Tokio runtime, which the upkeep runs in.
    pub fn in_memory() -> Result<Self> {
        Self::with_limits(Limits::default())
    }

    /// As [`Dispatcher::in_memory`], with these limits.
    ///
    /// # Errors
    /// As [`Dispatcher::in_memory`].
    ///
    /// # Panics
    /// As [`Dispatcher::in_memory`].
    pub fn with_limits(limits: Limits) -> Result<Self> {
        let hub = Hub::new(Arc::new(Memory::default()), limits, 0)?;
        tokio::spawn(hub::keep(Arc::downgrade(&hub)));
        Ok(Self::over(hub))
    }

    /// A dispatcher over a hub that is there already and that somebody else keeps up ([`hub::keep`]).
    pub fn over(hub: Arc<Hub>) -> Self {
        Self { hub, max_payload_bytes: MAX_PAYLOAD_BYTES }
    }

    /// Refuses payloads of more bytes than this; 1 MiB otherwise. It holds for channels taken from this handle from now
    /// on.
    pub fn with_max_payload_bytes(mut self, bytes: usize) -> Self {
        self.max_payload_bytes = bytes;
        self
    }

    /// The hub below, for what is not wrapped here.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Creates a channel with the default settings.
    ///
    /// # Errors
    /// [`Error::InvalidId`]; refused where one of that id exists, where there are too many and after
    /// [`Dispatcher::close`].
    pub fn create_channel(&self, id: &str) -> Result<Channel> {
        self.create_channel_with(id, ChannelSettings::default())
    }

    /// Creates a channel.
    ///
    /// # Errors
    /// As [`Dispatcher::create_channel`].
    pub fn create_channel_with(&self, id: &str, settings: ChannelSettings) -> Result<Channel> {
        let created = self.hub.create_channel(parse(id)?, settings, false)?;
        Ok(self.handle(created.channel.id))
    }

    /// A channel that is there.
    ///
    /// # Errors
    /// [`Error::InvalidId`]; refused where there is none of that id.
    pub fn channel(&self, id: &str) -> Result<Channel> {
        let channel = self.hub.get_channel(parse(id)?)?;
        Ok(self.handle(channel.id))
    }

    /// Removes a channel with its listeners and what waits for them; their streams end. Tells how many messages went.
    ///
    /// # Errors
    /// As [`Dispatcher::channel`].
    pub fn remove_channel(&self, id: &str) -> Result<u64> {
        let (_listeners, messages) = self.hub.remove_channel(parse(id)?)?;
        Ok(messages)
    }

    /// Ends every stream and refuses new channels, listeners and streams. Twice is once.
    pub fn close(&self) {
        self.hub.close();
    }

    fn handle(&self, id: Arc<str>) -> Channel {
        Channel::new(Arc::clone(&self.hub), id, self.max_payload_bytes)
    }
}

fn parse(id: &str) -> Result<ChannelId<'_>> {
    ChannelId::parse(id).map_err(|reason| Error::invalid_id(id, reason))
}
