//! Why a message is a dead letter, as the JSON that stands in its row.

use super::super::{DeadLetter, DeadLetterCause, Position};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Serialize, Deserialize)]
struct Letter<'a> {
    cause: Cause,
    reason: std::borrow::Cow<'a, str>,
    listener: std::borrow::Cow<'a, str>,
    position: u64,
    attempts: u32,
    moved_at: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Cause {
    MaxAttempts,
    FinalRejection,
}

pub(super) fn to_json(facts: &DeadLetter) -> String {
    let cause = match facts.cause {
        DeadLetterCause::MaxAttempts => Cause::MaxAttempts,
        DeadLetterCause::FinalRejection => Cause::FinalRejection,
    };
    let (reason, listener) = (facts.reason.as_str().into(), (&*facts.listener).into());
    let (position, attempts, moved_at) = (facts.position.0, facts.attempts, facts.moved_at);
    let letter = Letter { cause, reason, listener, position, attempts, moved_at };
    serde_json::to_string(&letter).expect("text and numbers are JSON")
}

/// `None`: the row is damaged.
pub(super) fn from_json(json: &str) -> Option<Arc<DeadLetter>> {
    let letter: Letter<'_> = serde_json::from_str(json).ok()?;
    Some(Arc::new(DeadLetter {
        cause: match letter.cause {
            Cause::MaxAttempts => DeadLetterCause::MaxAttempts,
            Cause::FinalRejection => DeadLetterCause::FinalRejection,
        },
        reason: letter.reason.into_owned(),
        listener: letter.listener.into(),
        position: Position(letter.position),
        attempts: letter.attempts,
        moved_at: letter.moved_at,
    }))
}
