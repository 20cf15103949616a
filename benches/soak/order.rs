//! In which order messages must come, and that nothing is passed over.

use crate::{
    event::Delivered,
    trial::{Known, Trial},
};

impl Trial<'_> {
    /// "Every listener sees its part of it in rising sequence", in each generation.
    pub(crate) fn rises(&mut self, told: &str, delivered: Delivered, known: &Known, alone: bool) {
        let Delivered { stream, generation, sequence, .. } = delivered;
        let falls = known.generation.is_some_and(|before| {
            generation < before || generation == before && sequence <= known.last && !alone
        });
        if falls {
            self.faults.out_of_order.push(format!("{told} came after {} on stream {stream}", known.last));
        }
    }

    /// Nothing that waits is passed over: "after a reconnect the oldest unacknowledged message comes first; after a Reject
    /// the rejected one does", and "pulls of one session are one stream: each goes on after the last". In an overtaking
    /// channel others pass what was rejected, and only what never comes at all is wrong.
    pub(crate) fn overlooked(&mut self, place: usize, delivered: Delivered, known: &Known) {
        let Delivered { stream, sequence, generation, .. } = delivered;
        let from =
            if known.generation == Some(generation) { known.last } else { self.begun(generation, known) };
        if self.receiver.overtaking || sequence <= from {
            return;
        }
        let missing: Vec<_> = self.waiting.range(from + 1..sequence).copied().collect();
        for missing in missing {
            let (name, history) = (self.receiver.name(), self.history(missing));
            let told = format!("{name}: {missing} before {sequence} on stream {stream}; {history}");
            if self.delivered.contains_key(&missing) {
                self.faults.out_of_order.push(told);
            } else {
                self.faults.unannounced.push(told);
            }
            // it is told once
            if self.delivered.get(&missing).is_none_or(|last| *last < place) {
                self.waiting.remove(&missing);
            }
        }
    }

    /// What lies below was passed by a stream when a generation began.
    fn begun(&self, generation: i64, known: &Known) -> i64 {
        let rewound = known.generation.and_then(|_| self.rewound.get(&generation));
        rewound.map_or(known.reached, |first| known.reached.min(first - 1))
    }
}
