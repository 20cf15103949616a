//! A queue over the end of a process: the log has its messages.

use super::{Expiry, Position, Queue};

impl Queue {
    /// The queue of the messages that are there. `passed`: up to there they were handed over, and are its window. Those up
    /// to `done` nobody may ask for: they are appended to `gone`, since whoever was to have them deleted was cut off.
    pub(in crate::hub) fn of_kept(
        floor: Position,
        done: Position,
        passed: Position,
        messages: Vec<(Position, u64, Expiry)>,
        gone: &mut Vec<Position>,
    ) -> Self {
        let mut queue = Self { floor, ..Self::default() };
        for (position, bytes, expiry) in messages {
            if position > done {
                queue.push(position, bytes, expiry);
            } else {
                gone.push(position);
            }
        }
        queue.hand_over(passed, 0);
        queue
    }
}
