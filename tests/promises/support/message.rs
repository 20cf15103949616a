//! Messages that tests send, and what they read in those that they receive.

use eric::v1::{Delivery, Message, message::Payload};

/// A message of a type, without anything else.
pub(crate) fn message(kind: &str) -> Message {
    Message { r#type: kind.to_owned(), ..Message::default() }
}

/// A message that carries a number.
pub(crate) fn numbered(number: i64) -> Message {
    Message { payload: Some(Payload::Json(number.to_string())), ..message("number") }
}

/// A message of so many bytes.
pub(crate) fn sized(bytes: usize) -> Message {
    Message { payload: Some(Payload::Binary(vec![b'x'; bytes].into())), ..message("sized") }
}

pub(crate) fn json(text: &str) -> Message {
    Message { payload: Some(Payload::Json(text.to_owned())), ..message("json") }
}

/// The number that a delivery carries.
#[track_caller]
pub(crate) fn number(delivery: &Delivery) -> i64 {
    match sent(delivery).payload.as_ref() {
        Some(Payload::Json(text)) => text.parse().expect("the test sent a number"),
        other => panic!("a number was sent, not {other:?}"),
    }
}

#[track_caller]
pub(crate) fn numbers(deliveries: &[Delivery]) -> Vec<i64> {
    deliveries.iter().map(number).collect()
}

/// The message of a delivery.
#[track_caller]
pub(crate) fn sent(delivery: &Delivery) -> &Message {
    delivery.message.as_ref().expect("a delivery has a message")
}

pub(crate) fn sequences(deliveries: &[Delivery]) -> Vec<i64> {
    deliveries.iter().map(|delivery| delivery.sequence).collect()
}

/// Each is above the one before.
pub(crate) fn rising(sequences: &[i64]) -> bool {
    sequences.is_sorted_by(|a, b| a < b)
}
