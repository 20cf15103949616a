//! A subscription: one order of events over as many streams as it takes.

use super::{
    Backoff, CHANNEL_CLOSED, Code, End, Error, Event, Interruption, Result,
    account::Account,
    policy::asked_wait,
    resume::Cursor,
    subscribe::{Attendant, Observer, Opener, Options, Parts},
    time,
};
use crate::v1;
use futures_core::Stream;
use futures_util::{StreamExt as _, future::BoxFuture};
use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep};

/// Where a server does not say how often it sends a heartbeat.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// A connection that is silent for longer is noticed by none, whatever a server announces.
const MAX_HEARTBEAT: Duration = Duration::from_secs(3_600);
/// So many heartbeats missed, and the stream counts as lost.
const MISSED_HEARTBEATS: u32 = 3;

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
    backoff: Backoff,
    reconnect_for: Option<Duration>,
    observer: Option<Observer>,
    attendant: Option<Attendant>,
    cursor: Cursor,
    state: State,
    /// What ends the open stream once all that it brought is handed out.
    verdict: Option<Verdict>,
    /// How often in a row the stream was lost before it brought anything.
    failures: u32,
    lost_at: Option<Instant>,
}

enum State {
    Open {
        parts: Parts,
        heartbeat: Duration,
        silence: Pin<Box<Sleep>>,
    },
    Waiting(Pin<Box<Sleep>>),
    Opening(BoxFuture<'static, Result<Parts>>),
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
        options: Options,
    ) -> Self {
        Self {
            opener,
            backoff: options.backoff,
            reconnect_for: options.reconnect_for,
            observer: options.observer,
            attendant: options.attendant,
            cursor: Cursor::new(resume_token, account),
            state: State::open(parts),
            verdict: None,
            failures: 0,
            lost_at: None,
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
            State::Open { .. } | State::Waiting(_) | State::Opening(_) | State::Ending(..) => None,
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
        &self.backoff
    }

    /// Has everything that is not acknowledged come again, in the listener's generation of then.
    pub(super) fn reopen(&mut self) {
        if matches!(self.state, State::Open { .. }) {
            self.cursor.close();
            self.state = State::Opening((self.opener)(self.cursor.resume_token().to_owned()));
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event>>> {
        loop {
            if let Some(fault) = self.fault() {
                self.verdict = Some(Verdict::Failed(fault));
            } else if let Some(event) = self.cursor.hand_out() {
                match self.hand_out(event) {
                    Some(event) => return Poll::Ready(Some(Ok(event))),
                    None => continue,
                }
            }
            if let Some(verdict) = self.verdict.take() {
                match self.judge(verdict) {
                    Some(error) => return Poll::Ready(Some(Err(error))),
                    None => continue,
                }
            }
            match &mut self.state {
                State::Ended(_) => return Poll::Ready(None),
                State::Ending(said, end) => {
                    ready!(said.as_mut().poll(cx));
                    self.state = State::Ended(end.clone());
                }
                State::Open { parts, heartbeat, silence } => {
                    // what has arrived comes first: a program may well be slower than the heartbeat
                    let part = match parts.poll_next_unpin(cx) {
                        Poll::Ready(part) => part,
                        Poll::Pending => {
                            ready!(silence.as_mut().poll(cx));
                            Some(Err(silent(*heartbeat)))
                        }
                    };
                    self.received(part);
                }
                State::Waiting(wait) => {
                    ready!(wait.as_mut().poll(cx));
                    self.state = State::Opening((self.opener)(self.cursor.resume_token().to_owned()));
                }
                State::Opening(opening) => match ready!(opening.as_mut().poll(cx)) {
                    Ok(parts) => self.state = State::open(parts),
                    Err(error) => self.verdict = Some(Verdict::Failed(error)),
                },
            }
        }
    }

    /// What cannot be acknowledged here need not be received; it is said once.
    fn fault(&self) -> Option<Error> {
        match &self.state {
            State::Ended(_) | State::Ending(..) => None,
            State::Open { .. } | State::Waiting(_) | State::Opening(_) => self.cursor.account()?.fault(),
        }
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

    fn received(&mut self, part: Option<Result<v1::WatchResponse, tonic::Status>>) {
        match part {
            Some(Ok(part)) => self.take(part),
            Some(Err(status)) => self.verdict = Some(Verdict::Failed(status.into())),
            None => self.verdict = Some(Verdict::Stopped),
        }
    }

    fn take(&mut self, part: v1::WatchResponse) {
        if let Some(opened) = part.opened {
            self.opened(&opened);
        }
        if let State::Open { heartbeat, silence, .. } = &mut self.state {
            silence.as_mut().reset(Instant::now() + *heartbeat * MISSED_HEARTBEATS);
        }
        part.started.iter().for_each(|started| self.cursor.started(started));
        // a server that ends every stream before it brings anything must not be asked in a tight loop
        if !part.batches.is_empty() || !part.presence.is_empty() {
            self.failures = 0;
        }
        if let Some(attendant) = &mut self.attendant {
            part.presence.into_iter().for_each(|presence| attendant(presence.into()));
        }
        part.batches.into_iter().for_each(|batch| self.cursor.accept(batch));
        if let Some(ended) = part.ended.into_iter().next() {
            self.verdict = Some(verdict(ended));
        }
    }

    fn opened(&mut self, opened: &v1::StreamOpened) {
        self.cursor.opened(&opened.incarnation);
        if let (State::Open { heartbeat, .. }, Some(announced)) = (&mut self.state, opened.heartbeat) {
            *heartbeat = usable(announced);
        }
        if self.lost_at.take().is_some() {
            self.tell(Interruption::Over);
        }
    }

    /// Ends the subscription, with an error to hand out, or has the stream opened again.
    fn judge(&mut self, verdict: Verdict) -> Option<Error> {
        match verdict {
            Verdict::Stopped => {
                self.end(End::Stopped);
                None
            }
            Verdict::Failed(error) if self.may_reconnect(&error) => {
                self.wait(error);
                None
            }
            Verdict::Failed(error) => {
                self.state = State::Ended(End::Failed(error.clone()));
                Some(error)
            }
        }
    }

    fn may_reconnect(&mut self, error: &Error) -> bool {
        let lost_for = self.lost_at.get_or_insert_with(Instant::now).elapsed();
        reconnecting_may_help(error) && self.reconnect_for.is_none_or(|limit| lost_for < limit)
    }

    fn wait(&mut self, cause: Error) {
        let retry_in = self.backoff.delay(self.failures).max(asked_wait(&cause));
        self.failures = self.failures.saturating_add(1);
        self.state = State::Waiting(Box::pin(sleep(retry_in)));
        self.tell(Interruption::Lost { cause, failures: self.failures, retry_in });
    }

    fn tell(&mut self, interruption: Interruption) {
        tracing::debug!(?interruption, "subscription interrupted");
        if let Some(observer) = &mut self.observer {
            observer(interruption);
        }
    }
}

impl State {
    fn open(parts: Parts) -> Self {
        let silence = Box::pin(sleep(HEARTBEAT * MISSED_HEARTBEATS));
        State::Open { parts, heartbeat: HEARTBEAT, silence }
    }
}

impl Stream for Subscription {
    type Item = Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx)
    }
}

/// None, nothing and ages are not what a server means.
fn usable(heartbeat: prost_types::Duration) -> Duration {
    let heartbeat = time::duration(heartbeat).filter(|time| !time.is_zero());
    heartbeat.map_or(HEARTBEAT, |time| time.min(MAX_HEARTBEAT))
}

fn silent(heartbeat: Duration) -> tonic::Status {
    tonic::Status::unavailable(format!("nothing received for {:?}", heartbeat * MISSED_HEARTBEATS))
}

fn verdict(ended: v1::SubscriptionEnded) -> Verdict {
    match ended.status {
        Some(status) if status.code != Code::Ok as i32 => Verdict::Failed(status.into()),
        Some(_) | None => Verdict::Stopped,
    }
}

/// What the server gives a reason for is meant: only UNAVAILABLE and the limit of streams pass. Without a
/// reason it is the connection's end, in one of the codes that HTTP/2 and proxies make of it.
fn reconnecting_may_help(error: &Error) -> bool {
    let by_code = matches!(error.code(), Some(Code::Unavailable));
    match error.reason() {
        Some(reason) => by_code || reason == "STREAM_LIMIT",
        None => {
            by_code
                || matches!(
                    error.code(),
                    Some(Code::Unknown | Code::Internal | Code::Cancelled | Code::DeadlineExceeded)
                )
        }
    }
}

#[cfg(test)]
mod tests;
