//! Settings on the wire: their ranges, and which of them a request changes.

use super::{
    convert::{self, to_i64},
    status::{Refusal, Violation},
    wire,
};
use crate::{
    hub::{AcknowledgementMode, Backoff, ChannelSettings, ListenerSettings, Overflow, Redelivery},
    id::ListenerId,
};
use prost_types::FieldMask;
use std::{ops::RangeInclusive, sync::Arc, time::Duration};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_MESSAGES: i64 = 100_000_000;
const MAX_BYTES: i64 = 1 << 50;
const MAX_ATTEMPTS: u32 = 1_000_000;
const MAX_FACTOR: f64 = 100.0;
const MAX_UNKNOWN_PATHS: usize = 8;
const MAX_TOLD_BYTES: usize = 64;
const IDLE_TIMEOUT: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(366 * 24 * 60 * 60);
const ACK_DEADLINE: RangeInclusive<Duration> = Duration::from_millis(100)..=DAY;

/// The name of every setting of a channel; a mask names no other.
const OF_CHANNELS: [&str; 15] = [
    "stream_delay",
    "dispatch_overflow",
    "broadcast_overflow",
    "max_backlog_messages",
    "max_backlog_bytes",
    "replay_window",
    "max_replay_messages",
    "max_replay_bytes",
    "idempotency_window",
    "redelivery",
    "backoff",
    "max_attempts",
    "dead_letter_listener",
    "sse_retry",
    "presence_grace",
];
/// The same of a listener.
const OF_LISTENERS: [&str; 2] = ["idle_timeout", "ack_deadline"];

/// The settings that come of what is in force and what a request asks for.
///
/// # Errors
/// Every value that is out of its range, at once.
pub(crate) fn changed(
    current: ChannelSettings,
    given: &wire::ChannelSettings,
    mask: Option<&FieldMask>,
) -> Result<ChannelSettings, Refusal> {
    let default = ChannelSettings::default();
    let mut change = Change { mask, faults: Vec::new() };
    let mut settings = current;
    change.unknown_paths(&OF_CHANNELS);
    change.set(
        "stream_delay",
        given.stream_delay,
        &mut settings.stream_delay,
        default.stream_delay,
        up_to(DAY),
    );
    change.set(
        "dispatch_overflow",
        given.dispatch_overflow,
        &mut settings.dispatch_overflow,
        default.dispatch_overflow,
        |value| overflow(value, default.dispatch_overflow),
    );
    change.set(
        "broadcast_overflow",
        given.broadcast_overflow,
        &mut settings.broadcast_overflow,
        default.broadcast_overflow,
        |value| overflow(value, default.broadcast_overflow),
    );
    let backlog = &mut settings.max_backlog;
    change.set(
        "max_backlog_messages",
        given.max_backlog_messages,
        &mut backlog.messages,
        default.max_backlog.messages,
        within(1, MAX_MESSAGES),
    );
    change.set(
        "max_backlog_bytes",
        given.max_backlog_bytes,
        &mut backlog.bytes,
        default.max_backlog.bytes,
        within(1, MAX_BYTES),
    );
    change.set(
        "replay_window",
        given.replay_window,
        &mut settings.replay_window,
        default.replay_window,
        up_to(7 * DAY),
    );
    let replay = &mut settings.max_replay;
    change.set(
        "max_replay_messages",
        given.max_replay_messages,
        &mut replay.messages,
        default.max_replay.messages,
        within(0, MAX_MESSAGES),
    );
    change.set(
        "max_replay_bytes",
        given.max_replay_bytes,
        &mut replay.bytes,
        default.max_replay.bytes,
        within(0, MAX_BYTES),
    );
    set_redelivery(&mut change, given, &mut settings, &default);
    change.set(
        "idempotency_window",
        given.idempotency_window,
        &mut settings.idempotency_window,
        default.idempotency_window,
        up_to(DAY),
    );
    change.set("sse_retry", given.sse_retry, &mut settings.sse_retry, default.sse_retry, up_to(DAY));
    change.set(
        "presence_grace",
        given.presence_grace,
        &mut settings.presence_grace,
        default.presence_grace,
        up_to(DAY),
    );
    if change.faults.is_empty() { Ok(settings) } else { Err(Refusal::settings(change.faults)) }
}

