//! Broadcasts to open streams: one by one, in bursts, or as fast as the publisher is answered.

use super::{Audience, Load, Streams, call_all};
use crate::{
    Outcome,
    client::{Connection, verb},
    messages::Template,
};
use hdrhistogram::Histogram;
use std::{
    cell::Cell,
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// When the next broadcast goes out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// So many at once; the next when all have arrived everywhere, and a pause later.
    Bursts(usize),
    /// As soon as the last one is answered.
    FlatOut,
}

/// One publisher and its audience.
pub(crate) struct FanOut {
    publisher: [Connection; 1],
    broadcast: Template,
    streams: Streams,
    pace: Pace,
    pause: Duration,
}

impl FanOut {
    /// Opens the streams.
    pub(crate) async fn open(
        address: SocketAddr,
        audience: Audience,
        pace: Pace,
        pause: Duration,
    ) -> Outcome<Self> {
        let channel = "prices";
        let publisher = Connection::open(address).await?;
        let mut streams = Streams::none(&publisher, channel).await?;
        streams.open(address, audience).await?;
        Ok(Self { publisher: [publisher], broadcast: Template::broadcast(channel), streams, pace, pause })
    }

    async fn publish(&self, count: usize) -> Outcome {
        self.streams.record.sent(count, self.streams.len());
        let left = Cell::new(count);
        let frame = || {
            left.set(left.get().checked_sub(1)?);
            Some(self.broadcast.stamp())
        };
        call_all(&self.publisher, count, verb::BROADCAST, frame).await?;
        Ok(())
    }
}

impl Load for FanOut {
    async fn run(&mut self, time: Duration) -> Outcome<u64> {
        let end = Instant::now() + time;
        let mut messages = 0;
        while Instant::now() < end {
            match self.pace {
                Pace::FlatOut => {
                    self.publish(1).await?;
                    messages += 1;
                }
                Pace::Bursts(count) => {
                    self.publish(count).await?;
                    self.streams.record.complete().await?;
                    sleep(self.pause).await;
                    messages += count as u64;
                }
            }
        }
        self.streams.record.complete().await?;
        Ok(messages * self.streams.len())
    }

    fn pauses(&self) -> bool {
        matches!(self.pace, Pace::Bursts(_))
    }

    fn take_latency(&mut self) -> Option<Histogram<u64>> {
        Some(self.streams.record.take_latency())
    }
}
