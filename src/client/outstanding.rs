//! What is outstanding, named by hand: rejecting it, and asking for more time.

use super::{
    Client, Rejected, Rejection, Result, Service, account::Hold, ledger::Claim, policy::Repeat,
    results::each, time,
};
use crate::v1::{self, extend_result, reject_result};
use std::time::{Duration, SystemTime};

/// One delivery that is outstanding, for [`Client::reject`] and [`Client::extend`]. Whatever is not said
/// about its life is not checked.
// As the wire names it: an extension says no more than that, and by how much.
#[derive(Clone, Debug, PartialEq)]
pub struct Outstanding(v1::Extension);

impl Outstanding {
    /// The delivery with this sequence.
    pub fn new(channel: impl Into<String>, listener: impl Into<String>, sequence: i64) -> Self {
        let (channel, listener) = (channel.into(), listener.into());
        Self(v1::Extension { channel, listener, sequence, ..Default::default() })
    }

    /// Which attempt it is; required where the channel's redelivery is overtaking.
    pub fn attempt(mut self, attempt: i32) -> Self {
        self.0.attempt = attempt;
        self
    }

    /// The listener's birth; another one's is refused, reason `OTHER_LIFE`.
    pub fn birth(mut self, birth: i64) -> Self {
        self.0.birth = birth;
        self
    }

    /// The generation that it came in. Without: the current one.
    pub fn generation(mut self, generation: i64) -> Self {
        self.0.generation = Some(generation);
        self
    }

    pub(super) fn held(hold: &Hold, claim: &Claim) -> Self {
        let (channel, listener) = (&hold.account.channel, &hold.account.listener);
        let mut held = Self::new(channel, listener, hold.sequence)
            .birth(claim.birth)
            .generation(claim.generation)
            .attempt(claim.attempt);
        held.0.incarnation = claim.incarnation.to_string();
        held
    }
}

/// More time was given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extended {
    /// When the delivery counts as rejected now, by the server's clock; none: the listener has no deadline.
    pub deadline: Option<SystemTime>,
}

impl From<v1::Extended> for Extended {
    fn from(extended: v1::Extended) -> Self {
        Self { deadline: extended.deadline.and_then(|deadline| SystemTime::try_from(deadline).ok()) }
    }
}

impl Client {
    /// Says that deliveries of explicit listeners could not be handled, at most 1,024 in a call; those of one
    /// listener are judged together. Who receives through this client says so by
    /// [`Delivery::reject`](super::Delivery::reject).
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
    /// and 1 day each. Who receives through this client does it by
    /// [`Delivery::extend`](super::Delivery::extend).
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

fn rejection(Outstanding(delivery): Outstanding, rejection: Rejection) -> v1::Rejection {
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

fn extension(Outstanding(delivery): Outstanding, extension: Duration) -> v1::Extension {
    v1::Extension { extension: Some(time::to_wire(extension)), ..delivery }
}

#[cfg(test)]
mod tests {
    use super::*;

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
