//! What stands on a stream's wire: responses as frames that are ready to be sent.
//!
//! Listen and Watch share their field numbers, so one frame serves the streams of both. The messages themselves are the
//! bytes that were received.
//! Sources: <https://protobuf.dev/programming-guides/encoding/>,
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.

use crate::{
    hub::{Batch, Handed, ResumeToken},
    log::Entry,
    verbs::{
        FIRST,
        delivery::{self, LENGTH_DELIMITED, Sizes, VARINT, attempt, field_len, key, put_head},
        format, wire,
    },
};
use bytes::Bytes;
use prost::{
    Message,
    encoding::{encode_varint, encoded_len_varint},
};
use std::sync::Arc;

/// A byte that says "not compressed", and four for the length.
pub(super) const PREFIX_BYTES: usize = 5;

/// `ListenResponse.batches`.
const BATCHES: u8 = key(3, LENGTH_DELIMITED);
/// The fields of `Batch`.
const SUBSCRIPTION: u8 = key(1, VARINT);
const GAPS: u8 = key(2, LENGTH_DELIMITED);
const DELIVERIES: u8 = key(3, LENGTH_DELIMITED);
const RESUME_TOKEN: u8 = key(4, LENGTH_DELIMITED);
const GENERATION: u8 = key(5, VARINT);
const REPEATS: u8 = key(6, LENGTH_DELIMITED);

/// A response that is rare enough to be encoded in the ordinary way.
pub(super) fn of(response: &wire::ListenResponse) -> Bytes {
    let mut frame = begin(response.encoded_len());
    response.encode_raw(&mut frame);
    frame.into()
}

/// A response with one batch, of a stream's first subscription and with nothing of its own about it: streams share it.
pub(super) fn of_batch(batch: &Batch) -> Bytes {
    let common = Common::of(batch);
    let body = 2 + common.len;
    let mut frame = begin(field_len(body));
    put_head(&mut frame, BATCHES, body);
    frame.extend([SUBSCRIPTION, FIRST as u8]);
    common.put(&mut frame);
    frame.into()
}

/// Appends a batch of any subscription to a response.
pub(super) fn put_batch(response: &mut Vec<u8>, subscription: u32, handed: &Handed) {
    let shared = shared_part(&handed.batch);
    let common = if shared.is_none() { Some(Common::of(&handed.batch)) } else { None };
    let common_len = shared.as_ref().map_or(0, Bytes::len) + common.as_ref().map_or(0, |common| common.len);
    let repeats: Vec<_> = handed.repeats.iter().map(attempt).collect();
    let repeats_len: usize = repeats.iter().map(|repeat| field_len(repeat.encoded_len())).sum();
    let generation_len = if handed.generation == 0 { 0 } else { 1 + encoded_len_varint(handed.generation) };
    let number = u64::from(subscription);
    let body = 1 + encoded_len_varint(number) + common_len + generation_len + repeats_len;

    response.reserve(field_len(body));
    put_head(response, BATCHES, body);
    response.push(SUBSCRIPTION);
    encode_varint(number, response);
    response.extend_from_slice(shared.as_deref().unwrap_or_default());
    if let Some(common) = common {
        common.put(response);
    }
    if handed.generation != 0 {
        response.push(GENERATION);
        encode_varint(handed.generation, response);
    }
    for repeat in &repeats {
        put_head(response, REPEATS, repeat.encoded_len());
        repeat.encode_raw(response);
    }
}

/// What subscriptions have in common that share a batch: the end of the frame that is made of it once.
fn shared_part(batch: &Arc<Batch>) -> Option<Bytes> {
    // nobody else has it: it is put where it belongs, without a frame for others
    if Arc::strong_count(batch) == 1 {
        return None;
    }
    let frame = batch.frame(format::GRPC, of_batch);
    let length = PREFIX_BYTES + 1;
    let length_bytes = 1 + frame.iter().skip(length).take_while(|byte| **byte >= 0x80).count();
    Some(frame.slice(length + length_bytes + 2..))
}

/// What a batch says to whomever it goes: gaps, deliveries and token.
struct Common<'b> {
    batch: &'b Batch,
    gaps: Vec<wire::Gap>,
    token: Vec<u8>,
    len: usize,
}

