//! The verbs of listeners.

use super::{
    Hub,
    channel::Channel,
    desk::Ending,
    gone::How,
    kept::{self, ListenerKept},
    listener::Listener,
    options::From,
    settings::{AcknowledgementMode, ListenerSettings},
    standing::Standing,
    state::State,
    tally::Tally,
};
use crate::{
    error::{Error, Limit},
    id::{ChannelId, ListenerId},
    log::{Change, Position, Record, Removal, Text, Whom},
};
use std::sync::{Arc, atomic::Ordering};

/// A listener as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerInfo {
    /// Its id.
    pub id: Arc<str>,
    /// The id of its channel.
    pub channel: Arc<str>,
    /// The position of its registration.
    pub birth: Position,
    /// When it was registered, in nanoseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// When its messages count as delivered.
    pub mode: AcknowledgementMode,
    /// Its settings.
    pub settings: ListenerSettings,
    /// It was started and not stopped since.
    pub running: bool,
    /// A stream is open.
    pub connected: bool,
    /// What waits for it.
    pub backlog: Tally,
    /// The furthest position that was handed over, or up to which everything is acknowledged where that is explicit.
    pub passed: Position,
    /// What is delivered on its stream and not acknowledged.
    pub unacknowledged: Tally,
    /// How often it was rewound.
    pub generation: u64,
    /// The session that has its stream.
    pub session: Option<Arc<str>>,
    /// How many messages it lost to gaps, as far as that is known.
    pub lost: u64,
}

/// What is asked of a new listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewListener {
    /// Where it begins.
    pub from: From,
    /// When its messages count as delivered.
    pub mode: AcknowledgementMode,
    /// Its settings.
    pub settings: ListenerSettings,
    /// One of this id and mode that is there already will do.
    pub allow_existing: bool,
}

/// What became of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The listener.
    pub listener: ListenerInfo,
    /// It was there before.
    pub existed: bool,
}

/// What a purge cleared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purged {
    /// How many messages waited.
    pub messages: u64,
    /// Up to where.
    pub through: Position,
}

impl Hub {
    /// Registers a listener, stopped.
    ///
    /// # Errors
    /// [`Error::ListenerExists`], unless one of the same mode is allowed; [`Error::ChannelNotFound`], [`Error::ChannelRemoved`];
    /// [`Error::LimitReached`]; [`Error::Log`]; [`Error::ShuttingDown`].
    pub fn register(
        &self,
        channel: ChannelId<'_>,
        id: ListenerId<'_>,
        new: NewListener,
    ) -> Result<Registered, Error> {
        self.open()?;
        let channel = self.channel(channel)?;
        let mut state = channel.lock_existing()?;
        if let Some(there) = state.listener(id.as_str()).cloned() {
            return self.existing(&channel, &state, &there, new);
        }
        if !super::take_one(&self.listeners, self.limits.max_listeners) {
            return Err(Error::LimitReached { limit: Limit::Listeners, value: self.limits.max_listeners });
        }
        let created_at = super::now();
        let record = Record::Listener {
            channel: channel.birth,
            id: id.as_str().into(),
            created_at,
            explicit: new.mode == AcknowledgementMode::Explicit,
            text: self.text_of(&state, new),
        };
        let birth = self.log.append(record).inspect_err(|_| {
            self.listeners.fetch_sub(1, Ordering::Relaxed);
        })?;
        let start = new.from.position(&state.ring, birth);
        let mut standing = Standing::new(start, &state.ring);
        standing.settings = new.settings;
        standing.idle_since = self.clock_ms();
        if new.mode == AcknowledgementMode::Explicit {
            standing.begin_explicit();
        }
        let listener = Arc::new(channel.listener(id.as_str().into(), birth, created_at, new.mode, standing));
        state.add(Arc::clone(&listener));
        {
            let mut standing = listener.lock();
            let idle = standing.idle_moment();
            self.set_alarm(&channel, &listener, &mut standing, idle);
        }
        let info = self.info_of(&channel, &state, &listener, &mut listener.lock());
        Ok(Registered { listener: info, existed: false })
    }

