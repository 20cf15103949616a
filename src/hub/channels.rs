//! The verbs of channels.

use super::{
    Hub, channel::Channel, desk::Ending, gone::How, kept, listener::Listener, settings::ChannelSettings,
    state::State, tally::Tally, unsaved::Mark,
};
use crate::{
    error::{Error, Limit},
    id::ChannelId,
    log::{Change, Position, Record, Removal, Text, Whom},
};
use std::sync::{Arc, atomic::Ordering};

/// A channel as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelInfo {
    /// Its id.
    pub id: Arc<str>,
    /// The position of its creation.
    pub birth: Position,
    /// When it was created, in nanoseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// Its settings.
    pub settings: ChannelSettings,
    /// How many listeners are registered.
    pub listeners: u64,
    /// How many subscriptions are open, on however many streams, watchers included.
    pub streams: u64,
    /// The position of the newest message; its birth where there was none.
    pub last: Position,
    /// The broadcasts that are kept.
    pub kept: Tally,
    /// How many messages it has accepted since the hub began.
    pub accepted: u64,
}

/// What became of a creation.
#[derive(Clone, Debug, PartialEq)]
pub struct Created {
    /// The channel.
    pub channel: ChannelInfo,
    /// It was there before.
    pub existed: bool,
}

impl Channel {
    fn info(&self, state: &State) -> ChannelInfo {
        ChannelInfo {
            id: Arc::clone(&self.id),
            birth: self.birth,
            created_at: self.created_at,
            settings: state.settings.clone(),
            listeners: state.listeners() as u64,
            streams: self.streams() as u64,
            last: state.last,
            kept: state.ring.kept(),
            accepted: state.accepted,
        }
    }
}

impl Hub {
    /// Creates a channel.
    ///
    /// # Errors
    /// [`Error::ChannelExists`], unless `allow_existing`; [`Error::LimitReached`]; [`Error::Log`];
    /// [`Error::ShuttingDown`].
    pub fn create_channel(
        &self,
        id: ChannelId<'_>,
        settings: ChannelSettings,
        allow_existing: bool,
    ) -> Result<Created, Error> {
        self.open()?;
        let mut channels = self.channels_mut();
        if let Some(there) = channels.by_id.get(id.as_str()) {
            if !allow_existing {
                return Err(Error::ChannelExists { channel: id.as_str().to_owned() });
            }
            return Ok(Created { channel: there.info(&there.lock()), existed: true });
        }
        if channels.by_id.len() as u64 >= self.limits.max_channels {
            return Err(Error::LimitReached { limit: Limit::Channels, value: self.limits.max_channels });
        }
        if let Some(id) = &settings.dead_letter_listener {
            return Err(no_dead_letter_listener(id));
        }
        let created_at = super::now();
        let text = Text { settings: self.text(|| kept::write(&settings)), state: self.text(|| "{}".into()) };
        let birth = self.log.append(Record::Channel { id: id.as_str().into(), created_at, text })?;
        let channel = Arc::new(Channel::new(
            id.as_str().into(),
            birth,
            created_at,
            self.bells.desks(),
            Mark::on(self.keeps().then_some(&self.unsaved)),
            State::new(birth, settings, self.began),
        ));
        let info = channel.info(&channel.lock());
        channels.by_birth.insert(birth, Arc::clone(&channel));
        channels.by_id.insert(Arc::clone(&channel.id), channel);
        self.id_budget.share_among(channels.by_id.len());
        Ok(Created { channel: info, existed: false })
    }

    /// One channel.
    ///
    /// # Errors
    /// [`Error::ChannelNotFound`], [`Error::ChannelRemoved`].
    pub fn get_channel(&self, id: ChannelId<'_>) -> Result<ChannelInfo, Error> {
        let channel = self.channel(id)?;
        let info = channel.info(&*channel.lock_existing()?);
        Ok(info)
    }

    /// At most `count` channels that were created behind a position, in the order of their creation.
    pub fn list_channels(&self, after: Position, count: usize) -> Vec<ChannelInfo> {
        let behind = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
        let page: Vec<_> = self
            .channels()
            .by_birth
            .range(behind)
            .take(count)
            .map(|(_, channel)| Arc::clone(channel))
            .collect();
        page.iter().map(|channel| channel.info(&channel.lock())).collect()
    }

