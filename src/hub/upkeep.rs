//! What has to be done now and then, whoever calls: windows grow old, and so do ids.

use super::Hub;
use std::{sync::Weak, time::Duration};
use tokio::time::{MissedTickBehavior, interval};

/// How often. A replay window may last longer by this much.
const EVERY: Duration = Duration::from_secs(1);

impl Hub {
    /// Lets go of what has grown old. [`keep`] calls it once a second.
    pub fn upkeep(&self) {
        let channels: Vec<_> = self.channels().by_id.values().cloned().collect();
        let now = self.clock();
        let mut dropped = Vec::new();
        for channel in channels {
            channel.lock().trim(now, &mut dropped);
            channel.clear_desks();
            self.forget(&dropped);
            dropped.clear();
            // between two parts others may have the channel
            while channel.lock().ids.tend(self.clock_ms(), &self.id_budget) {}
        }
        self.id_budget.tell(self.clock_ms());
        self.gone().forget_old();
    }
}

/// Keeps a hub up for as long as it is there.
pub async fn keep(hub: Weak<Hub>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match hub.upgrade() {
            Some(hub) => hub.upkeep(),
            None => return,
        }
    }
}
