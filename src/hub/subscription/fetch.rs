//! A stream that is behind reads for itself: it looks what is next, has it read, and takes it if it still stands.

use super::{Owner, Subscription};
use crate::{
    error::Error,
    hub::{
        ChannelSettings,
        batch::{Batch, Handed, Repeat, Room},
        cursor::Look,
        desk::Ending,
        look::View,
        place::{Close, Place},
        standing::Allowance,
        state,
        tally::Quota,
    },
    log::{Entry, Fetch, LogError, Position},
    message::RESERVED_TYPE_PREFIX,
};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::sleep;

/// A watcher is bounded by what its channel keeps.
const UNBOUNDED: Allowance =
    Allowance { quota: Quota { messages: u64::MAX, bytes: u64::MAX }, since: Position::ZERO };
/// So many batches in a row may come to nothing, then the core's other streams have a turn.
const EMPTY_IN_A_ROW: usize = 8;

impl Subscription {
    pub(super) fn fetch_some(&mut self, context: &mut Context<'_>) -> Poll<Result<Handed, Ending>> {
        self.looking = true;
        for _ in 0..EMPTY_IN_A_ROW {
            if let Some(reading) = &mut self.reading {
                ready!(reading.poll(context));
            }
            match self.fetch() {
                Fetched::Batch(handed) => {
                    self.grant = (self.grant * 2).min(self.max_bytes);
                    return Poll::Ready(Ok(handed));
                }
                Fetched::Failed(error) => {
                    self.close = Close::Withdrawn;
                    return Poll::Ready(Err(Ending::Failed(error)));
                }
                Fetched::Nothing => {
                    self.looking = false;
                    return Poll::Pending;
                }
                Fetched::Again | Fetched::Reading => {}
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads for itself: looks what is next, reads it outside of every lock, and takes it if it still stands.
    pub(super) fn fetch(&mut self) -> Fetched {
        let Some((next, delay)) = self.look() else { return Fetched::Nothing };
        self.fresh = false;
        if next.empty() && self.first_gap.is_none() {
            return Fetched::Nothing;
        }
        let mut entries = match self.read(&next.positions) {
            Ok(Some(entries)) => entries,
            Ok(None) => return Fetched::Reading,
            Err(error) => return Fetched::Failed(Error::Log(error)),
        };
        // one that went meanwhile is a gap at the next look
        if entries.len() < next.positions.len() {
            return Fetched::Again;
        }
        let unwanted = self.unwanted(&entries);
        let Some((generation, mut repeats)) = self.hand_over(&next, &unwanted) else { return Fetched::Again };
        self.cursor = next.cursor;
        if !unwanted.is_empty() {
            entries.retain(|entry| unwanted.binary_search(&entry.position).is_err());
            repeats.retain(|repeat| unwanted.binary_search(&repeat.position).is_err());
        }
        let gaps: Vec<_> = self.first_gap.take().into_iter().chain(next.gaps).collect();
        if gaps.is_empty() && entries.is_empty() {
            return Fetched::Again;
        }
        let batch = Arc::new(Batch::new(gaps, entries, self.token()));
        let fetched = Fetched::Batch(Handed { batch, generation, repeats });
        if let Fetched::Batch(Handed { batch, .. }) = &fetched
            && !batch.entries.is_empty()
            && !delay.is_zero()
        {
            self.delay = Some(Box::pin(sleep(delay)));
        }
        fetched
    }

    /// Reads what is at hand, or takes what was read meanwhile; `None`: it is being read.
    fn read(&mut self, positions: &[Position]) -> Result<Option<Vec<Entry>>, LogError> {
        let read = self.reading.take().filter(|reading| *reading.positions == *positions);
        if let Some(found) = read.and_then(|reading| reading.found) {
            return found.map(Some);
        }
        let log = &self.place.hub.log;
        let mut entries = Vec::with_capacity(positions.len());
        if log.read_at_hand(positions, &mut entries)? {
            return Ok(Some(entries));
        }
        let fetch = log.fetch(positions);
        self.reading = Some(Box::new(Reading { positions: positions.into(), fetch, found: None }));
        Ok(None)
    }

    /// What this stream wants of a batch that others have, too: the batch itself, where that is all of it.
    pub(super) fn wanted(&self, batch: &Arc<Batch>) -> Option<Arc<Batch>> {
        if self.types.is_empty() || batch.entries.iter().all(|entry| self.wants(entry)) {
            return Some(Arc::clone(batch));
        }
        let entries: Vec<_> = batch.entries.iter().filter(|entry| self.wants(entry)).cloned().collect();
        (!entries.is_empty()).then(|| Arc::new(Batch::new(Vec::new(), entries, self.token())))
    }

    fn unwanted(&self, entries: &[Entry]) -> Vec<Position> {
        if self.types.is_empty() {
            return Vec::new();
        }
        entries.iter().filter(|entry| !self.wants(entry)).map(|entry| entry.position).collect()
    }

    fn wants(&self, entry: &Entry) -> bool {
        let kind = entry.message.kind();
        self.types.is_empty()
            || self.types.iter().any(|wanted| wanted == kind)
            || kind.starts_with(RESERVED_TYPE_PREFIX)
    }

    /// What is next, and the delay behind it.
    fn look(&mut self) -> Option<(Look, Duration)> {
        let Place { hub, channel, seated, .. } = &self.place;
        let safe = hub.log.watermark().position();
        let state = channel.lock();
        let delay = state.settings.stream_delay;
        let max_messages = if delay.is_zero() { self.max_messages } else { 1 };
        let room = Room::new(max_messages, self.grant);
        let mut dropped = Vec::new();
        let now = hub.clock_ms();
        let found = match &mut self.owner {
            Owner::Watcher(standing) => {
                standing.settle(&state.ring, UNBOUNDED, || now, &mut dropped);
                let view = View { standing, ring: &state.ring, safe, now };
                Some(view.look(self.cursor, room))
            }
            Owner::Listener(listener) => {
                let mut standing = hub.lock_to_tell(channel, &state, listener);
                (standing.seated == Some(*seated)).then(|| {
                    state.settle(&mut standing, &mut dropped);
                    standing.is_looked_at();
                    let cursor = standing.cursor(self.cursor);
                    let view = View { standing: &standing, ring: state.ring_for(&standing), safe, now };
                    let found = view.look(cursor, room);
                    let withheld = standing.is_withheld(safe);
                    if let Some(explicit) = &mut standing.explicit {
                        // what comes again alone leaves the cursor where it is
                        let beside = !found.empty() && found.cursor.at == cursor.at;
                        explicit.looked(found.empty() && found.starved, beside);
                        if withheld {
                            explicit.stir();
                        }
                    }
                    found
                })
            }
        };
        drop(state);
        hub.forget(&dropped);
        found.map(|found| (found, delay))
    }

    /// Moves the receiver's place, and tells its generation and what of it comes again; `None` where it has another stream by
    /// now, or what was read no longer stands.
    fn hand_over(&mut self, next: &Look, unwanted: &[Position]) -> Option<(u64, Vec<Repeat>)> {
        let Place { hub, channel, seated, .. } = &self.place;
        let now = hub.clock();
        let listener = match &mut self.owner {
            Owner::Watcher(standing) => {
                standing.move_to(next, now, state::window(&ChannelSettings::default(), now), &mut Vec::new());
                return Some((0, Vec::new()));
            }
            Owner::Listener(listener) => listener,
        };
        let mut state = channel.lock();
        let mut standing = listener.lock();
        let mut dropped = Vec::new();
        if standing.explicit.is_some() {
            // what went meanwhile is a gap, and no part of what is passed
            state.settle(&mut standing, &mut dropped);
        }
        if standing.seated != Some(*seated) || !standing.still(next, state.ring_for(&standing)) {
            drop(standing);
            drop(state);
            hub.forget(&dropped);
            return None;
        }
        let mut handed = (0, Vec::new());
        if standing.explicit.is_some() {
            let now = hub.clock_ms();
            let ring = state.ring_for(&standing);
            handed.1 = standing.deliver(next, unwanted, ring, now, &mut dropped);
            if let Some(explicit) = &standing.explicit {
                handed.0 = explicit.generation();
                self.turn = self.turn.map(|_| explicit.turn());
            }
            let overdue = standing.ack_deadline().map(|allowed| now.saturating_add(allowed));
            hub.set_alarm(channel, listener, &mut standing, overdue);
        } else {
            standing.move_to(next, now, state.window(now), &mut dropped);
            state.age(listener, &mut standing);
        }
        drop(standing);
        drop(state);
        hub.forget(&dropped);
        hub.room.changed();
        Some(handed)
    }
}

/// What a stream found when it read for itself.
pub(super) enum Fetched {
    Batch(Handed),
    Nothing,
    /// The log reads for it.
    Reading,
    /// It moved on without anything to show.
    Again,
    Failed(Error),
}

/// What a log reads for a stream that does something else meanwhile.
#[derive(Debug)]
pub(super) struct Reading {
    positions: Box<[Position]>,
    fetch: Fetch,
    found: Option<Result<Vec<Entry>, LogError>>,
}

impl Reading {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.found.is_none() {
            let read = ready!(Pin::new(&mut self.fetch).poll(context));
            // a log that has ended answers nobody
            self.found = Some(read.unwrap_or(Err(LogError::Unavailable)));
        }
        Poll::Ready(())
    }
}