    /// Changes a channel's settings, from those it has.
    ///
    /// # Errors
    /// [`Error::ChannelNotFound`], [`Error::ChannelRemoved`]; what `change` says; [`Error::Log`].
    pub fn update_channel<E: From<Error>>(
        &self,
        id: ChannelId<'_>,
        change: impl FnOnce(ChannelSettings) -> Result<ChannelSettings, E>,
    ) -> Result<ChannelInfo, E> {
        let channel = self.channel(id)?;
        let mut state = channel.lock_existing()?;
        let settings = change(state.settings.clone())?;
        if let Some(id) = settings.dead_letter_listener.as_ref().filter(|id| state.listener(id).is_none()) {
            return Err(no_dead_letter_listener(id).into());
        }
        let text = self.text(|| kept::write(&settings));
        let change = Change { whom: Whom::Channel(channel.birth), settings: Some(text), state: None };
        let at = self.log.append(Record::Changed(change)).map_err(Error::from)?;
        channel.set(&settings);
        let before = state.dead_letter_listener().cloned();
        let redelivers = settings.redelivery != state.settings.redelivery;
        state.set(settings, at);
        if redelivers {
            self.set_holders_alarms(&channel, &state);
        }
        self.keep_what_was_set(&channel, &state, before.as_ref());
        // whoever receives dead letters, or no longer, is told so by a gap once that is safe
        let changed: Vec<_> = before.iter().chain(state.dead_letter_listener()).cloned().collect();
        if let Some(listener) = before {
            let mut standing = listener.lock();
            let idle = standing.idle_moment();
            self.set_alarm(&channel, &listener, &mut standing, idle);
        }
        self.room.changed();
        let (info, head) = (channel.info(&state), state.ring.last());
        drop(state);
        // there may be gaps to tell, or messages that come again
        self.bells.ring_channel(&channel, head);
        for listener in changed {
            self.announce_dispatch(at, &channel, &listener);
        }
        Ok(info)
    }

    /// What is in hand may have other times than before.
    fn set_holders_alarms(&self, channel: &Channel, state: &State) {
        let now = self.clock_ms();
        for listener in state.holders() {
            let mut standing = listener.lock();
            let next = self.next_moment(&standing, state.ring_for(&standing), now);
            self.set_alarm(channel, listener, standing.unmarked(), next);
        }
    }

    /// Where it stands with new settings, and who begins or ceases to receive dead letters: safe when the answer is given.
    fn keep_what_was_set(&self, channel: &Channel, state: &State, before: Option<&Arc<Listener>>) {
        let change = self.state_of_channel(channel, state);
        // where the log fails just now the caller is told so when he waits for it
        let _ = self.log.append(Record::Changed(change));
        for listener in before.into_iter().chain(state.dead_letter_listener()) {
            let standing = listener.lock();
            let _ = self.log.append(Record::Changed(self.state_of(state, listener, &standing)));
        }
    }

    /// Removes a channel with its listeners and all that is kept for them; its streams end. Tells how many listeners and
    /// messages went.
    ///
    /// # Errors
    /// [`Error::ChannelNotFound`], [`Error::ChannelRemoved`]; [`Error::Log`].
    pub fn remove_channel(&self, id: ChannelId<'_>) -> Result<(u64, u64), Error> {
        let channel = self.take_channel(id)?;
        let removed = Error::ChannelRemoved { channel: channel.id.to_string() };
        let mut dropped = Vec::new();
        let listeners = {
            let mut state = channel.lock();
            state.removed = true;
            state.ids.clear(&self.id_budget);
            state.drop_all(&mut dropped);
            for listener in state.listeners_after(Position::ZERO) {
                self.silence(listener, &mut listener.lock());
            }
            state.listeners() as u64
        };
        self.listeners.fetch_sub(listeners, Ordering::Relaxed);
        channel.end_streams(&Ending::Failed(removed));
        self.forget(&dropped);
        Ok((listeners, dropped.len() as u64))
    }

    fn take_channel(&self, id: ChannelId<'_>) -> Result<Arc<Channel>, Error> {
        let mut channels = self.channels_mut();
        let Some(there) = channels.by_id.get(id.as_str()) else {
            drop(channels);
            return Err(self.no_channel(id));
        };
        self.log.append(Record::Removed(Removal {
            whom: Whom::Channel(there.birth),
            channel: Arc::clone(&there.id),
            listener: None,
            expired: false,
            at: super::unix_millis(),
        }))?;
        self.gone().add(id.as_str(), None, How::Removed);
        let channel = channels.by_id.remove(id.as_str()).ok_or_else(|| self.no_channel(id))?;
        channels.by_birth.remove(&channel.birth);
        self.id_budget.share_among(channels.by_id.len());
        Ok(channel)
    }
}

/// It must be registered first, so a new channel has none.
fn no_dead_letter_listener(id: &str) -> Error {
    let description = format!("the channel has no listener {id:?}");
    Error::InvalidSetting { field: "settings.dead_letter_listener", description }
}
