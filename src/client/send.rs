//! The verbs that send, one message or one batch a call.

use super::{Client, Error, Message, Receipt, Result, Service, policy::Repeat, results::each};
use crate::{
    id,
    v1::{self, publication, publish_result::Outcome},
};

/// One message and where it goes.
#[derive(Clone, Debug, PartialEq)]
pub struct Publication {
    /// The channel's id.
    pub channel: String,
    /// Who receives it.
    pub receiver: Receiver,
    /// The message.
    pub message: Message,
}

/// Who receives a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// One listener, by its id: a dispatch.
    Listener(String),
    /// All listeners and watchers of the channel: a broadcast.
    All,
}

impl Publication {
    /// A message to one listener.
    pub fn dispatch(channel: impl Into<String>, listener: impl Into<String>, message: Message) -> Self {
        Self { channel: channel.into(), receiver: Receiver::Listener(listener.into()), message }
    }

    /// A message to all listeners and watchers of a channel.
    pub fn broadcast(channel: impl Into<String>, message: Message) -> Self {
        Self { channel: channel.into(), receiver: Receiver::All, message }
    }
}

impl From<Publication> for v1::Publication {
    fn from(publication: Publication) -> Self {
        let receiver = match publication.receiver {
            Receiver::Listener(listener) => publication::Receiver::Listener(listener),
            Receiver::All => publication::Receiver::Broadcast(true),
        };
        Self {
            channel: publication.channel,
            message: Some(named(publication.message)),
            receiver: Some(receiver),
        }
    }
}

/// With an id, so that it may be sent again where it is not known whether it was accepted.
fn named(message: Message) -> v1::Message {
    let mut message = v1::Message::from(message);
    if message.id.is_empty() {
        message.id = id::message_id(id::unix_millis()).to_string();
    }
    message
}

impl Client {
    /// Sends a message to one listener, running or stopped. OK: it is accepted.
    ///
    /// A message without an id is given one, a UUIDv7. So it can be sent again where the server was lost before it
    /// answered, and is accepted once as long as the channel's `idempotency_window` lasts.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED, reasons `BACKLOG_FULL`, `LOG_FULL`, `MESSAGE_TOO_LARGE`; NOT_FOUND;
    /// INVALID_ARGUMENT, reason `INVALID_MESSAGE`. Whether it was accepted all the same tells
    /// [`Error::outcome_unknown`].
    pub async fn dispatch(
        &self,
        channel: impl Into<String>,
        listener: impl Into<String>,
        message: Message,
    ) -> Result<Receipt> {
        let request = v1::DispatchRequest {
            channel: channel.into(),
            listener: listener.into(),
            message: Some(named(message)),
        };
        let verb = |mut service: Service, request| async move { service.dispatch(request).await };
        present(self.call(Repeat::Safe, request, verb).await?.receipt)
    }

    /// Sends a message to all listeners that are registered and to all watchers; a channel without any
    /// accepts it too.
    ///
    /// # Errors
    /// As [`dispatch`](Self::dispatch); `BACKLOG_FULL` where the channel refuses what one listener has no
    /// room for.
    pub async fn broadcast(&self, channel: impl Into<String>, message: Message) -> Result<Receipt> {
        let request = v1::BroadcastRequest { channel: channel.into(), message: Some(named(message)) };
        let verb = |mut service: Service, request| async move { service.broadcast(request).await };
        present(self.call(Repeat::Safe, request, verb).await?.receipt)
    }

    /// Tells all listeners and watchers of a channel, or one listener, that no more will come: their
    /// subscriptions end with [`End::ChannelClosed`](super::End::ChannelClosed) once they have read so far.
    ///
    /// # Errors
    /// NOT_FOUND; INVALID_ARGUMENT, reason `INVALID_ID`.
    pub async fn notify_end(&self, channel: impl Into<String>, listener: Option<&str>) -> Result<Receipt> {
        let request = v1::NotifyEndRequest { channel: channel.into(), listener: listener.map(str::to_owned) };
        let verb = |mut service: Service, request| async move { service.notify_end(request).await };
        present(self.call(Repeat::Unsafe, request, verb).await?.receipt)
    }

    /// Sends a batch, accepted in this order, and tells for each what became of it. At most 1,024
    /// publications and 4 MiB where the server does not say otherwise. With `stop_at_error` nothing is
    /// accepted after the first error: the rest is ABORTED, reason `PRECEDING_FAILED`.
    ///
    /// # Errors
    /// Of the call as a whole. Each publication's own is in its place, as [`dispatch`](Self::dispatch)
    /// answers it.
    pub async fn publish_batch(
        &self,
        publications: impl IntoIterator<Item = Publication>,
        stop_at_error: bool,
    ) -> Result<Vec<Result<Receipt>>> {
        let publications: Vec<_> = publications.into_iter().map(v1::Publication::from).collect();
        let expected = publications.len();
        let request = v1::PublishBatchRequest { publications, stop_at_error };
        let verb = |mut service: Service, request| async move { service.publish_batch(request).await };
        outcomes(self.call(Repeat::Safe, request, verb).await?.results, expected)
    }
}

/// What became of each publication.
pub(super) fn outcomes(results: Vec<v1::PublishResult>, expected: usize) -> Result<Vec<Result<Receipt>>> {
    each(results, expected, |result| match result.outcome {
        Some(Outcome::Receipt(receipt)) => Some(Ok(receipt)),
        Some(Outcome::Error(status)) => Some(Err(status.into())),
        None => None,
    })
}

fn present(receipt: Option<Receipt>) -> Result<Receipt> {
    receipt.ok_or(Error::Contract("an answer without its receipt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_answer_their_publications_or_nothing() {
        let receipt = Receipt { sequence: 7, ..Default::default() };
        let accepted = v1::PublishResult { outcome: Some(Outcome::Receipt(receipt)) };
        let answers = outcomes(vec![accepted.clone(), v1::PublishResult::default()], 2).unwrap();
        assert_eq!(answers[0].as_ref().unwrap().sequence, 7);
        assert!(matches!(answers[1], Err(Error::Contract(_))));
        assert!(matches!(outcomes(vec![accepted], 2), Err(Error::Contract(_))));
    }

    #[test]
    fn a_message_has_an_id_when_it_leaves() {
        let sent = |message| v1::Publication::from(Publication::broadcast("c", message)).message.unwrap().id;
        let ids = [sent(Message::new("t")), sent(Message::new("t"))];
        assert!(ids.iter().all(|id| id::check(id).is_ok()) && ids[0] != ids[1], "{ids:?}");
        assert_eq!(sent(Message::new("t").with_id("mine")), "mine");
    }

    #[test]
    fn a_broadcast_says_so() {
        let publication = v1::Publication::from(Publication::broadcast("c", Message::new("t")));
        assert_eq!(publication.receiver, Some(publication::Receiver::Broadcast(true)));
    }
}