    /// Of a listener that is to be: where it begins is its birth unless something else is said.
    fn text_of(&self, state: &State, new: NewListener) -> Text {
        let start = match new.from {
            From::New => None,
            From::Oldest => Some(new.from.position(&state.ring, Position::ZERO)),
        };
        // a crash may come before it is saved, and after those were gone that it was to hear
        let before = start.map_or(state.ring.total(), |start| state.ring.tally_through(start));
        let kept = ListenerKept { start, passed_tally: before, ..ListenerKept::default() };
        let state = self.text(|| kept::write(&kept));
        Text { settings: self.text(|| kept::write(&new.settings)), state }
    }

    fn existing(
        &self,
        channel: &Channel,
        state: &State,
        there: &Listener,
        new: NewListener,
    ) -> Result<Registered, Error> {
        if new.allow_existing && there.mode == new.mode {
            let listener = self.info_of(channel, state, there, &mut there.lock());
            return Ok(Registered { listener, existed: true });
        }
        Err(Error::ListenerExists { channel: channel.id.to_string(), listener: there.id.to_string() })
    }

    /// One listener.
    ///
    /// # Errors
    /// [`Error::ListenerNotFound`], [`Error::ListenerRemoved`], [`Error::ChannelNotFound`], [`Error::ChannelRemoved`].
    pub fn get_listener(&self, channel: ChannelId<'_>, id: ListenerId<'_>) -> Result<ListenerInfo, Error> {
        self.with_listener(channel, id, |_, _| ())
    }

    /// At most `count` listeners that were registered behind a position, in the order of their registration.
    ///
    /// # Errors
    /// [`Error::ChannelNotFound`], [`Error::ChannelRemoved`].
    pub fn list_listeners(
        &self,
        channel: ChannelId<'_>,
        after: Position,
        count: usize,
    ) -> Result<Vec<ListenerInfo>, Error> {
        let channel = self.channel(channel)?;
        let state = channel.lock_existing()?;
        let page = state.listeners_after(after).take(count);
        Ok(page.map(|listener| self.info_of(&channel, &state, listener, &mut listener.lock())).collect())
    }

    /// Changes a listener's settings, from those it has.
    ///
    /// # Errors
    /// As [`Hub::get_listener`]; what `change` says; [`Error::Log`].
    pub fn update_listener<E: std::convert::From<Error>>(
        &self,
        channel: ChannelId<'_>,
        id: ListenerId<'_>,
        change: impl FnOnce(ListenerSettings) -> Result<ListenerSettings, E>,
    ) -> Result<ListenerInfo, E> {
        let channel = self.channel(channel)?;
        let state = channel.lock_existing()?;
        let listener = self.listener_in(&channel, &state, id)?;
        let mut standing = listener.lock();
        let settings = change(standing.settings)?;
        let text = self.text(|| kept::write(&settings));
        let change = Change { whom: Whom::Listener(listener.birth), settings: Some(text), state: None };
        self.log.append(Record::Changed(change)).map_err(Error::from)?;
        let (ring, now) = (state.ring_for(&standing), self.clock_ms());
        let before = std::mem::replace(&mut standing.settings, settings);
        if before.ack_deadline != settings.ack_deadline {
            standing.give_time(ring, now);
        }
        let next = self.next_moment(&standing, ring, now);
        self.set_alarm(&channel, &listener, &mut standing, next);
        Ok(self.info_of(&channel, &state, &listener, &mut standing))
    }

    /// Marks a listener as running. Twice is once.
    ///
    /// # Errors
    /// As [`Hub::get_listener`].
    pub fn start_listener(&self, channel: ChannelId<'_>, id: ListenerId<'_>) -> Result<ListenerInfo, Error> {
        self.with_listener(channel, id, |_, standing| {
            standing.running = true;
            standing.halted = false;
        })
    }

