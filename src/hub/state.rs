//! What a channel's critical section guards: its settings, its broadcasts, and who listens.
//!
//! [`full`] finds who has no room for a broadcast, [`age`] lets go of what has grown old, [`kept`] is what a log keeps of it.

mod age;
mod full;
mod kept;

pub(super) use age::window;

use super::{
    expiry::Expiry,
    ids::Ids,
    listener::Listener,
    lowest::Lowest,
    ring::{InHand, Ring},
    settings::{ChannelSettings, Overflow},
    spread::Spread,
    standing::{Allowance, Standing},
    tally::Tally,
};
use crate::log::Position;
use full::Fullest;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};
use tokio::time::Instant;

/// What a channel's critical section guards.
#[derive(Debug)]
pub(super) struct State {
    /// When the hub's clock began.
    began: Instant,
    pub(super) settings: ChannelSettings,
    /// When the backlog's limit was set.
    limited_at: Position,
    /// The last position of an earlier start.
    regained_to: Position,
    pub(super) removed: bool,
    /// The newest message.
    pub(super) last: Position,
    /// Messages that were accepted since the start.
    pub(super) accepted: u64,
    pub(super) ring: Ring,
    /// What those hear who get no broadcasts.
    silence: Ring,
    /// What was accepted under ids that senders gave.
    pub(super) ids: Ids,
    by_id: Spread<Arc<str>, Arc<Listener>>,
    by_birth: BTreeMap<Position, Arc<Listener>>,
    /// Who has passed the least.
    behind: Lowest,
    /// Who is the nearest to being full, where that refuses broadcasts.
    fullest: Option<Fullest>,
    /// Listeners whose window holds something, and when to look at it again, in seconds of the hub's clock.
    ageing: BTreeSet<(u32, Position)>,
    /// At so many it was looked, since it is being found out how far everybody has come.
    looked_at: usize,
    /// How far everybody had come, and when.
    passed_by_all: VecDeque<(u32, Position)>,
    /// EXPLICIT listeners that have a stream, or had one lately.
    holders: BTreeMap<Position, Arc<Listener>>,
}

impl State {
    pub(super) fn new(birth: Position, settings: ChannelSettings, began: Instant) -> Self {
        let mut state = Self {
            began,
            settings: settings.clone(),
            limited_at: birth,
            regained_to: Position::ZERO,
            removed: false,
            last: birth,
            accepted: 0,
            ring: Ring::new(birth),
            silence: Ring::new(Position::ZERO),
            ids: Ids::default(),
            by_id: Spread::default(),
            by_birth: BTreeMap::new(),
            behind: Lowest::default(),
            fullest: None,
            ageing: BTreeSet::new(),
            looked_at: 0,
            passed_by_all: VecDeque::new(),
            holders: BTreeMap::new(),
        };
        state.set(settings, birth);
        state
    }

    pub(super) fn set(&mut self, settings: ChannelSettings, at: Position) {
        if settings.max_backlog != self.settings.max_backlog {
            self.limited_at = at;
        }
        let overflow = settings.broadcast_overflow;
        let redelivers = settings.redelivery != self.settings.redelivery;
        let before = std::mem::replace(&mut self.settings, settings).dead_letter_listener;
        if before != self.settings.dead_letter_listener {
            self.change_hearing(before.as_deref(), at);
        }
        if redelivers {
            self.by_birth.values().for_each(|listener| self.adopt(&mut listener.lock()));
        }
        self.age_anew();
        match overflow {
            Overflow::DropOldest => self.fullest = None,
            Overflow::RejectNew => {
                let mut fullest = Fullest::default();
                self.by_birth
                    .values()
                    .for_each(|listener| fullest.put(listener.birth, &listener.lock(), &self.ring));
                self.fullest = Some(fullest);
            }
        }
    }

    /// Another listener receives dead letters: it hears no broadcasts from here on, and the one before does again.
    fn change_hearing(&mut self, before: Option<&str>, at: Position) {
        if let Some(listener) = before.and_then(|id| self.by_id.get(id)) {
            let mut standing = listener.lock();
            standing.idle_since = self.now();
            standing.hear_from(at, &self.ring);
            self.behind.put(listener.birth, to_key(standing.heard()));
        }
        if let Some(listener) = self.dead_letter_listener() {
            let mut standing = listener.lock();
            // what is gone has a gap of its own; nothing is dropped, since nothing is newer than the limit
            standing.settle(
                &self.ring,
                Allowance { since: at, ..self.allowance() },
                || self.now(),
                &mut Vec::new(),
            );
            let first = standing.first_in_hand(&self.ring);
            standing.hear_no_more(at, &self.ring, &self.silence);
            if standing.first_in_hand(&self.silence) == first {
                standing.advance(&self.silence, self.now());
            } else {
                standing.begin_with_another(&self.silence, self.now());
            }
        }
    }

