//! The verbs: one short function each.

use super::{
    Door,
    exception::Exception,
    peer::Peer,
    request::{Request, Verb},
    stream::{BATCH_BYTES, Stream},
};
use crate::{
    content,
    error::Error,
    hub::{Accepted, AcknowledgementMode, ChannelSettings, From, ListenOptions, NewListener, Receiver},
    id::{ChannelId, ListenerId, unix_millis},
    message::{CHANNEL_CLOSED_TYPE, Message},
    v1,
};
use prost::Message as _;
use serde_json::value::RawValue;
use std::time::Duration;
use uuid::Uuid;

/// What a message that was accepted is answered.
const ACK: &str = "ack";
/// The `retry` of the reference's channels.
const RETRY: Duration = Duration::from_millis(5);

/// What a request is answered.
pub(super) enum Answer {
    Text(String),
    Stream(Box<Stream>),
}

impl Door {
    pub(super) async fn carry_out(&self, request: &Request<'_>, peer: &Peer) -> Result<Answer, Exception> {
        let answer = match request.verb {
            Verb::Dispatch => self.dispatch(request).await?,
            Verb::Broadcast => self.broadcast(request).await?,
            Verb::Create => self.create(request).await?,
            Verb::Register => self.register(request).await?,
            Verb::RemoveListener => self.remove_listener(request).await?,
            Verb::RemoveChannel => self.remove_channel(request).await?,
            Verb::Listen => return self.listen(request, peer),
            Verb::Watch => {
                return self.open(request, request.channel()?, Receiver::Watcher(From::New), peer);
            }
        };
        Ok(Answer::Text(answer))
    }

    async fn dispatch(&self, request: &Request<'_>) -> Result<String, Exception> {
        let message = self.message(request)?;
        let (channel, listener) = self.listener(request)?;
        let accepted = match message {
            Some(message) => self.hub.dispatch(channel, listener, message),
            None => self.hub.notify_end_of(channel, listener).map(|(_, accepted)| accepted),
        };
        self.acknowledged(accepted, request).await
    }

    async fn broadcast(&self, request: &Request<'_>) -> Result<String, Exception> {
        let message = self.message(request)?;
        let channel = request.channel()?;
        let accepted = match message {
            Some(message) => self.hub.broadcast(channel, message),
            None => self.hub.notify_end(channel).map(|(_, accepted)| accepted),
        };
        self.acknowledged(accepted, request).await
    }

    async fn create(&self, request: &Request<'_>) -> Result<String, Exception> {
        let id = Uuid::new_v4().to_string();
        let settings = ChannelSettings { sse_retry: RETRY, ..ChannelSettings::default() };
        let channel = ChannelId::parse(&id).expect("a UUID is an id");
        let created = self.hub.create_channel(channel, settings, false).map(drop);
        self.safely(created, request).await.map(|()| id)
    }

    async fn register(&self, request: &Request<'_>) -> Result<String, Exception> {
        let id = Uuid::new_v4().to_string();
        let listener = ListenerId::parse(&id).expect("a UUID is an id");
        let registered = self.hub.register(request.channel()?, listener, NewListener::default()).map(drop);
        self.safely(registered, request).await.map(|()| id)
    }

    async fn remove_listener(&self, request: &Request<'_>) -> Result<String, Exception> {
        let (channel, listener) = self.listener(request)?;
        let removed = self.hub.remove_listener(channel, listener).map(drop);
        self.safely(removed, request).await.map(|()| ACK.to_owned())
    }

    async fn remove_channel(&self, request: &Request<'_>) -> Result<String, Exception> {
        let removed = self.hub.remove_channel(request.channel()?).map(drop);
        self.safely(removed, request).await.map(|()| ACK.to_owned())
    }

    fn listen(&self, request: &Request<'_>, peer: &Peer) -> Result<Answer, Exception> {
        let (channel, listener) = self.listener(request)?;
        let info = self.hub.get_listener(channel, listener).map_err(|error| request.refusal(&error))?;
        if info.mode == AcknowledgementMode::Explicit {
            return Err(Exception::acknowledges(&info));
        }
        self.open(request, channel, Receiver::Listener(listener), peer)
    }

    fn open(
        &self,
        request: &Request<'_>,
        channel: ChannelId<'_>,
        receiver: Receiver<'_>,
        peer: &Peer,
    ) -> Result<Answer, Exception> {
        if peer.has_hung_up() {
            return Ok(Answer::Text(String::new()));
        }
        let options = ListenOptions { max_bytes: BATCH_BYTES, ..ListenOptions::default() };
        let opened = self.hub.get_channel(channel).and_then(|info| {
            let subscription = self.hub.subscribe(channel, receiver, options)?;
            Ok(Stream::new(subscription, info.settings.sse_retry))
        });
        opened.map(|stream| Answer::Stream(Box::new(stream))).map_err(|error| request.refusal(&error))
    }

    /// The listener that a request names, and its channel: a fault in the channel comes first, as in the reference.
    fn listener<'r>(&self, request: &'r Request<'_>) -> Result<(ChannelId<'r>, ListenerId<'r>), Exception> {
        let channel = request.channel()?;
        match request.listener() {
            Ok(listener) => Ok((channel, listener)),
            Err(exception) => {
                let there = self.hub.get_channel(channel);
                Err(there.err().map_or(exception, |error| request.refusal(&error)))
            }
        }
    }

    /// The message that a request sends; `None`: it says that no more will come.
    fn message(&self, request: &Request<'_>) -> Result<Option<Message>, Exception> {
        let kind = request.kind.text().ok_or_else(Exception::type_is_no_text)?;
        let payload = request.payload.map(RawValue::get);
        if kind == CHANNEL_CLOSED_TYPE && payload.is_none_or(|payload| payload == "null") {
            return Ok(None);
        }
        let mut message = content::Message::new(kind);
        if let Some(json) = payload {
            message = message.with_json_text(json);
        }
        let encoded = v1::Message::from(message).encode_to_vec();
        Message::parse(&encoded, self.max_payload_bytes, unix_millis())
            .map(Some)
            .map_err(|invalid| Exception::invalid_message(&invalid))
    }

    /// What was accepted is safe when it is answered.
    async fn acknowledged(
        &self,
        accepted: Result<Accepted, Error>,
        request: &Request<'_>,
    ) -> Result<String, Exception> {
        let safe = match accepted {
            Ok(accepted) => self.hub.durable(accepted.position).await,
            Err(error) => Err(error),
        };
        safe.map(|()| ACK.to_owned()).map_err(|error| request.refusal(&error))
    }

    /// What was changed is safe when it is answered.
    async fn safely(&self, changed: Result<(), Error>, request: &Request<'_>) -> Result<(), Exception> {
        let safe = match changed {
            Ok(()) => self.hub.settled().await,
            Err(error) => Err(error),
        };
        safe.map_err(|error| request.refusal(&error))
    }
}
