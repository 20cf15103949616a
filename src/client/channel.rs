//! Channels: what they are, and the verbs that make, change and remove them.

mod settings;

pub use crate::v1::{Overflow, Redelivery};
pub use settings::{ChannelSettings, ChannelUpdate, RedeliveryBackoff};

use super::{Client, Created, Error, Pages, Result, Service, policy::Repeat, time};
use crate::v1;
use std::time::SystemTime;

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
    /// How many messages it has accepted since the server's start.
    pub accepted_messages: i64,
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
            accepted_messages: channel.accepted_messages,
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
        let verb = |mut service: Service, request| async move { service.get_channel(request).await };
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
        let verb = |mut service: Service, request| async move { service.list_channels(request).await };
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
            settings: Some(update.settings().into()),
        };
        let verb = |mut service: Service, request| async move { service.update_channel(request).await };
        present(self.call(Repeat::Safe, request, verb).await?.channel)
    }

    /// Removes a channel with its listeners and what waits for them. Open streams end.
    ///
    /// # Errors
    /// NOT_FOUND, reasons `CHANNEL_NOT_FOUND`, `CHANNEL_REMOVED`.
    pub async fn remove_channel(&self, channel: impl Into<String>) -> Result<RemovedChannel> {
        let request = v1::RemoveChannelRequest { channel: channel.into() };
        let verb = |mut service: Service, request| async move { service.remove_channel(request).await };
        let removed = self.call(Repeat::Unsafe, request, verb).await?;
        Ok(RemovedChannel { listeners: removed.listeners, discarded_messages: removed.discarded_messages })
    }
}
