//! What stands on a stream's wire: responses as frames that are ready to be sent.
//!
//! Listen and Watch share their field numbers, so one frame serves the streams of both. The messages themselves are the
//! bytes that were received.
//! Sources: <https://protobuf.dev/programming-guides/encoding/>,
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.

use super::{convert, wire};
use crate::{
    hub::{Batch, Gap, GapReason},
    log::{Entry, Kind},
};
use bytes::Bytes;
use prost::{
    Message,
    encoding::{encode_varint, encoded_len_varint},
};

/// A byte that says "not compressed", and four for the length.
const PREFIX_BYTES: usize = 5;
/// The number of a stream's only subscription.
pub(super) const FIRST: i32 = 1;

const LENGTH_DELIMITED: u8 = 2;
const VARINT: u8 = 0;

const fn key(number: u8, wire_type: u8) -> u8 {
    number << 3 | wire_type
}

/// `ListenResponse.batches`.
const BATCHES: u8 = key(3, LENGTH_DELIMITED);
/// The fields of `Batch`.
const SUBSCRIPTION: u8 = key(1, VARINT);
const GAPS: u8 = key(2, LENGTH_DELIMITED);
const DELIVERIES: u8 = key(3, LENGTH_DELIMITED);
const RESUME_TOKEN: u8 = key(4, LENGTH_DELIMITED);
/// The fields of `Delivery`.
const MESSAGE: u8 = key(1, LENGTH_DELIMITED);
const SEQUENCE: u8 = key(2, VARINT);
const ACCEPT_TIME: u8 = key(3, LENGTH_DELIMITED);
const KIND: u8 = key(4, VARINT);
/// The fields of `google.protobuf.Timestamp`.
const SECONDS: u8 = key(1, VARINT);
const NANOS: u8 = key(2, VARINT);

/// A response that is rare enough to be encoded in the ordinary way.
pub(super) fn of(response: &wire::ListenResponse) -> Bytes {
    let mut frame = begin(response.encoded_len());
    response.encode_raw(&mut frame);
    frame.into()
}

/// A response with one batch.
pub(super) fn of_batch(batch: &Batch) -> Bytes {
    let gaps: Vec<_> = batch.gaps.iter().map(gap).collect();
    let mut token = Vec::with_capacity(crate::hub::ResumeToken::MAX_BYTES);
    batch.token.write(&mut token);
    let gaps_len: usize = gaps.iter().map(|gap| field_len(gap.encoded_len())).sum();
    let deliveries_len: usize = batch.entries.iter().map(|entry| field_len(Sizes::of(entry).delivery)).sum();
    let body = 2 + gaps_len + deliveries_len + field_len(token.len());

    let mut frame = begin(field_len(body));
    put_head(&mut frame, BATCHES, body);
    frame.extend([SUBSCRIPTION, FIRST as u8]);
    for gap in &gaps {
        put_head(&mut frame, GAPS, gap.encoded_len());
        gap.encode_raw(&mut frame);
    }
    for entry in &batch.entries {
        put_delivery(&mut frame, entry);
    }
    put_head(&mut frame, RESUME_TOKEN, token.len());
    frame.extend(token);
    frame.into()
}

/// A delivery alone, as the bytes of `eric.v1.Delivery`.
pub(super) fn delivery(entry: &Entry) -> Bytes {
    let sizes = Sizes::of(entry);
    let mut bytes = Vec::with_capacity(sizes.delivery);
    put_fields(&mut bytes, entry, &sizes);
    bytes.into()
}

pub(super) fn gap(gap: &Gap) -> wire::Gap {
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

fn begin(len: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity(PREFIX_BYTES + len);
    frame.push(0);
    // a response never passes the 64 MiB that a client may ask for
    frame.extend(u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
    frame
}

fn put_head(frame: &mut Vec<u8>, key: u8, len: usize) {
    frame.push(key);
    encode_varint(len as u64, frame);
}

/// A field of one key byte, with its length and what it holds.
fn field_len(len: usize) -> usize {
    1 + encoded_len_varint(len as u64) + len
}

/// The sizes in a delivery, from the inside out.
struct Sizes {
    seconds: u64,
    nanos: u64,
    time: usize,
    delivery: usize,
}

impl Sizes {
    fn of(entry: &Entry) -> Self {
        const SECOND: i64 = 1_000_000_000;
        // the clock of a server is past 1970
        let seconds = (entry.accepted_at / SECOND).unsigned_abs();
        let nanos = (entry.accepted_at % SECOND).unsigned_abs();
        let time = 2 + encoded_len_varint(seconds) + encoded_len_varint(nanos);
        let sequence = 1 + encoded_len_varint(entry.position.0);
        let delivery = field_len(entry.message.len()) + sequence + field_len(time) + 2;
        Self { seconds, nanos, time, delivery }
    }
}

fn put_delivery(frame: &mut Vec<u8>, entry: &Entry) {
    let sizes = Sizes::of(entry);
    put_head(frame, DELIVERIES, sizes.delivery);
    put_fields(frame, entry, &sizes);
}

fn put_fields(frame: &mut Vec<u8>, entry: &Entry, sizes: &Sizes) {
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
}
