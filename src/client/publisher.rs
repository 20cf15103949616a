//! The fast way in: a stream that carries whatever waits as one batch.

use super::{Client, Error, Message, Publication, Receipt, Result, send::outcomes};
use crate::v1;
use prost::Message as _;
use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

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
/// their way goes as one batch. Nothing is sent twice: where the stream is lost, what was on its way fails
/// with that error ([`Error::outcome_unknown`]), and what waits behind it goes over a new one.
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

#[derive(Debug)]
struct Queued {
    publication: v1::Publication,
    size: usize,
    waiter: Waiter,
}

/// Who waits for an answer, and the room that its message takes until then.
#[derive(Debug)]
struct Waiter {
    answer: oneshot::Sender<Result<Receipt>>,
    _room: OwnedSemaphorePermit,
}

impl Waiter {
    fn answer(self, outcome: Result<Receipt>) {
        // who dropped the receipt does not want to know
        let _ = self.answer.send(outcome);
    }
}

/// The task behind a publisher.
struct Pipeline {
    client: Client,
    options: PublisherOptions,
    queued: mpsc::Receiver<Queued>,
    /// The first that had no place in the batch before.
    ahead: Option<Queued>,
    stream: Option<OpenStream>,
}

struct OpenStream {
    requests: mpsc::Sender<v1::PublishRequest>,
    answers: Streaming<v1::PublishResponse>,
    /// Answered in this order.
    unanswered: VecDeque<Vec<Waiter>>,
}

impl Pipeline {
    fn new(client: Client, options: PublisherOptions, queued: mpsc::Receiver<Queued>) -> Self {
        Self { client, options, queued, ahead: None, stream: None }
    }

    /// Until the last publisher is dropped and the last answer has come.
    async fn run(mut self) {
        let mut open = true;
        while open || self.unanswered() > 0 {
            let room = self.unanswered() < self.options.max_batches.max(1);
            tokio::select! {
                biased;
                answer = next_answer(&mut self.stream) => self.answered(answer),
                first = next_queued(&mut self.ahead, &mut self.queued), if open && room => match first {
                    Some(first) => self.send(first).await,
                    None => open = false,
                },
            }
        }
    }

    fn unanswered(&self) -> usize {
        self.stream.as_ref().map_or(0, |stream| stream.unanswered.len())
    }

    async fn send(&mut self, first: Queued) {
        let (request, waiters) = self.gather(first);
        match &mut self.stream {
            Some(stream) => stream.send(request, waiters),
            None => self.open(request, waiters).await,
        }
    }

    /// All that waits by now and has place in one batch.
    fn gather(&mut self, first: Queued) -> (v1::PublishRequest, Vec<Waiter>) {
        let mut request = v1::PublishRequest::default();
        let (mut waiters, mut bytes, mut next) = (Vec::new(), 0, Some(first));
        while let Some(queued) = next {
            bytes += framed(queued.size);
            request.publications.push(queued.publication);
            waiters.push(queued.waiter);
            if waiters.len() >= self.options.max_batch_messages {
                break;
            }
            next = self.next_that_fits(bytes);
        }
        (request, waiters)
    }

    fn next_that_fits(&mut self, bytes: usize) -> Option<Queued> {
        let queued = self.queued.try_recv().ok()?;
        if bytes + framed(queued.size) > self.options.max_batch_bytes {
            self.ahead = Some(queued);
            return None;
        }
        Some(queued)
    }

    /// The request goes along: a server may well answer nothing before it has seen one.
    async fn open(&mut self, request: v1::PublishRequest, waiters: Vec<Waiter>) {
        let (requests, outgoing) = mpsc::channel(self.options.max_batches.max(1));
        let mut service = self.client.service.clone();
        let call = async move { service.publish(ReceiverStream::new(outgoing)).await };
        let sent = requests.try_send(request);
        debug_assert!(sent.is_ok(), "a new queue has room for one");
        match self.client.attempt(self.client.policy.timeout, call).await {
            Ok(answers) => {
                self.stream = Some(OpenStream { requests, answers, unanswered: VecDeque::from([waiters]) });
            }
            Err(error) => fail(waiters, &error),
        }
    }

    fn answered(&mut self, answer: Result<v1::PublishResponse>) {
        let Some(stream) = &mut self.stream else { return };
        let outcome = answer.and_then(|answer| stream.answer(answer));
        if let Err(error) = outcome {
            stream.unanswered.drain(..).for_each(|waiters| fail(waiters, &error));
            self.stream = None;
        }
    }
}

