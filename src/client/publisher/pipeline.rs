//! The task behind a publisher: gathers what waits, sends it, and hands out the answers.

use super::PublisherOptions;
use crate::{
    client::{
        Client, Error, Receipt, Result,
        policy::{Policy, asked_wait},
        send::outcomes,
    },
    v1,
};
use std::collections::VecDeque;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    time::{Duration, Instant, sleep},
};
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
    /// What was sent and is not answered. It is answered in this order.
    unanswered: VecDeque<Batch>,
    trouble: Option<Trouble>,
}

struct OpenStream {
    requests: mpsc::Sender<v1::PublishRequest>,
    answers: Streaming<v1::PublishResponse>,
}

/// What goes, and goes again where the stream is lost.
struct Batch {
    request: v1::PublishRequest,
    waiters: Vec<Waiter>,
}

/// One stream after the other was lost, and nothing was answered.
struct Trouble {
    since: Instant,
    failures: u32,
    /// What is not answered may have been accepted.
    left_open: bool,
}

impl Pipeline {
    pub(super) fn new(client: Client, options: PublisherOptions, queued: mpsc::Receiver<Queued>) -> Self {
        Self {
            client,
            options,
            queued,
            ahead: None,
            stream: None,
            unanswered: VecDeque::new(),
            trouble: None,
        }
    }

    /// Until the last publisher is dropped and the last answer has come.
    pub(super) async fn run(mut self) {
        let mut open = true;
        while open || !self.unanswered.is_empty() {
            if self.stream.is_none() && !self.unanswered.is_empty() {
                self.open().await;
                continue;
            }
            let room = self.unanswered.len() < self.max_batches();
            tokio::select! {
                biased;
                answer = next_answer(&mut self.stream) => self.answered(answer).await,
                first = next_queued(&mut self.ahead, &mut self.queued), if open && room => match first {
                    Some(first) => self.send(first),
                    None => open = false,
                },
            }
        }
    }

    fn max_batches(&self) -> usize {
        self.options.max_batches.max(1)
    }

    fn send(&mut self, first: Queued) {
        let batch = self.gather(first);
        if let Some(stream) = &self.stream {
            // no more are queued than may be unanswered, so there is room; a stream that is lost says so when
            // its answer is asked for
            let _ = stream.requests.try_send(batch.request.clone());
        }
        self.unanswered.push_back(batch);
    }

    /// All that waits by now and has place in one batch.
    fn gather(&mut self, first: Queued) -> Batch {
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
        Batch { request, waiters }
    }

    fn next_that_fits(&mut self, bytes: usize) -> Option<Queued> {
        let queued = self.queued.try_recv().ok()?;
        if bytes + framed(queued.size) > self.options.max_batch_bytes {
            self.ahead = Some(queued);
            return None;
        }
        Some(queued)
    }

    /// What is not answered goes along: a server may well answer nothing before it has seen a request.
    async fn open(&mut self) {
        let (requests, outgoing) = mpsc::channel(self.max_batches());
        for batch in &self.unanswered {
            let sent = requests.try_send(batch.request.clone());
            debug_assert!(sent.is_ok(), "no more are unanswered than a new queue has room for");
        }
        let mut service = self.client.service.clone();
        let call = async move { service.publish(ReceiverStream::new(outgoing)).await };
        match self.client.attempt(self.client.policy.timeout, call).await {
            Ok(answers) => self.stream = Some(OpenStream { requests, answers }),
            Err(error) => self.lost(error).await,
        }
    }

    async fn answered(&mut self, answer: Result<v1::PublishResponse>) {
        match answer.and_then(|answer| self.take(answer)) {
            Ok(()) => self.trouble = None,
            Err(error) => self.lost(error).await,
        }
    }

    fn take(&mut self, answer: v1::PublishResponse) -> Result<()> {
        let expected = self.unanswered.front().map(|batch| batch.waiters.len());
        let expected = expected.ok_or(Error::Contract("a publish stream answered what was not asked"))?;
        let outcomes = outcomes(answer.results, expected)?;
        let waiters = self.unanswered.pop_front().into_iter().flat_map(|batch| batch.waiters);
        waiters.zip(outcomes).for_each(|(waiter, outcome)| waiter.answer(outcome));
        Ok(())
    }

    /// Waits before the next stream. Where another is of no use, says so to who waits for the batch that was refused, or,
    /// where it was tried for long enough, to all who wait.
    async fn lost(&mut self, error: Error) {
        self.stream = None;
        if self.unanswered.is_empty() {
            return;
        }
        let trouble = self.trouble.get_or_insert_with(Trouble::new);
        let failed = match trouble.judge(&error, &self.client.policy) {
            Judged::Passes(wait) => {
                tracing::debug!(%error, ?wait, "publishing again what was not answered");
                return sleep(wait).await;
            }
            // those before it were answered, and nobody has read those behind it
            Judged::Refused => 1,
            Judged::Lasts => self.unanswered.len(),
        };
        let error = if trouble.left_open { error.after_one_that_left_it_open() } else { error };
        self.unanswered.drain(..failed).for_each(|batch| fail(batch.waiters, &error));
        if self.unanswered.is_empty() {
            self.trouble = None;
        }
    }
}

