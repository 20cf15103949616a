//! What a listener or a watcher gets, as a stream.

use super::{
    Adapt, AsItIs, Error, Event, Result,
    reader::{Reader, Step},
};
use futures_core::Stream;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::task::coop;

/// Why a stream has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// The sender said that no more will come.
    ChannelClosed,
    /// The listener was stopped.
    Stopped,
    /// An [`ApplicationListener`](super::ApplicationListener) was told to remove itself.
    Removed,
    /// Nothing waited any more ([`Processing::until_empty`](super::Processing::until_empty)).
    Empty,
    /// With this error, which was the last item.
    Failed(Error),
}

/// What a listener or a watcher gets, each message passed through an adapter.
///
/// In order: messages, and gaps at their places. How it ends is told on the [room's page](super); behind its end it
/// gives `None` for ever. Dropping it ends it.
#[derive(Debug)]
pub struct MessageStream<A = AsItIs> {
    reader: Reader,
    adapter: A,
    ended: Option<End>,
}

impl MessageStream {
    pub(super) fn new(reader: Reader) -> Self {
        Self { reader, adapter: AsItIs, ended: None }
    }
}

impl<A> MessageStream<A> {
    /// The same stream through another adapter.
    pub fn adapt<B: Adapt>(self, adapter: B) -> MessageStream<B> {
        MessageStream { reader: self.reader, adapter, ended: self.ended }
    }

    /// Where to go on after what was given last: [`ListenOptions::resume_token`](crate::hub::ListenOptions).
    pub fn resume_token(&self) -> String {
        self.reader.token().to_string()
    }

    /// Why it has ended; `None` while it has not.
    pub fn ended_by(&self) -> Option<&End> {
        self.ended.as_ref()
    }
}

/// Nothing in it is ever pinned.
impl<A> Unpin for MessageStream<A> {}

impl<A: Adapt> Stream for MessageStream<A> {
    type Item = Result<Event<A::Output>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended.is_some() {
            return Poll::Ready(None);
        }
        // a long backlog must not keep the program's other tasks waiting
        let turn = ready!(coop::poll_proceed(context));
        let step = ready!(this.reader.poll(context));
        turn.made_progress();
        Poll::Ready(this.item(step))
    }
}

impl<A: Adapt> MessageStream<A> {
    fn item(&mut self, step: Step) -> Option<Result<Event<A::Output>>> {
        match step {
            Step::Delivery(delivery) => Some(Ok(Event::Message(self.adapter.adapt(delivery)))),
            Step::Gap(gap) => Some(Ok(Event::Gap(gap))),
            Step::Closed(delivery) => {
                self.ended = Some(End::ChannelClosed);
                self.adapter.adapt_end(delivery).map(|last| Ok(Event::Message(last)))
            }
            Step::Stopped => {
                self.ended = Some(End::Stopped);
                None
            }
            Step::Failed(error) => {
                self.ended = Some(End::Failed(error.clone().into()));
                Some(Err(error.into()))
            }
        }
    }
}
