//! What a log keeps of where channels and listeners stand, as JSON. What is as it was at the beginning is left out.
//!
//! Positions are the log's. Times are not kept: what waits for a moment ends with a start. Names are for ever, as a
//! directory that is there must be understood; what is added later has a default.

use super::{
    gap::{Gap, GapReason},
    settings::Redelivery,
    tally::Tally,
};
use crate::log::{LogError, Position};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Where a channel stands.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ChannelKept {
    /// When the backlog's limit was set.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) limited_at: Position,
    /// Its newest message, which may be gone.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) last: Position,
    pub(super) ring: RingKept,
}

/// Which of a channel's broadcasts are gone.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RingKept {
    /// The last one that was dropped; at first the channel's birth.
    pub(super) floor: Position,
    /// How many were.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) dropped: Tally,
    /// The last one that was dropped because a backlog's limit was passed.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) overflowed: Position,
    /// The last one that was dropped because it had expired.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) expired: Position,
    /// Behind the floor: those that have expired and whose content is gone, with their sizes.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) past: Vec<(Position, u64)>,
}

impl RingKept {
    /// As it was at a later moment, of which it is known what was gone.
    pub(super) fn go_on_to(&mut self, later: &Self) {
        let Self { floor, dropped, overflowed, expired, .. } = *later;
        if floor > self.floor {
            let mut past = std::mem::take(&mut self.past);
            past.retain(|(position, _)| *position > floor);
            *self = Self { floor, dropped, overflowed, expired, past };
        }
    }
}

/// Where a listener stands.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ListenerKept {
    /// Everything up to here was never meant for it; its birth where that is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) start: Option<Position>,
    /// Broadcasts up to here were never meant for it, where that is another place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hears_from: Option<Position>,
    /// It receives dead letters and no broadcasts.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) deaf: bool,
    /// Everything up to here was handed over, acknowledged, or is a gap.
    pub(super) passed: Position,
    /// The channel's broadcasts up to there.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) passed_tally: Tally,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) split: bool,
    /// Everything up to here was purged.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) cleared: Position,
    /// The last own dispatch that was handed over and can no longer be asked for.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) floor: Position,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) gaps: GapsKept,
    /// How many messages it lost to gaps.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) lost: u64,
    /// It was started, and had no stream.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) running: bool,
    /// It was stopped, and not opened anew.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) halted: bool,
    /// The message that says that no more will come, dispatched to it alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) end: Option<Position>,
    /// What is known where it acknowledges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) explicit: Option<ExplicitKept>,
    /// What of the channel's broadcasts was gone, where the listener was kept at once and its channel later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ring: Option<RingKept>,
}

/// What an EXPLICIT listener has in hand.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ExplicitKept {
    #[serde(skip_serializing_if = "is_default")]
    pub(super) generation: u64,
    /// The first message of this generation.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) rewound: Position,
    /// Numbers of the channel's broadcasts that are acknowledged though one before them is not: first and last of runs.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) holes: Vec<(u64, u64)>,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) gone_holes: u64,
    /// How often messages have failed.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) failed: Vec<(Position, u32)>,
    /// Others may overtake what was rejected.
    #[serde(skip_serializing_if = "is_default")]
    pub(super) overtaking: bool,
    /// Its last stream ended by its client's side; the session, where that had named itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) left: Option<LeftKept>,
}

/// Whose stream ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LeftKept {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) session: Option<String>,
}

/// The gaps of a listener.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct GapsKept {
    #[serde(skip_serializing_if = "is_default")]
    pub(super) noted: Vec<GapKept>,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) said: Position,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) forgotten: Position,
}

/// One gap.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GapKept {
    pub(super) reason: GapReason,
    pub(super) after: Position,
    pub(super) through: Position,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) count: Option<u64>,
    /// It was handed over, where messages up to here had been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) told: Option<Position>,
}

impl GapKept {
    pub(super) fn gap(&self) -> Gap {
        Gap { reason: self.reason, after: self.after, through: self.through, count: self.count }
    }
}

impl ExplicitKept {
    pub(super) fn redelivery(&self) -> Redelivery {
        if self.overtaking { Redelivery::Overtaking } else { Redelivery::Strict }
    }
}

/// What of its channel's broadcasts was gone when a listener was kept.
///
/// # Errors
/// As [`read`].
pub(super) fn gone_with(listener: &str) -> Result<Option<RingKept>, LogError> {
    // most say nothing of it, and there may be a million
    if !listener.contains("\"ring\"") {
        return Ok(None);
    }
    read(listener).map(|kept: ListenerKept| kept.ring)
}

/// What was kept, read back; an empty text is of one that has not been saved since it came.
///
/// # Errors
/// [`LogError::Corrupt`]: it is no such text.
pub(super) fn read<T: DeserializeOwned + Default>(text: &str) -> Result<T, LogError> {
    if text.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_str(text).map_err(|error| {
        tracing::error!(%error, "the log holds a text that cannot be read");
        LogError::Corrupt
    })
}

/// What is to be kept.
pub(super) fn write(kept: &impl Serialize) -> String {
    // numbers, texts and lists of them have no key that is none
    serde_json::to_string(kept).unwrap_or_default()
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
