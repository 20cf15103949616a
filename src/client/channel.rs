//! Channels: what they are, and the verbs that make, change and remove them.

use super::{Client, Created, Error, Pages, Result, policy::Repeat, time};
use crate::v1;
use std::time::{Duration, SystemTime};

pub use crate::v1::{Overflow, Redelivery};

/// A channel as it stands.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Channel {
    /// Names it.
    pub id: String,
    /// The position in the log at which it was created.
    pub birth: i64,
    /// When it was created, by the server's clock.
    pub create_time: SystemTime,
    /// The settings in force, every one spelled out.
    pub settings: ChannelSettings,
    /// How many listeners are registered.
    pub listeners: i64,
    /// How many streams are open, watchers included.
    pub streams: i64,
    /// The sequence of the newest message, or the birth where there is none yet.
    pub last_sequence: i64,
    /// Broadcasts kept for listeners that are behind and for the replay window.
    pub kept_broadcasts: i64,
    /// Their size in bytes.
    pub kept_broadcast_bytes: i64,
}

/// A channel's settings. What is absent has its default, or stays as it is.
///
/// Values out of their range are refused with INVALID_ARGUMENT, reason `INVALID_SETTING`. In an answer
/// everything that the server knows is there.
///
/// ```
/// use eric::client::{ChannelSettings, Overflow};
///
/// let settings = ChannelSettings {
///     max_backlog_messages: Some(1_000),
///     dispatch_overflow: Some(Overflow::DropOldest),
///     ..Default::default()
/// };
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChannelSettings {
    /// Waits so long between deliveries of a subscription. At most 1 day; default 0.
    pub stream_delay: Option<Duration>,
    /// A dispatch to a listener whose backlog is full. Default [`Overflow::RejectNew`].
    pub dispatch_overflow: Option<Overflow>,
    /// A broadcast while a listener's backlog is full. Default [`Overflow::DropOldest`].
    pub broadcast_overflow: Option<Overflow>,
    /// The most messages that wait for one listener. From 1 to 100,000,000; default 65,536.
    pub max_backlog_messages: Option<i64>,
    /// The most bytes that wait for one listener. From 1 to 2^50; default 64 MiB.
    pub max_backlog_bytes: Option<i64>,
    /// How long delivered messages are kept, so that a stream that was lost can resume. At most 7 days;
    /// default 60 s.
    pub replay_window: Option<Duration>,
    /// The most messages in the replay window. From 0 to 100,000,000; default 65,536.
    pub max_replay_messages: Option<i64>,
    /// Their most bytes. From 0 to 2^50; default 64 MiB.
    pub max_replay_bytes: Option<i64>,
    /// How long the ids of accepted messages are remembered. At most 1 day; default 2 min.
    pub idempotency_window: Option<Duration>,
    /// How a rejected message comes again. Default [`Redelivery::Strict`].
    pub redelivery: Option<Redelivery>,
    /// How long to wait before it comes again, where the rejection does not say.
    pub backoff: Option<RedeliveryBackoff>,
    /// After so many attempts a message goes to the dead letter listener, or is dropped where none is named.
    /// From 1 to 1,000,000; default 5.
    pub max_attempts: Option<i32>,
    /// The listener of this channel that receives dead letters. Empty: none.
    pub dead_letter_listener: Option<String>,
    /// The `retry:` that browsers are told. At most 1 day; default 3 s.
    pub sse_retry: Option<Duration>,
    /// A listener that reconnects within this time is announced neither as gone nor as come. At most 1 day;
    /// default 5 s.
    pub presence_grace: Option<Duration>,
}

/// Waits that grow from one attempt to the next. What is absent has its default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RedeliveryBackoff {
    /// Before the second attempt. At most 1 day; default 1 s.
    pub initial: Option<Duration>,
    /// Each further wait is that many times the one before. From 1 to 100; default 2.
    pub factor: Option<f64>,
    /// No wait is longer. From `initial` to 1 day; default 1 min.
    pub maximum: Option<Duration>,
}

impl From<RedeliveryBackoff> for v1::Backoff {
    fn from(backoff: RedeliveryBackoff) -> Self {
        let RedeliveryBackoff { initial, factor, maximum } = backoff;
        Self { initial: initial.map(time::to_wire), factor, maximum: maximum.map(time::to_wire) }
    }
}

impl From<v1::Backoff> for RedeliveryBackoff {
    fn from(backoff: v1::Backoff) -> Self {
        let (initial, maximum) = (backoff.initial, backoff.maximum);
        Self {
            initial: initial.and_then(time::duration),
            factor: backoff.factor,
            maximum: maximum.and_then(time::duration),
        }
    }
}

