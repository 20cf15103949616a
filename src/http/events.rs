//! What stands in a stream of Server-Sent Events.
//!
//! Everything that is sent is a chunk of HTTP/1.1, so that it can be shared as it stands there; HTTP/2 sends its inside.
//! Sources: <https://html.spec.whatwg.org/multipage/server-sent-events.html>, RFC 9112 section 7.1, RFC 2397.

use super::json;
use crate::{
    hub::{Batch, Gap, Hub, Repeat, ResumeToken},
    log::{Entry, Position},
    message::{GAP_TYPE, Message, Payload},
    verbs::delivery,
};
use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use bytes::Bytes;
use memchr::memchr2;
use serde::Serialize;
use std::{io::Write as _, time::Duration};

/// The first event of a stream.
pub(super) const OPENED: &str = "_eric_opened";
/// The last event of a stream, or of a channel on it.
pub(super) const ENDED: &str = "_eric_ended";

/// Eight digits, which are enough for whatever a stream sends at once, and a line break.
const CHUNK_HEAD: usize = 10;
const CHUNK_END: &[u8] = b"\r\n";

/// Something to send, as a chunk.
pub(super) fn chunk(put: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut chunk = vec![b'0'; CHUNK_HEAD];
    put(&mut chunk);
    let length = format!("{:08x}\r\n", chunk.len() - CHUNK_HEAD);
    chunk[..CHUNK_HEAD].copy_from_slice(length.as_bytes());
    chunk.extend_from_slice(CHUNK_END);
    chunk.into()
}

/// What a chunk says, without its frame.
pub(super) fn inside(chunk: &Bytes) -> Bytes {
    chunk.slice(CHUNK_HEAD..chunk.len() - CHUNK_END.len())
}

/// What the data of a delivery's event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Data {
    /// The payload.
    Payload,
    /// All of the delivery.
    Delivery,
}

/// What a delivery is told with, where all of it is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beside<'a> {
    pub(super) channel: &'a str,
    pub(super) generation: u64,
    pub(super) repeats: &'a [Repeat],
}

/// Which of a batch's events are written: those behind the first `from`, and none once the text has `enough` bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) from: usize,
    pub(super) enough: usize,
}

impl Cut {
    pub(super) const WHOLE: Self = Self { from: 0, enough: usize::MAX };
}

/// Writes the events of a batch; `id` writes where the stream stands behind each. Tells how many are written by now.
pub(super) fn put_batch(
    text: &mut Vec<u8>,
    batch: &Batch,
    cut: Cut,
    data: Data,
    beside: &Beside<'_>,
    hub: &Hub,
    mut id: impl FnMut(&mut Vec<u8>, ResumeToken),
) -> usize {
    let gaps = batch.gaps.iter().map(Part::Gap);
    let mut written = cut.from;
    for part in gaps.chain(batch.entries.iter().map(Part::Message)).skip(cut.from) {
        if text.len() >= cut.enough {
            break;
        }
        put_id(text, |text| id(text, hub.token_at(batch.token, part.through())));
        match part {
            Part::Gap(gap) => put_gap(text, gap, data, beside.channel),
            Part::Message(entry) => put_message(text, entry, data, beside),
        }
        written += 1;
    }
    written
}

/// What an event is made of.
#[derive(Clone, Copy)]
enum Part<'a> {
    Gap(&'a Gap),
    Message(&'a Entry),
}

impl Part<'_> {
    fn through(self) -> Position {
        match self {
            Self::Gap(gap) => gap.through,
            Self::Message(entry) => entry.position,
        }
    }
}

fn put_message(text: &mut Vec<u8>, entry: &Entry, data: Data, beside: &Beside<'_>) {
    match data {
        Data::Payload => {
            put_type(text, entry.message.kind());
            put_payload(text, &entry.message);
        }
        // its type stands in it. As an event it has none, and is a `message`: an EventSource hears only what it knows
        // by name, and nobody could hear all types
        Data::Delivery => put_data(text, &whole(entry, beside)),
    }
    text.push(b'\n');
}

fn put_gap(text: &mut Vec<u8>, gap: &Gap, data: Data, channel: &str) {
    let told = json::of("eric.v1.Gap", &delivery::gap(gap));
    let told = if data == Data::Delivery { json::with(&InChannel { channel }, &told) } else { told };
    put_type(text, GAP_TYPE);
    put_data(text, &told);
    text.push(b'\n');
}

