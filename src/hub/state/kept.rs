//! A channel's state over the end of a process.

use super::{ChannelSettings, Expiry, Instant, Position, Ring, State};
use crate::hub::kept::ChannelKept;

impl State {
    /// What is kept of it.
    pub(in crate::hub) fn kept_state(&self) -> ChannelKept {
        ChannelKept { limited_at: self.limited_at, last: self.last, ring: self.ring.kept_state() }
    }

    /// As it was kept, with its broadcasts, and without listeners. `through`: the last position of those who kept it;
    /// `gone`: as [`Ring::put_back`] tells it.
    pub(in crate::hub) fn of_kept(
        birth: Position,
        settings: ChannelSettings,
        began: Instant,
        kept: ChannelKept,
        broadcasts: Vec<(Position, u64, Expiry)>,
        through: Position,
        gone: &mut Vec<Position>,
    ) -> Self {
        let mut state = Self::new(birth, settings, began);
        (state.limited_at, state.regained_to) = (kept.limited_at.max(birth), through);
        state.ring = Ring::of_kept(birth, kept.ring);
        state.ring.put_back(broadcasts, gone);
        state.last = state.ring.last().max(kept.last);
        state
    }
}
