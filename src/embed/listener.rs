//! A listener inside a program.

use super::{Channel, Delivered, MessageStream, Result, channel::parse};
use crate::{hub::ListenerInfo, id::ListenerId};
use std::sync::Arc;

/// A handle on a registered listener. Cheap to clone; dropping it changes nothing: who is no longer wanted is
/// [removed](Listener::remove).
///
/// Every call is refused once the listener or its channel is removed.
#[derive(Clone, Debug)]
pub struct Listener {
    channel: Channel,
    id: Arc<str>,
}

impl Listener {
    pub(super) fn new(channel: Channel, id: Arc<str>) -> Self {
        Self { channel, id }
    }

    /// Its id: messages are dispatched to it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The channel it is registered in.
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// How it stands: whether it runs, what waits for it, what it has lost.
    ///
    /// # Errors
    /// Refused where it is gone.
    pub fn info(&self) -> Result<ListenerInfo> {
        Ok(self.channel.hub().get_listener(self.channel.channel_id(), self.listener_id()?)?)
    }

    /// Marks it as running. A stream does so by itself. Twice is once.
    ///
    /// # Errors
    /// Refused where it is gone.
    pub fn start(&self) -> Result<()> {
        self.channel.hub().start_listener(self.channel.channel_id(), self.listener_id()?)?;
        Ok(())
    }

    /// Ends its stream and keeps its queue. Twice is once.
    ///
    /// # Errors
    /// Refused where it is gone.
    pub fn stop(&self) -> Result<()> {
        self.channel.hub().stop_listener(self.channel.channel_id(), self.listener_id()?)?;
        Ok(())
    }

    /// Whether it was started and not stopped since.
    ///
    /// # Errors
    /// Refused where it is gone.
    pub fn running(&self) -> Result<bool> {
        Ok(self.info()?.running)
    }

    /// Clears what waits for it, as a gap. Tells how many messages that was.
    ///
    /// # Errors
    /// Refused where it is gone.
    pub fn purge(&self) -> Result<u64> {
        let purged =
            self.channel.hub().purge_listener(self.channel.channel_id(), self.listener_id()?, None)?;
        Ok(purged.messages)
    }

    /// Removes it and what waits for it; its stream ends. Tells how many messages waited.
    ///
    /// # Errors
    /// Refused where it is gone.
    pub fn remove(&self) -> Result<u64> {
        self.channel.remove_listener(&self.id)
    }

    /// [`Channel::deliver_next`] of this listener.
    ///
    /// # Errors
    /// As there.
    pub fn deliver_next(&self) -> Result<Delivered> {
        self.channel.deliver_next(&self.id)
    }

    /// [`Channel::message_stream`] of this listener.
    ///
    /// # Errors
    /// As there.
    pub fn message_stream(&self) -> Result<MessageStream> {
        self.channel.message_stream(&self.id)
    }

    fn listener_id(&self) -> Result<ListenerId<'_>> {
        parse(&self.id)
    }
}
