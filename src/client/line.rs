//! One stream after the other: opened again when it is lost, as long as that may help.

use super::{
    Backoff, Code, Error, Interruption, Result,
    policy::asked_wait,
    subscribe::{Observer, Options, Parts},
    time,
};
use crate::v1;
use futures_util::{StreamExt as _, future::BoxFuture};
use std::{
    future::Future as _,
    pin::Pin,
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

/// The streams of a subscription, or of many.
pub(super) struct Line {
    pub(super) backoff: Backoff,
    pub(super) reconnect_for: Option<Duration>,
    observer: Option<Observer>,
    state: State,
    /// How often in a row the stream was lost before it brought anything.
    failures: u32,
    lost_at: Option<Instant>,
}

enum State {
    Open { parts: Parts, heartbeat: Duration, silence: Pin<Box<Sleep>> },
    Waiting(Pin<Box<Sleep>>),
    Opening(BoxFuture<'static, Result<Parts>>),
}

/// What came over a line.
pub(super) enum Heard {
    Part(v1::WatchResponse),
    /// The stream ended with OK.
    Ended,
    /// It was lost, or could not be opened.
    Failed(Error),
}

impl Line {
    /// The first stream is open.
    pub(super) fn new(parts: Parts, options: Options) -> Self {
        Self {
            backoff: options.backoff,
            reconnect_for: options.reconnect_for,
            observer: options.observer,
            state: State::open(parts),
            failures: 0,
            lost_at: None,
        }
    }

    /// What comes next; `open` opens the next stream when it is time to.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut open: impl FnMut() -> BoxFuture<'static, Result<Parts>>,
    ) -> Poll<Heard> {
        loop {
            match &mut self.state {
                State::Open { parts, heartbeat, silence } => {
                    // what has arrived comes first: a program may well be slower than the heartbeat
                    let part = match parts.poll_next_unpin(cx) {
                        Poll::Ready(part) => part,
                        Poll::Pending => {
                            ready!(silence.as_mut().poll(cx));
                            Some(Err(silent(*heartbeat)))
                        }
                    };
                    return Poll::Ready(self.received(part));
                }
                State::Waiting(wait) => {
                    ready!(wait.as_mut().poll(cx));
                    self.state = State::Opening(open());
                }
                State::Opening(opening) => match ready!(opening.as_mut().poll(cx)) {
                    Ok(parts) => self.state = State::open(parts),
                    Err(error) => return Poll::Ready(Heard::Failed(error)),
                },
            }
        }
    }

    fn received(&mut self, part: Option<Result<v1::WatchResponse, tonic::Status>>) -> Heard {
        match part {
            Some(Ok(part)) => {
                self.hear(&part);
                Heard::Part(part)
            }
            Some(Err(status)) => Heard::Failed(status.into()),
            None => Heard::Ended,
        }
    }

    fn hear(&mut self, part: &v1::WatchResponse) {
        if let Some(opened) = &part.opened {
            self.opened(opened);
        }
        if let State::Open { heartbeat, silence, .. } = &mut self.state {
            silence.as_mut().reset(Instant::now() + *heartbeat * MISSED_HEARTBEATS);
        }
        // a server that ends every stream before it brings anything must not be asked in a tight loop
        if !part.batches.is_empty() || !part.presence.is_empty() {
            self.failures = 0;
        }
    }

    fn opened(&mut self, opened: &v1::StreamOpened) {
        if let (State::Open { heartbeat, .. }, Some(announced)) = (&mut self.state, opened.heartbeat) {
            *heartbeat = usable(announced);
        }
        if self.lost_at.take().is_some() {
            self.tell(Interruption::Over);
        }
    }

    /// Has the stream opened again after a while.
    ///
    /// # Errors
    /// This one, where that cannot help or was tried for long enough.
    pub(super) fn retry(&mut self, cause: Error) -> Result<()> {
        let lost_for = self.lost_at.get_or_insert_with(Instant::now).elapsed();
        if !reconnecting_may_help(&cause) || self.reconnect_for.is_some_and(|limit| lost_for >= limit) {
            return Err(cause);
        }
        let retry_in = self.backoff.delay(self.failures).max(asked_wait(&cause));
        self.failures = self.failures.saturating_add(1);
        self.state = State::Waiting(Box::pin(sleep(retry_in)));
        self.tell(Interruption::Lost { cause, failures: self.failures, retry_in });
        Ok(())
    }

    /// Whether a stream is open, as far as that is known.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Has another stream opened at once.
    pub(super) fn reopen(&mut self, opening: BoxFuture<'static, Result<Parts>>) {
        self.state = State::Opening(opening);
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

/// None, nothing and ages are not what a server means.
fn usable(heartbeat: prost_types::Duration) -> Duration {
    let heartbeat = time::duration(heartbeat).filter(|time| !time.is_zero());
    heartbeat.map_or(HEARTBEAT, |time| time.min(MAX_HEARTBEAT))
}

fn silent(heartbeat: Duration) -> tonic::Status {
    tonic::Status::unavailable(format!("nothing received for {:?}", heartbeat * MISSED_HEARTBEATS))
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
mod tests {
    use super::*;
    use tonic::Status;
    use tonic_types::{ErrorDetails, StatusExt as _};

    fn refused(code: Code, reason: &str) -> Status {
        Status::with_error_details(code, "", ErrorDetails::with_error_info(reason, "eric", []))
    }

    #[test]
    fn a_lost_connection_and_a_shutdown_are_no_end() {
        assert!(reconnecting_may_help(&refused(Code::Unavailable, "SHUTTING_DOWN").into()));
        assert!(reconnecting_may_help(&refused(Code::ResourceExhausted, "STREAM_LIMIT").into()));
        for code in [Code::Unavailable, Code::Unknown, Code::Internal, Code::Cancelled] {
            assert!(reconnecting_may_help(&Status::new(code, "").into()), "{code:?}");
        }
    }

    #[test]
    fn what_the_server_means_is_final() {
        for (code, reason) in [
            (Code::NotFound, "CHANNEL_REMOVED"),
            (Code::Aborted, "LISTENER_TAKEN_OVER"),
            (Code::Internal, "LOG_CORRUPT"),
            (Code::FailedPrecondition, "RESUME_TOKEN_AHEAD"),
        ] {
            assert!(!reconnecting_may_help(&refused(code, reason).into()), "{reason}");
        }
        assert!(!reconnecting_may_help(&Status::unimplemented("").into()));
    }
}
