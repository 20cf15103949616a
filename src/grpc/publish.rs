//! The Publish stream: batch after batch as they come, each answered when it is safe, in order.

use crate::verbs::{Dispatcher, status::Refusal, wire};
use futures_util::{Stream, StreamExt, future, stream};
use std::pin::Pin;
use tonic::{Status, Streaming};

/// So many batches of one stream may wait for the log at once; then the client waits.
const BATCHES_IN_FLIGHT: usize = 64;

/// The answers of a Publish stream.
pub(super) type Answers = Pin<Box<dyn Stream<Item = Result<wire::PublishResponse, Status>> + Send>>;

pub(super) fn answers(dispatcher: &Dispatcher, requests: Streaming<wire::PublishRequest>) -> Answers {
    let this = dispatcher.clone();
    let answers = requests
        // what has come until then is answered: a log that takes too long for that ends with the drain's deadline
        .take_until(dispatcher.closing.clone().cancelled_owned())
        .map(move |request| answer(this.clone(), request))
        .buffered(BATCHES_IN_FLIGHT);
    let this = dispatcher.clone();
    let closed = stream::once(async move { this.closing.is_cancelled().then(|| Err(this.shutting_down())) });
    Box::pin(answers.chain(closed.filter_map(future::ready)))
}

fn answer(
    dispatcher: Dispatcher,
    request: Result<wire::PublishRequest, Status>,
) -> impl Future<Output = Result<wire::PublishResponse, Status>> {
    // outside of the future: what has come is accepted even if nobody waits for the answer
    let batch = request.map(|request| dispatcher.accept(&request));
    async move {
        let batch = batch.map_err(|status| translated(&dispatcher, status))?;
        Ok(wire::PublishResponse { results: dispatcher.results(batch).await })
    }
}

fn translated(dispatcher: &Dispatcher, status: Status) -> Status {
    if Refusal::by_size(&status) { dispatcher.status(Refusal::request_too_large()) } else { status }
}
