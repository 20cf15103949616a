//! Why a delivery could not be handled, and what became of it.

use super::time;
use crate::v1;
use std::time::Duration;

/// The server keeps so much of a reason; more would be refused.
const MAX_REASON_BYTES: usize = 1_024;

/// Why a delivery could not be handled, and what is to become of it. Any error is one: it comes again after
/// the channel's back-off.
///
/// ```
/// use eric::client::Rejection;
/// use std::time::Duration;
///
/// fn price(text: &str) -> Result<f64, Rejection> {
///     // what is no number today is none tomorrow
///     text.parse().map_err(|error: std::num::ParseFloatError| Rejection::from(error).finally())
/// }
/// let busy = Rejection::new("the database is busy").after(Duration::from_secs(5));
/// assert!(price("1.5").is_ok() && price("much").is_err());
/// # drop(busy);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rejection {
    pub(super) reason: String,
    pub(super) delay: Option<Duration>,
    pub(super) is_final: bool,
}

impl Rejection {
    /// For this reason; of one longer than 1,024 bytes the beginning.
    pub fn new(reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
        Self { reason, ..Default::default() }
    }

    /// It comes again after this time, at once if that is zero. At most 1 day. Default: the channel's
    /// back-off.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// It never comes again: it goes to the dead letter listener, or is dropped where none is named.
    pub fn finally(mut self) -> Self {
        self.is_final = true;
        self
    }

    /// The reason.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl<E: std::error::Error> From<E> for Rejection {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}

/// A rejection was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejected {
    /// The listener's generation from now on.
    pub generation: i64,
    /// How often the message was attempted.
    pub attempts: i32,
    /// It went to the dead letter listener, under this sequence.
    pub dead_letter_sequence: Option<i64>,
    /// It was dropped for good: no dead letter listener is named.
    pub dropped: bool,
    /// How long until it comes again.
    pub delay: Duration,
}

impl Rejected {
    /// Whether it comes again.
    pub fn comes_again(&self) -> bool {
        self.dead_letter_sequence.is_none() && !self.dropped
    }
}

impl From<v1::Rejected> for Rejected {
    fn from(rejected: v1::Rejected) -> Self {
        Self {
            generation: rejected.generation,
            attempts: rejected.attempts,
            dead_letter_sequence: Some(rejected.dead_letter_sequence).filter(|&sequence| sequence != 0),
            dropped: rejected.dropped,
            delay: rejected.delay.and_then(time::duration).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_letters() {
        let reason = Rejection::new("ä".repeat(600) + "x");
        assert_eq!(reason.reason().len(), 1_024);
        assert_eq!(Rejection::new("x".to_owned() + &"ä".repeat(600)).reason().len(), 1_023);
    }
}