    /// Has just him hear no broadcasts who receives dead letters, from a position on; tells whether that was another one.
    pub(super) fn agree_on_hearing(&mut self, at: Position) -> bool {
        let named = self.dead_letter_listener().map(|listener| listener.birth);
        let deaf = self.by_birth.values().find(|listener| listener.lock().deaf);
        let deaf = deaf.map(|listener| (listener.birth, Arc::clone(&listener.id)));
        let another = deaf.as_ref().map(|(birth, _)| *birth) != named;
        if another {
            self.change_hearing(deaf.as_ref().map(|(_, id)| &**id), at);
        }
        another
    }

    pub(super) fn listeners(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn listener(&self, id: &str) -> Option<&Arc<Listener>> {
        self.by_id.get(id)
    }

    /// The listener of this birth.
    pub(super) fn born(&self, birth: Position) -> Option<&Arc<Listener>> {
        self.by_birth.get(&birth)
    }

    /// What those hear who get no broadcasts.
    pub(super) fn silence(&self) -> &Ring {
        &self.silence
    }

    /// Those born after a position, in the order of their births.
    pub(super) fn listeners_after(&self, birth: Position) -> impl Iterator<Item = &Arc<Listener>> {
        let after = (std::ops::Bound::Excluded(birth), std::ops::Bound::Unbounded);
        self.by_birth.range(after).map(|(_, listener)| listener)
    }

    pub(super) fn add(&mut self, listener: Arc<Listener>) {
        let standing = listener.lock();
        self.behind.put(listener.birth, to_key(standing.passed));
        // what everybody had passed before, this one has not: it waits, and does not grow old
        self.passed_by_all.retain(|(_, through)| *through <= standing.passed);
        if let Some(fullest) = &mut self.fullest {
            fullest.put(listener.birth, &standing, &self.ring);
        }
        drop(standing);
        self.by_birth.insert(listener.birth, Arc::clone(&listener));
        self.by_id.insert(Arc::clone(&listener.id), listener);
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Arc<Listener>> {
        let listener = self.by_id.remove(id)?;
        self.by_birth.remove(&listener.birth);
        self.behind.remove(listener.birth);
        self.holders.remove(&listener.birth);
        if let Some(fullest) = &mut self.fullest {
            fullest.remove(listener.birth);
        }
        Some(listener)
    }

    /// A message has this position.
    pub(super) fn accept(&mut self, position: Position) {
        self.last = position;
        self.accepted += 1;
    }

    /// Takes a broadcast in; what is beyond every listener's backlog and every window goes.
    pub(super) fn push_broadcast(
        &mut self,
        position: Position,
        bytes: u64,
        expiry: Expiry,
        dropped: &mut Vec<Position>,
    ) {
        self.accept(position);
        self.ring.push(position, bytes, expiry);
        self.ring.drop_beyond(self.settings.max_backlog.larger(self.settings.max_replay), dropped);
    }

    /// Who receives dead letters.
    pub(super) fn dead_letter_listener(&self) -> Option<&Arc<Listener>> {
        self.by_id.get(self.settings.dead_letter_listener.as_ref()?)
    }

    /// Whether a listener is named to receive dead letters.
    pub(super) fn is_dead_letter_listener(&self, id: &str) -> bool {
        self.settings.dead_letter_listener.as_deref() == Some(id)
    }

    /// How many hear a broadcast.
    pub(super) fn hearers(&self) -> usize {
        self.by_id.len() - usize::from(self.dead_letter_listener().is_some())
    }

    /// The broadcasts that a receiver hears.
    pub(super) fn ring_for(&self, standing: &Standing) -> &Ring {
        if standing.deaf { &self.silence } else { &self.ring }
    }

    /// Makes the rules true that were left aside while nobody looked at a listener.
    pub(super) fn settle(&self, standing: &mut Standing, dropped: &mut Vec<Position>) {
        let ring = self.ring_for(standing);
        standing.adopt(self.settings.redelivery, ring, || self.now());
        standing.settle(ring, self.allowance(), || self.now(), dropped);
    }

    /// Takes on the channel's way to redeliver.
    pub(super) fn adopt(&self, standing: &mut Standing) {
        let ring = if standing.deaf { &self.silence } else { &self.ring };
        standing.adopt(self.settings.redelivery, ring, || self.now());
    }

    fn now(&self) -> u64 {
        super::millis(self.began.elapsed())
    }

    /// How much may wait for one listener.
    pub(super) fn allowance(&self) -> Allowance {
        // what a crash forgot of acknowledgements does not make a backlog overflow
        Allowance { quota: self.settings.max_backlog, since: self.limited_at.max(self.regained_to) }
    }
}

fn to_key(position: Position) -> i64 {
    position.to_i64()
}
