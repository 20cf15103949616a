//! What a program says of a delivery in its hands.

use super::{
    Acknowledged, Code, Delivery, Error, Extended, Outstanding, Rejected, Rejection, Result, account::Hold,
    reason, results::only,
};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::sync::oneshot;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1;

    #[test]
    fn what_is_delivered_automatically_is_not_acknowledged() {
        let delivery = Delivery::from(v1::Delivery::default());
        let acknowledging = futures_util::FutureExt::now_or_never(delivery.acknowledge());
        assert_eq!(acknowledging.unwrap().unwrap_err().reason(), Some(reason::NOT_EXPLICIT));
    }
}
