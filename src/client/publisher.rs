//! The fast way in: a stream that carries whatever waits as one batch.

mod pipeline;

use super::{Client, Error, Message, Publication, Receipt, Result};
use crate::v1;
use pipeline::{Pipeline, Queued, Waiter};
use prost::Message as _;
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// What one publication costs besides its encoded size: it bounds how many small ones are in flight.
const OVERHEAD: usize = 128;

/// Limits of a [`Publisher`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublisherOptions {
    /// How much may be accepted by [`Publisher::send`] and not answered, in bytes, each message counted 128
    /// higher than its size; one always fits. Default 16 MiB.
    pub max_in_flight_bytes: u32,
    /// How many batches may be on their way; what comes meanwhile gathers for the next. Default 4.
    pub max_batches: usize,
    /// The most messages of a batch, at most what the server takes. Default 1,024.
    pub max_batch_messages: usize,
    /// The most bytes of a batch, at most what the server takes. Default 1 MiB.
    pub max_batch_bytes: usize,
}

impl Default for PublisherOptions {
    fn default() -> Self {
        Self {
            max_in_flight_bytes: 16 << 20,
            max_batches: 4,
            max_batch_messages: 1_024,
            max_batch_bytes: 1 << 20,
        }
    }
}

/// Sends messages over one stream, in the order in which [`send`](Self::send) accepted them. From
/// [`Client::publish`]. Clones share the stream.
///
/// The first message goes at once; what comes while [`max_batches`](PublisherOptions::max_batches) are on
/// their way goes as one batch. Where the stream is lost, what is not answered goes again over a new one, in the same
/// order and under the same ids, so that each message is accepted once and answered once; a message without an id is
/// given one. What could not be sent for as long as [`repeat_for`](super::Builder::repeat_for) says fails with the last
/// error, and [`Error::outcome_unknown`] tells whether it may have been accepted. Where the server refuses a batch as a
/// whole, as one that is larger than any request may be, that batch fails, and the others go over a new stream.
///
/// What was sent is answered also after the last clone is dropped, as long as the runtime lives.
#[derive(Clone, Debug)]
pub struct Publisher {
    queue: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
    capacity: u32,
}

/// The receipt of a message that is on its way; await it, or drop it if nobody needs to know.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<Result<Receipt>>);

impl Future for Pending {
    type Output = Result<Receipt>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(Pin::new(&mut self.0).poll(cx)).unwrap_or(Err(Error::Ended)))
    }
}

impl Client {
    /// A publisher with the default limits.
    ///
    /// ```no_run
    /// # use eric::client::{Client, Message, Error};
    /// # async fn run(client: Client) -> Result<(), Error> {
    /// let publisher = client.publish();
    /// for price in 0..1_000 {
    ///     publisher.broadcast("prices", Message::new("price").with_json(&price)?).await?;
    /// }
    /// let last = publisher.broadcast("prices", Message::new("last")).await?;
    /// println!("accepted as {}", last.await?.sequence);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// Outside of a Tokio runtime: a task carries the stream.
    pub fn publish(&self) -> Publisher {
        self.publish_with(PublisherOptions::default())
    }

    /// A publisher with these limits; zeros are taken as one.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn publish_with(&self, options: PublisherOptions) -> Publisher {
        let capacity = options.max_in_flight_bytes.max(1);
        // the room is what bounds; this only follows from it
        let (queue, queued) = mpsc::channel(capacity as usize / OVERHEAD + 1);
        tokio::spawn(Pipeline::new(self.clone(), options, queued).run());
        Publisher { queue, room: Arc::new(Semaphore::new(capacity as usize)), capacity }
    }
}

impl Publisher {
    /// Accepts a message for sending, once there is room, and gives what will be its receipt.
    ///
    /// # Errors
    /// [`Error::Ended`] where the runtime that carries the stream was shut down. What becomes of the message
    /// is the receipt's matter.
    pub async fn send(&self, publication: Publication) -> Result<Pending> {
        let publication = v1::Publication::from(publication);
        let size = publication.encoded_len();
        let cost = u32::try_from(size + OVERHEAD).unwrap_or(u32::MAX).min(self.capacity);
        let room = Arc::clone(&self.room).acquire_many_owned(cost).await.map_err(|_| Error::Ended)?;
        let (answer, receipt) = oneshot::channel();
        let queued = Queued { publication, size, waiter: Waiter { answer, _room: room } };
        self.queue.send(queued).await.map_err(|_| Error::Ended)?;
        Ok(Pending(receipt))
    }

    /// Sends a message to one listener.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn dispatch(
        &self,
        channel: impl Into<String>,
        listener: impl Into<String>,
        message: Message,
    ) -> Result<Pending> {
        self.send(Publication::dispatch(channel, listener, message)).await
    }

    /// Sends a message to all listeners and watchers of a channel.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn broadcast(&self, channel: impl Into<String>, message: Message) -> Result<Pending> {
        self.send(Publication::broadcast(channel, message)).await
    }

    /// Waits until all that was sent before is answered, one way or the other.
    pub async fn flush(&self) {
        // all the room is free only when nothing is in flight; the semaphore is never closed
        let _all = self.room.acquire_many(self.capacity).await;
    }
}
