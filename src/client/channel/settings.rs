//! A channel's settings, and what changes in them.

use super::{super::time, Overflow, Redelivery};
use crate::v1;
use std::time::Duration;

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

    pub(super) fn settings(self) -> ChannelSettings {
        self.settings
    }

    /// None is needed where nothing is reset: what is set changes.
    pub(super) fn mask(&self) -> Option<prost_types::FieldMask> {
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
