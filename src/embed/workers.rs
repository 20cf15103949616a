//! A listener's queue worked through by a few workers at once.

use super::{
    Channel, Delivery, End, Error, Event, Listener, Result,
    channel::{one_at_a_time, parse},
    reader::{Reader, Step},
};
use crate::hub::{Gap, Receiver};
use futures_core::Stream;
use std::{
    collections::HashMap,
    fmt,
    num::NonZeroUsize,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::task::{Id, JoinError, JoinSet};

impl Channel {
    /// Has what a listener gets worked through by at most `max_workers` tasks at once, and gives their results in the
    /// order in which they are done. [`Processing`] says when it ends.
    ///
    /// A worker is a task of the program's Tokio runtime, and must not block it: for work that does there is
    /// [`Channel::process_queue_blocking`]. Dropping the stream cancels the workers.
    ///
    /// # Errors
    /// As [`Channel::message_stream`].
    pub fn process_queue<T, F>(
        &self,
        listener: &str,
        max_workers: NonZeroUsize,
        work: impl Fn(Delivery) -> F + Send + Sync + 'static,
    ) -> Result<Processing<T>>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let work = Arc::new(work);
        self.process(listener, max_workers, move |workers, delivery| {
            let work = Arc::clone(&work);
            // called in the task, so that a panic of the closure itself is the worker's
            workers.spawn(async move { work(delivery).await }).id()
        })
    }

    /// As [`Channel::process_queue`], on the runtime's threads for work that blocks. Dropping the stream cannot stop
    /// workers that are at work: their results are lost.
    ///
    /// # Errors
    /// As [`Channel::message_stream`].
    pub fn process_queue_blocking<T: Send + 'static>(
        &self,
        listener: &str,
        max_workers: NonZeroUsize,
        work: impl Fn(Delivery) -> T + Send + Sync + 'static,
    ) -> Result<Processing<T>> {
        let work = Arc::new(work);
        self.process(listener, max_workers, move |workers, delivery| {
            let work = Arc::clone(&work);
            workers.spawn_blocking(move || work(delivery)).id()
        })
    }

    fn process<T: 'static>(
        &self,
        listener: &str,
        max_workers: NonZeroUsize,
        start: impl FnMut(&mut JoinSet<T>, Delivery) -> Id + Send + 'static,
    ) -> Result<Processing<T>> {
        let reader = self.reader(Receiver::Listener(parse(listener)?), one_at_a_time())?;
        Ok(Processing {
            reader,
            listener: Listener::new(self.clone(), listener.into()),
            start: Box::new(start),
            max_workers: max_workers.get(),
            workers: JoinSet::new(),
            at_work: HashMap::new(),
            until_empty: false,
            ended: None,
            done: false,
        })
    }
}

/// A message that was worked on.
#[derive(Debug)]
pub struct Processed<T> {
    /// The message.
    pub delivery: Delivery,
    /// What its worker made of it.
    pub result: Result<T, WorkerFailed>,
}

/// A worker came to no result. The others go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorkerFailed {
    /// It panicked, with these words where there were any.
    #[error("the worker panicked: {0}")]
    Panicked(String),
    /// The runtime is shutting down.
    #[error("the worker was cancelled")]
    Cancelled,
}

impl WorkerFailed {
    fn of(error: JoinError) -> Self {
        match error.try_into_panic() {
            Ok(panic) => Self::Panicked(words(&*panic)),
            Err(_) => Self::Cancelled,
        }
    }
}

/// What a panic says.
pub(super) fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

type Start<T> = Box<dyn FnMut(&mut JoinSet<T>, Delivery) -> Id + Send>;

/// The results of [`Channel::process_queue`], in the order in which they are done, with gaps when they are met.
///
/// A message is taken from the queue only when a worker is free for it, and workers get their next one while the stream
/// is polled: results that nobody takes keep their workers. It ends as every stream [does](super), after the results of
/// the workers that are still at work; with an error, that comes last.
#[must_use = "nothing is worked on unless the stream is polled"]
pub struct Processing<T> {
    reader: Reader,
    listener: Listener,
    start: Start<T>,
    max_workers: usize,
    /// Those that are done and not yet given included.
    workers: JoinSet<T>,
    at_work: HashMap<Id, Delivery>,
    until_empty: bool,
    /// No more messages are taken.
    ended: Option<End>,
    /// Everything was given.
    done: bool,
}

impl<T> Processing<T> {
    /// Ends as soon as nothing waits for the listener and no worker is at work, as `eric-sse` does. Otherwise it waits
    /// for more.
    pub fn until_empty(mut self) -> Self {
        self.until_empty = true;
        self
    }

    /// Why it takes no more messages; `None` while it does.
    pub fn ended_by(&self) -> Option<&End> {
        self.ended.as_ref()
    }

    /// Gives free workers their messages. A gap is given before more are taken.
    fn fill(&mut self, context: &mut Context<'_>) -> Option<Gap>
    where
        T: 'static,
    {
        while self.ended.is_none() && self.workers.len() < self.max_workers {
            let Poll::Ready(step) = self.reader.poll(context) else {
                self.end_if_empty();
                return None;
            };
            match step {
                Step::Gap(gap) => return Some(gap),
                Step::Delivery(delivery) => {
                    let worker = (self.start)(&mut self.workers, delivery.clone());
                    self.at_work.insert(worker, delivery);
                }
                Step::Closed(_) => self.ended = Some(End::ChannelClosed),
                Step::Stopped => self.ended = Some(End::Stopped),
                Step::Failed(error) => self.ended = Some(End::Failed(error.into())),
            }
        }
        None
    }

    fn end_if_empty(&mut self) {
        // a worker may still send to its own listener
        if self.until_empty
            && self.workers.is_empty()
            && self.listener.info().is_ok_and(|listener| listener.backlog.messages == 0)
        {
            self.ended = Some(End::Empty);
            self.reader.let_go();
        }
    }

    fn processed(&mut self, joined: Result<(Id, T), JoinError>) -> Processed<T> {
        let (worker, result) = match joined {
            Ok((worker, result)) => (worker, Ok(result)),
            Err(error) => (error.id(), Err(WorkerFailed::of(error))),
        };
        let delivery = self.at_work.remove(&worker).expect("every worker has its message");
        Processed { delivery, result }
    }

    /// Behind the last result.
    fn last(&mut self) -> Option<Error> {
        self.done = true;
        match &self.ended {
            Some(End::Failed(error)) => Some(error.clone()),
            Some(End::ChannelClosed | End::Stopped | End::Removed | End::Empty) | None => None,
        }
    }
}

impl<T: 'static> Stream for Processing<T> {
    type Item = Result<Event<Processed<T>>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.done {
            return Poll::Ready(None);
        }
        if let Some(gap) = this.fill(context) {
            return Poll::Ready(Some(Ok(Event::Gap(gap))));
        }
        if this.workers.is_empty() && this.ended.is_none() {
            return Poll::Pending;
        }
        match ready!(this.workers.poll_join_next_with_id(context)) {
            Some(joined) => Poll::Ready(Some(Ok(Event::Message(this.processed(joined))))),
            None => Poll::Ready(this.last().map(Err)),
        }
    }
}

/// Nothing in it is ever pinned.
impl<T> Unpin for Processing<T> {}

impl<T> fmt::Debug for Processing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Processing")
            .field("listener", &self.listener.id())
            .field("max_workers", &self.max_workers)
            .field("at_work", &self.workers.len())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
