//! The verbs of senders. What is accepted is accepted when the function has run, whatever becomes of the call; the
//! answer waits until it is safe.

use super::{Dispatcher, convert, status::Refusal, wire};
use crate::{hub::Accepted, log::Position, message::Message};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, future, stream};
use prost::Message as _;
use std::{pin::Pin, time::SystemTime};
use tonic::{Status, Streaming};
use wire::{publication::Receiver, publish_result::Outcome};

/// So many batches of one stream may wait for the log at once; then the client waits.
const BATCHES_IN_FLIGHT: usize = 64;

/// The answers of a Publish stream.
pub(super) type Answers = Pin<Box<dyn Stream<Item = Result<wire::PublishResponse, Status>> + Send>>;

impl Dispatcher {
    pub(super) async fn dispatch(
        &self,
        request: wire::DispatchRequest,
    ) -> Result<wire::DispatchResponse, Refusal> {
        let (channel, listener) =
            (convert::channel_id(&request.channel)?, convert::listener_id(&request.listener)?);
        let message = self.message(request.message, millis())?;
        let id = message.id().to_owned();
        let accepted = self.hub.dispatch(channel, listener, message)?;
        self.hub.durable(accepted.position).await?;
        Ok(wire::DispatchResponse { receipt: Some(receipt(id, &accepted)) })
    }

    pub(super) async fn broadcast(
        &self,
        request: wire::BroadcastRequest,
    ) -> Result<wire::BroadcastResponse, Refusal> {
        let channel = convert::channel_id(&request.channel)?;
        let message = self.message(request.message, millis())?;
        let id = message.id().to_owned();
        let accepted = self.hub.broadcast(channel, message)?;
        self.hub.durable(accepted.position).await?;
        Ok(wire::BroadcastResponse { receipt: Some(receipt(id, &accepted)) })
    }

    pub(super) async fn notify_end(
        &self,
        request: wire::NotifyEndRequest,
    ) -> Result<wire::NotifyEndResponse, Refusal> {
        let channel = convert::channel_id(&request.channel)?;
        let (message, accepted) = match &request.listener {
            None => self.hub.notify_end(channel)?,
            Some(listener) => self.hub.notify_end_of(channel, convert::listener_id(listener)?)?,
        };
        self.hub.durable(accepted.position).await?;
        Ok(wire::NotifyEndResponse { receipt: Some(receipt(message.id().to_owned(), &accepted)) })
    }

    pub(super) async fn publish_batch(
        &self,
        request: wire::PublishBatchRequest,
    ) -> Result<wire::PublishBatchResponse, Refusal> {
        let wire::PublishBatchRequest { publications, stop_at_error } = request;
        let batch = self.accept(wire::PublishRequest { publications, stop_at_error });
        Ok(wire::PublishBatchResponse { results: self.results(batch).await })
    }

    /// Accepts batch after batch as they come, and answers each when it is safe, in order.
    pub(super) fn publish_stream(&self, requests: Streaming<wire::PublishRequest>) -> Answers {
        let this = self.clone();
        let answers = requests
            .map(move |request| this.clone().answer(request))
            .buffered(BATCHES_IN_FLIGHT)
            .take_until(self.closing.clone().cancelled_owned());
        let this = self.clone();
        let closed =
            stream::once(async move { this.closing.is_cancelled().then(|| Err(this.shutting_down())) });
        Box::pin(answers.chain(closed.filter_map(future::ready)))
    }

    fn answer(
        self,
        request: Result<wire::PublishRequest, Status>,
    ) -> impl Future<Output = Result<wire::PublishResponse, Status>> {
        // outside of the future: what has come is accepted even if nobody waits for the answer
        let batch = request.map(|request| self.accept(request));
        async move {
            let batch = batch.map_err(|status| self.translated(status))?;
            Ok(wire::PublishResponse { results: self.results(batch).await })
        }
    }

