//! Which calls are repeated, how often, and until when: the one place that knows.

use super::{Backoff, Client, Error, Result, Service};
use std::{future::Future, time::Duration};
use tokio::time::{Instant, sleep, timeout};
use tonic::{Code, Request, Response, Status};

/// The header has place for eight digits; nobody means more than this.
const MAX_TIMEOUT: Duration = Duration::from_secs(99_999_999);

#[derive(Clone, Debug)]
pub(super) struct Policy {
    /// For one attempt.
    pub(super) timeout: Duration,
    /// No further attempt begins later.
    pub(super) repeat_for: Duration,
    pub(super) backoff: Backoff,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            repeat_for: Duration::from_secs(10),
            backoff: Backoff::default(),
        }
    }
}

/// What repeating a call would do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Repeat {
    /// Done twice is as done once: reads, changes that say what shall be, creations that allow what exists, sends of
    /// messages with an id.
    Safe,
    /// Done twice is done twice, or is answered otherwise: ends of channels, pulls, removals.
    Unsafe,
}

impl Repeat {
    pub(super) fn safe_if(safe: bool) -> Self {
        if safe { Repeat::Safe } else { Repeat::Unsafe }
    }

    /// The server was not there, and what it may have done before that is done again without harm.
    fn allows(self, error: &Error) -> bool {
        let Some(failure) = error.failure() else { return false };
        failure.code == Code::Unavailable && (self == Repeat::Safe || failure.unsent)
    }
}

impl Client {
    /// Calls the verb until it is answered, or may not be repeated.
    pub(super) async fn call<Q, A, F>(
        &self,
        repeat: Repeat,
        request: Q,
        verb: impl Fn(Service, Request<Q>) -> F,
    ) -> Result<A>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        self.call_within(self.policy.timeout, repeat, request, verb).await
    }

    /// The same with a time of its own for each attempt, which the server is told.
    pub(super) async fn call_within<Q, A, F>(
        &self,
        limit: Duration,
        repeat: Repeat,
        request: Q,
        verb: impl Fn(Service, Request<Q>) -> F,
    ) -> Result<A>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let attempt = || {
            let mut request = Request::new(request.clone());
            request.set_timeout(limit.min(MAX_TIMEOUT));
            self.attempt(limit, verb(self.service.clone(), request))
        };
        self.repeat(repeat, attempt).await
    }

    /// Opens a stream: only the opening is bounded, and repeated.
    pub(super) async fn open<Q, A, F>(&self, request: Q, verb: impl Fn(Service, Request<Q>) -> F) -> Result<A>
    where
        Q: Clone,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        let attempt =
            || self.attempt(self.policy.timeout, verb(self.service.clone(), Request::new(request.clone())));
        self.repeat(Repeat::Safe, attempt).await
    }

    /// One attempt. The limit holds here too, since tonic's own clock does not run while it connects.
    pub(super) async fn attempt<A>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<Response<A>, Status>>,
    ) -> Result<A> {
        match timeout(limit, call).await {
            Ok(answer) => Ok(answer.map_err(|status| self.failed(status))?.into_inner()),
            Err(_) => Err(Error::deadline(limit)),
        }
    }

    async fn repeat<A, F>(&self, repeat: Repeat, attempt: impl Fn() -> F) -> Result<A>
    where
        F: Future<Output = Result<A>>,
    {
        let begun = Instant::now();
        let (mut failures, mut left_open) = (0, false);
        loop {
            let error = match attempt().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let wait = self.policy.backoff.delay(failures).max(asked_wait(&error));
            if !repeat.allows(&error) || begun.elapsed().saturating_add(wait) > self.policy.repeat_for {
                return Err(if left_open { error.after_one_that_left_it_open() } else { error });
            }
            tracing::debug!(%error, ?wait, "repeating a call");
            sleep(wait).await;
            failures += 1;
            left_open |= error.outcome_unknown();
        }
    }
}

/// How long the server asks to wait; zero where it does not.
pub(super) fn asked_wait(error: &Error) -> Duration {
    error.failure().and_then(|failure| failure.retry_after).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn client() -> Client {
        let backoff = Backoff { initial: Duration::from_millis(100), maximum: Duration::from_secs(1) };
        Client::builder("http://127.0.0.1:1")
            .repeat_for(Duration::from_secs(5))
            .backoff(backoff)
            .connect()
            .unwrap()
    }

    async fn attempts(repeat: Repeat, answers: &[Result<(), Status>]) -> (usize, Result<()>) {
        let tried = Cell::new(0);
        let outcome = client()
            .repeat(repeat, || {
                let answer = answers[tried.get().min(answers.len() - 1)].clone();
                tried.set(tried.get() + 1);
                async { answer.map_err(Error::from) }
            })
            .await;
        (tried.get(), outcome)
    }

    fn unsent() -> Status {
        let mut status = Status::unavailable("");
        status.set_source(std::sync::Arc::new(tonic::ConnectError("refused".into())));
        status
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_is_repeated_until_the_server_is_back() {
        let answers = [Err(Status::unavailable("")), Err(unsent()), Ok(())];
        assert!(matches!(attempts(Repeat::Safe, &answers).await, (3, Ok(()))));
    }

    #[tokio::test(start_paused = true)]
    async fn what_must_not_be_done_twice_is_repeated_only_where_it_never_left() {
        let lost = [Err(Status::unavailable("")), Ok(())];
        assert!(matches!(attempts(Repeat::Unsafe, &lost).await, (1, Err(_))));
        let unsent = [Err(unsent()), Ok(())];
        assert!(matches!(attempts(Repeat::Unsafe, &unsent).await, (2, Ok(()))));
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_have_been_done_once_stays_so_when_the_server_is_gone() {
        let (_, gone) = attempts(Repeat::Safe, &[Err(unsent())]).await;
        assert!(!gone.unwrap_err().outcome_unknown());
        let (tried, lost) = attempts(Repeat::Safe, &[Err(Status::unavailable("")), Err(unsent())]).await;
        assert!(tried > 2 && lost.unwrap_err().outcome_unknown());
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_final() {
        let answers = [Err(Status::not_found("")), Ok(())];
        assert!(matches!(attempts(Repeat::Safe, &answers).await, (1, Err(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn repeating_ends() {
        let begun = Instant::now();
        let (tried, outcome) = attempts(Repeat::Safe, &[Err(Status::unavailable(""))]).await;
        assert!(outcome.is_err() && tried > 3);
        assert!(begun.elapsed() <= Duration::from_secs(5));
    }
}
