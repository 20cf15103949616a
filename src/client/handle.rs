//! Receiving with a handler: what it returns is what the server is told.

use super::{
    Delivery, End, Error, Event, Listen, Rejection, Result, Subscription, policy::asked_wait, reason,
    settle::not_explicit,
};
use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{BoxFuture, Fuse, FusedFuture as _},
    stream::FuturesUnordered,
};
use std::{
    future::{Future, IntoFuture},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// A handler of a listener's messages, about to be run; await it. From [`Listen::handle`].
#[must_use = "nothing is received until it is awaited"]
pub struct Handling<H> {
    listen: Listen,
    handler: H,
    at_once: usize,
    until: Until,
}

type Until = Fuse<BoxFuture<'static, ()>>;

impl Listen {
    /// Has a handler called for each delivery and each gap of a listener that acknowledges explicitly.
    ///
    /// What it returns OK for is acknowledged, together with what gathers meanwhile; an error is a
    /// [`Rejection`], after which the delivery comes again, or goes to the dead letters. It is called for one
    /// at a time, in order, unless [`at_once`](Handling::at_once) says more. A gap is acknowledged whatever
    /// the handler returns for it. A delivery is handled once, however often it comes: also one whose
    /// acknowledgement was lost with its connection, or in a crash of a server that has its log on disk.
    ///
    /// ```no_run
    /// use eric::client::{Event, Rejection};
    ///
    /// # async fn run(client: eric::client::Client) -> Result<(), eric::client::Error> {
    /// let end = client
    ///     .listen("orders", "shipping")
    ///     .handle(|event| async move {
    ///         match event {
    ///             Event::Delivery(delivery) => println!("{}", delivery.message.json::<u64>()?),
    ///             Event::Gap(gap) => println!("missed {:?}: {:?}", gap.count, gap.reason),
    ///         }
    ///         Ok::<(), Rejection>(())
    ///     })
    ///     .await?;
    /// println!("{end:?}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Awaited, it ends as a [`Subscription`] does, once every handler that was called has returned, and what
    /// they earned has been said to the server. Dropped, it drops the handlers at work; what others have
    /// earned is still said.
    ///
    /// # Errors
    /// As the subscription's last event; INVALID_ARGUMENT, reason `NOT_EXPLICIT`, of a listener that
    /// acknowledges automatically.
    pub fn handle<H, F>(self, handler: H) -> Handling<H>
    where
        H: FnMut(Event) -> F,
        F: Future<Output = Result<(), Rejection>>,
    {
        let never: BoxFuture<'static, ()> = Box::pin(std::future::pending());
        Handling { listen: self, handler, at_once: 1, until: never.fuse() }
    }
}

impl<H> Handling<H> {
    /// So many may be at work at once: for channels whose redelivery is overtaking, and whoever else does
    /// not mind the order. Zero is taken as one.
    pub fn at_once(mut self, handlers: usize) -> Self {
        self.at_once = handlers.max(1);
        self
    }

    /// Ends it, with [`End::Left`], when this does: no handler is called any more, and a rejection that the server has not
    /// answered is not repeated.
    pub fn until(mut self, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        let stop: BoxFuture<'static, ()> = Box::pin(stop);
        self.until = stop.fuse();
        self
    }
}

impl<H, F> IntoFuture for Handling<H>
where
    H: FnMut(Event) -> F + Send + 'static,
    F: Future<Output = Result<(), Rejection>> + Send + 'static,
{
    type Output = Result<End>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// A delivery, and what the handler returned for it.
type Handled = (Delivery, Result<(), Rejection>);

/// What comes next in a run.
#[expect(clippy::large_enum_variant, reason = "nearly every turn is an event: a box would cost each one")]
enum Turn {
    Left,
    Handled(Box<Handled>),
    Event(Option<Result<Event>>),
}

impl<H, F> Handling<H>
where
    H: FnMut(Event) -> F,
    F: Future<Output = Result<(), Rejection>>,
{
    async fn run(self) -> Result<End> {
        let Self { listen, mut handler, at_once, mut until } = self;
        let patience = listen.options.reconnect_for;
        let mut subscription = tokio::select! {
            biased;
            () = &mut until => return Ok(End::Left),
            opened = listen.open() => opened?,
        };
        let mut working = FuturesUnordered::new();
        let end = loop {
            let turn = tokio::select! {
                biased;
                () = stopped(&mut until) => Turn::Left,
                Some(handled) = working.next() => Turn::Handled(Box::new(handled)),
                event = subscription.next(), if working.len() < at_once => Turn::Event(event),
            };
            match turn {
                Turn::Left => break Ok(End::Left),
                Turn::Handled(handled) => settle(*handled, &mut subscription, patience, &mut until).await,
                Turn::Event(None) => break Ok(subscription.ended_by().cloned().unwrap_or(End::Stopped)),
                Turn::Event(Some(Err(error))) => break Err(error),
                Turn::Event(Some(Ok(Event::Gap(gap)))) => {
                    if let Err(rejection) = handler(Event::Gap(gap)).await {
                        tracing::warn!(reason = rejection.reason(), "a gap cannot be rejected");
                    }
                }
                Turn::Event(Some(Ok(Event::Delivery(delivery)))) if delivery.is_explicit() => {
                    let handling = handler(Event::Delivery(delivery.clone()));
                    working.push(handling.map(|outcome| (delivery, outcome)));
                }
                Turn::Event(Some(Ok(Event::Delivery(_)))) => break Err(not_explicit()),
            }
        };
        // who was called is heard; after a stop nobody is called any more
        while let Some(handled) = working.next().await {
            settle(handled, &mut subscription, Some(patience.unwrap_or_default()), &mut until).await;
        }
        subscription.flush().await;
        end
    }
}

/// Returns once it has been told to stop, also when it is asked again.
async fn stopped(until: &mut Until) {
    if !until.is_terminated() {
        until.await;
    }
}

/// Says what became of a delivery. A rejection is answered before anything else is handled: what was received
/// behind it comes again. Once it has been told to stop, no further attempt begins.
async fn settle(
    (delivery, outcome): Handled,
    subscription: &mut Subscription,
    patience: Option<Duration>,
    until: &mut Until,
) {
    let Err(rejection) = outcome else {
        drop(delivery.acknowledge());
        return;
    };
    tracing::debug!(sequence = delivery.sequence, reason = rejection.reason(), "rejecting");
    let begun = Instant::now();
    let mut failures = 0;
    while let Err(error) = delivery.reject(rejection.clone()).await {
        let in_time = patience.is_none_or(|patience| begun.elapsed() < patience);
        let wait = subscription.backoff().delay(failures).max(asked_wait(&error));
        let goes_on = in_time && may_pass(&error);
        let waited = async {
            tokio::select! {
                biased;
                () = stopped(until) => false,
                () = sleep(wait) => true,
            }
        };
        if !(goes_on && waited.await) {
            refused(&error, subscription);
            return;
        }
        failures = failures.saturating_add(1);
    }
}

fn may_pass(error: &Error) -> bool {
    error.retryable() || (error.reason().is_none() && error.outcome_unknown())
}

/// What was refused is settled, or comes again. What was received behind it must not overtake it.
fn refused(error: &Error, subscription: &mut Subscription) {
    match error.reason() {
        Some(reason::NOT_OUTSTANDING | reason::OTHER_LIFE) => {}
        Some(reason::STALE_GENERATION) => subscription.reopen(),
        Some(_) | None => {
            tracing::warn!(%error, "a rejection was refused");
            subscription.reopen();
        }
    }
}