    /// What became of a batch, once it is safe. Of what may never be so it is not known whether it was accepted.
    async fn results(&self, batch: Batch) -> Vec<wire::PublishResult> {
        match self.hub.durable(batch.through).await {
            Ok(()) => batch.results,
            Err(error) => batch.unknown(&Refusal::from(error).into_pb(self.hub.incarnation())),
        }
    }

    fn translated(&self, status: Status) -> Status {
        if Refusal::by_size(&status) { self.status(Refusal::request_too_large()) } else { status }
    }

    pub(super) fn shutting_down(&self) -> Status {
        self.status(crate::error::Error::ShuttingDown)
    }

    fn accept(&self, request: wire::PublishRequest) -> Batch {
        let too_large = self.too_large(&request);
        let mut batch =
            Batch { results: Vec::with_capacity(request.publications.len()), through: Position::ZERO };
        let (mut failed, now) = (false, millis());
        for (place, publication) in request.publications.into_iter().enumerate() {
            let result = match &too_large {
                Some(refusal) => Err(refusal.clone()),
                None if failed && request.stop_at_error => Err(Refusal::preceding_failed()),
                None => self
                    .accept_one(publication, now)
                    .map_err(|refusal| refusal.within(&format!("publications[{place}]"))),
            };
            failed |= result.is_err();
            batch.add(result.map_err(|refusal| refusal.into_pb(self.hub.incarnation())));
        }
        batch
    }

    fn too_large(&self, request: &wire::PublishRequest) -> Option<Refusal> {
        let (messages, bytes) = (self.limits.max_batch_messages, self.limits.max_batch_bytes);
        if request.publications.len() > messages {
            return Some(Refusal::batch_too_large("max_batch_messages", messages));
        }
        (request.encoded_len() > bytes).then(|| Refusal::batch_too_large("max_batch_bytes", bytes))
    }

    fn accept_one(&self, publication: wire::Publication, now: u64) -> Result<(String, Accepted), Refusal> {
        let channel = convert::channel_id(&publication.channel)?;
        let listener = match &publication.receiver {
            None | Some(Receiver::Broadcast(false)) => return Err(Refusal::missing("receiver")),
            Some(Receiver::Broadcast(true)) => None,
            Some(Receiver::Listener(listener)) => Some(convert::listener_id(listener)?),
        };
        let message = self.message(publication.message, now)?;
        let id = message.id().to_owned();
        let accepted = match listener {
            None => self.hub.broadcast(channel, message)?,
            Some(listener) => self.hub.dispatch(channel, listener, message)?,
        };
        Ok((id, accepted))
    }

    fn message(&self, given: Option<Bytes>, now: u64) -> Result<Message, Refusal> {
        let raw = given.ok_or_else(|| Refusal::missing("message"))?;
        Message::parse(&raw, self.limits.max_payload_bytes, now)
            .map_err(|invalid| Refusal::message("message", invalid))
    }
}

/// A batch that was accepted, as far as it was.
struct Batch {
    results: Vec<wire::PublishResult>,
    /// The last position of it.
    through: Position,
}

impl Batch {
    fn add(&mut self, result: Result<(String, Accepted), tonic_types::pb::Status>) {
        let outcome = match result {
            Ok((id, accepted)) => {
                self.through = self.through.max(accepted.position);
                Outcome::Receipt(receipt(id, &accepted))
            }
            Err(status) => Outcome::Error(status),
        };
        self.results.push(wire::PublishResult { outcome: Some(outcome) });
    }
}

impl Batch {
    /// As if each that was accepted had failed so.
    fn unknown(mut self, status: &tonic_types::pb::Status) -> Vec<wire::PublishResult> {
        for result in &mut self.results {
            if let Some(Outcome::Receipt(_)) = result.outcome {
                result.outcome = Some(Outcome::Error(status.clone()));
            }
        }
        self.results
    }
}

pub(super) fn receipt(message_id: String, accepted: &Accepted) -> wire::Receipt {
    wire::Receipt {
        message_id,
        sequence: accepted.position.to_i64(),
        receivers: accepted.receivers.map(convert::to_i64),
        duplicate: accepted.duplicate,
    }
}

fn millis() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
