//! A start over a log that has outlived a process: what it kept becomes channels, listeners and ids again.

use super::{
    Hub, Moment,
    channel::Channel,
    dead_letter::letter_bytes,
    expiry::Expiry,
    gone::How,
    ids::{Key, Remembered},
    kept::{self, ChannelKept, ListenerKept},
    settings::{AcknowledgementMode, ChannelSettings, ListenerSettings},
    standing::{End, Regained, Standing},
    state::State,
    unsaved::Mark,
};
use crate::{
    error::Error,
    log::{
        AcceptedId, Log, LogError, Position, Recovered, RecoveredChannel, RecoveredListener,
        RecoveredMessage, Removal,
    },
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, atomic::Ordering},
};

/// What a log gave back.
#[derive(Debug, Default)]
pub(super) struct Regain {
    removals: Vec<Removal>,
    /// In the order of their births.
    channels: BTreeMap<Position, RegainedChannel>,
    listeners: HashMap<Position, RegainedListener>,
    ids: Vec<AcceptedId>,
    /// Messages of nobody who is there.
    orphans: Vec<Position>,
}

#[derive(Debug)]
struct RegainedChannel {
    kept: RecoveredChannel,
    broadcasts: Vec<(Position, u64, Expiry)>,
    listeners: Vec<Position>,
}

#[derive(Debug)]
struct RegainedListener {
    kept: RecoveredListener,
    messages: Vec<(Position, u64, Expiry)>,
}

impl Regain {
    /// Reads a log back. `now`: the moment at which its hub begins.
    ///
    /// # Errors
    /// [`LogError::Unavailable`], [`LogError::Corrupt`].
    pub(super) fn read(log: &dyn Log, now: Moment) -> Result<Self, LogError> {
        let mut regain = Self::default();
        log.recover(&mut |found| regain.take(found, now))?;
        Ok(regain)
    }

    fn take(&mut self, found: Recovered, now: Moment) {
        match found {
            Recovered::Removed(removal) => self.removals.push(removal),
            Recovered::Channel(kept) => {
                let channel = RegainedChannel { broadcasts: Vec::new(), listeners: Vec::new(), kept };
                self.channels.insert(channel.kept.birth, channel);
            }
            Recovered::Listener(kept) => {
                if let Some(channel) = self.channels.get_mut(&kept.channel) {
                    channel.listeners.push(kept.birth);
                    self.listeners.insert(kept.birth, RegainedListener { kept, messages: Vec::new() });
                }
            }
            Recovered::Accepted(id) => self.ids.push(id),
            Recovered::Message(message) => self.take_message(message, now),
        }
    }

    fn take_message(&mut self, message: RecoveredMessage, now: Moment) {
        let RecoveredMessage { position, channel, listener, bytes, expires_at, remembered, dead_letter } =
            message;
        if let Some((id, until)) = remembered {
            self.ids.push(AcceptedId { position, channel, listener, until, id });
        }
        let bytes = dead_letter.map_or(bytes, |facts| letter_bytes(bytes, &facts));
        let message = (position, bytes, expiry(expires_at, now));
        let whose = match listener {
            None => self.channels.get_mut(&channel).map(|channel| &mut channel.broadcasts),
            Some(listener) => self.listeners.get_mut(&listener).map(|listener| &mut listener.messages),
        };
        match whose {
            Some(messages) => messages.push(message),
            None => self.orphans.push(position),
        }
    }
}

