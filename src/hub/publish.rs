//! The verbs of senders: what is accepted takes a position, in one short critical section of its channel.

use super::{
    Hub, Moment,
    channel::Channel,
    expiry::Expiry,
    ids::{Key, Remembered},
    listener::Listener,
    settings::Overflow,
    standing::Standing,
    state::State,
};
use crate::{
    error::Error,
    id::{ChannelId, ListenerId},
    log::{Position, Record, kept_bytes},
    message::Message,
};
use std::sync::Arc;

/// A message was accepted. It is safe when [`Hub::durable`] says so for its position; no listener sees it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its place in the order.
    pub position: Position,
    /// How many listeners it was accepted for; of a broadcast that was there before it is not known any more.
    pub receivers: Option<u64>,
    /// It was there before, at that position, and nothing was queued.
    pub duplicate: bool,
}

impl Hub {
    /// Sends a message to one listener, unless one of the same id was accepted for it lately.
    ///
    /// # Errors
    /// Nothing was accepted: [`Error::BacklogFull`] where the channel refuses new ones; [`Error::LimitReached`] where
    /// the log is full; [`Error::ChannelNotFound`], [`Error::ListenerNotFound`] and their like; [`Error::Log`].
    pub fn dispatch(
        &self,
        channel: ChannelId<'_>,
        listener: ListenerId<'_>,
        message: Message,
    ) -> Result<Accepted, Error> {
        let channel = self.channel(channel)?;
        let room = self.make_room(kept_bytes(&message));
        let mut state = channel.lock_existing()?;
        let listener = self.listener_in(&channel, &state, listener)?;
        let key = self.key(&message, Some(&listener));
        let terms =
            Terms { admission: Admission::BySettings, now: self.moment(), room, key, to_remember: None };
        let mut dropped = Vec::new();
        let taken = self.take_dispatch(&channel, &mut state, &listener, message, terms, &mut dropped);
        drop(state);
        self.forget(&dropped);
        let accepted = taken?;
        if !accepted.duplicate {
            self.announce_dispatch(accepted.position, &channel, &listener);
        }
        Ok(accepted)
    }

    /// In the channel's critical section. Whether or not it is taken, others may be dropped.
    pub(super) fn take_dispatch(
        &self,
        channel: &Arc<Channel>,
        state: &mut State,
        listener: &Arc<Listener>,
        message: Message,
        terms: Terms<'_>,
        dropped: &mut Vec<Position>,
    ) -> Result<Accepted, Error> {
        // first of all: what was accepted is answered so also where there is no room for more
        if let Some(position) = terms.accepted_before(state) {
            return Ok(Accepted { position, receivers: Some(1), duplicate: true });
        }
        let Terms { admission, now, room, key, to_remember } = terms;
        room?;
        let arrival = Arrival { message, admission, now, letter: None };
        let position = self.queue(channel, state, listener, arrival, dropped)?;
        self.remember(key, now, position, state, to_remember);
        Ok(Accepted { position, receivers: Some(1), duplicate: false })
    }

    /// Sends a message to all listeners that are registered, and to the watchers, unless one of the same id was accepted
    /// for all lately.
    ///
    /// # Errors
    /// As [`Hub::dispatch`]; [`Error::BacklogFull`] where one listener is full and the channel refuses new ones.
    pub fn broadcast(&self, channel: ChannelId<'_>, message: Message) -> Result<Accepted, Error> {
        self.broadcast_as(channel, message, Admission::BySettings)
    }

    fn broadcast_as(
        &self,
        channel: ChannelId<'_>,
        message: Message,
        admission: Admission,
    ) -> Result<Accepted, Error> {
        let channel = self.channel(channel)?;
        let (room, key) = (self.make_room(kept_bytes(&message)), self.key(&message, None));
        let mut state = channel.lock_existing()?;
        let mut dropped = Vec::new();
        let terms = Terms { admission, now: self.moment(), room, key, to_remember: None };
        let taken = self.take_broadcast(&channel, &mut state, message, terms, &mut dropped);
        drop(state);
        self.forget(&dropped);
        let accepted = taken?;
        if !accepted.duplicate {
            self.room.changed();
            self.announce_broadcast(accepted.position, &channel);
        }
        Ok(accepted)
    }

