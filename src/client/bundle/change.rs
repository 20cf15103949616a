//! One change of an open stream, and what became of it.

use super::super::{Client, Error, Result, Service, policy::Repeat, reason};
use crate::v1::{self, change_listen_result::Outcome};

/// The stream is gone, or it is not known what became of the call.
pub(super) fn comes_with_another_stream(error: &Error) -> bool {
    // that is the listener's trouble, not the stream's
    if error.reason() == Some(reason::LOG_UNAVAILABLE) {
        return false;
    }
    error.reason() == Some(reason::STREAM_NOT_FOUND)
        || (error.reason().is_none() && error.outcome_unknown())
        || error.retryable()
}

/// One change: the number of what was added.
pub(super) async fn change(client: Client, request: v1::ChangeListenRequest) -> Result<Option<i32>> {
    let verb = |mut service: Service, request| async move { service.change_listen(request).await };
    let answer = client.call(Repeat::Unsafe, request, verb).await?;
    let result = answer.added.into_iter().chain(answer.removed).next();
    match result.and_then(|result| result.outcome) {
        Some(Outcome::Subscription(number)) => Ok(Some(number)),
        Some(Outcome::Error(status)) => Err(status.into()),
        None => Ok(None),
    }
}
