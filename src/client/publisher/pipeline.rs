//! The task behind a publisher: gathers what waits, sends it, and hands out the answers.

use super::PublisherOptions;
use crate::{
    client::{Client, Error, Receipt, Result, send::outcomes},
    v1,
};
use std::collections::VecDeque;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// What a publisher has accepted.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) publication: v1::Publication,
    pub(super) size: usize,
    pub(super) waiter: Waiter,
}

/// Who waits for an answer, and the room that its message takes until then.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) answer: oneshot::Sender<Result<Receipt>>,
    pub(super) _room: OwnedSemaphorePermit,
}

impl Waiter {
    fn answer(self, outcome: Result<Receipt>) {
        // who dropped the receipt does not want to know
        let _ = self.answer.send(outcome);
    }
}

/// The task behind a publisher.
pub(super) struct Pipeline {
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
    pub(super) fn new(client: Client, options: PublisherOptions, queued: mpsc::Receiver<Queued>) -> Self {
        Self { client, options, queued, ahead: None, stream: None }
    }

    /// Until the last publisher is dropped and the last answer has come.
    pub(super) async fn run(mut self) {
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
    use crate::client::{Message, Publisher};
    use std::sync::Arc;
    use tokio::sync::Semaphore;

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
