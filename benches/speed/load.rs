//! The kinds of load. Each is driven the same way whichever server answers.

mod acknowledged;
mod drain;
mod events;
mod fan_out;
mod publish;
mod publishers;
mod streams;
mod timed;
mod unary;

pub(crate) use acknowledged::Acknowledged;
pub(crate) use drain::Drain;
pub(crate) use events::{Events, Poster};
pub(crate) use fan_out::{FanOut, Heard, Pace, Publisher};
pub(crate) use publish::{Publish, Publishing};
pub(crate) use publishers::Publishers;
pub(crate) use streams::{Audience, Receivers, Streams, empty_histogram, stream_listener};
pub(crate) use timed::Timed;
pub(crate) use unary::{Unary, call_all};

use crate::Outcome;
use hdrhistogram::Histogram;
use std::time::Duration;

/// What keeps a server busy for a while.
pub(crate) trait Load {
    /// What must be there before each run and is not counted.
    async fn prepare(&mut self) -> Outcome {
        Ok(())
    }

    /// Works for so long, and on until everything has come to its end: the messages, calls or deliveries.
    async fn run(&mut self, time: Duration) -> Outcome<u64>;

    /// Whether it leaves the server idle at times, so that its rate tells nothing.
    fn pauses(&self) -> bool {
        false
    }

    /// The latencies of all runs since the last time, in nanoseconds.
    fn take_latency(&mut self) -> Option<Histogram<u64>> {
        None
    }
}
