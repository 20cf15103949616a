//! Listeners: what they are, and the verbs that register, run and remove them.

use super::{Client, Created, Error, Pages, Result, Service, policy::Repeat, time};
use crate::v1;
use std::time::{Duration, SystemTime};

pub use crate::v1::{AcknowledgementMode, StartAt};

/// A listener as it stands.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Listener {
    /// Names it within its channel.
    pub id: String,
    /// The id of its channel.
    pub channel: String,
    /// The position in the log at which it was registered.
    pub birth: i64,
    /// When it was registered, by the server's clock.
    pub create_time: SystemTime,
    /// How its messages count as delivered.
    pub acknowledgement_mode: AcknowledgementMode,
    /// The settings in force.
    pub settings: ListenerSettings,
    /// It was started, and not stopped since.
    pub running: bool,
    /// A stream is open.
    pub connected: bool,
    /// How many messages wait for it.
    pub backlog_messages: i64,
    /// Their size in bytes.
    pub backlog_bytes: i64,
    /// The furthest sequence handed over, or up to which everything is acknowledged (explicit).
    pub passed_sequence: i64,
    /// How many messages are delivered and not acknowledged (explicit).
    pub unacknowledged_messages: i64,
    /// Their size in bytes.
    pub unacknowledged_bytes: i64,
    /// Counts its rewinds.
    pub generation: i64,
    /// The session that has its stream; empty: none, or one that named none.
    pub session: String,
    /// How many messages it lost to gaps, as far as that is known.
    pub lost_messages: i64,
}

/// A listener's settings. What is absent has its default, or stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenerSettings {
    /// Removes the listener when nobody received, pulled or acknowledged for so long. From 1 s to 366 days;
    /// zero: never.
    pub idle_timeout: Option<Duration>,
    /// How long it may take to acknowledge before a delivery counts as rejected. From 100 ms to 1 day; zero:
    /// for ever. Explicit listeners only.
    pub ack_deadline: Option<Duration>,
}

impl From<ListenerSettings> for v1::ListenerSettings {
    fn from(settings: ListenerSettings) -> Self {
        Self {
            idle_timeout: settings.idle_timeout.map(time::to_wire),
            ack_deadline: settings.ack_deadline.map(time::to_wire),
        }
    }
}

impl From<v1::ListenerSettings> for ListenerSettings {
    fn from(settings: v1::ListenerSettings) -> Self {
        Self {
            idle_timeout: settings.idle_timeout.and_then(time::duration),
            ack_deadline: settings.ack_deadline.and_then(time::duration),
        }
    }
}

/// What a listener begins with; `"alice"` alone is one with that id and the defaults.
#[derive(Clone, Debug, Default)]
pub struct NewListener {
    id: Option<String>,
    acknowledgement_mode: AcknowledgementMode,
    settings: ListenerSettings,
    start_at: StartAt,
    allow_existing: bool,
}

impl NewListener {
    /// With this id; [`NewListener::default`] has none, and the server makes a UUIDv4.
    pub fn named(id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..Default::default() }
    }

    /// How its messages count as delivered. Default automatic: handed to the transport is delivered.
    pub fn acknowledgement_mode(mut self, mode: AcknowledgementMode) -> Self {
        self.acknowledgement_mode = mode;
        self
    }

    /// Its messages are kept until they are acknowledged.
    pub fn explicit(self) -> Self {
        self.acknowledgement_mode(AcknowledgementMode::Explicit)
    }

    /// With these settings.
    pub fn settings(mut self, settings: ListenerSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Where it begins. Default [`StartAt::New`].
    pub fn start_at(mut self, start_at: StartAt) -> Self {
        self.start_at = start_at;
        self
    }

    /// Where the listener exists, it is answered as it is instead of ALREADY_EXISTS.
    pub fn allow_existing(mut self, allow: bool) -> Self {
        self.allow_existing = allow;
        self
    }
}

impl<I: Into<String>> From<I> for NewListener {
    fn from(id: I) -> Self {
        Self::named(id)
    }
}

/// What a purge cleared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Purged {
    /// How many messages that waited were cleared.
    pub messages: i64,
    /// The end of the gap.
    pub through_sequence: i64,
}

impl From<v1::Listener> for Listener {
    fn from(listener: v1::Listener) -> Self {
        Self {
            acknowledgement_mode: listener.acknowledgement_mode(),
            id: listener.id,
            channel: listener.channel,
            birth: listener.birth,
            create_time: time::or_epoch(listener.create_time),
            settings: listener.settings.unwrap_or_default().into(),
            running: listener.running,
            connected: listener.connected,
            backlog_messages: listener.backlog_messages,
            backlog_bytes: listener.backlog_bytes,
            passed_sequence: listener.passed_sequence,
            unacknowledged_messages: listener.unacknowledged_messages,
            unacknowledged_bytes: listener.unacknowledged_bytes,
            generation: listener.generation,
            session: listener.session,
            lost_messages: listener.lost_messages,
        }
    }
}

fn present(listener: Option<v1::Listener>) -> Result<Listener> {
    listener.map(Listener::from).ok_or(Error::Contract("an answer without its listener"))
}

