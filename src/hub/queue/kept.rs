//! A queue over the end of a process: the log has its messages.

use super::{Expiry, Position, Queue};

impl Queue {
    /// The queue of the messages that are there. `passed`: up to there they were handed over, and are its window.
    pub(in crate::hub) fn of_kept(
        floor: Position,
        passed: Position,
        messages: Vec<(Position, u64, Expiry)>,
    ) -> Self {
        let mut queue = Self { floor, ..Self::default() };
        messages.into_iter().for_each(|(position, bytes, expiry)| queue.push(position, bytes, expiry));
        queue.hand_over(passed, 0);
        queue
    }
}
