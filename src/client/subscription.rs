//! A subscription: one order of events over as many streams as it takes.

use super::{
    Backoff, CHANNEL_CLOSED, Code, End, Error, Event, Result,
    account::Account,
    line::{Heard, Line},
    resume::Cursor,
    subscribe::{Attendant, Opener, Options, Parts},
};
use crate::v1;
use futures_core::Stream;
use futures_util::future::BoxFuture;
use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// The events of a listener or a watcher, from
/// [`Client::listen`](super::Client::listen) or [`Client::watch`](super::Client::watch).
///
/// A stream that is lost (UNAVAILABLE, a broken connection, three heartbeats missed) is opened again, with a
/// back-off, where the last event handed out left it: nothing is lost or comes twice where the server still
/// has it, and where not, there is an [`Event::Gap`]. It ends
///
/// - with `None` once the sender said that no more will come, or the listener was stopped;
/// - with an error where reconnecting cannot help: NOT_FOUND after a removal, ABORTED, reason
///   `LISTENER_TAKEN_OVER`, and whatever else the server refuses for good.
///
/// After that there is always `None`, and [`ended_by`](Self::ended_by) tells why. Nothing is read ahead of
/// what is asked for but what the connection's window holds: a program that is slow makes the server wait.
/// Dropping it closes the stream.
///
/// Of a listener that acknowledges explicitly, each delivery is handed out once, however often it comes,
/// unless it was rejected or dropped without a word. A gap is acknowledged when what comes after it is asked
/// for, the announced end as well; and before it ends with `None`, what was acknowledged has been said to the
/// server, as far as it answers in time. What was acknowledged before a drop is said by a task that ends with
/// it.
pub struct Subscription {
    opener: Opener,
    line: Line,
    attendant: Option<Attendant>,
    cursor: Cursor,
    state: State,
    /// What ends the open stream once all that it brought is handed out.
    verdict: Option<Verdict>,
}

enum State {
    Receiving,
    /// Until what was acknowledged is said.
    Ending(BoxFuture<'static, ()>, End),
    Ended(End),
}

enum Verdict {
    Stopped,
    Failed(Error),
}

impl Subscription {
    /// The subscription whose first stream is open, and how to open the next.
    pub(super) fn new(
        parts: Parts,
        resume_token: String,
        account: Option<Arc<Account>>,
        opener: Opener,
        mut options: Options,
    ) -> Self {
        let attendant = options.attendant.take();
        Self {
            opener,
            line: Line::new(parts, options),
            attendant,
            cursor: Cursor::new(resume_token, account),
            state: State::Receiving,
            verdict: None,
        }
    }

    /// The next event; `None` once it has ended. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Option<Result<Event>> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Where to resume after all events handed out so far, also from another process: see
    /// [`Listen::resume_from`](super::Listen::resume_from). The server gives one for each batch: in the
    /// middle of one it is that of the batch before, and what was handed out since comes again; skip what
    /// is not above [`last_sequence`](Self::last_sequence). Empty before the stream has begun.
    pub fn resume_token(&self) -> &str {
        self.cursor.resume_token()
    }

    /// The sequence of the last delivery handed out.
    pub fn last_sequence(&self) -> Option<i64> {
        self.cursor.sequence()
    }

    /// Why it has ended, once it has.
    pub fn ended_by(&self) -> Option<&End> {
        match &self.state {
            State::Ended(end) => Some(end),
            State::Receiving | State::Ending(..) => None,
        }
    }

    /// Waits until what was acknowledged has been said to the server and answered, but no longer than a call
    /// may take ([`Builder::timeout`](super::Builder::timeout)).
    pub fn flush(&self) -> impl Future<Output = ()> + Send + use<> {
        let account = self.cursor.account().cloned();
        async move {
            if let Some(account) = account {
                account.flushed(account.client.policy.timeout).await;
            }
        }
    }

