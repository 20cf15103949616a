//! The verbs of senders, answered once what they brought is on disk: what any server over gRPC and such a store does at
//! least.

use super::calls::{self, Answered};
use crate::{Outcome, client::verb, store::Store};
use eric::v1;
use futures_util::{FutureExt as _, TryFutureExt as _};
use prost::Message as _;
use std::{
    convert::Infallible,
    future,
    sync::mpsc,
    task::{Context, Poll},
    thread,
};
use tokio::sync::oneshot;
use tonic::{Status, body::Body, server::NamedService};
use tower::Service;

/// More than the bench ever has waiting.
const WAITING: usize = 4096;

/// The service. One thread writes: it commits whatever waits.
#[derive(Clone)]
pub(super) struct Keeping {
    writer: mpsc::SyncSender<Due>,
}

/// What is to be written together, and who waits for the position of the last.
struct Due {
    messages: Vec<Vec<u8>>,
    done: oneshot::Sender<i64>,
}

impl Keeping {
    pub(super) fn over(store: Store) -> Outcome<Self> {
        let (writer, due) = mpsc::sync_channel(WAITING);
        thread::Builder::new().spawn(move || write(store, &due))?;
        Ok(Self { writer })
    }

    fn keep(
        &self,
        messages: Vec<v1::Message>,
    ) -> impl Future<Output = Result<Vec<v1::Receipt>, Status>> + use<> {
        let (done, kept) = oneshot::channel();
        let due = Due { messages: messages.iter().map(v1::Message::encode_to_vec).collect(), done };
        // where the writer has failed nobody answers
        let _ = self.writer.send(due);
        let receipts = move |last: i64| {
            let first = last + 1 - messages.len() as i64;
            (first..).zip(messages).map(|(sequence, message)| receipt(sequence, message)).collect()
        };
        kept.map_ok(receipts).map_err(|_| Status::internal("the store has failed"))
    }
}

fn receipt(sequence: i64, message: v1::Message) -> v1::Receipt {
    v1::Receipt { message_id: message.id, sequence, receivers: Some(1), duplicate: false }
}

fn write(mut store: Store, due: &mpsc::Receiver<Due>) {
    while let Ok(first) = due.recv() {
        let all: Vec<_> = std::iter::once(first).chain(due.try_iter()).collect();
        let messages = all.iter().flat_map(|due| &due.messages);
        let Ok(last) = store.keep(messages.map(|message| &**message)) else { return };
        let count: usize = all.iter().map(|due| due.messages.len()).sum();
        let mut last_of = last - count as i64;
        for Due { messages, done } in all {
            last_of += messages.len() as i64;
            // he may have gone away
            let _ = done.send(last_of);
        }
    }
}

impl NamedService for Keeping {
    const NAME: &'static str = "eric.v1.DispatcherService";
}

impl Service<http::Request<Body>> for Keeping {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answered;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let keeping = self.clone();
        match request.uri().path().rsplit('/').next().unwrap_or_default() {
            verb::CREATE_CHANNEL => {
                calls::unary(request, |_: v1::CreateChannelRequest| v1::CreateChannelResponse::default())
            }
            verb::REGISTER => calls::unary(request, |_: v1::RegisterRequest| v1::RegisterResponse::default()),
            verb::DISPATCH => calls::unary_later(request, move |request: v1::DispatchRequest| {
                keeping.keep(vec![request.message.unwrap_or_default()]).map_ok(dispatched)
            }),
            verb::PUBLISH => calls::streaming_later(request, move |request: v1::PublishRequest| {
                let messages = request.publications.into_iter().map(|one| one.message.unwrap_or_default());
                keeping.keep(messages.collect()).map_ok(published)
            }),
            _ => future::ready(Ok(Status::unimplemented("no such verb").into_http())).boxed(),
        }
    }
}

fn dispatched(receipts: Vec<v1::Receipt>) -> v1::DispatchResponse {
    v1::DispatchResponse { receipt: receipts.into_iter().next() }
}

fn published(receipts: Vec<v1::Receipt>) -> v1::PublishResponse {
    let result = |receipt| v1::PublishResult { outcome: Some(v1::publish_result::Outcome::Receipt(receipt)) };
    v1::PublishResponse { results: receipts.into_iter().map(result).collect() }
}
