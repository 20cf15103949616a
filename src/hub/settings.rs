//! What may be set for a channel, for a listener, and for a hub.

use super::tally::Quota;
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};

/// What happens when a backlog is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Overflow {
    /// The new message is refused.
    RejectNew,
    /// The oldest go, as a gap.
    DropOldest,
}

/// How a rejected message comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Redelivery {
    /// Nothing overtakes it: the listener is rewound to it.
    Strict,
    /// Others pass; it comes again alone.
    Overtaking,
}

/// How long to wait before a rejected message comes again, where the rejection does not say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Backoff {
    /// Before the second attempt.
    pub initial: Duration,
    /// Each further wait is that many times the one before; at least 1.
    pub factor: f64,
    /// No wait is longer.
    pub maximum: Duration,
}

impl Backoff {
    /// The wait behind so many failed attempts, of which there is at least one.
    pub(super) fn after(&self, failed: u32) -> Duration {
        if self.initial.is_zero() {
            return Duration::ZERO;
        }
        let exponent = i32::try_from(failed.saturating_sub(1)).unwrap_or(i32::MAX);
        let wait = self.initial.as_secs_f64() * self.factor.powi(exponent);
        // beyond every number it is the longest, too
        if wait >= self.maximum.as_secs_f64() { self.maximum } else { Duration::from_secs_f64(wait) }
    }
}

/// A channel's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelSettings {
    /// The wait between deliveries of a subscription, which then come one a batch; zero: none.
    pub stream_delay: Duration,
    /// For a dispatch to a listener that is full.
    pub dispatch_overflow: Overflow,
    /// For a broadcast while a listener is full.
    pub broadcast_overflow: Overflow,
    /// What may wait for one listener; at least one message.
    pub max_backlog: Quota,
    /// How long delivered messages are kept for those who resume.
    pub replay_window: Duration,
    /// How many of them: broadcasts by channel, dispatches by listener.
    pub max_replay: Quota,
    /// How long the ids that senders gave to accepted messages are remembered, from when each is accepted; zero: not.
    pub idempotency_window: Duration,
    /// How a rejected message comes again.
    pub redelivery: Redelivery,
    /// When it does, where the rejection does not say.
    pub backoff: Backoff,
    /// After so many a message goes to the dead letter listener; at least 1.
    pub max_attempts: u32,
    /// The id of the listener that receives dead letters.
    pub dead_letter_listener: Option<Arc<str>>,
    /// What browsers are told to wait before they reconnect.
    pub sse_retry: Duration,
    /// A listener that reconnects within this time has neither gone nor come.
    pub presence_grace: Duration,
}

const MIB: u64 = 1 << 20;

impl Default for ChannelSettings {
    fn default() -> Self {
        let quota = Quota { messages: 65_536, bytes: 64 * MIB };
        Self {
            stream_delay: Duration::ZERO,
            dispatch_overflow: Overflow::RejectNew,
            broadcast_overflow: Overflow::DropOldest,
            max_backlog: quota,
            replay_window: Duration::from_secs(60),
            max_replay: quota,
            idempotency_window: Duration::from_secs(120),
            redelivery: Redelivery::Strict,
            backoff: Backoff {
                initial: Duration::from_secs(1),
                factor: 2.0,
                maximum: Duration::from_secs(60),
            },
            max_attempts: 5,
            dead_letter_listener: None,
            sse_retry: Duration::from_secs(3),
            presence_grace: Duration::from_secs(5),
        }
    }
}

/// When a message counts as delivered. It never changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AcknowledgementMode {
    /// When it is handed to the transport.
    #[default]
    Automatic,
    /// When it is acknowledged.
    Explicit,
}

/// A listener's settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListenerSettings {
    /// It is removed when no stream was open, and no Pull or Acknowledge came, for so long.
    pub idle_timeout: Option<Duration>,
    /// How long an EXPLICIT listener may take to acknowledge.
    pub ack_deadline: Option<Duration>,
}

/// A hub's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Channels.
    pub max_channels: u64,
    /// Listeners in all channels together.
    pub max_listeners: u64,
    /// Open streams.
    pub max_streams: u64,
    /// What the log may hold, in bytes as [`crate::log::Log::bytes`] counts; 0: no limit.
    pub max_log_bytes: u64,
    /// What the memory of accepted ids may take, in bytes; 0: none is remembered.
    pub max_idempotency_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_channels: 10_000,
            max_listeners: 1_000_000,
            max_streams: 10_000,
            max_log_bytes: 1024 * MIB,
            max_idempotency_bytes: 64 * MIB,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_back_off_grows_to_its_maximum_and_no_further() {
        let backoff = ChannelSettings::default().backoff;
        let waits: Vec<_> =
            [1, 2, 3, 6, 7, 8, u32::MAX].iter().map(|failed| backoff.after(*failed).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 32, 60, 60, 60]);
        assert_eq!(Backoff { initial: Duration::ZERO, ..backoff }.after(u32::MAX), Duration::ZERO);
    }
}