    /// Ends a listener's stream for good and keeps its queue. Twice is once.
    ///
    /// # Errors
    /// As [`Hub::get_listener`].
    pub fn stop_listener(&self, channel: ChannelId<'_>, id: ListenerId<'_>) -> Result<ListenerInfo, Error> {
        let channel = self.channel(channel)?;
        let state = channel.lock_existing()?;
        let listener = self.listener_in(&channel, &state, id)?;
        let mut standing = listener.lock();
        standing.running = false;
        standing.halted = true;
        let seated = standing.seated.take();
        if let Some(explicit) = &mut standing.explicit {
            explicit.stop();
        }
        if seated.is_some() {
            standing.idle_since = self.clock_ms();
        }
        self.ends_attendance(&channel, &listener, &mut standing);
        let idle = standing.idle_moment();
        self.set_alarm(&channel, &listener, &mut standing, idle);
        let info = self.info_of(&channel, &state, &listener, &mut standing);
        drop(standing);
        drop(state);
        channel.end_stream(seated, Ending::Stopped);
        Ok(info)
    }

    /// Clears what waits for a listener up to a position, or all of it, and its window.
    ///
    /// # Errors
    /// As [`Hub::get_listener`]; [`Error::InvalidSetting`] beyond the channel's newest message; [`Error::Log`].
    pub fn purge_listener(
        &self,
        channel: ChannelId<'_>,
        id: ListenerId<'_>,
        through: Option<Position>,
    ) -> Result<Purged, Error> {
        let channel = self.channel(channel)?;
        let state = channel.lock_existing()?;
        let listener = self.listener_in(&channel, &state, id)?;
        if through.is_some_and(|through| through > state.last) {
            let description = format!("the channel's newest message is {}", state.last);
            return Err(Error::InvalidSetting { field: "through_sequence", description });
        }
        let change = Change { whom: Whom::Listener(listener.birth), settings: None, state: None };
        let mark = self.log.append(Record::Changed(change))?;
        let through = through.unwrap_or(mark);
        let mut dropped = Vec::new();
        let messages = {
            let mut standing = listener.lock();
            // what was lost before has gaps of its own
            state.settle(&mut standing, &mut dropped);
            let ring = state.ring_for(&standing);
            let (before, now) = (standing.passed, self.clock_ms());
            standing.expire(now, ring, &mut dropped);
            let messages = standing.purge(through, ring, &mut dropped);
            if standing.passed > before {
                standing.begin_with_another(ring, now);
            }
            let next = self.next_moment(&standing, ring, now);
            self.set_alarm(&channel, &listener, &mut standing, next);
            // safe when the answer is given; where the log fails just now the caller is told so when he waits for it
            if let Ok(kept) = self.log.append(Record::Changed(self.state_of(&state, &listener, &standing))) {
                self.withhold(&channel, &listener, standing, kept);
            }
            messages
        };
        drop(state);
        self.forget(&dropped);
        self.room.changed();
        self.announce_dispatch(mark, &channel, &listener);
        Ok(Purged { messages, through })
    }

    /// Removes a listener and what waits for it; its stream ends. Tells how many messages waited.
    ///
    /// # Errors
    /// As [`Hub::get_listener`]; [`Error::Log`].
    pub fn remove_listener(&self, channel: ChannelId<'_>, id: ListenerId<'_>) -> Result<u64, Error> {
        let channel = self.channel(channel)?;
        let mut state = channel.lock_existing()?;
        let listener = self.listener_in(&channel, &state, id)?;
        if state.is_dead_letter_listener(id.as_str()) {
            let (channel, listener) = (channel.id.to_string(), listener.id.to_string());
            return Err(Error::InUse {
                channel,
                listener,
                by: "the channel's dead_letter_listener names it",
            });
        }
        self.take_listener(&channel, &mut state, &listener, How::Removed)
    }