    pub(super) fn backoff(&self) -> &Backoff {
        &self.line.backoff
    }

    /// Has everything that is not acknowledged come again, in the listener's generation of then.
    pub(super) fn reopen(&mut self) {
        self.cursor.close();
        // a stream that has ended is opened again anyway, or must not be
        if matches!(self.state, State::Receiving) && self.verdict.is_none() && self.line.is_open() {
            self.line.reopen((self.opener)(self.cursor.opening_token().to_owned()));
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event>>> {
        loop {
            match &mut self.state {
                State::Ended(_) => return Poll::Ready(None),
                State::Ending(said, end) => {
                    ready!(said.as_mut().poll(cx));
                    self.state = State::Ended(end.clone());
                }
                State::Receiving => {
                    if let Some(event) = ready!(self.receive(cx)) {
                        return Poll::Ready(Some(event));
                    }
                }
            }
        }
    }

    /// What is handed out next; nothing where the state has changed.
    fn receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event>>> {
        // what cannot be acknowledged here need not be received
        if let Some(fault) = self.cursor.account().and_then(|account| account.fault()) {
            self.verdict = Some(Verdict::Failed(fault));
        } else if let Some(event) = self.cursor.hand_out() {
            return Poll::Ready(self.hand_out(event).map(Ok));
        }
        if let Some(verdict) = self.verdict.take() {
            return Poll::Ready(self.judge(verdict).map(Err));
        }
        let (opener, cursor) = (&self.opener, &self.cursor);
        match ready!(self.line.poll(cx, || opener(cursor.opening_token().to_owned()))) {
            Heard::Part(part) => self.take(part),
            Heard::Ended => self.verdict = Some(Verdict::Stopped),
            Heard::Failed(error) => self.verdict = Some(Verdict::Failed(error)),
        }
        Poll::Ready(None)
    }

    /// The end that a sender announced ends the iteration; it is no message of the program's.
    fn hand_out(&mut self, event: Event) -> Option<Event> {
        match &event {
            Event::Delivery(delivery) if delivery.message.message_type() == CHANNEL_CLOSED => {
                drop(delivery.acknowledge());
                self.end(End::ChannelClosed);
                None
            }
            Event::Delivery(_) | Event::Gap(_) => Some(event),
        }
    }

    fn end(&mut self, end: End) {
        self.cursor.close();
        self.verdict = None;
        self.state = match self.cursor.account().cloned() {
            Some(account) => {
                let patience = account.client.policy.timeout;
                State::Ending(Box::pin(async move { account.flushed(patience).await }), end)
            }
            None => State::Ended(end),
        };
    }

    fn take(&mut self, part: v1::WatchResponse) {
        if let Some(opened) = part.opened {
            self.cursor.opened(&opened.incarnation);
        }
        part.started.iter().for_each(|started| self.cursor.started(started));
        if let Some(attendant) = &mut self.attendant {
            part.presence.into_iter().for_each(|presence| attendant(presence.into()));
        }
        part.batches.into_iter().for_each(|batch| self.cursor.accept(batch));
        if let Some(ended) = part.ended.into_iter().next() {
            self.verdict = Some(verdict(ended));
        }
    }

    /// Ends the subscription, with an error to hand out, or has the stream opened again.
    fn judge(&mut self, verdict: Verdict) -> Option<Error> {
        let Verdict::Failed(error) = verdict else {
            self.end(End::Stopped);
            return None;
        };
        let error = self.line.retry(error).err()?;
        self.state = State::Ended(End::Failed(error.clone()));
        Some(error)
    }
}

impl Stream for Subscription {
    type Item = Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx)
    }
}

fn verdict(ended: v1::SubscriptionEnded) -> Verdict {
    match ended.status {
        Some(status) if status.code != Code::Ok as i32 => Verdict::Failed(status.into()),
        Some(_) | None => Verdict::Stopped,
    }
}

#[cfg(test)]
mod tests;
