//! The verbs that say what became of deliveries: acknowledge, reject, extend.

use super::{
    Client, Delivery, Error, Result, Service, account::Hold, ledger::Claim, policy::Repeat, reason, time,
};
use crate::v1::{self, acknowledge_result, extend_result, reject_result};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, SystemTime},
};
use tokio::sync::oneshot;
use tonic::Code;

pub use crate::v1::Acknowledged;

/// The server keeps so much of a reason; more would be refused.
const MAX_REASON_BYTES: usize = 1_024;

/// What a listener is done with. Whatever is not said about the life of its deliveries is not checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Acknowledgement(v1::Acknowledgement);

impl Acknowledgement {
    /// Of nothing yet.
    pub fn of(channel: impl Into<String>, listener: impl Into<String>) -> Self {
        let (channel, listener) = (channel.into(), listener.into());
        Self(v1::Acknowledgement { channel, listener, ..Default::default() })
    }

    /// Everything up to this sequence, included.
    pub fn through(mut self, sequence: i64) -> Self {
        self.0.through_sequence = Some(sequence);
        self
    }

    /// These as well.
    pub fn sequences(mut self, sequences: impl IntoIterator<Item = i64>) -> Self {
        self.0.sequences.extend(sequences);
        self
    }

    /// One that came again alone, in a channel whose redelivery is overtaking.
    pub fn attempt(mut self, sequence: i64, attempt: i32) -> Self {
        self.0.attempts.push(v1::Attempt { sequence, attempt });
        self
    }

    /// The listener's birth; another one's is refused, reason `OTHER_LIFE`.
    pub fn birth(mut self, birth: i64) -> Self {
        self.0.birth = birth;
        self
    }

    /// The generation that the deliveries came in. Without: the current one.
    pub fn generation(mut self, generation: i64) -> Self {
        self.0.generation = Some(generation);
        self
    }
}

/// One delivery that is outstanding, for [`Client::reject`] and [`Client::extend`]. Whatever is not said
/// about its life is not checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Outstanding {
    channel: String,
    listener: String,
    birth: i64,
    incarnation: String,
    generation: Option<i64>,
    sequence: i64,
    attempt: i32,
}

impl Outstanding {
    /// The delivery with this sequence.
    pub fn new(channel: impl Into<String>, listener: impl Into<String>, sequence: i64) -> Self {
        let (channel, listener) = (channel.into(), listener.into());
        let (birth, incarnation, generation, attempt) = (0, String::new(), None, 0);
        Self { channel, listener, birth, incarnation, generation, sequence, attempt }
    }

    /// Which attempt it is; required where the channel's redelivery is overtaking.
    pub fn attempt(mut self, attempt: i32) -> Self {
        self.attempt = attempt;
        self
    }

    /// The listener's birth; another one's is refused, reason `OTHER_LIFE`.
    pub fn birth(mut self, birth: i64) -> Self {
        self.birth = birth;
        self
    }

    /// The generation that it came in. Without: the current one.
    pub fn generation(mut self, generation: i64) -> Self {
        self.generation = Some(generation);
        self
    }

    fn held(hold: &Hold, claim: &Claim) -> Self {
        Self {
            channel: hold.account.channel.clone(),
            listener: hold.account.listener.clone(),
            birth: claim.birth,
            incarnation: claim.incarnation.to_string(),
            generation: Some(claim.generation),
            sequence: hold.sequence,
            attempt: claim.attempt,
        }
    }
}

/// Why a delivery could not be handled, and what is to become of it. Any error is one: it comes again after
/// the channel's back-off.
///
/// ```
/// use eric::client::Rejection;
/// use std::time::Duration;
///
/// fn price(text: &str) -> Result<f64, Rejection> {
///     // what is no number today is none tomorrow
///     text.parse().map_err(|error: std::num::ParseFloatError| Rejection::from(error).finally())
/// }
/// let busy = Rejection::new("the database is busy").after(Duration::from_secs(5));
/// assert!(price("1.5").is_ok() && price("much").is_err());
/// # drop(busy);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejection {
    reason: String,
    delay: Option<Duration>,
    is_final: bool,
}

