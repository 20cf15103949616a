//! How a delivery looks: one line, whatever it carries.

use super::output::{Shown, base64, one_line, printable, time};
use super::view::{seconds, short};
use crate::client::{DeadLetter, Delivery, Message, Payload};
use serde::Serialize;
use serde_json::value::RawValue;
use std::{collections::BTreeMap, fmt::Write as _};

/// A delivery as a command received it.
pub(crate) struct Delivered<'d> {
    pub(crate) delivery: &'d Delivery,
    /// Where to resume after it; none in the middle of a batch.
    pub(crate) resume_token: Option<&'d str>,
}

impl Shown for Delivered<'_> {
    fn text(&self) -> String {
        let Delivery { message, sequence, accept_time, kind, .. } = self.delivery;
        let kind = short(kind.as_str_name(), "DELIVERY_KIND_");
        let message_type = printable(message.message_type());
        let mut line = format!("#{sequence} {} {kind} {message_type}", time(*accept_time));
        add_facts(&mut line, message).expect("a String takes whatever is written");
        add_history(&mut line, self.delivery).expect("a String takes whatever is written");
        line + &carried(message)
    }

    fn json(&self) -> impl Serialize {
        DeliveryLine { delivery: DeliveryView::of(self.delivery), resume_token: self.resume_token }
    }
}

fn add_facts(line: &mut String, message: &Message) -> std::fmt::Result {
    if let Some(sender) = message.sender_id() {
        write!(line, " from {}", printable(sender))?;
    }
    let attributes: BTreeMap<_, _> = message.attributes().collect();
    for (key, value) in attributes {
        write!(line, " {}={}", printable(key), printable(value))?;
    }
    Ok(())
}

/// What went before this delivery.
fn add_history(line: &mut String, delivery: &Delivery) -> std::fmt::Result {
    if delivery.attempt > 1 {
        write!(line, " (attempt {})", delivery.attempt)?;
    }
    let Some(letter) = delivery.dead_letter.as_deref() else { return Ok(()) };
    let DeadLetter { listener, sequence, attempts, reason, .. } = letter;
    let cause = short(letter.cause.as_str_name(), "DEAD_LETTER_CAUSE_").replace('_', " ");
    write!(line, " (dead letter of {} #{sequence}, attempt {attempts}: {cause}", printable(listener))?;
    if !reason.is_empty() {
        write!(line, ", {}", printable(reason))?;
    }
    line.push(')');
    Ok(())
}

