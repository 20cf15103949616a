//! What is sent most, by the shortest way: the bodies of Dispatch, Broadcast and PublishBatch as they usually are, and the
//! receipts that answer them, without the contract's descriptors.
//!
//! What is unusual here is not refused, but left to [`super::json`], which takes all that proto3 JSON has and says what is
//! wrong with the rest. What both take means the same.

mod any;
mod object;
mod receipt;
#[cfg(test)]
mod tests;

pub(super) use receipt::answer;

use crate::v1::{self, message::Payload, publication::Receiver};
use any::{Any, Attributes};
use bytes::Bytes;
use object::Object;
use prost::Message as _;
use serde::{Deserialize, Deserializer};

/// The bytes of a verb's request, where its body is a usual one; `in_path` tells the fields that stand there.
pub(super) fn request<'a>(
    verb: &str,
    body: &[u8],
    in_path: impl Fn(&str) -> Option<&'a str>,
) -> Option<Bytes> {
    let id = |name| in_path(name).map(str::to_owned).unwrap_or_default();
    let bytes = match verb {
        "Broadcast" => {
            let message = message(read::<Body>(body)?.message)?;
            v1::BroadcastRequest { channel: id("channel"), message }.encode_to_vec()
        }
        "Dispatch" => {
            let message = message(read::<Body>(body)?.message)?;
            v1::DispatchRequest { channel: id("channel"), listener: id("listener"), message }.encode_to_vec()
        }
        "PublishBatch" => read::<Batch>(body)?.read()?.encode_to_vec(),
        _ => return None,
    };
    Some(bytes.into())
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    serde_json::from_slice(body).ok().map(|Object(read)| read)
}

/// The outer `None`: it is no usual one.
#[expect(clippy::option_option, reason = "a request may have none")]
fn message(sent: Option<Object<Sent>>) -> Option<Option<v1::Message>> {
    match sent {
        Some(Object(sent)) => sent.read().map(Some),
        None => Some(None),
    }
}

// Every field may be null, which is as if it were not there. One that stands there twice is not usual, as one is that
// nobody knows.

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    message: Option<Object<Sent>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    publications: Option<Vec<Object<Publication>>>,
    #[serde(rename = "stopAtError", alias = "stop_at_error")]
    stop_at_error: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Publication {
    channel: Option<String>,
    listener: Option<String>,
    broadcast: Option<bool>,
    message: Option<Object<Sent>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(rename = "senderId", alias = "sender_id")]
    sender_id: Option<String>,
    attributes: Option<Attributes>,
    json: Option<String>,
    #[serde(default, deserialize_with = "there")]
    value: Option<Any>,
}

/// Here null is a value like any other.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Any>, D::Error> {
    Any::deserialize(deserializer).map(Some)
}

impl Batch {
    fn read(self) -> Option<v1::PublishBatchRequest> {
        let publications = self.publications.unwrap_or_default().into_iter().map(|Object(it)| it.read());
        let stop_at_error = self.stop_at_error.unwrap_or_default();
        Some(v1::PublishBatchRequest { publications: publications.collect::<Option<_>>()?, stop_at_error })
    }
}

impl Publication {
    fn read(self) -> Option<v1::Publication> {
        let receiver = match (self.listener, self.broadcast) {
            (Some(_), Some(_)) => return None,
            (listener, broadcast) => listener.map(Receiver::Listener).or(broadcast.map(Receiver::Broadcast)),
        };
        let message = message(self.message)?;
        Some(v1::Publication { channel: self.channel.unwrap_or_default(), receiver, message })
    }
}

impl Sent {
    fn read(self) -> Option<v1::Message> {
        let payload = match (self.json, self.value) {
            (Some(_), Some(_)) => return None,
            (json, value) => json.map(Payload::Json).or(value.map(|Any(value)| Payload::Value(value))),
        };
        Some(v1::Message {
            id: self.id.unwrap_or_default(),
            r#type: self.kind.unwrap_or_default(),
            sender_id: self.sender_id.unwrap_or_default(),
            attributes: self.attributes.map(|Attributes(attributes)| attributes).unwrap_or_default(),
            payload,
            ..v1::Message::default()
        })
    }
}