    /// Nobody has listened for too long.
    pub(super) fn expire_listener(&self, channel: &Arc<Channel>, listener: &Arc<Listener>) {
        let mut state = channel.lock();
        let there = state.listener(&listener.id).is_some_and(|there| there.birth == listener.birth);
        if !there || state.removed {
            return;
        }
        {
            let (now, mut standing) = (self.clock_ms(), listener.lock());
            if !standing.is_idle(now) {
                // somebody came between, and found its alarm gone
                let next = self.next_moment(&standing, state.ring_for(&standing), now);
                return self.set_alarm(channel, listener, &mut standing, next);
            }
        }
        match self.take_listener(channel, &mut state, listener, How::Expired) {
            Ok(discarded) => {
                tracing::info!(
                    channel = &*channel.id,
                    listener = &*listener.id,
                    discarded,
                    "an idle listener expired"
                );
            }
            Err(error) => {
                tracing::warn!(%error, "an idle listener could not be removed");
                let again = self.clock_ms() + super::upkeep::EVERY_MILLIS;
                self.set_alarm(channel, listener, &mut listener.lock(), Some(again));
            }
        }
    }

    fn take_listener(
        &self,
        channel: &Channel,
        state: &mut State,
        listener: &Arc<Listener>,
        how: How,
    ) -> Result<u64, Error> {
        self.log.append(Record::Removed(Removal {
            whom: Whom::Listener(listener.birth),
            channel: Arc::clone(&channel.id),
            listener: Some(Arc::clone(&listener.id)),
            expired: how == How::Expired,
            at: super::unix_millis(),
        }))?;
        state.remove(&listener.id);
        self.gone().add(&channel.id, Some(&listener.id), how);
        let mut dropped = Vec::new();
        let (backlog, seated) = {
            let mut standing = listener.lock();
            self.silence(listener, &mut standing);
            let backlog = standing.backlog(state.ring_for(&standing)).messages;
            standing.queue.drop_all(&mut dropped);
            self.ends_attendance(channel, listener, &mut standing);
            (backlog, standing.seated.take())
        };
        self.listeners.fetch_sub(1, Ordering::Relaxed);
        self.forget(&dropped);
        self.room.changed();
        let (id, listener) = (channel.id.to_string(), listener.id.to_string());
        channel.end_stream(seated, Ending::Failed(Error::ListenerRemoved { channel: id, listener }));
        Ok(backlog)
    }

    fn with_listener(
        &self,
        channel: ChannelId<'_>,
        id: ListenerId<'_>,
        change: impl FnOnce(&Listener, &mut Standing),
    ) -> Result<ListenerInfo, Error> {
        let channel = self.channel(channel)?;
        let state = channel.lock_existing()?;
        let listener = self.listener_in(&channel, &state, id)?;
        let mut standing = listener.lock();
        change(&listener, &mut standing);
        Ok(self.info_of(&channel, &state, &listener, &mut standing))
    }

    fn info_of(
        &self,
        channel: &Channel,
        state: &State,
        listener: &Listener,
        standing: &mut Standing,
    ) -> ListenerInfo {
        self.settle(state, standing);
        let explicit = standing.explicit.as_deref();
        ListenerInfo {
            id: Arc::clone(&listener.id),
            channel: Arc::clone(&channel.id),
            birth: listener.birth,
            created_at: listener.created_at,
            mode: listener.mode,
            settings: standing.settings,
            running: standing.running,
            connected: standing.seated.is_some(),
            backlog: standing.backlog(state.ring_for(standing)),
            passed: standing.passed,
            unacknowledged: explicit.map_or(Tally::default(), |explicit| explicit.outstanding()),
            generation: explicit.map_or(0, |explicit| explicit.generation()),
            session: standing
                .claim
                .as_ref()
                .filter(|_| standing.attended(self.clock_ms()))
                .and_then(|claim| claim.holder().cloned()),
            lost: standing.lost,
        }
    }
}
