//! A message as its sender writes it and its receiver reads it.

use super::value;
use crate::v1;
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt,
    time::{Duration, SystemTime},
};

/// A message: a type, and what its sender says with it.
///
/// Ids are at most 128 bytes of `[A-Za-z0-9._:-]`, types at most 256 bytes, payloads at most 1 MiB where the server or
/// the dispatcher does not say otherwise. Nothing is checked here: what breaks a rule is refused when it is sent. Its
/// `Debug` shows nothing of what it carries.
///
/// ```
/// use eric::content::Message;
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
    /// A message of a type, which receivers select by. Types that begin with `_eric_` are Eric's own.
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

    /// Names the message. Without, it gets a UUIDv7 when it is accepted.
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.0.id = id.into();
        self
    }

    /// Says who sends it. Nobody verifies it.
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

    /// How long it may wait, counted from its acceptance; what waits longer is a gap.
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        let longest = prost_types::Duration { seconds: i64::MAX, nanos: 0 };
        self.0.ttl = Some(prost_types::Duration::try_from(ttl).unwrap_or(longest));
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

    /// When its sender made it, where it says so and Rust has such a time.
    pub fn create_time(&self) -> Option<SystemTime> {
        self.0.create_time.and_then(|time| SystemTime::try_from(time).ok())
    }

    /// How long it may wait, where its sender says so.
    pub fn ttl(&self) -> Option<Duration> {
        self.0.ttl.and_then(|ttl| Duration::try_from(ttl).ok())
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

    #[test]
    fn a_time_is_read_as_it_was_written() {
        let made = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789);
        assert_eq!(Message::new("t").with_create_time(made).create_time(), Some(made));
        assert_eq!(Message::new("t").create_time(), None);
    }

    #[test]
    fn a_time_to_live_is_read_as_it_was_written() {
        let ttl = Duration::from_millis(1_500);
        assert_eq!(Message::new("t").with_ttl(ttl).ttl(), Some(ttl));
        assert!(Message::new("t").with_ttl(Duration::MAX).ttl().is_some());
        assert_eq!(Message::new("t").ttl(), None);
    }

    #[test]
    fn debug_keeps_the_payload_to_itself() {
        let message = Message::new("t").with_json("secret").unwrap().with_attribute("k", "secret");
        assert!(!format!("{message:?}").contains("secret"));
    }
}
