//! Deliveries that failed: they come again, or are moved to the channel's dead letter listener, and from there back.

use super::{
    Hub,
    acknowledge::Life,
    channel::Channel,
    expiry::Expiry,
    explicit::{Failed, Failing},
    listener::Listener,
    publish::Accepted,
    state::State,
};
use crate::{
    error::Error,
    id::{ChannelId, ListenerId, unix_millis},
    log::{DeadLetter, DeadLetterCause, Entry, Position, Record},
};
use std::{sync::Arc, time::Duration};

/// A rejection of one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Of which life the listener is meant to be.
    pub life: Life,
    /// The generation that the delivery came in; `None`: the current one.
    pub generation: Option<u64>,
    /// The delivery.
    pub position: Position,
    /// Which attempt failed; needed where others overtake it.
    pub attempt: Option<u32>,
    /// Why, for people.
    pub reason: String,
    /// When it comes again; `None`: after the channel's back-off.
    pub delay: Option<Duration>,
    /// It never comes again.
    pub last: bool,
}

/// What became of a rejection. It is safe when [`Hub::durable`] says so for its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The generation of the listener from now on.
    pub generation: u64,
    /// How often the message has failed.
    pub attempts: u32,
    /// Where it stands in the dead letter listener.
    pub dead_letter: Option<Position>,
    /// Until it comes again; `None`: never.
    pub delay: Option<Duration>,
    /// When this is safe.
    pub position: Position,
}

/// A dead letter that was sent back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requeued {
    /// Its new id.
    pub message_id: String,
    /// Its place in the order.
    pub accepted: Accepted,
}

/// What the facts of a dead letter take beside its reason, at most, and rounded up.
const FACTS_BYTES: u64 = 256;

/// A dead letter that is to be written.
struct Letter {
    /// Which of the deliveries that failed it was.
    place: usize,
    /// What it takes.
    bytes: u64,
    /// Until it is written.
    record: Option<Record>,
}

/// How deliveries failed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// They were rejected, or not acknowledged in time: in strict order the listener is rewound.
    Rejected,
    /// A client went away with them. The next stream begins with them anyway.
    Left,
}

/// What became of a delivery that failed.
#[derive(Clone, Copy)]
pub(super) struct Fate {
    pub(super) failed: Failed,
    pub(super) dead_letter: Option<Position>,
}

impl Hub {
    /// Rejects deliveries of one listener; they are judged together. Each is answered for itself.
    ///
    /// # Errors
    /// For all: [`Error::ChannelNotFound`], [`Error::ListenerNotFound`] and their like; [`Error::NotExplicit`];
    /// [`Error::Log`]. For one: [`Error::OtherLife`], [`Error::StaleGeneration`], [`Error::NotDelivered`],
    /// [`Error::NotOutstanding`].
    pub fn reject(
        &self,
        channel: ChannelId<'_>,
        id: ListenerId<'_>,
        rejections: &[Rejection],
    ) -> Result<Vec<Result<Rejected, Error>>, Error> {
        let channel = self.channel(channel)?;
        let mut state = channel.lock_existing()?;
        let listener = self.explicit_in(&channel, &state, id)?;
        let checked: Vec<_> = {
            let mut standing = listener.lock();
            self.settle(&state, &mut standing);
            let ring = state.ring_for(&standing);
            let check = |rejection: &Rejection| {
                self.check_life(&channel, &listener, &standing, &rejection.life, rejection.position)?;
                standing.check_in_hand(rejection.position, rejection.attempt, rejection.generation, ring)
            };
            rejections.iter().map(|rejection| check(rejection).map(drop)).collect()
        };
        let mut failing: Vec<Failing<'_>> = Vec::new();
        for (rejection, _) in rejections.iter().zip(&checked).filter(|(_, checked)| checked.is_ok()) {
            // the same one twice is one
            if failing.iter().all(|there| there.position != rejection.position) {
                failing.push(Failing::of(rejection));
            }
        }
        let (fates, position) =
            self.fail_deliveries(&channel, &mut state, &listener, &failing, Failure::Rejected)?;
        let generation = listener.lock().explicit.as_ref().map_or(0, |explicit| explicit.generation());
        let now = self.clock_ms();
        {
            let mut standing = listener.lock();
            standing.idle_since = now;
            let next = self.next_moment(&standing, state.ring_for(&standing), now);
            self.set_alarm(&channel, &listener, &mut standing, next);
        }
        drop(state);
        self.bells.ring_listener(&channel, &listener);
        let told = |rejection: &Rejection| {
            let fate = fates.iter().flatten().find(|fate| fate.failed.message.position == rejection.position);
            let fate = fate.ok_or(Error::NotOutstanding { sequence: rejection.position.0 })?;
            let Failed { attempts, delay, .. } = fate.failed;
            Ok(Rejected { generation, attempts, dead_letter: fate.dead_letter, delay, position })
        };
        Ok(rejections
            .iter()
            .zip(checked)
            .map(|(rejection, checked)| checked.and_then(|()| told(rejection)))
            .collect())
    }