/// An event of the door's own.
pub(super) fn put_own(text: &mut Vec<u8>, kind: &str, data: &[u8]) {
    put_type(text, kind);
    put_data(text, data);
    text.push(b'\n');
}

/// All of a delivery.
fn whole(entry: &Entry, beside: &Beside<'_>) -> Vec<u8> {
    let told = json::of_bytes("eric.v1.Delivery", delivery::delivery(entry));
    let repeat = beside.repeats.iter().find(|repeat| repeat.position == entry.position);
    let attempt = repeat.map_or(1, |repeat| repeat.attempt);
    json::with(&Own { channel: beside.channel, generation: beside.generation.to_string(), attempt }, &told)
}

#[derive(Serialize)]
pub(super) struct InChannel<'a> {
    pub(super) channel: &'a str,
}

/// What a delivery is told with that is not the same for all who get it.
#[derive(Serialize)]
struct Own<'a> {
    channel: &'a str,
    /// As proto3 JSON has 64 bits.
    generation: String,
    attempt: u32,
}

pub(super) fn put_retry(text: &mut Vec<u8>, retry: Duration) {
    // a vector takes everything
    let _ = writeln!(text, "retry: {}", retry.as_millis());
}

pub(super) fn put_id(text: &mut Vec<u8>, id: impl FnOnce(&mut Vec<u8>)) {
    text.extend_from_slice(b"id: ");
    id(text);
    text.push(b'\n');
}

/// A type is a line of its own, and has no line breaks there.
fn put_type(text: &mut Vec<u8>, kind: &str) {
    text.extend_from_slice(b"event: ");
    for (place, part) in kind.split(['\r', '\n']).enumerate() {
        if place > 0 {
            text.extend_from_slice("\u{fffd}".as_bytes());
        }
        text.extend_from_slice(part.as_bytes());
    }
    text.push(b'\n');
}

fn put_payload(text: &mut Vec<u8>, message: &Message) {
    match message.payload() {
        Payload::Json(json) => put_data(text, json.as_bytes()),
        Payload::Value(value) => {
            put_data(text, &json::of_bytes("google.protobuf.Value", Bytes::copy_from_slice(value)))
        }
        Payload::Binary(bytes) => {
            let encoded = Base64Display::new(bytes, &STANDARD);
            let _ = writeln!(text, "data: data:application/octet-stream;base64,{encoded}");
        }
        // an event without data is not dispatched
        Payload::Empty => put_data(text, b"null"),
    }
}

/// A line for each line of the data. Its reader puts `\n` between them, whichever of the three line breaks stood there.
fn put_data(text: &mut Vec<u8>, mut data: &[u8]) {
    loop {
        text.extend_from_slice(b"data: ");
        let Some(end) = memchr2(b'\r', b'\n', data) else {
            text.extend_from_slice(data);
            text.push(b'\n');
            return;
        };
        text.extend_from_slice(&data[..end]);
        text.push(b'\n');
        let both = data[end..].starts_with(b"\r\n");
        data = &data[end + if both { 2 } else { 1 }..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The data of one event, as the specification has it put together again.
    fn read(text: &[u8]) -> String {
        let text = str::from_utf8(text).unwrap();
        let lines = text.lines().map(|line| line.strip_prefix("data: ").unwrap());
        lines.collect::<Vec<_>>().join("\n")
    }

    proptest! {
        #[test]
        fn data_reads_back_but_for_which_line_breaks_stood_there(data in r"[ab:\x00\r\n \u{2028}\u{85}]{0,40}") {
            let mut text = Vec::new();
            put_data(&mut text, data.as_bytes());
            prop_assert!(!text.contains(&b'\r') && text.ends_with(b"\n") && !text.starts_with(b"\n"));
            prop_assert_eq!(read(&text[..text.len() - 1]), data.replace("\r\n", "\n").replace('\r', "\n"));
        }

        #[test]
        fn a_chunk_says_how_long_it_is(said in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let chunk = chunk(|text| text.extend_from_slice(&said));
            prop_assert_eq!(&inside(&chunk)[..], &said[..]);
            let head = str::from_utf8(&chunk[..8]).unwrap();
            prop_assert_eq!(usize::from_str_radix(head, 16).unwrap(), said.len());
        }
    }
}
