//! A message on its way into the hub, and out of it.

use super::Message;
use crate::{
    id::unix_millis,
    message::{self, InvalidMessage},
    v1,
};
use prost::Message as _;

/// As the hub takes it.
pub(super) fn encode(message: Message, max_payload_bytes: usize) -> Result<message::Message, InvalidMessage> {
    message::Message::parse(&v1::Message::from(message).encode_to_vec(), max_payload_bytes, unix_millis())
}

/// As the hub gives it back.
pub(super) fn decode(message: &message::Message) -> Message {
    v1::Message::decode(message.bytes()).expect("what the hub took can be decoded").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Payload;

    fn sent(message: Message) -> Message {
        decode(&encode(message, 1024).unwrap())
    }

    #[test]
    fn what_is_written_is_read() {
        let message = Message::new("t").with_id("m").with_sender_id("me").with_attribute("k", "v");
        let message = sent(message.with_json(&u64::MAX).unwrap());
        assert_eq!((message.id(), message.message_type(), message.sender_id()), ("m", "t", Some("me")));
        assert_eq!(message.attributes().collect::<Vec<_>>(), [("k", "v")]);
        assert_eq!(message.payload(), Payload::Json("18446744073709551615"));
    }

    #[test]
    fn an_id_comes_by_itself() {
        assert!(!sent(Message::new("t")).id().is_empty());
    }

    #[test]
    fn what_breaks_a_rule_is_named() {
        let field = |message: Message| encode(message, 8).unwrap_err().field;
        assert_eq!(field(Message::new("")), "type");
        assert_eq!(field(Message::new("_eric_x")), "type");
        assert_eq!(field(Message::new("t").with_json_text("{nope")), "json");
        assert_eq!(field(Message::new("t").with_binary(vec![0; 9])), "binary");
    }
}
