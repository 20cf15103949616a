//! What can be the matter with a call, as states of the world. Each door has one table that says it in its words.

use crate::log::{LogError, Position};

/// Why a call was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such channel.
    #[error("no channel {channel:?}")]
    ChannelNotFound {
        /// Its id.
        channel: String,
    },
    /// The channel was removed in the last ten minutes.
    #[error("channel {channel:?} was removed")]
    ChannelRemoved {
        /// Its id.
        channel: String,
    },
    /// There is a channel of that id.
    #[error("channel {channel:?} exists")]
    ChannelExists {
        /// Its id.
        channel: String,
    },
    /// There is no such listener in the channel.
    #[error("no listener {listener:?} in channel {channel:?}")]
    ListenerNotFound {
        /// The channel's id.
        channel: String,
        /// Its id.
        listener: String,
    },
    /// The listener was removed in the last ten minutes.
    #[error("listener {listener:?} of channel {channel:?} was removed")]
    ListenerRemoved {
        /// The channel's id.
        channel: String,
        /// Its id.
        listener: String,
    },
    /// There is a listener of that id.
    #[error("listener {listener:?} of channel {channel:?} exists")]
    ListenerExists {
        /// The channel's id.
        channel: String,
        /// Its id.
        listener: String,
    },
    /// A newer stream has taken the listener over.
    #[error("another stream has taken listener {listener:?} of channel {channel:?} over")]
    ListenerTakenOver {
        /// The channel's id.
        channel: String,
        /// The listener's id.
        listener: String,
    },
    /// The listener expired in the last ten minutes: nobody listened for its `idle_timeout`.
    #[error("listener {listener:?} of channel {channel:?} expired")]
    ListenerExpired {
        /// The channel's id.
        channel: String,
        /// Its id.
        listener: String,
    },
    /// The listener was stopped, and who comes back by himself does not start it again.
    #[error("listener {listener:?} of channel {channel:?} was stopped")]
    ListenerStopped {
        /// The channel's id.
        channel: String,
        /// Its id.
        listener: String,
    },
    /// The listener does not acknowledge explicitly.
    #[error("listener {listener:?} of channel {channel:?} does not acknowledge explicitly")]
    NotExplicit {
        /// The channel's id.
        channel: String,
        /// The listener's id.
        listener: String,
    },
    /// The listener, or the start of the server, is another one than the one that is meant.
    #[error("listener {listener:?} of channel {channel:?} is of another life")]
    OtherLife {
        /// The channel's id.
        channel: String,
        /// The listener's id.
        listener: String,
    },
    /// The listener was delivered nothing that far.
    #[error("nothing beyond {delivered} was delivered")]
    NotDelivered {
        /// The highest sequence that was delivered.
        delivered: u64,
    },
    /// The message is acknowledged, or gone, or comes again and has not yet.
    #[error("message {sequence} is not outstanding")]
    NotOutstanding {
        /// Its sequence.
        sequence: u64,
    },
    /// The delivery is of an earlier generation, or attempt, than the one that counts.
    #[error("the delivery is stale: {generation} is what counts now")]
    StaleGeneration {
        /// The listener's generation; where messages overtake each other, the message's attempt.
        generation: u64,
    },
    /// The listener is in use.
    #[error("listener {listener:?} of channel {channel:?} is in use: {by}")]
    InUse {
        /// The channel's id.
        channel: String,
        /// The listener's id.
        listener: String,
        /// What uses it.
        by: &'static str,
    },
    /// No stream of listeners is open under that id.
    #[error("no open stream {stream:?}")]
    StreamNotFound {
        /// The id; cut short where it is none.
        stream: String,
    },
    /// The stream has no subscription of that number, or has it no more.
    #[error("the stream has no subscription {subscription}")]
    SubscriptionNotFound {
        /// The number.
        subscription: i64,
    },
    /// The listener's backlog is full.
    #[error("the backlog of listener {listener:?} in channel {channel:?} is full")]
    BacklogFull {
        /// The channel's id.
        channel: String,
        /// The id of a listener that is full.
        listener: String,
        /// The most messages that may wait.
        max_messages: u64,
        /// The most bytes that may wait.
        max_bytes: u64,
    },
    /// A limit of the server is reached.
    #[error("the server's limit is reached: {limit} is {value}")]
    LimitReached {
        /// Which.
        limit: Limit,
        /// What it is set to.
        value: u64,
    },
    /// The text is no resume token.
    #[error("the text is no resume token of this server")]
    ResumeTokenInvalid,
    /// The token is ahead of everything that was accepted.
    #[error("the resume token is ahead of the channel's newest message")]
    ResumeTokenAhead,
    /// A value is not allowed.
    #[error("{field}: {description}")]
    InvalidSetting {
        /// The field, as a path from the request.
        field: &'static str,
        /// What is allowed.
        description: String,
    },
    /// Whom a stream is for is not safe yet: a crash could undo it.
    #[error("what was registered at {} is not safe yet", at.0)]
    NotSafeYet {
        /// Where it was registered or created: it is safe when this position is.
        at: Position,
    },
    /// The server is about to end.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// The log cannot do it for now.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// The limits of a server that a call can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// How many channels there may be.
    Channels,
    /// How many listeners there may be in all channels.
    Listeners,
    /// How many streams may be open.
    Streams,
    /// How many subscriptions one stream may carry.
    Subscriptions,
    /// What the log may hold, in bytes.
    LogBytes,
}

impl Limit {
    /// The name of its setting; the one of a stream's subscriptions is fixed.
    pub fn setting(self) -> &'static str {
        match self {
            Self::Channels => "max_channels",
            Self::Listeners => "max_listeners",
            Self::Streams => "max_streams",
            Self::Subscriptions => "max_subscriptions",
            Self::LogBytes => "max_log_bytes",
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.setting())
    }
}
