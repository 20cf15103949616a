//! Times and durations of the wire as those of Rust.

use std::time::{Duration, SystemTime};

/// For times that the server always says, and never beyond what Rust can hold.
pub(super) fn or_epoch(time: Option<prost_types::Timestamp>) -> SystemTime {
    time.and_then(|time| SystemTime::try_from(time).ok()).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// None of the server's durations is negative.
pub(super) fn duration(duration: prost_types::Duration) -> Option<Duration> {
    Duration::try_from(duration).ok()
}

/// Beyond what the wire can say (about 292 billion years), the longest that it can: the server refuses it with its
/// own words.
pub(super) fn to_wire(duration: Duration) -> prost_types::Duration {
    prost_types::Duration::try_from(duration).unwrap_or(prost_types::Duration { seconds: i64::MAX, nanos: 0 })
}
