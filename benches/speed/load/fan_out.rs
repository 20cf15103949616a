//! Broadcasts to open streams: one by one, in bursts, or as fast as the publisher is answered.

use super::{Audience, Load, Poster, Publishing, Streams, call_all, streams::Record};
use crate::{
    Outcome,
    client::{Connection, verb},
    messages::Template,
};
use eric::v1::publication::Receiver;
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

/// Who receives, whatever the protocol.
pub(crate) trait Heard {
    /// What was sent and what arrived.
    fn record(&self) -> &Record;

    /// How many streams are open.
    fn len(&self) -> u64;
}

/// Who publishes.
pub(crate) enum Publisher {
    /// By Broadcast, in this channel.
    Calls([Connection; 1], Template),
    /// By Publish, so many in a batch.
    Batches(Publishing, Template),
    /// Over HTTP/1.1.
    Posts(Poster),
}

impl Publisher {
    /// One who broadcasts.
    pub(crate) fn calls(connection: Connection, channel: &str) -> Self {
        Self::Calls([connection], Template::broadcast(channel))
    }

    /// One who broadcasts so many in a batch.
    pub(crate) async fn batches(connection: &Connection, channel: &str, size: usize) -> Outcome<Self> {
        let batch = Template::batch(channel, &Receiver::Broadcast(true), size);
        Ok(Self::Batches(Publishing::open(connection).await?, batch))
    }

    /// Publishes so many, and waits until all are answered.
    pub(crate) async fn publish(&mut self, count: usize) -> Outcome {
        match self {
            Self::Posts(poster) => poster.publish(count).await,
            Self::Batches(stream, batch) => {
                let (accepted, frames) = (stream.accepted() + count as u64, count as u64 / batch.messages);
                stream.send(batch, frames)?;
                let mut answered = 0;
                while answered < frames {
                    answered += stream.answered().await?;
                }
                if stream.accepted() == accepted { Ok(()) } else { Err("a broadcast was refused".into()) }
            }
            Self::Calls(connection, broadcast) => {
                let left = Cell::new(count);
                let frame = || {
                    left.set(left.get().checked_sub(1)?);
                    Some(broadcast.stamp())
                };
                call_all(connection, count, verb::BROADCAST, frame).await.map(drop)
            }
        }
    }
}

/// One publisher and its audience.
pub(crate) struct FanOut<A> {
    publisher: Publisher,
    audience: A,
    pace: Pace,
    pause: Duration,
}

impl FanOut<Streams> {
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
        Ok(Self::to(streams, Publisher::calls(publisher, channel), pace, pause))
    }
}

impl<A: Heard> FanOut<A> {
    /// To streams that are open.
    pub(crate) fn to(audience: A, publisher: Publisher, pace: Pace, pause: Duration) -> Self {
        Self { publisher, audience, pace, pause }
    }

    async fn publish(&mut self, count: usize) -> Outcome {
        self.audience.record().sent(count, self.audience.len());
        self.publisher.publish(count).await
    }
}

impl<A: Heard> Load for FanOut<A> {
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
                    self.audience.record().complete().await?;
                    sleep(self.pause).await;
                    messages += count as u64;
                }
            }
        }
        self.audience.record().complete().await?;
        // where nobody hears them, an event is what it costs to take one
        Ok(messages * self.audience.len().max(1))
    }

    fn pauses(&self) -> bool {
        matches!(self.pace, Pace::Bursts(_))
    }

    fn take_latency(&mut self) -> Option<Histogram<u64>> {
        Some(self.audience.record().take_latency())
    }
}
