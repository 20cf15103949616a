//! The verbs of senders. What is accepted is accepted when the function has run, whatever becomes of the call; the
//! answer waits until it is safe.

use super::{Dispatcher, convert, status::Refusal, wire};
use crate::{
    hub::{Accepted, Hub, Publication},
    id::unix_millis,
    log::Position,
    message::Message,
};
use bytes::Bytes;
use prost::Message as _;
use wire::{publication::Receiver, publish_result::Outcome};

impl Dispatcher {
    pub(crate) async fn dispatch(
        &self,
        request: wire::DispatchRequest,
    ) -> Result<wire::DispatchResponse, Refusal> {
        let (channel, listener) =
            (convert::channel_id(&request.channel)?, convert::listener_id(&request.listener)?);
        let message = self.message(request.message.as_ref(), unix_millis())?;
        let id = message.id().to_owned();
        let accepted = self.hub.dispatch(channel, listener, message)?;
        self.hub.durable(accepted.position).await?;
        Ok(wire::DispatchResponse { receipt: Some(receipt(id, &accepted)) })
    }

    pub(crate) async fn broadcast(
        &self,
        request: wire::BroadcastRequest,
    ) -> Result<wire::BroadcastResponse, Refusal> {
        let channel = convert::channel_id(&request.channel)?;
        let message = self.message(request.message.as_ref(), unix_millis())?;
        let id = message.id().to_owned();
        let accepted = self.hub.broadcast(channel, message)?;
        self.hub.durable(accepted.position).await?;
        Ok(wire::BroadcastResponse { receipt: Some(receipt(id, &accepted)) })
    }

    pub(crate) async fn notify_end(
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

    pub(crate) async fn publish_batch(
        &self,
        request: wire::PublishBatchRequest,
    ) -> Result<wire::PublishBatchResponse, Refusal> {
        let wire::PublishBatchRequest { publications, stop_at_error } = request;
        let batch = self.accept(&wire::PublishRequest { publications, stop_at_error });
        Ok(wire::PublishBatchResponse { results: self.results(batch).await })
    }

    /// What became of a batch, once it is safe. Of what may never be so it is not known whether it was accepted.
    pub(crate) async fn results(&self, batch: Batch) -> Vec<wire::PublishResult> {
        match self.hub.durable(batch.through).await {
            Ok(()) => batch.results,
            Err(error) => batch.unknown(&Refusal::from(error).into_pb(self.hub.incarnation())),
        }
    }

    /// Accepts a batch, as far as it is sound.
    pub(crate) fn accept(&self, request: &wire::PublishRequest) -> Batch {
        let mut batch = Batch::of(request);
        if let Some(refusal) = self.too_large(request) {
            self.refuse_rest(&mut batch, &refusal);
            return batch;
        }
        let (now, mut rest) = (unix_millis(), request.publications.as_slice());
        while let Some(first) = rest.first().filter(|_| !batch.is_stopped()) {
            let same = |publication: &&wire::Publication| publication.channel == first.channel;
            let (run, later) = rest.split_at(rest.iter().take(Hub::LONGEST_RUN).take_while(same).count());
            self.accept_run(&first.channel, run, now, &mut batch);
            rest = later;
        }
        self.refuse_rest(&mut batch, &Refusal::preceding_failed());
        batch
    }

    fn refuse_rest(&self, batch: &mut Batch, refusal: &Refusal) {
        while batch.results.len() < batch.len {
            self.refuse(batch, refusal.clone());
        }
    }

    fn refuse(&self, batch: &mut Batch, refusal: Refusal) {
        batch.add(Err(refusal.into_pb(self.hub.incarnation())));
    }

    /// Accepts what goes to one channel, at once where all is well.
    fn accept_run(&self, channel: &str, run: &[wire::Publication], now: u64, batch: &mut Batch) {
        let mut ready = Vec::with_capacity(run.len());
        for publication in run {
            match self.parsed(publication, now) {
                Ok(publication) => ready.push(publication),
                Err(refusal) => {
                    self.publish(channel, std::mem::take(&mut ready), batch);
                    self.refuse_next(batch, refusal);
                }
            }
        }
        self.publish(channel, ready, batch);
    }

    fn parsed<'a>(&self, publication: &'a wire::Publication, now: u64) -> Result<Publication<'a>, Refusal> {
        convert::channel_id(&publication.channel)?;
        let listener = match &publication.receiver {
            None | Some(Receiver::Broadcast(false)) => return Err(Refusal::missing("receiver")),
            Some(Receiver::Broadcast(true)) => None,
            Some(Receiver::Listener(listener)) => Some(convert::listener_id(listener)?),
        };
        let message = self.message(publication.message.as_ref(), now)?;
        Ok(Publication { listener, message })
    }

    fn publish(&self, channel: &str, run: Vec<Publication<'_>>, batch: &mut Batch) {
        // where it is no id, nothing has come through
        let Some(channel) = convert::channel_id(channel).ok().filter(|_| !batch.is_stopped()) else { return };
        let ids: Vec<_> = run.iter().map(|publication| publication.message.id().to_owned()).collect();
        let results = self.hub.publish(channel, run, batch.stop_at_error);
        for (id, result) in ids.into_iter().zip(results) {
            match result {
                Ok(accepted) => batch.add(Ok((id, accepted))),
                Err(error) => self.refuse_next(batch, error.into()),
            }
        }
    }

    fn refuse_next(&self, batch: &mut Batch, refusal: Refusal) {
        if !batch.is_stopped() {
            let refusal = refusal.within(&format!("publications[{}]", batch.results.len()));
            self.refuse(batch, refusal);
        }
    }

    fn too_large(&self, request: &wire::PublishRequest) -> Option<Refusal> {
        let (messages, bytes) = (self.limits.max_batch_messages, self.limits.max_batch_bytes);
        if request.publications.len() > messages {
            return Some(Refusal::batch_too_large("max_batch_messages", messages));
        }
        (request.encoded_len() > bytes).then(|| Refusal::batch_too_large("max_batch_bytes", bytes))
    }

    fn message(&self, given: Option<&Bytes>, now: u64) -> Result<Message, Refusal> {
        let raw = given.ok_or_else(|| Refusal::missing("message"))?;
        Message::parse(raw, self.limits.max_payload_bytes, now)
            .map_err(|invalid| Refusal::message("message", invalid))
    }
}

/// A batch that was accepted, as far as it was.
pub(crate) struct Batch {
    results: Vec<wire::PublishResult>,
    /// So many results there will be.
    len: usize,
    /// The last position of it.
    through: Position,
    stop_at_error: bool,
    failed: bool,
}

impl Batch {
    fn of(request: &wire::PublishRequest) -> Self {
        let len = request.publications.len();
        let (results, through) = (Vec::with_capacity(len), Position::ZERO);
        Self { results, len, through, stop_at_error: request.stop_at_error, failed: false }
    }

    /// Nothing more is accepted.
    fn is_stopped(&self) -> bool {
        self.failed && self.stop_at_error
    }

    fn add(&mut self, result: Result<(String, Accepted), tonic_types::pb::Status>) {
        self.failed |= result.is_err();
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

pub(crate) fn receipt(message_id: String, accepted: &Accepted) -> wire::Receipt {
    wire::Receipt {
        message_id,
        sequence: accepted.position.to_i64(),
        receivers: accepted.receivers.map(convert::to_i64),
        duplicate: accepted.duplicate,
    }
}