impl<'b> Common<'b> {
    fn of(batch: &'b Batch) -> Self {
        let gaps: Vec<_> = batch.gaps.iter().map(delivery::gap).collect();
        let mut token = Vec::with_capacity(ResumeToken::MAX_BYTES);
        batch.token.write(&mut token);
        let gaps_len: usize = gaps.iter().map(|gap| field_len(gap.encoded_len())).sum();
        let deliveries = batch.entries.iter().map(|entry| field_len(Sizes::of(entry).delivery));
        let len = gaps_len + deliveries.sum::<usize>() + field_len(token.len());
        Self { batch, gaps, token, len }
    }

    fn put(&self, frame: &mut Vec<u8>) {
        for gap in &self.gaps {
            put_head(frame, GAPS, gap.encoded_len());
            gap.encode_raw(frame);
        }
        for entry in &self.batch.entries {
            put_delivery(frame, entry);
        }
        put_head(frame, RESUME_TOKEN, self.token.len());
        frame.extend_from_slice(&self.token);
    }
}

fn begin(len: usize) -> Vec<u8> {
    let mut frame = Vec::with_capacity(PREFIX_BYTES + len);
    frame.push(0);
    // a response never passes the 64 MiB that a client may ask for
    frame.extend(u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
    frame
}

/// Says in the prefix how long the frame has become.
pub(super) fn close(frame: &mut [u8]) {
    let len = u32::try_from(frame.len().saturating_sub(PREFIX_BYTES)).unwrap_or(u32::MAX);
    if let Some(length) = frame.get_mut(1..PREFIX_BYTES) {
        length.copy_from_slice(&len.to_be_bytes());
    }
}

fn put_delivery(frame: &mut Vec<u8>, entry: &Entry) {
    let sizes = Sizes::of(entry);
    put_head(frame, DELIVERIES, sizes.delivery);
    delivery::put_fields(frame, entry, &sizes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        hub::{ChannelSettings, From, Hub, Limits, ListenOptions, Receiver, Repeat},
        id::ChannelId,
        log::{Memory, Position},
        v1,
        verbs::convert,
    };
    use std::task::{Context, Poll, Waker};

    /// What a watcher gets of some messages.
    fn handed(messages: usize) -> Handed {
        let hub = Hub::new(Arc::new(Memory::default()), Limits::default(), 0).unwrap();
        let channel = ChannelId::parse("c").unwrap();
        hub.create_channel(channel, ChannelSettings::default(), false).unwrap();
        let options = ListenOptions::default();
        let mut watcher = hub.subscribe(channel, Receiver::Watcher(From::New), options).unwrap();
        (0..messages).for_each(|_| drop(hub.notify_end(channel).unwrap()));
        match watcher.poll_batch(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(handed)) => handed,
            Poll::Ready(Err(_)) | Poll::Pending => panic!("a batch was expected"),
        }
    }

    #[test]
    fn a_batch_says_the_same_to_all_beside_what_is_a_subscriptions_own() {
        for (messages, number, generation, attempts) in
            [(1, 1, 0, 0), (1, 127, 1, 1), (3, 128, 127, 2), (100, 65_536, u64::from(u32::MAX), 100)]
        {
            let position = |entry: &Entry| entry.position;
            let mut handed = handed(messages);
            let of = handed.batch.entries.iter().map(position).take(attempts);
            handed.repeats = of.map(|position| Repeat { position, attempt: 300 }).collect();
            handed.generation = generation;
            let common = v1::ListenResponse::decode(&of_batch(&handed.batch)[PREFIX_BYTES..]).unwrap();
            let mut alone = Vec::new();
            put_batch(&mut alone, number, &handed);
            let also_others = handed.clone();
            let mut shared = Vec::new();
            put_batch(&mut shared, number, &also_others);
            assert_eq!(alone, shared);

            let mut batch = v1::ListenResponse::decode(&shared[..]).unwrap().batches.remove(0);
            assert_eq!(batch.deliveries.len(), messages);
            let own = (std::mem::replace(&mut batch.subscription, 1), std::mem::take(&mut batch.generation));
            assert_eq!(own, (convert::to_i32(number), convert::to_i64(generation)));
            let repeats = std::mem::take(&mut batch.repeats);
            let told: Vec<_> =
                repeats.iter().map(|it| (Position(it.sequence.unsigned_abs()), it.attempt)).collect();
            assert_eq!(told, handed.repeats.iter().map(|it| (it.position, 300)).collect::<Vec<_>>());
            assert_eq!([batch], common.batches[..]);
        }
    }
}
