//! Who has no room for one more broadcast, where that refuses it: found without walking the listeners.

use super::{Arc, Listener, Lowest, Position, Ring, Standing, State};

#[derive(Debug, Default)]
pub(super) struct Fullest {
    in_messages: Lowest,
    in_bytes: Lowest,
}

impl State {
    /// A dispatch has brought a listener nearer to being full.
    pub(in crate::hub) fn heavier(&mut self, listener: Position, standing: &Standing) {
        if let Some(fullest) = &mut self.fullest {
            fullest.in_messages.lower(listener, standing.slack_in_messages(&self.ring));
            fullest.in_bytes.lower(listener, standing.slack_in_bytes(&self.ring));
        }
    }

    /// A listener whose backlog has no room for one more broadcast of this size; looked for only where that matters.
    pub(in crate::hub) fn full_listener(
        &mut self,
        bytes: u64,
        dropped: &mut Vec<Position>,
    ) -> Option<Arc<Listener>> {
        let allowance = self.allowance();
        let Self { fullest, by_birth, ring, began, .. } = self;
        let now = || crate::hub::millis(began.elapsed());
        let fullest = fullest.as_mut()?;
        let (by_birth, ring, quota) = (&*by_birth, &*ring, allowance.quota);
        let mut key = |birth: Position, slack: fn(&Standing, &Ring) -> i64| {
            let Some(listener) = by_birth.get(&birth) else { return i64::MAX };
            let mut standing = listener.lock();
            if standing.deaf {
                return i64::MAX;
            }
            // an end for all may have dropped its oldest
            standing.settle(ring, allowance, now, dropped);
            slack(&standing, ring)
        };
        let total = ring.total();
        let bound = to_i64(total.messages) - to_i64(quota.messages);
        let by_messages = fullest.in_messages.at_most(bound, |birth| key(birth, Standing::slack_in_messages));
        // a backlog that is empty has room for one message of any size
        let bound = (to_i64(total.bytes + bytes) - to_i64(quota.bytes)).min(to_i64(total.bytes)) - 1;
        let by_bytes = || fullest.in_bytes.at_most(bound, |birth| key(birth, Standing::slack_in_bytes));
        by_messages.or_else(by_bytes).and_then(|birth| by_birth.get(&birth).cloned())
    }
}

impl Fullest {
    pub(super) fn remove(&mut self, listener: Position) {
        self.in_messages.remove(listener);
        self.in_bytes.remove(listener);
    }

    pub(super) fn put(&mut self, listener: Position, standing: &Standing, ring: &Ring) {
        self.in_messages.put(listener, standing.slack_in_messages(ring));
        self.in_bytes.put(listener, standing.slack_in_bytes(ring));
    }
}

fn to_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