/// What is to be made of a stream's end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Judged {
    /// Another stream may succeed after this time.
    Passes(Duration),
    /// What was to be answered next is not accepted, and never will be.
    Refused,
    /// It was tried for long enough.
    Lasts,
}

impl Trouble {
    fn new() -> Self {
        Self { since: Instant::now(), failures: 0, left_open: false }
    }

    /// One more failure.
    fn judge(&mut self, error: &Error, policy: &Policy) -> Judged {
        let unsent = error.failure().is_some_and(|failure| failure.unsent);
        // what has an id may be sent again also where its outcome is unknown
        if !unsent && !error.outcome_unknown() {
            return Judged::Refused;
        }
        let wait = policy.backoff.delay(self.failures).max(asked_wait(error));
        self.failures += 1;
        self.left_open |= error.outcome_unknown();
        match self.since.elapsed().saturating_add(wait) <= policy.repeat_for {
            true => Judged::Passes(wait),
            false => Judged::Lasts,
        }
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
    use crate::client::{Backoff, Message, Publisher};
    use bytes::Bytes;
    use futures_util::{FutureExt as _, stream};
    use http::StatusCode;
    use http_body::Frame;
    use http_body_util::StreamBody;
    use std::sync::Arc;
    use tokio::sync::Semaphore;
    use tonic::codec::Codec as _;
    use tonic_prost::ProstCodec;

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
            batches.push(pipeline.gather(first).request.publications.len());
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
        let options = PublisherOptions { max_batch_bytes: 400, ..Default::default() };
        assert_eq!(batches(options, &[100, 100, 100, 1_000, 1]).await, [2, 1, 1, 1]);
    }

    /// A stream of answers on which none comes.
    fn silent() -> Streaming<v1::PublishResponse> {
        let decoder = ProstCodec::<(), v1::PublishResponse>::default().decoder();
        let nothing = stream::pending::<std::result::Result<Frame<Bytes>, Status>>();
        Streaming::new_response(decoder, StreamBody::new(nothing), StatusCode::OK, None, None)
    }

    /// No time passes here: whoever waited for others would not have sent it.
    #[tokio::test]
    async fn the_first_goes_at_once_and_what_comes_before_the_next_look_together() {
        let (mut pipeline, publisher) = pipeline(PublisherOptions::default());
        let (requests, mut sent) = mpsc::channel(8);
        pipeline.stream = Some(OpenStream { requests, answers: silent() });
        let mut run = std::pin::pin!(pipeline.run());
        for waiting in [1, 3] {
            for _ in 0..waiting {
                drop(publisher.broadcast("c", Message::new("t")).await.unwrap());
            }
            assert!(run.as_mut().now_or_never().is_none(), "no answer has come");
            assert_eq!(sent.try_recv().unwrap().publications.len(), waiting);
        }
    }

    #[tokio::test]
    async fn room_is_given_back_with_the_answer() {
        let (mut pipeline, publisher) = pipeline(PublisherOptions::default());
        let pending = publisher.broadcast("c", Message::new("t")).await.unwrap();
        assert!(publisher.room.available_permits() < 10_000);
        let first = pipeline.queued.recv().await.unwrap();
        fail(pipeline.gather(first).waiters, &Error::Ended);
        assert!(matches!(pending.await, Err(Error::Ended)));
        assert_eq!(publisher.room.available_permits(), 10_000);
    }

    #[tokio::test]
    async fn without_a_server_each_message_is_told_so() {
        let time = Duration::from_millis(50);
        let backoff = Backoff { initial: time / 10, maximum: time / 10 };
        let client =
            Client::builder("http://127.0.0.1:1").repeat_for(time).backoff(backoff).connect().unwrap();
        let publisher = client.publish();
        let pending = publisher.broadcast("c", Message::new("t")).await.unwrap();
        let error = pending.await.unwrap_err();
        assert!(error.failure().unwrap().unsent && !error.outcome_unknown(), "{error}");
        publisher.flush().await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_lost_is_tried_again_for_some_time() {
        let policy = Policy { repeat_for: Duration::from_secs(5), ..Policy::default() };
        let (mut trouble, begun) = (Trouble::new(), Instant::now());
        while let Judged::Passes(wait) = trouble.judge(&Status::unavailable("").into(), &policy) {
            sleep(wait).await;
        }
        assert_eq!(trouble.judge(&Status::unavailable("").into(), &policy), Judged::Lasts);
        assert!(trouble.failures > 3 && begun.elapsed() <= policy.repeat_for);
        assert!(trouble.left_open);
    }

    #[test]
    fn what_is_refused_is_not_tried_again() {
        let refusal = Status::resource_exhausted("").into();
        assert_eq!(Trouble::new().judge(&refusal, &Policy::default()), Judged::Refused);
    }
}
