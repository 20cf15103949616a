//! Events as lines, as the reference writes them: `{"event": "price", "retry": 5, "data": {"bid": 1}}`.
//!
//! They are ASCII, as those of Python's `json.dumps` are: whoever takes other characters for the end of a line reads
//! them, too.

use crate::{
    content::{self, Payload},
    hub::{Batch, Gap, GapReason},
    message::{Carried, GAP_TYPE, Message},
    v1,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use prost::Message as _;
use std::{io::Write as _, time::Duration};

/// What all events of a stream have in common.
#[derive(Debug)]
pub(super) struct Form {
    /// From the end of the type to the beginning of the payload.
    middle: String,
}

impl Form {
    pub(super) fn new(retry: Duration) -> Self {
        Self { middle: format!(", \"retry\": {}, \"data\": ", retry.as_millis()) }
    }

    /// Appends what is missing, and the messages behind it.
    pub(super) fn put_batch(&self, lines: &mut Vec<u8>, batch: &Batch) {
        for gap in &batch.gaps {
            self.put(lines, GAP_TYPE, |line| put_gap(line, gap));
        }
        for entry in &batch.entries {
            self.put(lines, entry.message.kind(), |line| put_data(line, &entry.message));
        }
    }

    fn put(&self, lines: &mut Vec<u8>, kind: &str, data: impl FnOnce(&mut Vec<u8>)) {
        lines.extend_from_slice(b"{\"event\": ");
        put_text(lines, kind);
        lines.extend_from_slice(self.middle.as_bytes());
        data(lines);
        lines.extend_from_slice(b"}\n");
    }
}

fn put_data(line: &mut Vec<u8>, message: &Message) {
    match message.carried() {
        Carried::Nothing => line.extend_from_slice(b"null"),
        Carried::Json(text) => put_ascii(line, text),
        Carried::Value => put_ascii(line, &value(message)),
        Carried::Binary(bytes) => {
            // it must be possible to tell it from text; the reference has no bytes
            write!(line, "\"{}\", \"encoding\": \"base64\"", BASE64_STANDARD.encode(bytes))
                .expect("a Vec takes whatever is written");
        }
    }
}

fn value(message: &Message) -> String {
    let decoded = v1::Message::decode(message.bytes()).map(content::Message::from);
    match decoded.as_ref().map(content::Message::payload) {
        Ok(Payload::Value(value)) => value.to_string(),
        // it was decoded when it came
        Ok(Payload::Empty | Payload::Json(_) | Payload::Binary(_)) | Err(_) => "null".to_owned(),
    }
}

fn put_gap(line: &mut Vec<u8>, gap: &Gap) {
    let reason = match gap.reason {
        GapReason::Overflow => v1::GapReason::Overflow,
        GapReason::Expired => v1::GapReason::Expired,
        GapReason::Trimmed => v1::GapReason::Trimmed,
        GapReason::Purged => v1::GapReason::Purged,
        GapReason::Rejected => v1::GapReason::Rejected,
        GapReason::OtherLife => v1::GapReason::OtherLife,
    };
    let told = serde_json::json!({
        "reason": reason.as_str_name(),
        "afterSequence": gap.after.0,
        "throughSequence": gap.through.0,
        "count": gap.count,
    });
    write!(line, "{told}").expect("a Vec takes whatever is written");
}

/// Appends a text as JSON.
fn put_text(line: &mut Vec<u8>, text: &str) {
    let plain = |byte: u8| (b' '..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
    if !text.bytes().all(plain) {
        return put_ascii(line, &serde_json::Value::from(text).to_string());
    }
    line.push(b'"');
    line.extend_from_slice(text.as_bytes());
    line.push(b'"');
}

/// Appends sound JSON on one line, in ASCII. What is none of it stands in texts, where it can be escaped; what ends a
/// line cannot stand there.
fn put_ascii(line: &mut Vec<u8>, json: &str) {
    let mut rest = json;
    while let Some(at) = rest.bytes().position(|byte| !(b' '..0x7f).contains(&byte)) {
        line.extend_from_slice(&rest.as_bytes()[..at]);
        let strange = rest[at..].chars().next().unwrap_or_default();
        rest = &rest[at + strange.len_utf8()..];
        if strange < ' ' {
            line.push(b' ');
        } else {
            for unit in strange.encode_utf16(&mut [0; 2]) {
                write!(line, "\\u{unit:04x}").expect("a Vec takes whatever is written");
            }
        }
    }
    line.extend_from_slice(rest.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::message::Payload as Sent;
    use serde_json::{Value, json};

    fn line(kind: &str, payload: Option<Sent>) -> String {
        let sent = v1::Message { r#type: kind.into(), payload, ..v1::Message::default() };
        let message = Message::parse(&sent.encode_to_vec(), 1024, 0).unwrap();
        let mut lines = Vec::new();
        let form = Form::new(Duration::from_millis(5));
        form.put(&mut lines, message.kind(), |line| put_data(line, &message));
        String::from_utf8(lines).unwrap()
    }

    #[test]
    fn an_event_is_written_as_the_reference_writes_it() {
        let of = |payload: &str| line("price", Some(Sent::Json(payload.into())));
        assert_eq!(of("{\"bid\": 1}"), "{\"event\": \"price\", \"retry\": 5, \"data\": {\"bid\": 1}}\n");
        assert_eq!(line("price", None), "{\"event\": \"price\", \"retry\": 5, \"data\": null}\n");
        assert_eq!(
            of("\"ä€𝄞\u{7f}\""),
            line("price", Some(Sent::Json(r#""\u00e4\u20ac\ud834\udd1e\u007f""#.into())))
        );
    }

    #[test]
    fn whatever_is_said_is_one_line_of_ascii() {
        for (kind, payload) in [
            ("a\nb", "{\n\t\"a\":\r\n [1,\n 2]\n}"),
            ("\"\\", "\"\u{2028}\u{85}\""),
            ("größe", "{\"größe\": \"\\n\"}"),
        ] {
            let line = line(kind, Some(Sent::Json(payload.into())));
            let line = line.strip_suffix('\n').unwrap();
            assert!(line.bytes().all(|byte| (b' '..0x7f).contains(&byte)), "{line}");
            let event: Value = serde_json::from_str(line).unwrap();
            assert_eq!(event["event"], kind);
            assert_eq!(event["data"], serde_json::from_str::<Value>(payload).unwrap());
        }
    }

    #[test]
    fn a_value_is_json_and_bytes_say_what_they_are() {
        let number = prost_types::Value { kind: Some(prost_types::value::Kind::NumberValue(1.5)) };
        let event = |payload| serde_json::from_str::<Value>(&line("t", Some(payload))).unwrap();
        assert_eq!(event(Sent::Value(number)), json!({"event": "t", "retry": 5, "data": 1.5}));
        let bytes = json!({"event": "t", "retry": 5, "data": "/w==", "encoding": "base64"});
        assert_eq!(event(Sent::Binary(vec![0xff].into())), bytes);
    }

    #[test]
    fn a_gap_is_an_event_with_its_reason_and_its_count() {
        let gap = |count| Gap {
            reason: GapReason::OtherLife,
            after: crate::log::Position(1),
            through: crate::log::Position(7),
            count,
        };
        for count in [None, Some(3)] {
            let mut line = Vec::new();
            put_gap(&mut line, &gap(count));
            let told = json!({
                "reason": "GAP_REASON_OTHER_LIFE", "afterSequence": 1, "throughSequence": 7, "count": count
            });
            assert_eq!(serde_json::from_slice::<Value>(&line).unwrap(), told);
        }
    }
}