impl Rejection {
    /// For this reason; of one longer than 1,024 bytes the beginning.
    pub fn new(reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
        Self { reason, ..Default::default() }
    }

    /// It comes again after this time, at once if that is zero. At most 1 day. Default: the channel's
    /// back-off.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// It never comes again: it goes to the dead letter listener, or is dropped where none is named.
    pub fn finally(mut self) -> Self {
        self.is_final = true;
        self
    }

    /// The reason.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl<E: std::error::Error> From<E> for Rejection {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}

/// A rejection was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejected {
    /// The listener's generation from now on.
    pub generation: i64,
    /// How often the message was attempted.
    pub attempts: i32,
    /// It went to the dead letter listener, under this sequence.
    pub dead_letter_sequence: Option<i64>,
    /// It was dropped for good: no dead letter listener is named.
    pub dropped: bool,
    /// How long until it comes again.
    pub delay: Duration,
}

impl Rejected {
    /// Whether it comes again.
    pub fn comes_again(&self) -> bool {
        self.dead_letter_sequence.is_none() && !self.dropped
    }
}

impl From<v1::Rejected> for Rejected {
    fn from(rejected: v1::Rejected) -> Self {
        Self {
            generation: rejected.generation,
            attempts: rejected.attempts,
            dead_letter_sequence: Some(rejected.dead_letter_sequence).filter(|&sequence| sequence != 0),
            dropped: rejected.dropped,
            delay: rejected.delay.and_then(time::duration).unwrap_or_default(),
        }
    }
}

/// More time was given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extended {
    /// When the delivery counts as rejected now, by the server's clock; none: the listener has no deadline.
    pub deadline: Option<SystemTime>,
}

impl Client {
    /// Says that deliveries of explicit listeners are done with, at most 1,024 listeners in a call. Twice is
    /// OK. Who receives through this client says so by [`Delivery::acknowledge`].
    ///
    /// # Errors
    /// Of the call as a whole. Each item's own is in its place: NOT_FOUND; FAILED_PRECONDITION, reasons
    /// `NOT_DELIVERED`, `OTHER_LIFE`; INVALID_ARGUMENT, reason `NOT_EXPLICIT`.
    pub async fn acknowledge(
        &self,
        items: impl IntoIterator<Item = Acknowledgement>,
    ) -> Result<Vec<Result<Acknowledged>>> {
        call(self, items.into_iter().map(|item| item.0).collect()).await
    }

    /// Says that deliveries of explicit listeners could not be handled, at most 1,024 in a call; those of one
    /// listener are judged together. Who receives through this client says so by [`Delivery::reject`].
    ///
    /// # Errors
    /// Of the call as a whole. Each item's own is in its place: NOT_FOUND; FAILED_PRECONDITION, reasons
    /// `NOT_DELIVERED`, `NOT_OUTSTANDING`, `STALE_GENERATION`, `OTHER_LIFE`; INVALID_ARGUMENT, reason
    /// `NOT_EXPLICIT`.
    pub async fn reject(
        &self,
        items: impl IntoIterator<Item = (Outstanding, Rejection)>,
    ) -> Result<Vec<Result<Rejected>>> {
        let items: Vec<_> = items.into_iter().map(|(delivery, why)| rejection(delivery, why)).collect();
        let expected = items.len();
        let verb = |mut service: Service, request| async move { service.reject(request).await };
        let answer = self.call(Repeat::Unsafe, v1::RejectRequest { items }, verb).await?;
        each(answer.results, expected, |result| match result.outcome {
            Some(reject_result::Outcome::Rejected(rejected)) => Some(Ok(rejected.into())),
            Some(reject_result::Outcome::Error(status)) => Some(Err(status.into())),
            None => None,
        })
    }

