//! Parts of sound requests: names that exist, numbers that may be those of messages, and the ends of both.

use crate::{
    hub::{Incarnation, ResumeToken},
    log::Position,
    v1,
};
use fastrand::Rng;
use std::num::NonZeroU64;

/// Of the channel and the listeners on the stage, and some that are nobody's.
const NAMES: [&str; 8] = ["c", "c", "c", "automatic", "explicit", "explicit", "dead", "nobody"];

pub(super) fn name(rng: &mut Rng) -> String {
    NAMES[rng.usize(0..NAMES.len())].into()
}

pub(super) fn channel(rng: &mut Rng) -> String {
    NAMES[rng.usize(0..4)].into()
}

pub(super) fn listener(rng: &mut Rng) -> String {
    NAMES[rng.usize(3..NAMES.len())].into()
}

pub(super) fn number(rng: &mut Rng) -> i64 {
    let small = rng.i64(0..16);
    *rng.choice([small, small, small, 1 << 20, i64::MAX, i64::MIN, -1].iter()).unwrap_or(&0)
}

pub(super) fn numbers(rng: &mut Rng) -> Vec<i64> {
    (0..rng.usize(0..4)).map(|_| number(rng)).collect()
}

pub(super) fn small(rng: &mut Rng) -> i32 {
    *rng.choice([0, 1, 2, 3, 100, i32::MAX, i32::MIN, -1].iter()).unwrap_or(&0)
}

pub(super) fn maybe<T>(rng: &mut Rng, part: fn(&mut Rng) -> T) -> Option<T> {
    rng.bool().then(|| part(rng))
}

pub(super) fn several<T>(rng: &mut Rng, part: fn(&mut Rng) -> T) -> Vec<T> {
    (0..rng.usize(0..4)).map(|_| part(rng)).collect()
}

pub(super) fn duration(rng: &mut Rng) -> prost_types::Duration {
    prost_types::Duration { seconds: number(rng), nanos: small(rng) }
}

pub(super) fn attempt(rng: &mut Rng) -> v1::Attempt {
    v1::Attempt { sequence: number(rng), attempt: small(rng) }
}

pub(super) fn credit(rng: &mut Rng) -> v1::Credit {
    v1::Credit { max_unacknowledged_messages: small(rng), max_unacknowledged_bytes: number(rng) }
}

/// Mostly none; else of the start that is asked, or of another.
pub(super) fn token(rng: &mut Rng) -> String {
    if rng.bool() {
        return maybe(rng, name).filter(|_| rng.u8(0..8) == 0).unwrap_or_default();
    }
    let place = |rng: &mut Rng| Position(number(rng).unsigned_abs());
    let token = ResumeToken {
        incarnation: Incarnation::from(rng.u64(0..4).saturating_sub(2)),
        birth: Position(rng.u64(0..4)),
        sequence: place(rng),
        turn: NonZeroU64::new(rng.u64(0..3)),
    };
    token.to_string()
}

/// Mostly whatever is there.
pub(super) fn birth(rng: &mut Rng) -> i64 {
    if rng.u8(0..4) > 0 { 0 } else { number(rng) }
}

pub(super) fn gap(rng: &mut Rng) -> v1::Gap {
    let (reason, count) = (rng.i32(0..8), maybe(rng, number));
    v1::Gap { reason, after_sequence: number(rng), through_sequence: number(rng), count }
}

pub(super) fn subscription(rng: &mut Rng) -> v1::Subscription {
    v1::Subscription {
        channel: channel(rng),
        listener: listener(rng),
        credit: maybe(rng, credit),
        types: several(rng, name),
        session: maybe(rng, name).unwrap_or_default(),
        take_over: rng.i32(0..4),
        resume_token: token(rng),
    }
}

pub(super) fn channel_settings(rng: &mut Rng) -> v1::ChannelSettings {
    v1::ChannelSettings {
        stream_delay: maybe(rng, duration),
        dispatch_overflow: maybe(rng, |rng| rng.i32(0..4)),
        max_backlog_messages: maybe(rng, number),
        max_replay_messages: maybe(rng, number),
        max_replay_bytes: maybe(rng, number),
        idempotency_window: maybe(rng, duration),
        redelivery: maybe(rng, |rng| rng.i32(0..4)),
        max_attempts: maybe(rng, small),
        dead_letter_listener: maybe(rng, listener),
        ..v1::ChannelSettings::default()
    }
}

pub(super) fn mask(rng: &mut Rng) -> prost_types::FieldMask {
    const PATHS: [&str; 5] = ["max_attempts", "idle_timeout", "ack_deadline", "*", "backoff.factor"];
    prost_types::FieldMask { paths: several(rng, |rng| PATHS[rng.usize(0..PATHS.len())].into()) }
}

pub(super) fn listener_settings(rng: &mut Rng) -> v1::ListenerSettings {
    v1::ListenerSettings { idle_timeout: maybe(rng, duration), ack_deadline: maybe(rng, duration) }
}

pub(super) fn publication(rng: &mut Rng) -> v1::Publication {
    use v1::publication::Receiver;
    let receiver = if rng.bool() { Receiver::Broadcast(true) } else { Receiver::Listener(listener(rng)) };
    v1::Publication { channel: channel(rng), receiver: Some(receiver), message: maybe(rng, message) }
}

pub(super) fn message(rng: &mut Rng) -> v1::Message {
    use prost_types::{Timestamp, Value, value::Kind};
    use v1::message::Payload;
    let payload = match rng.u8(0..3) {
        0 => Payload::Json("{\"a\":[1,2,\"]\"]}".into()),
        1 => Payload::Value(Value { kind: Some(Kind::StringValue(name(rng))) }),
        _ => Payload::Binary(vec![7; rng.usize(0..40)].into()),
    };
    v1::Message {
        id: maybe(rng, name).unwrap_or_default(),
        r#type: name(rng),
        sender_id: maybe(rng, name).unwrap_or_default(),
        attributes: several(rng, |rng| (name(rng), name(rng))).into_iter().collect(),
        create_time: maybe(rng, |rng| Timestamp { seconds: rng.i64(0..1 << 40), nanos: 5 }),
        ttl: maybe(rng, |rng| prost_types::Duration {
            seconds: rng.i64(0..9),
            nanos: rng.i32(1..1_000_000_000),
        }),
        payload: Some(payload),
    }
}
