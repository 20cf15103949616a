//! What may be set for a channel, and for a hub.

use super::tally::Quota;
use std::time::Duration;

/// What happens when a backlog is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The new message is refused.
    RejectNew,
    /// The oldest go, as a gap.
    DropOldest,
}

/// A channel's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
        }
    }
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
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_channels: 10_000,
            max_listeners: 1_000_000,
            max_streams: 10_000,
            max_log_bytes: 1024 * MIB,
        }
    }
}