    /// Asks for so much more time, from now, before deliveries count as rejected; at most 1,024 in a call
    /// and 1 day each. Who receives through this client does it by [`Delivery::extend`].
    ///
    /// # Errors
    /// As [`reject`](Self::reject).
    pub async fn extend(
        &self,
        items: impl IntoIterator<Item = (Outstanding, Duration)>,
    ) -> Result<Vec<Result<Extended>>> {
        let items: Vec<_> = items.into_iter().map(|(delivery, time)| extension(delivery, time)).collect();
        let expected = items.len();
        let verb = |mut service: Service, request| async move { service.extend(request).await };
        let answer = self.call(Repeat::Safe, v1::ExtendRequest { items }, verb).await?;
        each(answer.results, expected, |result| match result.outcome {
            Some(extend_result::Outcome::Extended(extended)) => Some(Ok(extended.into())),
            Some(extend_result::Outcome::Error(status)) => Some(Err(status.into())),
            None => None,
        })
    }
}

/// One Acknowledge.
pub(super) async fn call(
    client: &Client,
    items: Vec<v1::Acknowledgement>,
) -> Result<Vec<Result<Acknowledged>>> {
    let expected = items.len();
    let verb = |mut service: Service, request| async move { service.acknowledge(request).await };
    let answer = client.call(Repeat::Safe, v1::AcknowledgeRequest { items }, verb).await?;
    each(answer.results, expected, |result| match result.outcome {
        Some(acknowledge_result::Outcome::Acknowledged(acknowledged)) => Some(Ok(acknowledged)),
        Some(acknowledge_result::Outcome::Error(status)) => Some(Err(status.into())),
        None => None,
    })
}

/// `results[i]` answers `items[i]`: another number of them answers nothing.
fn each<R, T>(
    results: Vec<R>,
    expected: usize,
    outcome: impl Fn(R) -> Option<Result<T>>,
) -> Result<Vec<Result<T>>> {
    if results.len() != expected {
        return Err(Error::Contract("another number of results than of items"));
    }
    let outcomes = results.into_iter().map(outcome);
    Ok(outcomes
        .map(|outcome| outcome.unwrap_or(Err(Error::Contract("a result that says nothing"))))
        .collect())
}

fn rejection(delivery: Outstanding, rejection: Rejection) -> v1::Rejection {
    v1::Rejection {
        channel: delivery.channel,
        listener: delivery.listener,
        birth: delivery.birth,
        incarnation: delivery.incarnation,
        generation: delivery.generation,
        sequence: delivery.sequence,
        attempt: delivery.attempt,
        reason: rejection.reason,
        delay: rejection.delay.map(time::to_wire),
        r#final: rejection.is_final,
    }
}

fn extension(delivery: Outstanding, extension: Duration) -> v1::Extension {
    v1::Extension {
        channel: delivery.channel,
        listener: delivery.listener,
        birth: delivery.birth,
        incarnation: delivery.incarnation,
        generation: delivery.generation,
        sequence: delivery.sequence,
        attempt: delivery.attempt,
        extension: Some(time::to_wire(extension)),
    }
}

impl From<v1::Extended> for Extended {
    fn from(extended: v1::Extended) -> Self {
        Self { deadline: extended.deadline.and_then(|deadline| SystemTime::try_from(deadline).ok()) }
    }
}

/// An acknowledgement that is on its way; await it, or drop it if nobody needs to know.
#[derive(Debug)]
pub struct Acknowledging(Answer);

#[derive(Debug)]
enum Answer {
    Awaited(oneshot::Receiver<Result<Acknowledged>>),
    Known(Option<Error>),
}

impl Future for Acknowledging {
    type Output = Result<Acknowledged>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match &mut self.0 {
            Answer::Awaited(answer) => ready!(Pin::new(answer).poll(cx)).unwrap_or(Err(Error::Ended)),
            Answer::Known(error) => Err(error.take().unwrap_or(Error::Ended)),
        })
    }
}

impl Delivery {
    /// Says that it is done with. It is said at once where nothing is on its way, and else with what gathers
    /// until then, of all listeners of the client; the answer is that of the whole listener's. A call that
    /// fails is repeated as long as the subscription lives.
    ///
    /// # Errors
    /// FAILED_PRECONDITION, reason `OTHER_LIFE`; INVALID_ARGUMENT, reason `NOT_EXPLICIT`; NOT_FOUND.
    ///
    /// # Panics
    /// Never; but outside of a Tokio runtime it is not said.
    pub fn acknowledge(&self) -> Acknowledging {
        match self.hold() {
            Ok(hold) => Acknowledging(Answer::Awaited(hold.account.done(hold.epoch, hold.sequence))),
            Err(error) => Acknowledging(Answer::Known(Some(error))),
        }
    }