    /// Does what becomes of deliveries that failed. Tells it for each, and when it is safe.
    ///
    /// # Errors
    /// [`Error::Log`]: nothing was changed.
    pub(super) fn fail_deliveries(
        &self,
        channel: &Arc<Channel>,
        state: &mut State,
        listener: &Arc<Listener>,
        failing: &[Failing<'_>],
        how: Failure,
    ) -> Result<(Vec<Option<Fate>>, Position), Error> {
        if failing.is_empty() {
            return Ok((Vec::new(), Position::ZERO));
        }
        let judged = {
            let mut standing = listener.lock();
            self.settle(state, &mut standing);
            standing.judge(failing, &state.settings, state.ring_for(&standing))
        };
        let grave = state.dead_letter_listener().filter(|grave| grave.birth != listener.birth).cloned();
        let (mut fates, mut letters) = self.fates(channel, listener, grave.as_deref(), judged, failing)?;
        self.log.check()?;
        let mut dropped = Vec::new();
        let mut position = {
            let mut standing = listener.lock();
            let failed: Vec<_> = fates.iter().flatten().map(|fate| fate.failed).collect();
            let before = standing.before(failed.iter().map(|failed| failed.message));
            let ring = state.ring_for(&standing);
            standing.fail(&failed, how == Failure::Rejected, ring, self.clock_ms(), &mut dropped);
            // together with what goes by it: no crash leaves a letter with its sender, too, or with nobody
            let mut records = Vec::with_capacity(1 + letters.len());
            records.push(Record::Changed(self.state_of(state, listener, &standing)));
            records.extend(letters.iter_mut().filter_map(|letter| letter.record.take()));
            let appended = self.log.append_all(records, &dropped);
            let first = appended.inspect_err(|_| standing.take_back(before))?;
            // that its client went away is told of nobody, unless a message goes for it
            if how == Failure::Rejected || failed.iter().any(|failed| failed.delay.is_none()) {
                self.withhold(channel, listener, standing, Position(first.0 + letters.len() as u64));
            }
            first
        };
        for letter in letters {
            position = Position(position.0 + 1);
            if let Some((fate, grave)) = fates[letter.place].as_mut().zip(grave.as_ref()) {
                fate.dead_letter = Some(position);
                self.bury(channel, state, grave, position, letter.bytes);
            }
        }
        self.room.changed();
        Ok((fates, position))
    }

    /// What becomes of each, and the dead letters that come of it.
    fn fates(
        &self,
        channel: &Channel,
        listener: &Listener,
        grave: Option<&Listener>,
        judged: Vec<Option<Failed>>,
        failing: &[Failing<'_>],
    ) -> Result<(Vec<Option<Fate>>, Vec<Letter>), Error> {
        let mut letters = Vec::new();
        for (place, (judged, failing)) in judged.iter().zip(failing).enumerate() {
            let buried = judged.filter(|failed| failed.delay.is_none());
            if let Some((failed, grave)) = buried.zip(grave) {
                letters.extend(self.dead_letter(channel, listener, grave, &failed, failing, place)?);
            }
        }
        let fate = |failed| Fate { failed, dead_letter: None };
        Ok((judged.into_iter().map(|judged| judged.map(fate)).collect(), letters))
    }

    /// A message as a dead letter; `None` where its content is gone.
    fn dead_letter(
        &self,
        channel: &Channel,
        listener: &Listener,
        grave: &Listener,
        failed: &Failed,
        failing: &Failing<'_>,
        place: usize,
    ) -> Result<Option<Letter>, Error> {
        let mut found = Vec::new();
        self.log.read(&[failed.message.position], &mut found)?;
        let Some(Entry { message, position, .. }) = found.pop() else { return Ok(None) };
        let cause = if failing.last { DeadLetterCause::FinalRejection } else { DeadLetterCause::MaxAttempts };
        let now = super::now();
        let facts = DeadLetter {
            cause,
            reason: failing.reason.to_owned(),
            listener: Arc::clone(&listener.id),
            position,
            attempts: failed.attempts,
            moved_at: now,
        };
        let bytes = letter_bytes(message.len() as u64, &facts);
        let record = Record::Message {
            channel: channel.birth,
            listener: Some(grave.birth),
            accepted_at: now,
            remember_until: None,
            message,
            dead_letter: Some(Arc::new(facts)),
        };
        Ok(Some(Letter { place, bytes, record: Some(record) }))
    }

    /// A dead letter waits in its listener, which drops its oldest where it is full. It does not expire.
    fn bury(
        &self,
        channel: &Arc<Channel>,
        state: &mut State,
        grave: &Arc<Listener>,
        position: Position,
        bytes: u64,
    ) {
        {
            let mut standing = grave.lock();
            standing.queue.push(position, bytes, Expiry::NEVER);
            self.settle(state, &mut standing);
        }
        state.last = state.last.max(position);
        self.announce_dispatch(position, channel, grave);
    }

    /// Sends dead letters back to those they were meant for, each under a new id, in one step. Each is answered for itself.
    ///
    /// # Errors
    /// For all: [`Error::ChannelNotFound`], [`Error::ListenerNotFound`] and their like. For one:
    /// [`Error::NotOutstanding`] where it is no dead letter that waits there; what a dispatch would answer.
    pub fn requeue(
        &self,
        channel: ChannelId<'_>,
        id: ListenerId<'_>,
        positions: &[Position],
    ) -> Result<Vec<Result<Requeued, Error>>, Error> {
        let channel = self.channel(channel)?;
        let mut state = channel.lock_existing()?;
        let from = self.listener_in(&channel, &state, id)?;
        Ok(positions
            .iter()
            .map(|position| self.requeue_one(&channel, &mut state, &from, *position))
            .collect())
    }

    fn requeue_one(
        &self,
        channel: &Arc<Channel>,
        state: &mut State,
        from: &Arc<Listener>,
        position: Position,
    ) -> Result<Requeued, Error> {
        let none = Error::NotOutstanding { sequence: position.0 };
        self.settle(state, &mut from.lock());
        let waits = {
            let standing = from.lock();
            standing.waits(position, state.ring_for(&standing))
        };
        if !waits {
            return Err(none);
        }
        let mut found = Vec::new();
        self.log.read(&[position], &mut found)?;
        let entry = found.pop().ok_or(none.clone())?;
        let facts = entry.dead_letter.ok_or(none)?;
        let to = ListenerId::parse(&facts.listener).map_err(|_| Error::ListenerNotFound {
            channel: channel.id.to_string(),
            listener: facts.listener.to_string(),
        })?;
        let to = self.listener_in(channel, state, to)?;
        let message = entry.message.with_another_id(unix_millis());
        let message_id = message.id().to_owned();
        let accepted = self.queue_again(channel, state, &to, message, position)?;
        {
            let mut standing = from.lock();
            let ring = state.ring_for(&standing);
            let now = self.clock_ms();
            standing.take_out(position, ring, now);
            let next = self.next_moment(&standing, ring, now);
            self.set_alarm(channel, from, &mut standing, next);
        }
        self.room.changed();
        // it may have held back what stands behind it
        self.bells.ring_listener(channel, from);
        self.announce_dispatch(accepted.position, channel, &to);
        Ok(Requeued { message_id, accepted })
    }

    /// Makes the rules true for a listener, and forgets what went by that.
    pub(super) fn settle(&self, state: &State, standing: &mut super::standing::Standing) {
        let mut dropped = Vec::new();
        state.settle(standing, &mut dropped);
        self.forget(&dropped);
    }
}

/// What a dead letter of this size counts for: the facts are part of what a response carries.
pub(super) fn letter_bytes(len: u64, facts: &DeadLetter) -> u64 {
    len + facts.reason.len() as u64 + FACTS_BYTES
}

impl<'a> Failing<'a> {
    fn of(rejection: &'a Rejection) -> Self {
        let Rejection { position, delay, last, reason, .. } = rejection;
        Self { position: *position, delay: *delay, last: *last, reason }
    }
}
