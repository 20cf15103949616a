//! Deliveries that failed: they come again, or are moved to the channel's dead letter listener, and from there back.

use super::{
    Hub,
    acknowledge::Life,
    channel::{Channel, State},
    expiry::Expiry,
    explicit::{Failed, Failing},
    listener::Listener,
    publish::Accepted,
};
use crate::{
    error::Error,
    id::{ChannelId, ListenerId},
    log::{DeadLetter, DeadLetterCause, Entry, Kind, Position, Record},
};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

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

/// Where a dead letter stands, and what it takes.
type Letter = (Position, u64);

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
                self.check_life(&channel, &listener, &rejection.life, rejection.position)?;
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
        let mut position = self.log.append(Record::Change)?;
        let mut fates = Vec::with_capacity(judged.len());
        for (judged, failing) in judged.into_iter().zip(failing) {
            let buried = judged.filter(|failed| failed.delay.is_none() && grave.is_some());
            let dead_letter = match buried {
                Some(failed) => self.write_dead_letter(listener, &failed, failing).inspect_err(|_| {
                    self.forget(&dead_letters(&fates));
                })?,
                None => None,
            };
            position = dead_letter.map_or(position, |(position, _)| position);
            fates.push(judged.map(|failed| (failed, dead_letter)));
        }
        let mut dropped = Vec::new();
        {
            let mut standing = listener.lock();
            let failed: Vec<_> = fates.iter().flatten().map(|(failed, _)| *failed).collect();
            let ring = state.ring_for(&standing);
            standing.fail(&failed, how == Failure::Rejected, ring, self.clock_ms(), &mut dropped);
        }
        if let Some(grave) = grave {
            let letters = fates.iter().flatten().filter_map(|(_, letter)| *letter);
            for (position, bytes) in letters {
                self.bury(channel, state, &grave, position, bytes);
            }
        }
        self.forget(&dropped);
        self.room.changed();
        let fates = fates.into_iter().map(|fate| {
            fate.map(|(failed, letter)| Fate { failed, dead_letter: letter.map(|(position, _)| position) })
        });
        Ok((fates.collect(), position))
    }

    /// Appends a message as a dead letter; `None` where its content is gone.
    fn write_dead_letter(
        &self,
        listener: &Listener,
        failed: &Failed,
        failing: &Failing<'_>,
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
        // the facts are part of what a response carries
        let bytes = message.len() as u64 + facts.reason.len() as u64 + FACTS_BYTES;
        let dead_letter = Some(Arc::new(facts));
        let record = Record::Message { kind: Kind::Dispatch, accepted_at: now, message, dead_letter };
        Ok(Some((self.log.append(record)?, bytes)))
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
        if !from.lock().waits(position, state) {
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
        let message = entry.message.with_another_id(millis());
        let message_id = message.id().to_owned();
        let accepted = self.queue_again(channel, state, &to, message)?;
        let mut dropped = Vec::new();
        {
            let mut standing = from.lock();
            let ring = state.ring_for(&standing);
            standing.take_out(position, ring, self.clock_ms(), &mut dropped);
        }
        self.forget(&dropped);
        self.room.changed();
        // it may have held back what stands behind it
        self.bells.ring_listener(channel, from);
        self.announce_dispatch(accepted.position, channel, &to);
        Ok(Requeued { message_id, accepted })
    }

    /// Makes the rules true for a listener, and forgets what went by that.
    pub(super) fn settle(&self, state: &State, standing: &mut super::listener::Standing) {
        let mut dropped = Vec::new();
        state.settle(standing, &mut dropped);
        self.forget(&dropped);
    }
}

fn dead_letters(fates: &[Option<(Failed, Option<Letter>)>]) -> Vec<Position> {
    fates.iter().flatten().filter_map(|(_, letter)| letter.map(|(position, _)| position)).collect()
}

fn millis() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl<'a> Failing<'a> {
    fn of(rejection: &'a Rejection) -> Self {
        let Rejection { position, delay, last, reason, .. } = rejection;
        Self { position: *position, delay: *delay, last: *last, reason }
    }
}
