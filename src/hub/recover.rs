//! A start over a log that has outlived a process: what it kept becomes channels, listeners and ids again.
//!
//! [`reading`] takes in what the log tells, [`ids`] has the order of ids; here the hub is made of it.

mod ids;
mod reading;

pub(super) use reading::Regain;

use super::{
    Hub,
    channel::Channel,
    gone::How,
    kept::{self, ChannelKept, ListenerKept},
    settings::{AcknowledgementMode, ListenerSettings},
    standing::{End, Regained, Standing},
    state::State,
    unsaved::Mark,
};
use crate::{
    error::Error,
    log::{LogError, Position, RecoveredChannel, RecoveredListener, Removal},
};
use reading::{RegainedChannel, RegainedListener};
use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

impl Hub {
    /// Takes in what a log gave back. Nothing else happens before. What it has and nobody may ask for is deleted: a crash
    /// may come between what makes it so and its deletion.
    ///
    /// # Errors
    /// [`LogError::Corrupt`]: what was kept cannot be understood.
    pub(super) fn regain(&self, regain: Regain) -> Result<(), Error> {
        let Regain { removals, channels, mut listeners, orphans } = regain;
        let mut hear_anew = false;
        self.forget(&orphans);
        removals.into_iter().for_each(|removal| self.regain_removal(&removal));
        for (birth, regained) in channels {
            let channel = self.regain_channel(regained, &mut listeners)?;
            hear_anew |= self.regain_hearing(&channel);
            let mut channels = self.channels_mut();
            channels.by_birth.insert(birth, Arc::clone(&channel));
            channels.by_id.insert(Arc::clone(&channel.id), channel);
        }
        if hear_anew {
            // before anything is accepted that they hear
            self.save();
        }
        Ok(())
    }

    fn regain_removal(&self, removal: &Removal) {
        let how = if removal.expired { How::Expired } else { How::Removed };
        let ago = u64::try_from(super::unix_millis().saturating_sub(removal.at)).unwrap_or(0);
        self.gone().add_past(&removal.channel, removal.listener.as_deref(), how, ago);
    }

    fn regain_channel(
        &self,
        regained: RegainedChannel,
        listeners: &mut HashMap<Position, RegainedListener>,
    ) -> Result<Arc<Channel>, Error> {
        let RegainedChannel {
            kept: RecoveredChannel { birth, id, created_at, text },
            settings,
            broadcasts,
            listeners: births,
            ids,
            newest,
        } = regained;
        let mut state: ChannelKept = kept::read(&text.state)?;
        for listener in births.iter().filter_map(|birth| listeners.get(birth)) {
            let gone = kept::gone_with(&listener.kept.text.state)?;
            gone.iter().for_each(|gone| state.ring.go_on_to(gone));
        }
        self.must_lie_before(state.last.max(state.ring.floor))?;
        let mut gone = Vec::new();
        let mut state =
            State::of_kept(birth, settings?, self.began, state, broadcasts, self.log.last(), &mut gone);
        (state.ids, state.last) = (ids, state.last.max(newest));
        self.forget(&gone);
        let (desks, unsaved) = (self.bells.desks(), Mark::on(self.keeps().then_some(&self.unsaved)));
        let channel = Arc::new(Channel::new(id, birth, created_at, desks, unsaved, state));
        for birth in births {
            if let Some(regained) = listeners.remove(&birth) {
                self.regain_listener(&channel, regained)?;
            }
        }
        Ok(channel)
    }

    fn regain_listener(&self, channel: &Arc<Channel>, regained: RegainedListener) -> Result<(), Error> {
        let RegainedListener {
            kept: RecoveredListener { birth, id, created_at, explicit, text, .. },
            messages,
        } = regained;
        let settings: ListenerSettings = kept::read(&text.settings)?;
        let kept: ListenerKept = kept::read(&text.state)?;
        self.must_lie_before(kept.passed)?;
        let end = kept.end.and_then(|position| self.regain_end(position));
        let mut state = channel.lock();
        let ring = if kept.deaf { state.silence() } else { &state.ring };
        let regained = Regained { messages, end, last: self.log.watermark().position() };
        let mut gone = Vec::new();
        let mut standing = Standing::of_kept(birth, explicit, settings, &kept, regained, ring, &mut gone);
        state.adopt(&mut standing);
        self.forget(&gone);
        let mode = if explicit { AcknowledgementMode::Explicit } else { AcknowledgementMode::Automatic };
        state.last = state.last.max(standing.queue.last_waiting().unwrap_or_default());
        let listener = Arc::new(channel.listener(id, birth, created_at, mode, standing));
        state.add(Arc::clone(&listener));
        let mut standing = listener.lock();
        state.age(&listener, &mut standing);
        let next = self.next_moment(&standing, state.ring_for(&standing), self.clock_ms());
        self.set_alarm(channel, &listener, &mut standing, next);
        self.listeners.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Nobody has come further than the log: else parts of it are older than others, and positions would be given again.
    fn must_lie_before(&self, place: Position) -> Result<(), Error> {
        if place > self.log.last() {
            return Err(Error::Log(LogError::Corrupt));
        }
        Ok(())
    }

    fn regain_end(&self, position: Position) -> Option<End> {
        let mut found = Vec::new();
        // where it cannot be read it cannot be delivered either: another end is no duplicate
        self.log.read(&[position], &mut found).ok()?;
        found.pop().map(|entry| End { position, message: entry.message })
    }

    /// Who receives dead letters was changed just before the end: its own state may not say so yet.
    /// Tells whether it does not.
    fn regain_hearing(&self, channel: &Channel) -> bool {
        channel.lock().agree_on_hearing(self.log.last())
    }
}
