//! A channel's settings on the wire: their ranges, and which of them a request changes.

use super::{
    convert::{self, to_i64},
    status::{Refusal, Violation},
    wire,
};
use crate::hub::{ChannelSettings, Overflow};
use prost_types::FieldMask;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MAX_MESSAGES: i64 = 100_000_000;
const MAX_BYTES: i64 = 1 << 50;

/// Every setting's name; a mask names no other.
const NAMES: [&str; 15] = [
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

/// The settings that come of what is in force and what a request asks for.
///
/// # Errors
/// Every value that is out of its range, at once.
pub(super) fn changed(
    current: ChannelSettings,
    given: &wire::ChannelSettings,
    mask: Option<&FieldMask>,
) -> Result<ChannelSettings, Refusal> {
    let default = ChannelSettings::default();
    let mut change = Change { mask, faults: Vec::new() };
    let mut settings = current;
    change.unknown_paths();
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
    change.known_redelivery(given.redelivery);
    if !change.faults.is_empty() {
        return Err(Refusal::settings(change.faults));
    }
    not_in_this_release(given)?;
    Ok(settings)
}

/// The settings in force, those that this release has spelled out.
pub(super) fn to_wire(settings: &ChannelSettings) -> wire::ChannelSettings {
    wire::ChannelSettings {
        stream_delay: Some(convert::wire_duration(settings.stream_delay)),
        dispatch_overflow: Some(overflow_to_wire(settings.dispatch_overflow)),
        broadcast_overflow: Some(overflow_to_wire(settings.broadcast_overflow)),
        max_backlog_messages: Some(to_i64(settings.max_backlog.messages)),
        max_backlog_bytes: Some(to_i64(settings.max_backlog.bytes)),
        replay_window: Some(convert::wire_duration(settings.replay_window)),
        max_replay_messages: Some(to_i64(settings.max_replay.messages)),
        max_replay_bytes: Some(to_i64(settings.max_replay.bytes)),
        redelivery: Some(wire::Redelivery::Strict.into()),
        ..wire::ChannelSettings::default()
    }
}

fn not_in_this_release(given: &wire::ChannelSettings) -> Result<(), Refusal> {
    let overtaking = given.redelivery == Some(wire::Redelivery::Overtaking.into());
    let asked = [
        ("idempotency_window", given.idempotency_window.is_some()),
        ("redelivery: OVERTAKING", overtaking),
        ("backoff", given.backoff.is_some()),
        ("max_attempts", given.max_attempts.is_some()),
        ("dead_letter_listener", given.dead_letter_listener.as_ref().is_some_and(|id| !id.is_empty())),
        ("sse_retry", given.sse_retry.is_some()),
        ("presence_grace", given.presence_grace.is_some()),
    ];
    match asked.iter().find(|(_, asked)| *asked) {
        Some((name, _)) => Err(Refusal::not_implemented(&format!("settings.{name}"))),
        None => Ok(()),
    }
}

struct Change<'a> {
    mask: Option<&'a FieldMask>,
    faults: Vec<Violation>,
}

impl Change<'_> {
    fn unknown_paths(&mut self) {
        let unknown =
            self.mask.iter().flat_map(|mask| &mask.paths).filter(|path| !NAMES.contains(&path.as_str()));
        let faults: Vec<_> = unknown
            .map(|path| Violation {
                field: "update_mask".to_owned(),
                description: format!("no setting {path:?}"),
            })
            .collect();
        self.faults.extend(faults);
    }

    fn known_redelivery(&mut self, given: Option<i32>) {
        if given.is_some_and(|given| wire::Redelivery::try_from(given).is_err()) {
            let description = "REDELIVERY_STRICT or REDELIVERY_OVERTAKING".to_owned();
            self.faults.push(Violation { field: "settings.redelivery".to_owned(), description });
        }
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
