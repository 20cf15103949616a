//! A channel inside a program: the verbs of the service as methods.

use super::{
    Delivered, Error, Listener, Message, MessageStream, Receipt, Result, message::encode, reader::Reader,
};
use crate::{
    hub::{self, Accepted, Hub, ListenOptions, Receiver},
    id::{ChannelId, ListenerId},
    message,
};
use std::sync::Arc;

/// A handle on a channel. Cheap to clone; dropping it changes nothing.
///
/// It names the channel by its id: once the channel is removed every call is refused, until another one of that id is
/// created.
#[derive(Clone, Debug)]
pub struct Channel {
    hub: Arc<Hub>,
    id: Arc<str>,
    max_payload_bytes: usize,
}

impl Channel {
    pub(super) fn new(hub: Arc<Hub>, id: Arc<str>, max_payload_bytes: usize) -> Self {
        Self { hub, id, max_payload_bytes }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    pub(super) fn channel_id(&self) -> ChannelId<'_> {
        ChannelId::parse(&self.id).expect("checked when the channel was created")
    }

    /// Registers a listener under a new UUIDv4. It sees what is broadcast from now on.
    ///
    /// # Errors
    /// Refused where the channel is gone, where there are too many listeners, and after
    /// [`Dispatcher::close`](super::Dispatcher::close).
    pub fn add_listener(&self) -> Result<Listener> {
        self.register_listener(&uuid::Uuid::new_v4().to_string())
    }

    /// Registers a listener. It sees what is broadcast from now on.
    ///
    /// # Errors
    /// [`Error::InvalidId`]; refused as [`Channel::add_listener`], and where one of that id exists.
    pub fn register_listener(&self, id: &str) -> Result<Listener> {
        let registered = self.hub.register(self.channel_id(), parse(id)?, hub::NewListener::default())?;
        Ok(Listener::new(self.clone(), registered.listener.id))
    }

    /// A listener that is registered.
    ///
    /// # Errors
    /// [`Error::InvalidId`]; refused where there is none of that id.
    pub fn listener(&self, id: &str) -> Result<Listener> {
        let listener = self.hub.get_listener(self.channel_id(), parse(id)?)?;
        Ok(Listener::new(self.clone(), listener.id))
    }

    /// Removes a listener and what waits for it; its stream ends. Tells how many messages waited.
    ///
    /// # Errors
    /// As [`Channel::listener`].
    pub fn remove_listener(&self, id: &str) -> Result<u64> {
        Ok(self.hub.remove_listener(self.channel_id(), parse(id)?)?)
    }

    /// Removes the channel with its listeners and what waits for them; their streams end. Tells how many messages went.
    ///
    /// # Errors
    /// Refused where it is gone.
    pub fn remove(&self) -> Result<u64> {
        let (_listeners, messages) = self.hub.remove_channel(self.channel_id())?;
        Ok(messages)
    }

    /// Sends a message to one listener, running or not, and waits until it is accepted.
    ///
    /// # Errors
    /// [`Error::InvalidId`], [`Error::InvalidMessage`]; refused where there is no such listener, where its backlog is
    /// full and the channel refuses new messages, or where the log is full.
    pub async fn dispatch(&self, listener: &str, message: Message) -> Result<Receipt> {
        let (listener, message) = (parse(listener)?, encode(message, self.max_payload_bytes)?);
        let id = message.id().to_owned();
        let accepted = self.hub.dispatch(self.channel_id(), listener, message)?;
        self.accepted(id, accepted).await
    }

    /// Sends a message to all listeners that are registered, and to those who watch.
    ///
    /// # Errors
    /// [`Error::InvalidMessage`]; refused where the channel is gone, where the log is full, or where a listener's
    /// backlog is full and the channel refuses broadcasts then.
    pub async fn broadcast(&self, message: Message) -> Result<Receipt> {
        let message = encode(message, self.max_payload_bytes)?;
        let id = message.id().to_owned();
        let accepted = self.hub.broadcast(self.channel_id(), message)?;
        self.accepted(id, accepted).await
    }

    /// Says that no more will come, to all listeners and to those who watch: their streams end when they get there.
    ///
    /// # Errors
    /// Refused where the channel is gone or the log is full.
    pub async fn notify_end(&self) -> Result<Receipt> {
        let ended = self.hub.notify_end(self.channel_id())?;
        self.ended(ended).await
    }

    /// Says it to one listener. While it has not got there another one is a duplicate.
    ///
    /// # Errors
    /// [`Error::InvalidId`]; refused where there is no such listener or the log is full.
    pub async fn notify_end_of(&self, listener: &str) -> Result<Receipt> {
        let ended = self.hub.notify_end_of(self.channel_id(), parse(listener)?)?;
        self.ended(ended).await
    }

    async fn ended(&self, (message, accepted): (message::Message, Accepted)) -> Result<Receipt> {
        self.accepted(message.id().to_owned(), accepted).await
    }

    async fn accepted(&self, message_id: String, accepted: Accepted) -> Result<Receipt> {
        self.hub.durable(accepted.position).await?;
        Ok(Receipt::new(message_id, accepted))
    }

    /// Takes the next message of a listener, if one waits; it does not wait for one. It takes the listener from a
    /// stream that is open, and leaves it stopped.
    ///
    /// # Errors
    /// As [`Channel::message_stream`].
    pub fn deliver_next(&self, listener: &str) -> Result<Delivered> {
        let mut reader = self.reader(Receiver::Listener(parse(listener)?), one_at_a_time())?;
        reader.what_is_there()
    }

    /// What a listener gets, as a stream. It starts the listener and takes it from a stream that is open; the end of
    /// the stream, or dropping it, stops it. See the [room's page](super) for how it ends.
    ///
    /// # Errors
    /// [`Error::InvalidId`]; refused where there is no such listener, where too many streams are open, and after
    /// [`Dispatcher::close`](super::Dispatcher::close).
    pub fn message_stream(&self, listener: &str) -> Result<MessageStream> {
        self.open_stream(Receiver::Listener(parse(listener)?), one_at_a_time())
    }

    /// What is broadcast from now on, as a stream. It leaves nothing behind.
    ///
    /// # Errors
    /// Refused as [`Channel::message_stream`].
    pub fn watch(&self) -> Result<MessageStream> {
        self.open_stream(Receiver::Watcher(hub::From::New), ListenOptions::default())
    }

    /// As [`Channel::message_stream`] or [`Channel::watch`], from a resume token, for some types, or from the oldest
    /// that is kept. With more than one message a batch, dropping a listener's stream loses those of its batch that it
    /// has not given yet; a token brings them back.
    ///
    /// # Errors
    /// As [`Channel::message_stream`]; refused where the token is none, or ahead of everything.
    pub fn open_stream(&self, receiver: Receiver<'_>, options: ListenOptions) -> Result<MessageStream> {
        Ok(MessageStream::new(self.reader(receiver, options)?))
    }

    pub(super) fn reader(&self, receiver: Receiver<'_>, options: ListenOptions) -> Result<Reader> {
        // a program knows of its own registrations, safe or not: they end with it
        let options = ListenOptions { once_safe: false, ..options };
        Ok(Reader::new(self.hub.subscribe(self.channel_id(), receiver, options)?))
    }
}

/// So that nothing counts as delivered that the program has not got.
pub(super) fn one_at_a_time() -> ListenOptions {
    ListenOptions { max_messages: 1, ..ListenOptions::default() }
}

pub(super) fn parse(id: &str) -> Result<ListenerId<'_>> {
    ListenerId::parse(id).map_err(|reason| Error::invalid_id(id, reason))
}
