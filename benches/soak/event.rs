//! What a receiver saw and said, one event after the other, in the order of the clients' one thread.

use eric::v1::GapReason;
use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

/// Names a message: its sender, and its number there.
pub(crate) type Name = (u32, u32);
/// Names a stream of a receiver.
pub(crate) type Stream = u32;

/// The time since the first time it was asked for.
pub(crate) fn now() -> Duration {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGAN.elapsed()
}

/// Where a stream is asked to begin.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Begins {
    /// Where the listener stands; with everything unacknowledged, where it acknowledges.
    Afresh,
    /// Behind what a token says. A pull: behind the last one of its session, if nobody was there meanwhile.
    Behind(i64),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivered {
    pub(crate) stream: Stream,
    pub(crate) generation: i64,
    pub(crate) sequence: i64,
    pub(crate) name: Name,
    /// From 2 where it failed before; 1: it was delivered before; 0: neither was said.
    pub(crate) attempt: i32,
    pub(crate) when: Duration,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Gap {
    pub(crate) stream: Stream,
    pub(crate) generation: i64,
    pub(crate) reason: GapReason,
    pub(crate) after: i64,
    pub(crate) through: i64,
    pub(crate) count: Option<i64>,
    pub(crate) when: Duration,
}

impl Gap {
    pub(crate) fn covers(&self, message: i64) -> bool {
        self.after < message && message <= self.through
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// The listener was registered again.
    Born {
        birth: i64,
    },
    /// No stream of the listener is open, and so far it was handed messages over, as the server says.
    HandedOver {
        through: i64,
    },
    /// A stream is about to be asked for.
    Opened {
        stream: Stream,
        begins: Begins,
    },
    /// It has begun: its first token has come.
    Started {
        stream: Stream,
        birth: i64,
        at: i64,
        when: Duration,
    },
    /// The server has ended it, behind everything that was on it.
    Ended {
        stream: Stream,
    },
    Delivered(Delivered),
    Gap(Gap),
    /// An acknowledgement is about to be sent.
    Acknowledging {
        sequence: i64,
    },
    /// It was answered, and covers the message.
    Acknowledged {
        stream: Stream,
        sequence: i64,
        when: Duration,
    },
    /// It was answered in a newer generation, and did not cover the message.
    NotCovered {
        sequence: i64,
        generation: i64,
    },
    /// A rejection was answered: the listener was rewound to it, in this generation.
    Rewound {
        sequence: i64,
        generation: i64,
    },
    /// A rejection was answered: it has failed so often, and is gone for good or not.
    Failed {
        sequence: i64,
        attempts: i32,
        gone: bool,
    },
    /// A purge was answered.
    Purged {
        through: i64,
    },
    /// The server was killed. What had come from it may be read after that.
    Killed {
        when: Duration,
    },
}

impl Event {
    /// Whether it says anything of a message.
    pub(crate) fn concerns(&self, message: i64) -> bool {
        match self {
            Self::Born { .. }
            | Self::HandedOver { .. }
            | Self::Opened { .. }
            | Self::Started { .. }
            | Self::Ended { .. }
            | Self::Purged { .. }
            | Self::Killed { .. } => false,
            Self::Delivered(delivered) => delivered.sequence == message,
            Self::Gap(gap) => gap.covers(message),
            Self::Acknowledging { sequence }
            | Self::Acknowledged { sequence, .. }
            | Self::NotCovered { sequence, .. }
            | Self::Rewound { sequence, .. }
            | Self::Failed { sequence, .. } => *sequence == message,
        }
    }

    pub(crate) fn delivered(&self) -> Option<&Delivered> {
        if let Self::Delivered(delivered) = self { Some(delivered) } else { None }
    }

    pub(crate) fn gap(&self) -> Option<&Gap> {
        if let Self::Gap(gap) = self { Some(gap) } else { None }
    }

    /// The message, and when.
    pub(crate) fn acknowledged(&self) -> Option<(i64, Duration)> {
        if let Self::Acknowledged { sequence, when, .. } = self { Some((*sequence, *when)) } else { None }
    }

    /// A message whose rejection was answered, and whether it is gone for good.
    pub(crate) fn failed(&self) -> Option<(i64, bool)> {
        if let Self::Failed { sequence, gone, .. } = self { Some((*sequence, *gone)) } else { None }
    }

    /// When the server was killed.
    pub(crate) fn killed(&self) -> Option<Duration> {
        if let Self::Killed { when } = self { Some(*when) } else { None }
    }

    /// The generation, and where it began.
    pub(crate) fn rewound(&self) -> Option<(i64, i64)> {
        if let Self::Rewound { sequence, generation } = self { Some((*generation, *sequence)) } else { None }
    }
}
