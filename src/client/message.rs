//! What travels: a message as its sender made it, and what a receiver gets.

use super::{Result, time, value};
use crate::v1;
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use std::time::SystemTime;

pub use crate::v1::{DeliveryKind, GapReason, Receipt};

/// A message: a type, and what its sender says with it.
///
/// Ids are at most 128 bytes of `[A-Za-z0-9._:-]`, types at most 256 bytes, payloads at most 1 MiB where
/// the server does not say otherwise. Nothing is checked here: the server answers INVALID_ARGUMENT, reason
/// `INVALID_MESSAGE`, or RESOURCE_EXHAUSTED, reason `MESSAGE_TOO_LARGE`.
///
/// ```
/// use eric::client::Message;
///
/// # fn main() -> Result<(), eric::client::Error> {
/// let message = Message::new("price").with_json(&[1.5, 2.5])?.with_sender_id("desk-7");
/// assert_eq!(message.json::<Vec<f64>>()?, [1.5, 2.5]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Message(v1::Message);

/// What a message carries.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload<'m> {
    /// Nothing.
    Empty,
    /// JSON text, as its sender wrote it.
    Json(&'m str),
    /// A JSON value whose numbers are doubles, as hands and command lines send it.
    Value(serde_json::Value),
    /// Anything else.
    Binary(&'m Bytes),
}

impl Message {
    /// A message of a type, which receivers select by. Types that begin with `_eric_` are the server's own.
    pub fn new(message_type: impl Into<String>) -> Self {
        Self(v1::Message { r#type: message_type.into(), ..Default::default() })
    }

    /// Carries a value as JSON text, which arrives byte for byte.
    ///
    /// # Errors
    /// [`Error::Payload`](super::Error::Payload) where the value cannot be written as JSON.
    pub fn with_json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self> {
        Ok(self.with_json_text(serde_json::to_string(value)?))
    }

    /// Carries JSON text that is there already. The server refuses what is not one JSON value.
    pub fn with_json_text(self, text: impl Into<String>) -> Self {
        self.with_payload(v1::message::Payload::Json(text.into()))
    }

    /// Carries a value as protobuf's `Value`, for receivers that want it so. Its numbers become doubles:
    /// integers above 2^53 lose digits.
    pub fn with_value(self, value: serde_json::Value) -> Self {
        self.with_payload(v1::message::Payload::Value(value::to_wire(value)))
    }

    /// Carries bytes.
    pub fn with_binary(self, bytes: impl Into<Bytes>) -> Self {
        self.with_payload(v1::message::Payload::Binary(bytes.into()))
    }

    fn with_payload(mut self, payload: v1::message::Payload) -> Self {
        self.0.payload = Some(payload);
        self
    }

    /// Names the message. Without, the server makes a UUIDv7.
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.0.id = id.into();
        self
    }

    /// Says who sends it. The server does not verify it.
    pub fn with_sender_id(mut self, sender_id: impl Into<String>) -> Self {
        self.0.sender_id = sender_id.into();
        self
    }

    /// Adds a fact beside the payload; a second one under the same key replaces the first. At most 32, each
    /// key of 1 to 256 bytes, each value of at most 4,096 bytes.
    pub fn with_attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.attributes.insert(key.into(), value.into());
        self
    }

    /// Says when it was made, by the sender's clock.
    pub fn with_create_time(mut self, time: SystemTime) -> Self {
        self.0.create_time = Some(time.into());
        self
    }

    /// Its id; empty in a message that is not sent yet and has been given none.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Its type.
    pub fn message_type(&self) -> &str {
        &self.0.r#type
    }

    /// Who sent it, where it says so.
    pub fn sender_id(&self) -> Option<&str> {
        Some(self.0.sender_id.as_str()).filter(|id| !id.is_empty())
    }

    /// The fact under this key.
    pub fn attribute(&self, key: &str) -> Option<&str> {
        self.0.attributes.get(key).map(String::as_str)
    }

    /// All facts beside the payload, in no order.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.attributes.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// When its sender made it, where it says so.
    pub fn create_time(&self) -> Option<SystemTime> {
        self.0.create_time.and_then(time::system)
    }

    /// What it carries.
    pub fn payload(&self) -> Payload<'_> {
        match &self.0.payload {
            None => Payload::Empty,
            Some(v1::message::Payload::Json(text)) => Payload::Json(text),
            Some(v1::message::Payload::Value(value)) => Payload::Value(value::from_wire(value)),
            Some(v1::message::Payload::Binary(bytes)) => Payload::Binary(bytes),
        }
    }

    /// Reads the payload as JSON; no payload is `null`.
    ///
    /// # Errors
    /// [`Error::Payload`](super::Error::Payload) where it is binary or not a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(match self.payload() {
            Payload::Empty => serde_json::from_value(serde_json::Value::Null)?,
            Payload::Json(text) => serde_json::from_str(text)?,
            Payload::Value(value) => serde_json::from_value(value)?,
            Payload::Binary(_) => Err(<serde_json::Error as serde::de::Error>::custom("it is binary"))?,
        })
    }
}

