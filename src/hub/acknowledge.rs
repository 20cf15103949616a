//! The verbs by which an EXPLICIT listener says what it is done with.

use super::{
    Hub, channel::Channel, explicit::Covers, gap::Span, listener::Listener, settings::Redelivery,
    standing::Standing, state::State, token::Incarnation,
};
use crate::{
    error::Error,
    id::{ChannelId, ListenerId},
    log::Position,
};
use std::{sync::Arc, time::Duration};

/// Of which life a listener is meant to be; what is `None` is not asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// The listener's birth.
    pub birth: Option<Position>,
    /// The start of the server that had the messages in question; `Some(None)`: a text that no start has as its tag.
    pub incarnation: Option<Option<Incarnation>>,
}

/// What one listener is done with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Of which life the listener is meant to be.
    pub life: Life,
    /// The generation that the deliveries came in; `None`: the current one.
    pub generation: Option<u64>,
    /// Everything up to here.
    pub through: Option<Position>,
    /// Single ones.
    pub singles: Vec<Position>,
    /// Single ones that came again alone, each by its attempt.
    pub attempts: Vec<(Position, u32)>,
    /// Gaps that were told.
    pub gaps: Vec<Span>,
}

/// An acknowledgement was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// Everything up to here is acknowledged now.
    pub through: Position,
    /// How many it covered that were not acknowledged yet.
    pub covered: u64,
    /// The listener's generation.
    pub generation: u64,
}

/// More time for one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Of which life the listener is meant to be.
    pub life: Life,
    /// The generation that the delivery came in; `None`: the current one.
    pub generation: Option<u64>,
    /// The delivery.
    pub position: Position,
    /// Which attempt it is; needed where others overtake it.
    pub attempt: Option<u32>,
    /// From now.
    pub by: Duration,
}

impl Hub {
    /// Acknowledges for one listener. Twice is once.
    ///
    /// # Errors
    /// Nothing was changed: [`Error::ChannelNotFound`], [`Error::ListenerNotFound`] and their like;
    /// [`Error::NotExplicit`], [`Error::OtherLife`], [`Error::NotDelivered`]; [`Error::Log`] while it cannot write.
    pub fn acknowledge(
        &self,
        channel: ChannelId<'_>,
        id: ListenerId<'_>,
        acknowledgement: Acknowledgement,
    ) -> Result<Acknowledged, Error> {
        let Acknowledgement { life, generation, through, singles, attempts, gaps } = acknowledgement;
        let channel = self.channel(channel)?;
        let state = channel.lock_existing()?;
        let listener = self.explicit_in(&channel, &state, id)?;
        let covers = Covers { through, singles, attempts, gaps };
        let mut standing = listener.lock();
        self.check_life(&channel, &listener, &standing, &life, covers.highest())?;
        self.log.check()?;
        let (now, mut dropped) = (self.clock_ms(), Vec::new());
        self.settle(&state, &mut standing);
        let ring = state.ring_for(&standing);
        let before = standing.passed;
        let covered = standing.acknowledge(covers, generation, ring, now, &mut dropped)?;
        standing.idle_since = now;
        // where others overtake each has its own time from its delivery on
        let strict = state.settings.redelivery == Redelivery::Strict;
        if strict && standing.passed > before && standing.ack_deadline().is_some() {
            let next = self.next_moment(&standing, ring, now);
            self.set_alarm(&channel, &listener, &mut standing, next);
        }
        let through = standing.passed;
        let (generation, stirred) = standing
            .explicit
            .as_ref()
            .map_or((0, false), |explicit| (explicit.generation(), explicit.stirred()));
        drop(standing);
        drop(state);
        self.forget(&dropped);
        self.room.changed();
        if stirred {
            self.bells.ring_listener(&channel, &listener);
        }
        Ok(Acknowledged { through, covered, generation })
    }

    /// Gives a delivery more time. Tells how long from now it has; `None`: its listener has no deadline.
    ///
    /// # Errors
    /// As [`Hub::acknowledge`]; [`Error::StaleGeneration`], [`Error::NotOutstanding`].
    pub fn extend(
        &self,
        channel: ChannelId<'_>,
        id: ListenerId<'_>,
        extension: &Extension,
    ) -> Result<Option<Duration>, Error> {
        let channel = self.channel(channel)?;
        let state = channel.lock_existing()?;
        let listener = self.explicit_in(&channel, &state, id)?;
        let Extension { life, generation, position, attempt, by } = *extension;
        let mut standing = listener.lock();
        self.check_life(&channel, &listener, &standing, &life, position)?;
        self.settle(&state, &mut standing);
        let now = self.clock_ms();
        let until = now.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX));
        let ring = state.ring_for(&standing);
        let until = standing.extend(position, attempt, generation, (now, until), ring)?;
        standing.idle_since = now;
        self.set_alarm(&channel, &listener, &mut standing, until);
        Ok(until.map(|_| by))
    }

    pub(super) fn explicit_in(
        &self,
        channel: &Channel,
        state: &State,
        id: ListenerId<'_>,
    ) -> Result<Arc<Listener>, Error> {
        let listener = self.listener_in(channel, state, id)?;
        listener.must_be_explicit(&channel.id)?;
        Ok(listener)
    }

    /// Whether a listener is the one that is meant, and its messages up to a position are those of the start that is meant.
    /// What was never meant for it was for another of its name.
    pub(super) fn check_life(
        &self,
        channel: &Channel,
        listener: &Listener,
        standing: &Standing,
        life: &Life,
        highest: Position,
    ) -> Result<(), Error> {
        let meant = highest == Position::ZERO || highest >= standing.start;
        let born = meant && life.birth.is_none_or(|birth| birth == listener.birth);
        // what an earlier start delivered is still the same, up to where the next one began
        let known = |incarnation: Incarnation| self.lives.had(incarnation, listener.birth, highest);
        if born && life.incarnation.is_none_or(|incarnation| incarnation.is_some_and(known)) {
            return Ok(());
        }
        Err(Error::OtherLife { channel: channel.id.to_string(), listener: listener.id.to_string() })
    }
}
