//! A delivery and what stands beside it, as the contract has them. The messages themselves are the bytes that were
//! received.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

use super::{convert, settings, wire};
use crate::{
    hub::{Gap, GapReason, Repeat, Started},
    log::{DeadLetter, DeadLetterCause, Entry, Kind},
};
use bytes::Bytes;
use prost::{
    Message,
    encoding::{encode_varint, encoded_len_varint},
};

pub(crate) const LENGTH_DELIMITED: u8 = 2;
pub(crate) const VARINT: u8 = 0;

/// What a field of a low number begins with.
pub(crate) const fn key(number: u8, wire_type: u8) -> u8 {
    number << 3 | wire_type
}

/// The fields of `Delivery`.
const MESSAGE: u8 = key(1, LENGTH_DELIMITED);
const SEQUENCE: u8 = key(2, VARINT);
const ACCEPT_TIME: u8 = key(3, LENGTH_DELIMITED);
const KIND: u8 = key(4, VARINT);
const DEAD_LETTER: u8 = key(5, LENGTH_DELIMITED);
/// The fields of `google.protobuf.Timestamp`.
const SECONDS: u8 = key(1, VARINT);
const NANOS: u8 = key(2, VARINT);

/// A subscription's beginning as the wire has it.
pub(crate) fn started(number: u32, started: &Started) -> wire::SubscriptionStarted {
    wire::SubscriptionStarted {
        subscription: convert::to_i32(number),
        channel: started.channel.to_string(),
        listener: started.listener.as_deref().unwrap_or_default().to_owned(),
        birth: started.birth.to_i64(),
        generation: convert::to_i64(started.generation),
        resume_token: started.token.to_string(),
        acknowledgement_mode: settings::mode_to_wire(started.mode),
    }
}

/// A delivery alone, as the bytes of `eric.v1.Delivery`.
pub(crate) fn delivery(entry: &Entry) -> Bytes {
    let sizes = Sizes::of(entry);
    let mut bytes = Vec::with_capacity(sizes.delivery);
    put_fields(&mut bytes, entry, &sizes);
    bytes.into()
}

pub(crate) fn gap(gap: &Gap) -> wire::Gap {
    let reason = match gap.reason {
        GapReason::Overflow => wire::GapReason::Overflow,
        GapReason::Expired => wire::GapReason::Expired,
        GapReason::Rejected => wire::GapReason::Rejected,
        GapReason::Trimmed => wire::GapReason::Trimmed,
        GapReason::Purged => wire::GapReason::Purged,
        GapReason::OtherLife => wire::GapReason::OtherLife,
    };
    wire::Gap {
        reason: reason.into(),
        after_sequence: gap.after.to_i64(),
        through_sequence: gap.through.to_i64(),
        count: gap.count.map(convert::to_i64),
    }
}

/// A message that comes again.
pub(crate) fn attempt(repeat: &Repeat) -> wire::Attempt {
    wire::Attempt {
        sequence: repeat.position.to_i64(),
        attempt: i32::try_from(repeat.attempt).unwrap_or(i32::MAX),
    }
}

/// The sizes in a delivery, from the inside out.
pub(crate) struct Sizes {
    seconds: u64,
    nanos: u64,
    time: usize,
    pub(crate) delivery: usize,
}

impl Sizes {
    pub(crate) fn of(entry: &Entry) -> Self {
        const SECOND: i64 = 1_000_000_000;
        // the clock of a server is past 1970
        let seconds = (entry.accepted_at / SECOND).unsigned_abs();
        let nanos = (entry.accepted_at % SECOND).unsigned_abs();
        let time = 2 + encoded_len_varint(seconds) + encoded_len_varint(nanos);
        let sequence = 1 + encoded_len_varint(entry.position.0);
        let facts = entry.dead_letter.as_ref().map_or(0, |facts| field_len(dead_letter(facts).encoded_len()));
        let delivery = field_len(entry.message.len()) + sequence + field_len(time) + 2 + facts;
        Self { seconds, nanos, time, delivery }
    }
}

/// Appends what a delivery holds.
pub(crate) fn put_fields(frame: &mut Vec<u8>, entry: &Entry, sizes: &Sizes) {
    put_head(frame, MESSAGE, entry.message.len());
    frame.extend_from_slice(entry.message.bytes());
    frame.push(SEQUENCE);
    encode_varint(entry.position.0, frame);
    put_head(frame, ACCEPT_TIME, sizes.time);
    frame.push(SECONDS);
    encode_varint(sizes.seconds, frame);
    frame.push(NANOS);
    encode_varint(sizes.nanos, frame);
    let kind = match entry.kind {
        Kind::Dispatch => wire::DeliveryKind::Dispatch,
        Kind::Broadcast => wire::DeliveryKind::Broadcast,
    };
    frame.extend([KIND, kind as u8]);
    if let Some(facts) = entry.dead_letter.as_deref().map(dead_letter) {
        put_head(frame, DEAD_LETTER, facts.encoded_len());
        facts.encode_raw(frame);
    }
}

fn dead_letter(facts: &DeadLetter) -> wire::DeadLetter {
    let cause = match facts.cause {
        DeadLetterCause::MaxAttempts => wire::DeadLetterCause::MaxAttempts,
        DeadLetterCause::FinalRejection => wire::DeadLetterCause::FinalRejection,
    };
    wire::DeadLetter {
        cause: cause.into(),
        reason: facts.reason.clone(),
        listener: facts.listener.to_string(),
        sequence: facts.position.to_i64(),
        attempts: i32::try_from(facts.attempts).unwrap_or(i32::MAX),
        time: Some(convert::time(facts.moved_at)),
    }
}

/// Appends the beginning of a field that holds so many bytes.
pub(crate) fn put_head(frame: &mut Vec<u8>, key: u8, len: usize) {
    frame.push(key);
    encode_varint(len as u64, frame);
}

/// A field of one key byte, with its length and what it holds.
pub(crate) fn field_len(len: usize) -> usize {
    1 + encoded_len_varint(len as u64) + len
}
