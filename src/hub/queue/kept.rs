//! A queue over the end of a process: the log has its messages, its listener what of them has expired.

use super::{Expiry, Own, Position, Queue};

impl Queue {
    /// What has expired: the last of each run, and how many they are.
    pub(in crate::hub) fn kept_expired(&self) -> Vec<(Position, u32)> {
        let gone = self.waiting.iter().filter(|own| own.gone > 0);
        gone.map(|own| (own.position, own.gone)).collect()
    }

    /// The queue as it was kept. `passed`: up to there messages were handed over, and are its window.
    pub(in crate::hub) fn of_kept(
        floor: Position,
        passed: Position,
        expired: &[(Position, u32)],
        messages: Vec<(Position, u64, Expiry)>,
    ) -> Self {
        let mut queue = Self { floor, ..Self::default() };
        let mut expired = expired.iter().copied().peekable();
        for (position, bytes, expiry) in messages {
            while let Some(earlier) = expired.next_if(|(last, _)| *last < position) {
                queue.put_expired(earlier);
            }
            queue.push(position, bytes, expiry);
        }
        expired.for_each(|expired| queue.put_expired(expired));
        queue.hand_over(passed, 0);
        queue
    }

    fn put_expired(&mut self, (position, gone): (Position, u32)) {
        self.waiting.push_back(Own { position, bytes: 0, handed_at: 0, expiry: Expiry::PAST, gone });
    }
}