fn set_redelivery(
    change: &mut Change<'_>,
    given: &wire::ChannelSettings,
    settings: &mut ChannelSettings,
    default: &ChannelSettings,
) {
    change.set("redelivery", given.redelivery, &mut settings.redelivery, default.redelivery, redelivery);
    change.set("backoff", given.backoff, &mut settings.backoff, default.backoff, backoff);
    change.set(
        "max_attempts",
        given.max_attempts,
        &mut settings.max_attempts,
        default.max_attempts,
        |given| {
            u32::try_from(given)
                .ok()
                .filter(|given| (1..=MAX_ATTEMPTS).contains(given))
                .ok_or_else(|| format!("a number from 1 to {MAX_ATTEMPTS}"))
        },
    );
    change.set(
        "dead_letter_listener",
        given.dead_letter_listener.as_deref(),
        &mut settings.dead_letter_listener,
        None,
        dead_letter_listener,
    );
}

/// The settings of a listener that come of what is in force and what a request asks for.
///
/// # Errors
/// Every value that is out of its range, at once.
pub(crate) fn changed_of_listener(
    current: ListenerSettings,
    given: &wire::ListenerSettings,
    mask: Option<&FieldMask>,
) -> Result<ListenerSettings, Refusal> {
    let mut change = Change { mask, faults: Vec::new() };
    let mut settings = current;
    change.unknown_paths(&OF_LISTENERS);
    change.set("idle_timeout", given.idle_timeout, &mut settings.idle_timeout, None, never_or(IDLE_TIMEOUT));
    change.set("ack_deadline", given.ack_deadline, &mut settings.ack_deadline, None, never_or(ACK_DEADLINE));
    if change.faults.is_empty() { Ok(settings) } else { Err(Refusal::settings(change.faults)) }
}

/// The settings in force, every one spelled out.
pub(crate) fn listener_to_wire(settings: &ListenerSettings) -> wire::ListenerSettings {
    let spelled = |duration: Option<Duration>| Some(convert::wire_duration(duration.unwrap_or_default()));
    wire::ListenerSettings {
        idle_timeout: spelled(settings.idle_timeout),
        ack_deadline: spelled(settings.ack_deadline),
    }
}

pub(crate) fn mode(given: i32) -> Result<AcknowledgementMode, Refusal> {
    match wire::AcknowledgementMode::try_from(given) {
        Ok(wire::AcknowledgementMode::Unspecified | wire::AcknowledgementMode::Automatic) => {
            Ok(AcknowledgementMode::Automatic)
        }
        Ok(wire::AcknowledgementMode::Explicit) => Ok(AcknowledgementMode::Explicit),
        Err(_) => Err(Refusal::setting("acknowledgement_mode", "no such mode")),
    }
}

pub(crate) fn mode_to_wire(mode: AcknowledgementMode) -> i32 {
    match mode {
        AcknowledgementMode::Automatic => wire::AcknowledgementMode::Automatic.into(),
        AcknowledgementMode::Explicit => wire::AcknowledgementMode::Explicit.into(),
    }
}

/// The settings in force, every one spelled out.
pub(crate) fn to_wire(settings: &ChannelSettings) -> wire::ChannelSettings {
    wire::ChannelSettings {
        stream_delay: Some(convert::wire_duration(settings.stream_delay)),
        dispatch_overflow: Some(overflow_to_wire(settings.dispatch_overflow)),
        broadcast_overflow: Some(overflow_to_wire(settings.broadcast_overflow)),
        max_backlog_messages: Some(to_i64(settings.max_backlog.messages)),
        max_backlog_bytes: Some(to_i64(settings.max_backlog.bytes)),
        replay_window: Some(convert::wire_duration(settings.replay_window)),
        max_replay_messages: Some(to_i64(settings.max_replay.messages)),
        max_replay_bytes: Some(to_i64(settings.max_replay.bytes)),
        idempotency_window: Some(convert::wire_duration(settings.idempotency_window)),
        redelivery: Some(match settings.redelivery {
            Redelivery::Strict => wire::Redelivery::Strict.into(),
            Redelivery::Overtaking => wire::Redelivery::Overtaking.into(),
        }),
        backoff: Some(wire::Backoff {
            initial: Some(convert::wire_duration(settings.backoff.initial)),
            factor: Some(settings.backoff.factor),
            maximum: Some(convert::wire_duration(settings.backoff.maximum)),
        }),
        max_attempts: Some(i32::try_from(settings.max_attempts).unwrap_or(i32::MAX)),
        dead_letter_listener: Some(settings.dead_letter_listener.as_deref().unwrap_or_default().to_owned()),
        sse_retry: Some(convert::wire_duration(settings.sse_retry)),
        presence_grace: Some(convert::wire_duration(settings.presence_grace)),
    }
}

/// Of what a mask names wrongly so much is told.
fn beginning(path: &str) -> &str {
    &path[..path.floor_char_boundary(MAX_TOLD_BYTES)]
}

struct Change<'a> {
    mask: Option<&'a FieldMask>,
    faults: Vec<Violation>,
}