impl OpenStream {
    fn send(&mut self, request: v1::PublishRequest, waiters: Vec<Waiter>) {
        // no more are queued than may be unanswered, so there is room; a stream that is lost says so when
        // its answer is asked for
        let _ = self.requests.try_send(request);
        self.unanswered.push_back(waiters);
    }

    fn answer(&mut self, answer: v1::PublishResponse) -> Result<()> {
        let expected = self.unanswered.front().map(Vec::len);
        let expected = expected.ok_or(Error::Contract("a publish stream answered what was not asked"))?;
        let outcomes = outcomes(answer.results, expected)?;
        let waiters = self.unanswered.pop_front().into_iter().flatten();
        waiters.zip(outcomes).for_each(|(waiter, outcome)| waiter.answer(outcome));
        Ok(())
    }
}

/// A length-delimited field of its own in the batch: a tag, and a length of at most five bytes.
fn framed(size: usize) -> usize {
    size + 6
}

fn fail(waiters: Vec<Waiter>, error: &Error) {
    waiters.into_iter().for_each(|waiter| waiter.answer(Err(error.clone())));
}

async fn next_queued(ahead: &mut Option<Queued>, queued: &mut mpsc::Receiver<Queued>) -> Option<Queued> {
    match ahead.take() {
        Some(first) => Some(first),
        None => queued.recv().await,
    }
}

/// Also while nothing is unanswered: a stream that is lost must not be given the next batch.
async fn next_answer(stream: &mut Option<OpenStream>) -> Result<v1::PublishResponse> {
    let Some(stream) = stream else { return std::future::pending().await };
    let answer = stream.answers.message().await?;
    answer.ok_or_else(|| Status::unavailable("the publish stream ended").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipeline(options: PublisherOptions) -> (Pipeline, Publisher) {
        let client = Client::connect("http://127.0.0.1:1").unwrap();
        let (queue, queued) = mpsc::channel(100);
        let publisher = Publisher { queue, room: Arc::new(Semaphore::new(10_000)), capacity: 10_000 };
        (Pipeline::new(client, options, queued), publisher)
    }

    async fn batches(options: PublisherOptions, sizes: &[usize]) -> Vec<usize> {
        let (mut pipeline, publisher) = pipeline(options);
        for &size in sizes {
            publisher.broadcast("c", Message::new("t").with_binary(vec![0; size])).await.unwrap();
        }
        drop(publisher);
        let mut batches = Vec::new();
        while let Some(first) = next_queued(&mut pipeline.ahead, &mut pipeline.queued).await {
            batches.push(pipeline.gather(first).0.publications.len());
        }
        batches
    }

    #[tokio::test]
    async fn what_waits_goes_as_one_batch() {
        assert_eq!(batches(PublisherOptions::default(), &[1, 1, 1]).await, [3]);
    }

    #[tokio::test]
    async fn a_batch_is_bounded_by_number_and_by_bytes() {
        let options = PublisherOptions { max_batch_messages: 2, ..Default::default() };
        assert_eq!(batches(options, &[1; 5]).await, [2, 2, 1]);
        let options = PublisherOptions { max_batch_bytes: 300, ..Default::default() };
        assert_eq!(batches(options, &[100, 100, 100, 1_000, 1]).await, [2, 1, 1, 1]);
    }

    #[tokio::test]
    async fn room_is_given_back_with_the_answer() {
        let (mut pipeline, publisher) = pipeline(PublisherOptions::default());
        let pending = publisher.broadcast("c", Message::new("t")).await.unwrap();
        assert!(publisher.room.available_permits() < 10_000);
        let first = pipeline.queued.recv().await.unwrap();
        let (_, waiters) = pipeline.gather(first);
        fail(waiters, &Error::Ended);
        assert!(matches!(pending.await, Err(Error::Ended)));
        assert_eq!(publisher.room.available_permits(), 10_000);
    }

    #[tokio::test]
    async fn without_a_server_each_message_is_told_so() {
        let client = Client::connect("http://127.0.0.1:1").unwrap();
        let publisher = client.publish();
        let pending = publisher.broadcast("c", Message::new("t")).await.unwrap();
        let error = pending.await.unwrap_err();
        assert!(error.failure().unwrap().unsent && !error.outcome_unknown(), "{error}");
        publisher.flush().await;
    }
}