impl Hub {
    /// Takes in what a log gave back. Nothing else happens before. What it has and nobody may ask for is deleted: a crash
    /// may come between what makes it so and its deletion.
    ///
    /// # Errors
    /// [`LogError::Corrupt`]: what was kept cannot be understood.
    pub(super) fn regain(&self, regain: Regain) -> Result<(), Error> {
        let Regain { removals, channels, mut listeners, ids, orphans } = regain;
        self.forget(&orphans);
        removals.into_iter().for_each(|removal| self.regain_removal(&removal));
        for (birth, regained) in channels {
            let channel = self.regain_channel(regained, &mut listeners)?;
            let mut channels = self.channels_mut();
            channels.by_birth.insert(birth, Arc::clone(&channel));
            channels.by_id.insert(Arc::clone(&channel.id), channel);
        }
        self.id_budget.share_among(self.channels().by_id.len());
        self.regain_ids(ids);
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
            broadcasts,
            listeners: births,
        } = regained;
        let settings: ChannelSettings = kept::read(&text.settings)?;
        let state: ChannelKept = kept::read(&text.state)?;
        let mut gone = Vec::new();
        let state =
            State::of_kept(birth, settings, self.began, state, broadcasts, self.log.last(), &mut gone);
        self.forget(&gone);
        let (desks, unsaved) = (self.bells.desks(), Mark::on(self.keeps().then_some(&self.unsaved)));
        let channel = Arc::new(Channel::new(id, birth, created_at, desks, unsaved, state));
        for birth in births {
            if let Some(regained) = listeners.remove(&birth) {
                self.regain_listener(&channel, regained)?;
            }
        }
        self.regain_hearing(&channel);
        Ok(channel)
    }

    fn regain_listener(&self, channel: &Arc<Channel>, regained: RegainedListener) -> Result<(), Error> {
        let RegainedListener {
            kept: RecoveredListener { birth, id, created_at, explicit, text, .. },
            messages,
        } = regained;
        let settings: ListenerSettings = kept::read(&text.settings)?;
        let kept: ListenerKept = kept::read(&text.state)?;
        let end = kept.end.and_then(|position| self.regain_end(position));
        let mut state = channel.lock();
        let ring = if kept.deaf { state.silence() } else { &state.ring };
        let regained = Regained { messages, end };
        let mut gone = Vec::new();
        let standing = Standing::of_kept(birth, explicit, settings, &kept, regained, ring, &mut gone);
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

    fn regain_end(&self, position: Position) -> Option<End> {
        let mut found = Vec::new();
        // where it cannot be read it cannot be delivered either: another end is no duplicate
        self.log.read(&[position], &mut found).ok()?;
        found.pop().map(|entry| End { position, message: entry.message })
    }

    /// Who receives dead letters was changed just before the end: its own state may not say so yet.
    fn regain_hearing(&self, channel: &Channel) {
        channel.lock().agree_on_hearing(self.log.last());
    }

    /// In the order of their acceptance, as they came. Those of a channel stand together for the most part.
    fn regain_ids(&self, mut ids: Vec<AcceptedId>) {
        ids.sort_by_key(|id| id.position);
        let now = self.moment();
        for run in ids.chunk_by(|one, next| one.channel == next.channel) {
            let Some(channel) = run.first().and_then(|id| self.born(id.channel)) else { continue };
            let mut state = channel.lock();
            for few in run.chunks(Self::LONGEST_RUN) {
                let keys: Vec<_> = few.iter().map(|id| self.id_keys.key(id.listener, &id.id)).collect();
                state.ids.bring_near(&keys);
                few.iter().zip(keys).for_each(|(id, key)| self.regain_id(id, key, &mut state, now));
            }
        }
    }

    fn regain_id(&self, id: &AcceptedId, key: Key, state: &mut State, now: Moment) {
        let left = id.until.saturating_sub(now.unix_nanos / 1_000_000);
        let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) else { return };
        // a clock that was set back must not make it longer than it may be
        let left = left.min(super::millis(state.settings.idempotency_window));
        let remembered = Remembered { key, position: id.position, until: now.millis.saturating_add(left) };
        state.ids.remember(remembered, now.millis, &self.id_budget);
    }
}

/// When a message expires by the clock of a hub that begins now.
fn expiry(expires_at: Option<i64>, now: Moment) -> Expiry {
    expires_at.map_or(Expiry::NEVER, |at| {
        let left = at.saturating_sub(now.unix_nanos / 1_000_000);
        Expiry::at_moment(now.millis.saturating_add(u64::try_from(left).unwrap_or(0)))
    })
}