impl Change<'_> {
    /// A few are named, by their first words: what a client sent is not repeated to him without bound.
    fn unknown_paths(&mut self, names: &[&str]) {
        let paths = self.mask.iter().flat_map(|mask| &mask.paths);
        let mut unknown = paths.filter(|path| !names.contains(&path.as_str()));
        let named = unknown.by_ref().take(MAX_UNKNOWN_PATHS);
        let mut told: Vec<_> = named.map(|path| format!("no setting {:?}", beginning(path))).collect();
        let others = unknown.count();
        told.extend((others > 0).then(|| format!("{others} more that are no settings")));
        let field = || "update_mask".to_owned();
        self.faults.extend(told.into_iter().map(|description| Violation { field: field(), description }));
    }

    /// Without a mask, what is given changes; with one, what it names, and what is then not given has its default.
    fn set<T, U>(
        &mut self,
        name: &str,
        given: Option<T>,
        setting: &mut U,
        default: U,
        parse: impl FnOnce(T) -> Result<U, String>,
    ) {
        let named = self.mask.map(|mask| mask.paths.iter().any(|path| path == name));
        match (named, given) {
            (Some(false), _) | (None, None) => {}
            (Some(true), None) => *setting = default,
            (_, Some(given)) => match parse(given) {
                Ok(value) => *setting = value,
                Err(description) => {
                    self.faults.push(Violation { field: format!("settings.{name}"), description })
                }
            },
        }
    }
}

fn up_to(max: Duration) -> impl FnOnce(prost_types::Duration) -> Result<Duration, String> {
    move |given| convert::duration(given, max)
}

fn within(min: i64, max: i64) -> impl FnOnce(i64) -> Result<u64, String> {
    move |given| {
        let sound = (min..=max).contains(&given);
        sound.then_some(given.unsigned_abs()).ok_or_else(|| format!("a number from {min} to {max}"))
    }
}

fn overflow(given: i32, default: Overflow) -> Result<Overflow, String> {
    match wire::Overflow::try_from(given) {
        Ok(wire::Overflow::Unspecified) => Ok(default),
        Ok(wire::Overflow::RejectNew) => Ok(Overflow::RejectNew),
        Ok(wire::Overflow::DropOldest) => Ok(Overflow::DropOldest),
        Err(_) => Err("OVERFLOW_REJECT_NEW or OVERFLOW_DROP_OLDEST".to_owned()),
    }
}

fn overflow_to_wire(overflow: Overflow) -> i32 {
    match overflow {
        Overflow::RejectNew => wire::Overflow::RejectNew.into(),
        Overflow::DropOldest => wire::Overflow::DropOldest.into(),
    }
}

fn redelivery(given: i32) -> Result<Redelivery, String> {
    match wire::Redelivery::try_from(given) {
        Ok(wire::Redelivery::Unspecified | wire::Redelivery::Strict) => Ok(Redelivery::Strict),
        Ok(wire::Redelivery::Overtaking) => Ok(Redelivery::Overtaking),
        Err(_) => Err("REDELIVERY_STRICT or REDELIVERY_OVERTAKING".to_owned()),
    }
}

/// What of it is absent has its default.
fn backoff(given: wire::Backoff) -> Result<Backoff, String> {
    let default = ChannelSettings::default().backoff;
    let part = |name: &str, given: Option<prost_types::Duration>, default| match given {
        None => Ok(default),
        Some(given) => convert::duration(given, DAY).map_err(|told| format!("{name}: {told}")),
    };
    let initial = part("initial", given.initial, default.initial)?;
    let maximum = part("maximum", given.maximum, default.maximum.max(initial))?;
    let factor = given.factor.unwrap_or(default.factor);
    if !(1.0..=MAX_FACTOR).contains(&factor) {
        return Err(format!("factor: a number from 1 to {MAX_FACTOR}"));
    }
    if maximum < initial {
        return Err("maximum: at least initial".to_owned());
    }
    Ok(Backoff { initial, factor, maximum })
}

/// Empty: none.
fn dead_letter_listener(given: &str) -> Result<Option<Arc<str>>, String> {
    if given.is_empty() {
        return Ok(None);
    }
    ListenerId::parse(given).map_err(|invalid| invalid.to_string())?;
    Ok(Some(given.into()))
}

/// Zero: never.
fn never_or(
    range: RangeInclusive<Duration>,
) -> impl FnOnce(prost_types::Duration) -> Result<Option<Duration>, String> {
    move |given| {
        let told = || format!("0, or a duration from {:?} to {} s", range.start(), range.end().as_secs());
        match convert::duration(given, *range.end()).map_err(|_| told())? {
            Duration::ZERO => Ok(None),
            given if range.contains(&given) => Ok(Some(given)),
            _ => Err(told()),
        }
    }
}
