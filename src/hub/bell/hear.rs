//! How a core hears its bell: at once, and after a crowd was woken not before those who publish have had turns, so that more
//! comes with each ring.

use super::{Core, Ring, here};
use crate::hub::Hub;
use std::{pin::pin, time::Duration};
use tokio::{
    task::yield_now,
    time::{Instant, sleep_until},
};

/// A ring that wakes fewer streams is so little work that there is nothing to wait for.
const CROWD: usize = 24;
/// A crowd is woken again only after this long. The first ring after a pause is heard at once. Timers tick in milliseconds,
/// so it may be one longer.
const PACE: Duration = Duration::from_micros(900);
/// Nor before it has paused half as long as the crowd took to write, up to this. Measured over 1,000 streams with one publisher: a
/// tenth of the work, and ten times as many deliveries a second.
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

impl Hub {
    pub(super) async fn hear(&self, core: &Core) {
        let mut waiting = Vec::new();
        loop {
            if waiting.is_empty() {
                core.wake.notified().await;
            }
            let began = Instant::now();
            waiting.append(&mut core.rung());
            let woken: usize = waiting.drain(..).map(|ring| self.answer(ring)).sum();
            if woken >= CROWD {
                // whoever was woken takes what lies on his desk before something else does, and connections write it
                yield_now().await;
                yield_now().await;
                let pause = (began.elapsed() / 2).min(LONGEST_PAUSE);
                self.hear_few(core, (began + PACE).max(Instant::now() + pause), &mut waiting).await;
            }
        }
    }

    /// Until then few are woken, at once; crowds wait, and whoever would make a crowd of the few.
    async fn hear_few(&self, core: &Core, until: Instant, waiting: &mut Vec<Ring>) {
        let (mut pause, mut woken) = (pin!(sleep_until(until)), 0);
        loop {
            tokio::select! {
                biased;
                () = &mut pause => return,
                () = core.wake.notified() => {}
            }
            // an answer may ring, here, too: the list is free again before
            let rung = std::mem::take(&mut *core.rung());
            for ring in rung {
                if woken < CROWD && !ring.is_of_a_crowd() {
                    woken += self.answer(ring);
                } else {
                    waiting.push(ring);
                }
            }
        }
    }
}

impl Ring {
    fn is_of_a_crowd(&self) -> bool {
        match self {
            Self::Channel(channel) => channel.desks[here()].occupied() >= CROWD,
            Self::Listener(..) => false,
        }
    }
}
