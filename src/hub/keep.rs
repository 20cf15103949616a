//! What a log that outlives its process is told: who has changed, twice a second, and at once what an answer promises.

use super::{
    Hub,
    channel::Channel,
    kept,
    listener::Listener,
    standing::Standing,
    state::State,
    unsaved::{Guard, Who},
};
use crate::log::{Change, Durability, Position, Whom};
use std::sync::Arc;

impl Hub {
    /// Whether the log outlives its process.
    pub(super) fn keeps(&self) -> bool {
        self.log.durability() != Durability::Memory
    }

    /// Text for a log that keeps it.
    pub(super) fn text(&self, write: impl FnOnce() -> String) -> String {
        if self.keeps() { write() } else { String::new() }
    }

    /// Where a listener stands, to be handed to the log under its lock.
    pub(super) fn state_of(&self, listener: &Listener, standing: &Standing) -> Change {
        let state = self.text(|| kept::write(&standing.kept_state()));
        Change { whom: Whom::Listener(listener.birth), settings: None, state: Some(state) }
    }

    /// Where a channel stands, to be handed to the log under its lock.
    pub(super) fn state_of_channel(&self, channel: &Channel, state: &State) -> Change {
        let state = self.text(|| kept::write(&state.kept_state()));
        Change { whom: Whom::Channel(channel.birth), settings: None, state: Some(state) }
    }

    /// Neither the gap nor what comes again is told before a crash could not undo it.
    pub(super) fn withhold(
        &self,
        channel: &Arc<Channel>,
        listener: &Arc<Listener>,
        mut standing: Guard<'_, Standing>,
        last: Position,
    ) {
        let watermark = self.log.watermark();
        if watermark.position() >= last {
            return;
        }
        standing.withhold_until(last);
        drop(standing);
        self.bells.ring_later(watermark, last, channel, Some(listener));
    }

    /// Has the log keep what has changed since the last time. A log that ends with its process is told nothing.
    pub fn save(&self) {
        if self.keeps() {
            self.log.save(&mut |keep| {
                self.unsaved.take().into_iter().for_each(|who| self.keep_one(who, keep));
            });
        }
    }

    /// What is gone meanwhile is on record as that.
    fn keep_one(&self, who: Who, keep: &mut dyn FnMut(Change)) {
        let Some(channel) = self.born(who.channel) else { return };
        let Some(birth) = who.listener else {
            channel.unsaved.clear();
            let state = channel.lock();
            return keep(self.state_of_channel(&channel, &state));
        };
        let listener = channel.lock().born(birth).cloned();
        if let Some(listener) = listener {
            listener.unsaved.clear();
            let standing = listener.lock();
            keep(self.state_of(&listener, &standing));
        }
    }
}
