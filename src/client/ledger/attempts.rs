//! How often deliveries were attempted.

use crate::v1;
use std::collections::HashMap;

/// How often what a batch repeats was attempted.
#[derive(Debug, Default)]
pub(in super::super) struct Attempts(HashMap<i64, i32>);

impl Attempts {
    pub(in super::super) fn new(repeats: &[v1::Attempt]) -> Self {
        Self(repeats.iter().map(|repeat| (repeat.sequence, repeat.attempt)).collect())
    }

    /// Nearly nothing is a repeat, and then it is the first attempt.
    pub(in super::super) fn of(&self, sequence: i64) -> i32 {
        self.0.get(&sequence).map_or(1, |&attempt| attempt.max(1))
    }
}