    /// In the channel's critical section. Whether or not it is taken, others may be dropped.
    pub(super) fn take_broadcast(
        &self,
        channel: &Channel,
        state: &mut State,
        message: Message,
        terms: Terms<'_>,
        dropped: &mut Vec<Position>,
    ) -> Result<Accepted, Error> {
        if let Some(position) = terms.accepted_before(state) {
            return Ok(Accepted { position, receivers: None, duplicate: true });
        }
        let Terms { admission, now, room, key, to_remember } = terms;
        let (bytes, expiry) = (message.len() as u64, Expiry::after(message.ttl(), now.millis));
        room?;
        if admission == Admission::BySettings {
            refuse_if_full(channel, state, bytes, dropped)?;
        }
        let position = self.log.append(self.record(channel, state, None, message, now))?;
        state.push_broadcast(position, bytes, expiry, dropped);
        let receivers = Some(state.hearers() as u64);
        self.remember(key, now, position, state, to_remember);
        Ok(Accepted { position, receivers, duplicate: false })
    }

    /// Says that no more will come, to all of a channel's listeners and watchers. Where a backlog is full the oldest go.
    ///
    /// # Errors
    /// As [`Hub::broadcast`], except [`Error::BacklogFull`].
    pub fn notify_end(&self, channel: ChannelId<'_>) -> Result<(Message, Accepted), Error> {
        let message = closed();
        let accepted = self.broadcast_as(channel, message.clone(), Admission::Always)?;
        Ok((message, accepted))
    }

    /// Says it to one listener; while it has not received an earlier one, this one is a duplicate.
    ///
    /// # Errors
    /// As [`Hub::dispatch`], except [`Error::BacklogFull`].
    pub fn notify_end_of(
        &self,
        channel: ChannelId<'_>,
        listener: ListenerId<'_>,
    ) -> Result<(Message, Accepted), Error> {
        let channel = self.channel(channel)?;
        let message = closed();
        self.make_room(kept_bytes(&message))?;
        let mut state = channel.lock_existing()?;
        let listener = self.listener_in(&channel, &state, listener)?;
        let mut dropped = Vec::new();
        let earlier = {
            let mut standing = listener.lock();
            // it may be among what is too much
            state.settle(&mut standing, &mut dropped);
            // nor is one that is purged, or was too much, yet to come
            let gone = standing.delivered().max(standing.passed);
            standing.end.clone().filter(|end| end.position > gone)
        };
        if let Some(end) = earlier {
            self.forget(&dropped);
            return Ok((
                end.message,
                Accepted { position: end.position, receivers: Some(1), duplicate: true },
            ));
        }
        let (now, admission) = (self.moment(), Admission::Always);
        let arrival = Arrival { message: message.clone(), admission, now, letter: None };
        let queued = self.queue(&channel, &mut state, &listener, arrival, &mut dropped);
        self.forget(&dropped);
        let position = queued?;
        let mut standing = listener.lock();
        standing.end = Some(Box::new(super::standing::End { position, message: message.clone() }));
        // where the log fails just now the caller is told so when he waits for it
        let _ = self.log.append(Record::Changed(self.state_of(&state, &listener, &standing)));
        drop(standing);
        drop(state);
        self.announce_dispatch(position, &channel, &listener);
        Ok((message, Accepted { position, receivers: Some(1), duplicate: false }))
    }

    /// A dead letter waits for its listener again, and no longer at this position.
    pub(super) fn queue_again(
        &self,
        channel: &Arc<Channel>,
        state: &mut State,
        listener: &Arc<Listener>,
        message: Message,
        letter: Position,
    ) -> Result<Accepted, Error> {
        let (now, admission) = (self.moment(), Admission::BySettings);
        let arrival = Arrival { message, admission, now, letter: Some(letter) };
        let mut dropped = Vec::new();
        let queued = self.queue(channel, state, listener, arrival, &mut dropped);
        self.forget(&dropped);
        Ok(Accepted { position: queued?, receivers: Some(1), duplicate: false })
    }

    fn queue(
        &self,
        channel: &Arc<Channel>,
        state: &mut State,
        listener: &Arc<Listener>,
        arrival: Arrival,
        dropped: &mut Vec<Position>,
    ) -> Result<Position, Error> {
        let Arrival { message, admission, now, letter } = arrival;
        let (bytes, expiry) = (message.len() as u64, Expiry::after(message.ttl(), now.millis));
        let mut standing = listener.lock();
        state.settle(&mut standing, dropped);
        let refuse =
            admission == Admission::BySettings && state.settings.dispatch_overflow == Overflow::RejectNew;
        if refuse && !standing.has_room(state.ring_for(&standing), state.settings.max_backlog, bytes) {
            return Err(backlog_full(channel, state, listener));
        }
        let record = self.record(channel, state, Some(listener), message, now);
        let position = match letter {
            None => self.log.append(record)?,
            Some(letter) => self.log.append_all(vec![record], &[letter])?,
        };
        standing.queue.push(position, bytes, expiry);
        self.set_alarm(channel, listener, &mut standing, expiry.moment());
        self.after_push(state, listener, &mut standing, admission, dropped);
        state.accept(position);
        Ok(position)
    }

