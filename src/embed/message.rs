//! A message as a program writes and reads it.

use super::value;
use crate::{
    message::{self, InvalidMessage},
    v1,
};
use bytes::Bytes;
use prost::Message as _;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

/// A message: a type, and what its sender says with it.
///
/// Ids are at most 128 bytes of `[A-Za-z0-9._:-]`, types at most 256 bytes. Nothing is checked before it is sent; what
/// breaks a rule is refused then with [`Error::InvalidMessage`](super::Error::InvalidMessage). Its `Debug` shows
/// nothing of what it carries.
///
/// ```
/// use eric::embed::Message;
///
/// # fn main() -> Result<(), serde_json::Error> {
/// let message = Message::new("price").with_json(&[1.5, 2.5])?.with_sender_id("desk-7");
/// assert_eq!(message.json::<Vec<f64>>()?, [1.5, 2.5]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq)]
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
    /// A message of a type, which receivers select by. Types that begin with `_eric_` are the dispatcher's own.
    pub fn new(message_type: impl Into<String>) -> Self {
        Self(v1::Message { r#type: message_type.into(), ..Default::default() })
    }

    /// Carries a value as JSON text, which arrives byte for byte.
    ///
    /// # Errors
    /// The value cannot be written as JSON.
    pub fn with_json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self, serde_json::Error> {
        Ok(self.with_json_text(serde_json::to_string(value)?))
    }

    /// Carries JSON text that is there already. What is not one JSON value is refused when it is sent.
    pub fn with_json_text(self, text: impl Into<String>) -> Self {
        self.with_payload(v1::message::Payload::Json(text.into()))
    }

    /// Carries bytes.
    pub fn with_binary(self, bytes: impl Into<Bytes>) -> Self {
        self.with_payload(v1::message::Payload::Binary(bytes.into()))
    }

    fn with_payload(mut self, payload: v1::message::Payload) -> Self {
        self.0.payload = Some(payload);
        self
    }

    /// Names the message. Without, it gets a UUIDv7.
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.0.id = id.into();
        self
    }

    /// Says who sends it. Nobody verifies it.
    pub fn with_sender_id(mut self, sender_id: impl Into<String>) -> Self {
        self.0.sender_id = sender_id.into();
        self
    }

    /// Adds a fact beside the payload; a second one under the same key replaces the first. At most 32, each key of 1 to
    /// 256 bytes, each value of at most 4,096 bytes.
    pub fn with_attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.attributes.insert(key.into(), value.into());
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
    /// It is binary, or not a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        match self.payload() {
            Payload::Empty => serde_json::from_value(serde_json::Value::Null),
            Payload::Json(text) => serde_json::from_str(text),
            Payload::Value(value) => serde_json::from_value(value),
            Payload::Binary(_) => Err(serde::de::Error::custom("the payload is binary")),
        }
    }

    /// As the hub takes it.
    pub(super) fn encode(self, max_payload_bytes: usize) -> Result<message::Message, InvalidMessage> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        message::Message::parse(&self.0.encode_to_vec(), max_payload_bytes, unix_millis)
    }

    /// As the hub gives it back.
    pub(super) fn decode(message: &message::Message) -> Self {
        Self(v1::Message::decode(message.bytes()).expect("what the hub took can be decoded"))
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id())
            .field("type", &self.message_type())
            .field("sender_id", &self.sender_id())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(message: Message) -> Message {
        Message::decode(&message.encode(1024).unwrap())
    }

    #[test]
    fn what_is_written_is_read() {
        let message = Message::new("t").with_id("m").with_sender_id("me").with_attribute("k", "v");
        let message = sent(message.with_json(&u64::MAX).unwrap());
        assert_eq!((message.id(), message.message_type(), message.sender_id()), ("m", "t", Some("me")));
        assert_eq!(message.attributes().collect::<Vec<_>>(), [("k", "v")]);
        assert_eq!(message.payload(), Payload::Json("18446744073709551615"));
        assert_eq!(message.json::<u64>().unwrap(), u64::MAX);
    }

    #[test]
    fn an_id_comes_by_itself() {
        assert!(!sent(Message::new("t")).id().is_empty());
    }

    #[test]
    fn no_payload_is_null_and_bytes_are_not_json() {
        assert_eq!(sent(Message::new("t")).json::<Option<u8>>().unwrap(), None);
        let binary = sent(Message::new("t").with_binary(&b"1"[..]));
        assert_eq!(binary.payload(), Payload::Binary(&Bytes::from_static(b"1")));
        assert!(binary.json::<u8>().is_err());
    }

    #[test]
    fn what_breaks_a_rule_is_named() {
        let field = |message: Message| message.encode(8).unwrap_err().field;
        assert_eq!(field(Message::new("")), "type");
        assert_eq!(field(Message::new("_eric_x")), "type");
        assert_eq!(field(Message::new("t").with_json_text("{nope")), "json");
        assert_eq!(field(Message::new("t").with_binary(vec![0; 9])), "binary");
    }

    #[test]
    fn debug_keeps_the_payload_to_itself() {
        let message = Message::new("t").with_json("secret").unwrap().with_attribute("k", "secret");
        assert!(!format!("{message:?}").contains("secret"));
    }
}
