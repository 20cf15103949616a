//! Between the wire's types and the hub's: each request is parsed once, here, and past it nothing is checked again.

use super::{status::Refusal, wire};
use crate::{
    hub::From as StartFrom,
    id::{ChannelId, ListenerId},
    log::Position,
};
use std::time::Duration;

pub(crate) fn channel_id(text: &str) -> Result<ChannelId<'_>, Refusal> {
    ChannelId::parse(text).map_err(|invalid| Refusal::id("channel", invalid))
}

pub(crate) fn listener_id(text: &str) -> Result<ListenerId<'_>, Refusal> {
    ListenerId::parse(text).map_err(|invalid| Refusal::id("listener", invalid))
}

/// The id that was given, or a new UUIDv4.
pub(crate) fn or_new_id(given: Option<String>) -> String {
    given.unwrap_or_else(|| uuid::Uuid::new_v4().to_string())
}

pub(crate) fn to_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A subscription's number as the wire has it.
pub(crate) fn to_i32(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Nanoseconds since 1970 as the wire has them.
pub(crate) fn time(nanos: i64) -> prost_types::Timestamp {
    const SECOND: i64 = 1_000_000_000;
    prost_types::Timestamp {
        seconds: nanos.div_euclid(SECOND),
        nanos: i32::try_from(nanos.rem_euclid(SECOND)).unwrap_or_default(),
    }
}

pub(crate) fn wire_duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: to_i64(duration.as_secs()),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default(),
    }
}

/// A duration that is not negative and not longer than `max`.
pub(crate) fn duration(given: prost_types::Duration, max: Duration) -> Result<Duration, String> {
    let told = || format!("a duration from 0 s to {} s", max.as_secs());
    let (seconds, nanos) = (u64::try_from(given.seconds).ok(), u32::try_from(given.nanos).ok());
    // not by prost: it panics where the least number of seconds is negated
    let parts = seconds.zip(nanos.filter(|nanos| *nanos < 1_000_000_000));
    let duration = parts.map(|(seconds, nanos)| Duration::new(seconds, nanos));
    duration.filter(|duration| *duration <= max).ok_or_else(told)
}

pub(crate) fn start_from(start_at: i32, field: &str) -> Result<StartFrom, Refusal> {
    match wire::StartAt::try_from(start_at) {
        Ok(wire::StartAt::Unspecified | wire::StartAt::New) => Ok(StartFrom::New),
        Ok(wire::StartAt::Oldest) => Ok(StartFrom::Oldest),
        Err(_) => Err(Refusal::setting(field, "no such place to start")),
    }
}

pub(crate) fn position(sequence: i64, field: &str) -> Result<Position, Refusal> {
    u64::try_from(sequence).map(Position).map_err(|_| Refusal::setting(field, "it must not be negative"))
}

/// A call names no more items than it may.
pub(crate) fn at_most(items: usize, field: &'static str) -> Result<(), Refusal> {
    const MAX_ITEMS: usize = 1_024;
    if items <= MAX_ITEMS {
        return Ok(());
    }
    Err(Refusal::setting(field, format!("at most {MAX_ITEMS} in one call")))
}