impl From<ChannelSettings> for v1::ChannelSettings {
    fn from(settings: ChannelSettings) -> Self {
        Self {
            stream_delay: settings.stream_delay.map(time::to_wire),
            dispatch_overflow: settings.dispatch_overflow.map(i32::from),
            broadcast_overflow: settings.broadcast_overflow.map(i32::from),
            max_backlog_messages: settings.max_backlog_messages,
            max_backlog_bytes: settings.max_backlog_bytes,
            replay_window: settings.replay_window.map(time::to_wire),
            max_replay_messages: settings.max_replay_messages,
            max_replay_bytes: settings.max_replay_bytes,
            idempotency_window: settings.idempotency_window.map(time::to_wire),
            redelivery: settings.redelivery.map(i32::from),
            backoff: settings.backoff.map(v1::Backoff::from),
            max_attempts: settings.max_attempts,
            dead_letter_listener: settings.dead_letter_listener,
            sse_retry: settings.sse_retry.map(time::to_wire),
            presence_grace: settings.presence_grace.map(time::to_wire),
        }
    }
}

impl From<v1::ChannelSettings> for ChannelSettings {
    fn from(settings: v1::ChannelSettings) -> Self {
        Self {
            dispatch_overflow: settings.dispatch_overflow.map(|_| settings.dispatch_overflow()),
            broadcast_overflow: settings.broadcast_overflow.map(|_| settings.broadcast_overflow()),
            stream_delay: settings.stream_delay.and_then(time::duration),
            max_backlog_messages: settings.max_backlog_messages,
            max_backlog_bytes: settings.max_backlog_bytes,
            replay_window: settings.replay_window.and_then(time::duration),
            max_replay_messages: settings.max_replay_messages,
            max_replay_bytes: settings.max_replay_bytes,
            idempotency_window: settings.idempotency_window.and_then(time::duration),
            redelivery: settings.redelivery.map(|_| settings.redelivery()),
            backoff: settings.backoff.map(RedeliveryBackoff::from),
            max_attempts: settings.max_attempts,
            dead_letter_listener: settings.dead_letter_listener,
            sse_retry: settings.sse_retry.and_then(time::duration),
            presence_grace: settings.presence_grace.and_then(time::duration),
        }
    }
}

impl ChannelSettings {
    /// The names of those that are set, as the contract spells them.
    fn named(&self) -> impl Iterator<Item = &'static str> {
        [
            (self.stream_delay.is_some(), "stream_delay"),
            (self.dispatch_overflow.is_some(), "dispatch_overflow"),
            (self.broadcast_overflow.is_some(), "broadcast_overflow"),
            (self.max_backlog_messages.is_some(), "max_backlog_messages"),
            (self.max_backlog_bytes.is_some(), "max_backlog_bytes"),
            (self.replay_window.is_some(), "replay_window"),
            (self.max_replay_messages.is_some(), "max_replay_messages"),
            (self.max_replay_bytes.is_some(), "max_replay_bytes"),
            (self.idempotency_window.is_some(), "idempotency_window"),
            (self.redelivery.is_some(), "redelivery"),
            (self.backoff.is_some(), "backoff"),
            (self.max_attempts.is_some(), "max_attempts"),
            (self.dead_letter_listener.is_some(), "dead_letter_listener"),
            (self.sse_retry.is_some(), "sse_retry"),
            (self.presence_grace.is_some(), "presence_grace"),
        ]
        .into_iter()
        .filter_map(|(set, name)| set.then_some(name))
    }
}

/// What a channel begins with; `"prices"` alone is one with that id and the defaults.
#[derive(Clone, Debug, Default)]
pub struct NewChannel {
    id: Option<String>,
    settings: ChannelSettings,
    allow_existing: bool,
}

impl NewChannel {
    /// With this id; [`NewChannel::default`] has none, and the server makes a UUIDv4.
    pub fn named(id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..Default::default() }
    }

    /// With these settings.
    pub fn settings(mut self, settings: ChannelSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Where the channel exists, it is answered as it is, whatever its settings, instead of ALREADY_EXISTS.
    pub fn allow_existing(mut self, allow: bool) -> Self {
        self.allow_existing = allow;
        self
    }
}

impl<I: Into<String>> From<I> for NewChannel {
    fn from(id: I) -> Self {
        Self::named(id)
    }
}

/// What changes in a channel's settings.
#[derive(Clone, Debug, Default)]
pub struct ChannelUpdate {
    settings: ChannelSettings,
    defaults: Vec<String>,
}

impl ChannelUpdate {
    /// Brings a setting, as the contract spells it (`replay_window`), back to its default.
    pub fn reset(mut self, setting: impl Into<String>) -> Self {
        self.defaults.push(setting.into());
        self
    }

    /// None is needed where nothing is reset: what is set changes.
    fn mask(&self) -> Option<prost_types::FieldMask> {
        let changed = self.settings.named().map(str::to_owned);
        let paths = changed.chain(self.defaults.iter().cloned()).collect();
        (!self.defaults.is_empty()).then_some(prost_types::FieldMask { paths })
    }
}

impl From<ChannelSettings> for ChannelUpdate {
    /// What is set changes, the rest stays.
    fn from(settings: ChannelSettings) -> Self {
        Self { settings, defaults: Vec::new() }
    }
}

/// What went with a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemovedChannel {
    /// Listeners that were registered.
    pub listeners: i64,
    /// Messages that were still kept.
    pub discarded_messages: i64,
}