fn carried(message: &Message) -> String {
    match message.payload() {
        Payload::Empty => String::new(),
        Payload::Json(text) => format!(" {}", printable(&one_line(text))),
        Payload::Value(value) => format!(" {}", printable(&value.to_string())),
        Payload::Binary(bytes) => format!(" <{} bytes>", bytes.len()),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeliveryLine<'d> {
    delivery: DeliveryView<'d>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resume_token: Option<&'d str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeliveryView<'d> {
    sequence: i64,
    accept_time: String,
    kind: &'static str,
    /// Of the first nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<i32>,
    message: MessageView<'d>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_letter: Option<LetterView<'d>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LetterView<'d> {
    cause: &'static str,
    reason: &'d str,
    listener: &'d str,
    sequence: i64,
    attempts: i32,
    time: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MessageView<'m> {
    id: &'m str,
    r#type: &'m str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender_id: Option<&'m str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<&'m str, &'m str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    create_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<String>,
    #[serde(flatten)]
    content: Option<Content>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Content {
    Payload(Box<RawValue>),
    Binary(String),
}

impl<'d> DeliveryView<'d> {
    fn of(delivery: &'d Delivery) -> Self {
        Self {
            sequence: delivery.sequence,
            accept_time: time(delivery.accept_time),
            kind: delivery.kind.as_str_name(),
            attempt: Some(delivery.attempt).filter(|&attempt| attempt > 1),
            message: MessageView::of(&delivery.message),
            dead_letter: delivery.dead_letter.as_deref().map(LetterView::of),
        }
    }
}

impl<'d> LetterView<'d> {
    fn of(letter: &'d DeadLetter) -> Self {
        Self {
            cause: letter.cause.as_str_name(),
            reason: &letter.reason,
            listener: &letter.listener,
            sequence: letter.sequence,
            attempts: letter.attempts,
            time: time(letter.time),
        }
    }
}

impl<'m> MessageView<'m> {
    fn of(message: &'m Message) -> Self {
        Self {
            id: message.id(),
            r#type: message.message_type(),
            sender_id: message.sender_id(),
            attributes: message.attributes().collect(),
            create_time: message.create_time().map(time),
            ttl: message.ttl().map(seconds),
            content: content(message),
        }
    }
}

/// JSON as its sender wrote it, digit for digit; the server has seen to it that it is JSON.
fn content(message: &Message) -> Option<Content> {
    let json = match message.payload() {
        Payload::Empty => return None,
        Payload::Binary(bytes) => return Some(Content::Binary(base64(bytes))),
        Payload::Json(text) => one_line(text),
        Payload::Value(value) => value.to_string(),
    };
    RawValue::from_string(json).ok().map(Content::Payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1;

    fn line(message: Message, resume_token: Option<&str>) -> (String, String) {
        let delivery = v1::Delivery {
            message: Some(message.into()),
            sequence: 7,
            accept_time: Some(prost_types::Timestamp { seconds: 1, nanos: 500_000_000 }),
            kind: v1::DeliveryKind::Broadcast.into(),
            ..Default::default()
        };
        let delivered = Delivered { delivery: &delivery.into(), resume_token };
        (delivered.text(), serde_json::to_string(&delivered.json()).unwrap())
    }

    #[test]
    fn json_is_shown_as_it_was_sent_on_one_line() {
        let message = Message::new("price").with_id("m").with_json_text("{\n \"p\": 12345678901234567890 }");
        let (text, json) = line(message, Some("token"));
        assert_eq!(text, "#7 1970-01-01T00:00:01.500Z broadcast price {\"p\":12345678901234567890}");
        assert_eq!(
            json,
            r#"{"delivery":{"sequence":7,"acceptTime":"1970-01-01T00:00:01.500Z","kind":"DELIVERY_KIND_BROADCAST","#
                .to_owned()
                + r#""message":{"id":"m","type":"price","payload":{"p":12345678901234567890}}},"resumeToken":"token"}"#
        );
    }

    #[test]
    fn who_sent_it_and_its_attributes_are_shown() {
        let message =
            Message::new("t").with_sender_id("me").with_attribute("b", "2").with_attribute("a", "1\n");
        let (text, json) = line(message, None);
        assert_eq!(text, "#7 1970-01-01T00:00:01.500Z broadcast t from me a=1\\n b=2");
        assert!(
            json.contains(r#""senderId":"me","attributes":{"a":"1\n","b":"2"}"#) && !json.contains("payload")
        );
    }

    #[test]
    fn a_dead_letter_tells_how_it_came_here() {
        let letter = v1::DeadLetter {
            cause: v1::DeadLetterCause::MaxAttempts.into(),
            reason: "no stock\n".into(),
            listener: "shipping".into(),
            sequence: 3,
            attempts: 5,
            time: Some(prost_types::Timestamp { seconds: 1, nanos: 0 }),
        };
        let message = Some(v1::Message { r#type: "t".into(), ..Default::default() });
        let delivery = v1::Delivery { message, dead_letter: Some(letter), ..Default::default() }.into();
        let delivered = Delivered { delivery: &delivery, resume_token: None };
        let told = "(dead letter of shipping #3, attempt 5: max attempts, no stock\\n)";
        assert!(delivered.text().ends_with(told), "{}", delivered.text());
        let json = serde_json::to_value(delivered.json()).unwrap();
        assert_eq!(json["delivery"]["deadLetter"]["attempts"], 5);
        assert_eq!(json["delivery"]["deadLetter"]["cause"], "DEAD_LETTER_CAUSE_MAX_ATTEMPTS");
    }

    #[test]
    fn bytes_are_counted_for_people_and_encoded_for_machines() {
        let (text, json) = line(Message::new("t").with_binary(&b"foo"[..]), None);
        assert!(text.ends_with(" t <3 bytes>"));
        assert!(json.contains(r#""binary":"Zm9v""#));
    }
}
