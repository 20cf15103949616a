//! What a subscription tells its program.

use super::{Delivery, Error, Gap};
use std::time::Duration;

/// What a subscription brings, in rising sequence.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly every event is a delivery: a box would cost each one")]
pub enum Event {
    /// A message.
    Delivery(Delivery),
    /// Messages are missing here, and will not come.
    Gap(Gap),
}

/// Why a subscription has ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum End {
    /// The sender said that no more will come ([`Client::notify_end`](super::Client::notify_end)).
    ChannelClosed,
    /// The listener was stopped ([`Client::stop_listener`](super::Client::stop_listener)).
    Stopped,
    /// The program wanted no more ([`Handling::until`](super::Handling::until)).
    Left,
    /// With this error, which was the last event: the channel or the listener was removed, another stream
    /// took the listener over, or there was no way back to the server.
    Failed(Error),
}

/// What an observer is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Interruption {
    /// The stream was lost, or could not be opened again.
    Lost {
        /// Why.
        cause: Error,
        /// How many times in a row.
        failures: u32,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// A stream is open again, and goes on where the last one was lost.
    Over,
}