    /// Says that it could not be handled.
    ///
    /// # Errors
    /// FAILED_PRECONDITION, reasons `STALE_GENERATION` (its deadline has passed: it comes again),
    /// `NOT_OUTSTANDING`, `OTHER_LIFE`; INVALID_ARGUMENT, reason `NOT_EXPLICIT`; NOT_FOUND.
    pub async fn reject(&self, rejection: impl Into<Rejection>) -> Result<Rejected> {
        let hold = self.hold()?;
        let claim = hold.account.claim(hold.epoch, hold.sequence)?;
        let outstanding = Outstanding::held(hold, &claim);
        let outcome = only(hold.account.client.reject([(outstanding, rejection.into())]).await);
        match &outcome {
            Ok(rejected) => {
                let Rejected { generation, .. } = *rejected;
                hold.account.rejected(hold.epoch, hold.sequence, generation, rejected.comes_again());
            }
            Err(error) if error.reason() == Some(reason::NOT_OUTSTANDING) => {
                hold.account.gone(hold.epoch, hold.sequence);
            }
            Err(_) => {}
        }
        outcome
    }

    /// Asks for so much more time, from now, before it counts as rejected.
    ///
    /// # Errors
    /// As [`reject`](Self::reject).
    pub async fn extend(&self, extension: Duration) -> Result<Extended> {
        let hold = self.hold()?;
        let outstanding = Outstanding::held(hold, &hold.account.claim(hold.epoch, hold.sequence)?);
        only(hold.account.client.extend([(outstanding, extension)]).await)
    }

    /// It is to be acknowledged: its listener does so explicitly.
    pub fn is_explicit(&self) -> bool {
        self.hold.get().is_some()
    }

    fn hold(&self) -> Result<&Hold> {
        self.hold.get().ok_or_else(not_explicit)
    }
}

pub(super) fn not_explicit() -> Error {
    let told = "only deliveries of listeners that acknowledge explicitly are acknowledged or rejected";
    Error::refused(Code::InvalidArgument, reason::NOT_EXPLICIT, told)
}

fn only<T>(outcomes: Result<Vec<Result<T>>>) -> Result<T> {
    outcomes?.pop().unwrap_or(Err(Error::Contract("an answer without a result")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_letters() {
        let reason = Rejection::new("ä".repeat(600) + "x");
        assert_eq!(reason.reason().len(), 1_024);
        assert_eq!(Rejection::new("x".to_owned() + &"ä".repeat(600)).reason().len(), 1_023);
    }

    #[test]
    fn results_answer_their_items_or_nothing() {
        let outcome = |result: u8| (result > 0).then_some(Ok(result));
        let outcomes = each(vec![1, 0], 2, outcome).unwrap();
        assert!(matches!(outcomes[..], [Ok(1), Err(Error::Contract(_))]));
        assert!(matches!(each(vec![1], 2, outcome), Err(Error::Contract(_))));
    }

    #[test]
    fn what_is_delivered_automatically_is_not_acknowledged() {
        let delivery = Delivery::from(v1::Delivery::default());
        let acknowledging = futures_util::FutureExt::now_or_never(delivery.acknowledge());
        assert_eq!(acknowledging.unwrap().unwrap_err().reason(), Some(reason::NOT_EXPLICIT));
    }

    #[test]
    fn a_rejection_says_when_it_comes_again() {
        let busy = Rejection::new("busy").after(Duration::from_secs(5));
        let wire = rejection(Outstanding::new("c", "l", 7).attempt(2).generation(3), busy);
        assert_eq!((wire.sequence, wire.attempt, wire.generation), (7, 2, Some(3)));
        assert_eq!((wire.delay.unwrap().seconds, wire.r#final), (5, false));
        let bad = rejection(Outstanding::new("c", "l", 7), Rejection::from(std::fmt::Error).finally());
        assert_eq!((bad.delay, bad.r#final, bad.generation), (None, true, None));
        assert!(!bad.reason.is_empty());
    }
}