impl Client {
    /// Registers a listener, stopped: from here on messages queue for it until it listens.
    ///
    /// # Errors
    /// ALREADY_EXISTS, reason `LISTENER_ALREADY_EXISTS`; RESOURCE_EXHAUSTED, reason `LISTENER_LIMIT`;
    /// NOT_FOUND, reasons `CHANNEL_NOT_FOUND`, `CHANNEL_REMOVED`; INVALID_ARGUMENT, reason `INVALID_ID`.
    pub async fn register(
        &self,
        channel: impl Into<String>,
        listener: impl Into<NewListener>,
    ) -> Result<Created<Listener>> {
        let listener = listener.into();
        let repeat = Repeat::safe_if(listener.allow_existing && listener.id.is_some());
        let request = v1::RegisterRequest {
            channel: channel.into(),
            listener: listener.id,
            acknowledgement_mode: listener.acknowledgement_mode.into(),
            settings: Some(listener.settings.into()),
            start_at: listener.start_at.into(),
            allow_existing: listener.allow_existing,
        };
        let verb = |mut service: Service, request| async move { service.register(request).await };
        let answer = self.call(repeat, request, verb).await?;
        Ok(Created { item: present(answer.listener)?, existed: answer.existed })
    }

    /// Tells one listener.
    ///
    /// # Errors
    /// NOT_FOUND, reasons `LISTENER_NOT_FOUND`, `LISTENER_REMOVED` and the channel's.
    pub async fn listener(
        &self,
        channel: impl Into<String>,
        listener: impl Into<String>,
    ) -> Result<Listener> {
        let request = v1::GetListenerRequest { channel: channel.into(), listener: listener.into() };
        let verb = |mut service: Service, request| async move { service.get_listener(request).await };
        present(self.call(Repeat::Safe, request, verb).await?.listener)
    }

    /// Tells a channel's listeners in the order of their registration.
    pub fn listeners(&self, channel: impl Into<String>) -> Pages<Listener> {
        let (client, channel) = (self.clone(), channel.into());
        Pages::new(move |page_token| {
            let (client, channel) = (client.clone(), channel.clone());
            Box::pin(async move { client.listeners_page(channel, page_token).await })
        })
    }

    async fn listeners_page(&self, channel: String, page_token: String) -> Result<(Vec<Listener>, String)> {
        let request = v1::ListListenersRequest { channel, page_size: 0, page_token };
        let verb = |mut service: Service, request| async move { service.list_listeners(request).await };
        let page = self.call(Repeat::Safe, request, verb).await?;
        Ok((page.listeners.into_iter().map(Listener::from).collect(), page.next_page_token))
    }

    /// Changes a listener's settings: what is set changes, the rest stays.
    ///
    /// # Errors
    /// NOT_FOUND; INVALID_ARGUMENT, reason `INVALID_SETTING`.
    pub async fn update_listener(
        &self,
        channel: impl Into<String>,
        listener: impl Into<String>,
        settings: ListenerSettings,
    ) -> Result<Listener> {
        let request = v1::UpdateListenerRequest {
            channel: channel.into(),
            listener: listener.into(),
            settings: Some(settings.into()),
            update_mask: None,
        };
        let verb = |mut service: Service, request| async move { service.update_listener(request).await };
        present(self.call(Repeat::Safe, request, verb).await?.listener)
    }

    /// Marks a listener as running, as listening does. Twice is OK.
    ///
    /// # Errors
    /// NOT_FOUND.
    pub async fn start_listener(
        &self,
        channel: impl Into<String>,
        listener: impl Into<String>,
    ) -> Result<Listener> {
        let request = v1::StartListenerRequest { channel: channel.into(), listener: listener.into() };
        let verb = |mut service: Service, request| async move { service.start_listener(request).await };
        present(self.call(Repeat::Safe, request, verb).await?.listener)
    }

    /// Ends a listener's stream for good; its queue is kept. Twice is OK.
    ///
    /// # Errors
    /// NOT_FOUND.
    pub async fn stop_listener(
        &self,
        channel: impl Into<String>,
        listener: impl Into<String>,
    ) -> Result<Listener> {
        let request = v1::StopListenerRequest { channel: channel.into(), listener: listener.into() };
        let verb = |mut service: Service, request| async move { service.stop_listener(request).await };
        present(self.call(Repeat::Safe, request, verb).await?.listener)
    }

    /// Clears what waits for a listener up to this sequence, included; without one, everything accepted
    /// before the call. Its stream carries a gap, reason purged.
    ///
    /// # Errors
    /// NOT_FOUND; INVALID_ARGUMENT, reason `INVALID_SETTING`, beyond the channel's newest message.
    pub async fn purge_listener(
        &self,
        channel: impl Into<String>,
        listener: impl Into<String>,
        through_sequence: Option<i64>,
    ) -> Result<Purged> {
        let (channel, listener) = (channel.into(), listener.into());
        let request = v1::PurgeListenerRequest { channel, listener, through_sequence };
        // everything before *this* call is more the second time
        let repeat = Repeat::safe_if(through_sequence.is_some());
        let verb = |mut service: Service, request| async move { service.purge_listener(request).await };
        let purged = self.call(repeat, request, verb).await?;
        Ok(Purged { messages: purged.purged_messages, through_sequence: purged.through_sequence })
    }

    /// Removes a listener and tells how many messages waited for it. Its stream ends.
    ///
    /// # Errors
    /// NOT_FOUND, reasons `LISTENER_NOT_FOUND`, `LISTENER_REMOVED` and the channel's.
    pub async fn remove_listener(
        &self,
        channel: impl Into<String>,
        listener: impl Into<String>,
    ) -> Result<i64> {
        let request = v1::RemoveListenerRequest { channel: channel.into(), listener: listener.into() };
        let verb = |mut service: Service, request| async move { service.remove_listener(request).await };
        Ok(self.call(Repeat::Unsafe, request, verb).await?.discarded_messages)
    }
}
