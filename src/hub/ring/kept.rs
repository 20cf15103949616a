//! A ring over the end of a process: what is gone is kept with the channel, what is there are the log's messages.

use super::{Expiry, Kept, Position, Ring, Tally};
use crate::hub::kept::RingKept;

impl Ring {
    /// What is kept of it.
    pub(in crate::hub) fn kept_state(&self) -> RingKept {
        let past = self.after(self.floor).filter(|broadcast| broadcast.expiry == Expiry::PAST);
        let past = past.map(|broadcast| (broadcast.position, broadcast.bytes)).collect();
        RingKept { past, ..self.gone() }
    }

    /// The same without those behind the floor; `None`: nothing is gone.
    pub(in crate::hub) fn kept_gone(&self) -> Option<RingKept> {
        (self.dropped.messages > 0).then(|| self.gone())
    }

    fn gone(&self) -> RingKept {
        let Self { floor, dropped, overflowed, expired, .. } = *self;
        RingKept { floor, dropped, overflowed, expired, past: Vec::new() }
    }

    /// The ring as it was kept, before its messages are pushed in.
    pub(in crate::hub) fn of_kept(birth: Position, kept: RingKept) -> Self {
        let RingKept { floor, dropped, overflowed, expired, past } = kept;
        let mut ring = Self::new(birth.max(floor));
        (ring.total, ring.dropped, ring.overflowed, ring.expired) = (dropped, dropped, overflowed, expired);
        past.into_iter().for_each(|(position, bytes)| ring.push(position, bytes, Expiry::PAST));
        ring
    }

    /// Puts messages of the log in, in rising order, among those that have expired. What is gone though the log still has
    /// it is appended to `gone`: whoever was to have it deleted was cut off.
    pub(in crate::hub) fn put_back(
        &mut self,
        messages: Vec<(Position, u64, Expiry)>,
        gone: &mut Vec<Position>,
    ) {
        let past: Vec<_> =
            self.after(self.floor).map(|past| (past.position, past.bytes, past.expiry)).collect();
        self.kept.clear();
        self.total = self.dropped;
        let (mut past, floor) = (past.into_iter().peekable(), self.floor);
        for message in messages {
            while let Some(earlier) = past.next_if(|(position, ..)| *position <= message.0) {
                self.put_one(earlier);
            }
            let expired = self.kept.back().is_some_and(|last| last.position == message.0);
            if expired || message.0 <= floor {
                gone.push(message.0);
            } else {
                self.put_one(message);
            }
        }
        past.for_each(|past| self.put_one(past));
    }

    fn put_one(&mut self, (position, bytes, expiry): (Position, u64, Expiry)) {
        self.total += Tally::one(bytes);
        self.next_expiry = self.next_expiry.min(expiry.unless_past());
        self.kept.push_back(Kept { position, bytes_through: self.total.bytes, expiry });
    }
}