impl From<v1::Channel> for Channel {
    fn from(channel: v1::Channel) -> Self {
        Self {
            id: channel.id,
            birth: channel.birth,
            create_time: time::or_epoch(channel.create_time),
            settings: channel.settings.unwrap_or_default().into(),
            listeners: channel.listeners,
            streams: channel.streams,
            last_sequence: channel.last_sequence,
            kept_broadcasts: channel.kept_broadcasts,
            kept_broadcast_bytes: channel.kept_broadcast_bytes,
        }
    }
}

fn present(channel: Option<v1::Channel>) -> Result<Channel> {
    channel.map(Channel::from).ok_or(Error::Contract("an answer without its channel"))
}

impl Client {
    /// Creates a channel.
    ///
    /// # Errors
    /// ALREADY_EXISTS, reason `CHANNEL_ALREADY_EXISTS`; RESOURCE_EXHAUSTED, reason `CHANNEL_LIMIT`;
    /// INVALID_ARGUMENT, reasons `INVALID_ID`, `INVALID_SETTING`.
    pub async fn create_channel(&self, channel: impl Into<NewChannel>) -> Result<Created<Channel>> {
        let channel = channel.into();
        let repeat = Repeat::safe_if(channel.allow_existing && channel.id.is_some());
        let request = v1::CreateChannelRequest {
            channel: channel.id,
            settings: Some(channel.settings.into()),
            allow_existing: channel.allow_existing,
        };
        let answer = self.call(repeat, request, |mut service, request| async move {
            service.create_channel(request).await
        });
        let answer = answer.await?;
        Ok(Created { item: present(answer.channel)?, existed: answer.existed })
    }

    /// Tells one channel.
    ///
    /// # Errors
    /// NOT_FOUND, reasons `CHANNEL_NOT_FOUND`, `CHANNEL_REMOVED`.
    pub async fn channel(&self, channel: impl Into<String>) -> Result<Channel> {
        let request = v1::GetChannelRequest { channel: channel.into() };
        let verb = |mut service: super::Service, request| async move { service.get_channel(request).await };
        present(self.call(Repeat::Safe, request, verb).await?.channel)
    }

    /// Tells all channels in the order of their creation.
    pub fn channels(&self) -> Pages<Channel> {
        let client = self.clone();
        Pages::new(move |page_token| {
            let client = client.clone();
            Box::pin(async move { client.channels_page(page_token).await })
        })
    }

    async fn channels_page(&self, page_token: String) -> Result<(Vec<Channel>, String)> {
        let request = v1::ListChannelsRequest { page_size: 0, page_token };
        let verb = |mut service: super::Service, request| async move { service.list_channels(request).await };
        let page = self.call(Repeat::Safe, request, verb).await?;
        Ok((page.channels.into_iter().map(Channel::from).collect(), page.next_page_token))
    }

    /// Changes a channel's settings. A lowered limit drops nothing by itself; later acceptances do.
    ///
    /// # Errors
    /// NOT_FOUND; INVALID_ARGUMENT, reason `INVALID_SETTING`.
    pub async fn update_channel(
        &self,
        channel: impl Into<String>,
        update: impl Into<ChannelUpdate>,
    ) -> Result<Channel> {
        let update = update.into();
        let request = v1::UpdateChannelRequest {
            channel: channel.into(),
            update_mask: update.mask(),
            settings: Some(update.settings.into()),
        };
        let verb =
            |mut service: super::Service, request| async move { service.update_channel(request).await };
        present(self.call(Repeat::Safe, request, verb).await?.channel)
    }

    /// Removes a channel with its listeners and what waits for them. Open streams end.
    ///
    /// # Errors
    /// NOT_FOUND, reasons `CHANNEL_NOT_FOUND`, `CHANNEL_REMOVED`.
    pub async fn remove_channel(&self, channel: impl Into<String>) -> Result<RemovedChannel> {
        let request = v1::RemoveChannelRequest { channel: channel.into() };
        let verb =
            |mut service: super::Service, request| async move { service.remove_channel(request).await };
        let removed = self.call(Repeat::Unsafe, request, verb).await?;
        Ok(RemovedChannel { listeners: removed.listeners, discarded_messages: removed.discarded_messages })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_names_what_it_sets_and_what_it_resets() {
        let settings = ChannelSettings { replay_window: Some(Duration::ZERO), ..Default::default() };
        let update = ChannelUpdate::from(settings);
        assert_eq!(update.mask(), None);
        assert_eq!(update.reset("stream_delay").mask().unwrap().paths, ["replay_window", "stream_delay"]);
    }

    #[test]
    fn settings_survive_the_wire() {
        let settings = ChannelSettings {
            stream_delay: Some(Duration::from_millis(5)),
            broadcast_overflow: Some(Overflow::RejectNew),
            max_backlog_messages: Some(7),
            redelivery: Some(Redelivery::Overtaking),
            backoff: Some(RedeliveryBackoff { factor: Some(1.5), ..Default::default() }),
            dead_letter_listener: Some("dead".into()),
            max_attempts: Some(3),
            presence_grace: Some(Duration::ZERO),
            ..Default::default()
        };
        assert_eq!(ChannelSettings::from(v1::ChannelSettings::from(settings.clone())), settings);
    }
}
