//! Pulling: a stream of one batch.

use super::{Hub, batch::Handed, desk::Ending, subscription::Subscription};
use crate::{error::Error, log::LogError};
use std::{future::poll_fn, task::Poll, time::Duration};
use tokio::time::timeout;

/// A log that has not given back by then what waits on its disk is not available.
const LONGEST_LOOK: Duration = Duration::from_secs(5);

impl Hub {
    /// Delivers next: what is there, also where it must be read from a disk first, or what comes first within `wait`.
    /// `None`: nothing came.
    ///
    /// # Errors
    /// As [`Hub::subscribe`], and as its stream ends; [`Error::Log`] where what is there could not be read within 5 s
    /// after `wait`. A listener that is stopped meanwhile has nothing.
    pub async fn pull(subscription: &mut Subscription, wait: Duration) -> Result<Option<Handed>, Error> {
        let next = match timeout(wait, poll_fn(|context| subscription.poll_batch(context))).await {
            Ok(next) => Some(next),
            Err(_) => seen_to_the_end(subscription).await,
        };
        match next {
            Some(Ok(batch)) => Ok(Some(batch)),
            Some(Err(Ending::Failed(error))) => Err(error),
            Some(Err(Ending::Stopped)) | None => Ok(None),
        }
    }
}

/// What a look finds that has begun; nothing where there is nothing to look at.
async fn seen_to_the_end(subscription: &mut Subscription) -> Option<Result<Handed, Ending>> {
    let began = subscription.token();
    let look = poll_fn(|context| match subscription.poll_batch(context) {
        Poll::Pending if !subscription.is_looking() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
        Poll::Ready(next) => Poll::Ready(Some(next)),
    });
    match timeout(LONGEST_LOOK, look).await {
        Ok(found) => found,
        // what it has passed over by then is behind its token, and the next pull goes on there
        Err(_) if subscription.token() != began => None,
        Err(_) => Some(Err(Ending::Failed(Error::Log(LogError::Unavailable)))),
    }
}
