//! What a message carries, found in its bytes without building anything.

use super::{
    Message,
    field::Fields,
    payload::{BINARY, JSON, VALUE},
};

/// What a message carries, as it stands in its bytes.
#[derive(Clone, Copy)]
pub(crate) enum Carried<'m> {
    Nothing,
    /// JSON text, as its sender wrote it.
    Json(&'m str),
    /// A `google.protobuf.Value`: rare, so whoever shows one decodes the message.
    Value,
    Binary(&'m [u8]),
}

impl Message {
    /// What it carries.
    pub(crate) fn carried(&self) -> Carried<'_> {
        // it was looked through when it came, and has a payload once
        let found = Fields::of(&self.bytes).map_while(Result::ok).find_map(|field| match field.number {
            JSON => field.text("json").ok().map(Carried::Json),
            VALUE => Some(Carried::Value),
            BINARY => field.bytes("binary").ok().map(Carried::Binary),
            _ => None,
        });
        found.unwrap_or(Carried::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{self, message::Payload};
    use prost::Message as _;

    fn carried(payload: Option<Payload>) -> String {
        let sent = v1::Message { r#type: "t".into(), payload, ..v1::Message::default() };
        match Message::parse(&sent.encode_to_vec(), 1024, 0).expect("it is sound").carried() {
            Carried::Nothing => "nothing".to_owned(),
            Carried::Json(text) => format!("json {text}"),
            Carried::Value => "a value".to_owned(),
            Carried::Binary(bytes) => format!("binary {bytes:?}"),
        }
    }

    #[test]
    fn what_was_sent_is_found() {
        assert_eq!(carried(None), "nothing");
        assert_eq!(carried(Some(Payload::Json("{ }".into()))), "json { }");
        assert_eq!(carried(Some(Payload::Value(prost_types::Value::default()))), "a value");
        assert_eq!(carried(Some(Payload::Binary(vec![1, 2].into()))), "binary [1, 2]");
        assert_eq!(carried(Some(Payload::Binary(vec![].into()))), "binary []");
    }
}