impl From<Message> for v1::Message {
    fn from(message: Message) -> Self {
        message.0
    }
}

impl From<v1::Message> for Message {
    fn from(message: v1::Message) -> Self {
        Self(message)
    }
}

/// A message with its place in the channel's order.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Delivery {
    /// The message, as it was sent.
    pub message: Message,
    /// Its position in the server's log: rising within a channel, not consecutive.
    pub sequence: i64,
    /// When the server accepted it, by the server's clock.
    pub accept_time: SystemTime,
    /// Dispatched to this listener alone, or broadcast.
    pub kind: DeliveryKind,
}

/// Messages that were meant for a receiver and cannot reach it, at their place in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// Why.
    pub reason: GapReason,
    /// Everything up to this sequence is not part of the gap.
    pub after_sequence: i64,
    /// The last sequence that the gap covers.
    pub through_sequence: i64,
    /// How many messages are missing, where that can be known.
    pub count: Option<i64>,
}

impl From<v1::Delivery> for Delivery {
    fn from(delivery: v1::Delivery) -> Self {
        Self {
            kind: delivery.kind(),
            message: Message(delivery.message.unwrap_or_default()),
            sequence: delivery.sequence,
            accept_time: time::or_epoch(delivery.accept_time),
        }
    }
}

impl From<v1::Gap> for Gap {
    fn from(gap: v1::Gap) -> Self {
        Self {
            reason: gap.reason(),
            after_sequence: gap.after_sequence,
            through_sequence: gap.through_sequence,
            count: gap.count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_keeps_every_digit() {
        let message = Message::new("t").with_json(&u64::MAX).unwrap();
        assert_eq!(message.payload(), Payload::Json("18446744073709551615"));
        assert_eq!(message.json::<u64>().unwrap(), u64::MAX);
    }

    #[test]
    fn a_value_reads_as_json_too() {
        let message = Message::new("t").with_value(json!({"a": [1, null, true], "b": {"c": "d"}}));
        assert_eq!(
            message.json::<serde_json::Value>().unwrap(),
            json!({"a": [1, null, true], "b": {"c": "d"}})
        );
    }

    #[test]
    fn no_payload_is_null() {
        assert_eq!(Message::new("t").json::<Option<u8>>().unwrap(), None);
    }

    #[test]
    fn bytes_are_not_json() {
        let message = Message::new("t").with_binary(&b"1"[..]);
        assert_eq!(message.payload(), Payload::Binary(&Bytes::from_static(b"1")));
        assert!(message.json::<u8>().is_err());
    }

    #[test]
    fn who_says_nothing_is_no_sender() {
        assert_eq!(Message::new("t").sender_id(), None);
        assert_eq!(Message::new("t").with_sender_id("me").sender_id(), Some("me"));
    }
}
