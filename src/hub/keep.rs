//! What a log that outlives its process is told: who has changed, twice a second, and at once what an answer promises.

use super::{
    Hub,
    channel::Channel,
    kept::{self, ListenerKept},
    listener::Listener,
    standing::Standing,
    state::State,
    unsaved::{Guard, Who},
};
use crate::log::{Change, Durability, Position, Record, Whom};
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

    /// Where a listener stands, to be handed to the log at once, under its lock. Its channel is saved later: what of the
    /// broadcasts is gone, as far as the listener knows, is told with it.
    pub(super) fn state_of(&self, state: &State, listener: &Listener, standing: &Standing) -> Change {
        self.change_of(listener, || ListenerKept { ring: state.ring.kept_gone(), ..standing.kept_state() })
    }

    fn change_of(&self, listener: &Listener, kept: impl FnOnce() -> ListenerKept) -> Change {
        let state = self.text(|| kept::write(&kept()));
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

    /// Locks a listener to tell what it has. A generation that began with a setting is kept first, and told once that is safe.
    pub(super) fn lock_to_tell<'l>(
        &self,
        channel: &Arc<Channel>,
        state: &State,
        listener: &'l Arc<Listener>,
    ) -> Guard<'l, Standing> {
        let mut standing = listener.lock();
        if !standing.explicit.as_ref().is_some_and(|explicit| explicit.has_begun()) {
            return standing;
        }
        // where the log fails just now nothing is safe that is told
        if let Ok(kept) = self.log.append(Record::Changed(self.state_of(state, listener, &standing))) {
            standing.explicit.iter_mut().for_each(|explicit| explicit.is_kept());
            self.withhold(channel, listener, standing, kept);
        }
        listener.lock()
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
            keep(self.change_of(&listener, || standing.kept_state()));
        }
    }
}