    fn after_push(
        &self,
        state: &mut State,
        listener: &Listener,
        standing: &mut Standing,
        admission: Admission,
        dropped: &mut Vec<Position>,
    ) {
        if admission == Admission::BySettings {
            state.settle(standing, dropped);
        }
        state.heavier(listener.birth, standing);
    }

    /// A message as the memory of ids knows it, where its sender has named it.
    pub(super) fn key(&self, message: &Message, receiver: Option<&Listener>) -> Option<Key> {
        let key = || self.id_keys.key(receiver.map(|listener| listener.birth), message.id());
        self.is_remembered(message).then(key)
    }

    /// In the critical section in which it was appended: nobody sees the one without the other.
    fn remember(
        &self,
        key: Option<Key>,
        now: Moment,
        position: Position,
        state: &mut State,
        to_remember: Option<&mut Vec<Remembered>>,
    ) {
        let window = super::millis(state.settings.idempotency_window);
        let Some(key) = key.filter(|_| window > 0) else { return };
        let id = Remembered { key, position, until: now.millis.saturating_add(window) };
        match to_remember {
            Some(at_the_end) => at_the_end.push(id),
            None => state.ids.remember(&[id], now.millis, &self.id_budget),
        }
    }

    fn record(
        &self,
        channel: &Channel,
        state: &State,
        listener: Option<&Listener>,
        message: Message,
        now: Moment,
    ) -> Record {
        let window = self.is_remembered(&message).then_some(state.settings.idempotency_window);
        let until = window.filter(|window| !window.is_zero());
        Record::Message {
            channel: channel.birth,
            listener: listener.map(|listener| listener.birth),
            accepted_at: now.unix_nanos,
            remember_until: until
                .map(|window| (now.unix_nanos / 1_000_000).saturating_add_unsigned(super::millis(window))),
            message,
            dead_letter: None,
        }
    }

    /// Whether whoever sent a message may send it again under its id. One that was named by the server is not known:
    /// nobody can repeat it.
    fn is_remembered(&self, message: &Message) -> bool {
        message.id_given() && !self.id_budget.is_none()
    }

    pub(super) fn announce_broadcast(&self, position: Position, channel: &Arc<Channel>) {
        if self.log.watermark().position() >= position {
            self.bells.ring_channel(channel, position);
        } else {
            self.bells.ring_later(self.log.watermark(), position, channel, None);
        }
    }

    pub(super) fn announce_dispatch(
        &self,
        position: Position,
        channel: &Arc<Channel>,
        listener: &Arc<Listener>,
    ) {
        if self.log.watermark().position() >= position {
            self.bells.ring_listener(channel, listener);
        } else {
            self.bells.ring_later(self.log.watermark(), position, channel, Some(listener));
        }
    }
}

/// A message that is to be queued for one listener.
struct Arrival {
    message: Message,
    admission: Admission,
    now: Moment,
    /// Where it was a dead letter until now.
    letter: Option<Position>,
}

/// On what terms a message is taken.
pub(super) struct Terms<'r> {
    pub(super) admission: Admission,
    pub(super) now: Moment,
    /// Whether the log has room for it.
    pub(super) room: Result<(), Error>,
    /// Under what it is remembered.
    pub(super) key: Option<Key>,
    /// It was looked for under that, and is not there: it is remembered with these, at the end of its run.
    pub(super) to_remember: Option<&'r mut Vec<Remembered>>,
}

impl Terms<'_> {
    fn accepted_before(&self, state: &State) -> Option<Position> {
        if self.to_remember.is_some() { None } else { state.ids.find(self.key?, self.now.millis) }
    }
}

/// Whether a full backlog may refuse.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    BySettings,
    Always,
}

fn refuse_if_full(
    channel: &Channel,
    state: &mut State,
    bytes: u64,
    dropped: &mut Vec<Position>,
) -> Result<(), Error> {
    let full = state.full_listener(bytes, dropped);
    full.map_or(Ok(()), |full| Err(backlog_full(channel, state, &full)))
}

fn closed() -> Message {
    Message::channel_closed(u64::try_from(super::now() / 1_000_000).unwrap_or_default())
}

fn backlog_full(channel: &Channel, state: &State, listener: &Listener) -> Error {
    Error::BacklogFull {
        channel: channel.id.to_string(),
        listener: listener.id.to_string(),
        max_messages: state.settings.max_backlog.messages,
        max_bytes: state.settings.max_backlog.bytes,
    }
}
