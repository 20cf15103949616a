//! A channel: one order, its broadcasts and its listeners.

mod kept;

use super::{
    desk::{Desk, Ending},
    expiry::Expiry,
    ids::Ids,
    listener::{Allowance, Listener, Seated, Standing},
    lowest::Lowest,
    presence::Presence,
    queue::Window,
    ring::{InHand, Ring},
    settings::{ChannelSettings, Overflow},
    tally::Tally,
    unsaved::{Guard, Mark, Who},
};
use crate::{error::Error, log::Position};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::time::Instant;

/// How often in a replay window it is noted how far everybody has come: what is old may stay for so much longer.
const SAMPLES: u32 = 64;

/// A channel.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) id: Arc<str>,
    pub(super) birth: Position,
    pub(super) created_at: i64,
    /// One for each core; the first is for those outside of the cores.
    pub(super) desks: Box<[Desk]>,
    /// It has a stream delay, so that each of its streams goes its own pace.
    pub(super) paced: AtomicBool,
    /// Who listens, while somebody watches for it.
    pub(super) presence: Presence,
    pub(super) unsaved: Mark,
    state: Mutex<State>,
}

impl Channel {
    pub(super) fn new(
        id: Arc<str>,
        birth: Position,
        created_at: i64,
        desks: usize,
        unsaved: Mark,
        state: State,
    ) -> Self {
        Self {
            id,
            birth,
            created_at,
            desks: (0..desks).map(|_| Desk::default()).collect(),
            paced: AtomicBool::new(!state.settings.stream_delay.is_zero()),
            presence: Presence::new(state.settings.presence_grace),
            unsaved,
            state: Mutex::new(state),
        }
    }

    /// The critical section: it fixes admission, membership and position.
    pub(super) fn lock(&self) -> Guard<'_, State> {
        Guard::lock(&self.state, &self.unsaved, Who { channel: self.birth, listener: None })
    }

    /// As [`Channel::lock`], unless the channel is gone.
    pub(super) fn lock_existing(&self) -> Result<Guard<'_, State>, Error> {
        let state = self.lock();
        if state.removed { Err(self.is_removed()) } else { Ok(state) }
    }

    pub(super) fn is_removed(&self) -> Error {
        Error::ChannelRemoved { channel: self.id.to_string() }
    }

    /// How many subscriptions are open.
    pub(super) fn streams(&self) -> usize {
        self.desks.iter().map(Desk::occupied).sum()
    }

    /// Ends the stream that sits there, if any.
    pub(super) fn end_stream(&self, seated: Option<Seated>, ending: Ending) {
        if let Some(seated) = seated {
            self.desks[seated.core].end(seated.seat, seated.stream, ending);
        }
    }

    pub(super) fn end_streams(&self, ending: &Ending) {
        self.desks.iter().for_each(|desk| desk.end_all(ending));
    }

    pub(super) fn clear_desks(&self) {
        self.desks.iter().for_each(Desk::clear);
    }

    /// What of its settings is asked without the lock.
    pub(super) fn set(&self, settings: &ChannelSettings) {
        self.paced.store(!settings.stream_delay.is_zero(), Ordering::Relaxed);
        self.presence.set_grace(settings.presence_grace);
    }
}

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
    pub(super) ring: Ring,
    /// What those hear who get no broadcasts.
    silence: Ring,
    /// What was accepted under ids that senders gave.
    pub(super) ids: Ids,
    by_id: HashMap<Arc<str>, Arc<Listener>>,
    by_birth: BTreeMap<Position, Arc<Listener>>,
    /// Who has passed the least.
    behind: Lowest,
    /// Who is the nearest to being full, where that refuses broadcasts.
    fullest: Option<Fullest>,
    /// Listeners whose window holds something, and when to look at it again, in seconds of the hub's clock.
    ageing: BTreeSet<(u32, Position)>,
    /// How far everybody had come, and when.
    passed_by_all: VecDeque<(u32, Position)>,
    /// EXPLICIT listeners that have a stream, or had one lately.
    holders: BTreeMap<Position, Arc<Listener>>,
}

#[derive(Debug, Default)]
struct Fullest {
    in_messages: Lowest,
    in_bytes: Lowest,
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
            ring: Ring::new(birth),
            silence: Ring::new(Position::ZERO),
            ids: Ids::default(),
            by_id: HashMap::new(),
            by_birth: BTreeMap::new(),
            behind: Lowest::default(),
            fullest: None,
            ageing: BTreeSet::new(),
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
                self.now(),
                &mut Vec::new(),
            );
            standing.hear_no_more(at, &self.ring, &self.silence);
            standing.begin_with_another(&self.silence, self.now());
        }
    }

    /// Has just him hear no broadcasts who receives dead letters, from a position on.
    pub(super) fn agree_on_hearing(&mut self, at: Position) {
        let named = self.dead_letter_listener().map(|listener| listener.birth);
        let deaf = self.by_birth.values().find(|listener| listener.lock().deaf);
        let deaf = deaf.map(|listener| (listener.birth, Arc::clone(&listener.id)));
        if deaf.as_ref().map(|(birth, _)| *birth) != named {
            self.change_hearing(deaf.as_ref().map(|(_, id)| &**id), at);
        }
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
            fullest.in_messages.remove(listener.birth);
            fullest.in_bytes.remove(listener.birth);
        }
        Some(listener)
    }

    /// A dispatch has brought a listener nearer to being full.
    pub(super) fn heavier(&mut self, listener: Position, standing: &Standing) {
        if let Some(fullest) = &mut self.fullest {
            fullest.in_messages.lower(listener, standing.slack_in_messages(&self.ring));
            fullest.in_bytes.lower(listener, standing.slack_in_bytes(&self.ring));
        }
    }

    /// A listener whose backlog has no room for one more broadcast of this size; looked for only where that matters.
    pub(super) fn full_listener(&mut self, bytes: u64, dropped: &mut Vec<Position>) -> Option<Arc<Listener>> {
        let allowance = self.allowance();
        let now = self.now();
        let Self { fullest, by_birth, ring, .. } = self;
        let fullest = fullest.as_mut()?;
        let (by_birth, ring, quota) = (&*by_birth, &*ring, allowance.quota);
        let mut key = |birth: Position, slack: fn(&Standing, &Ring) -> i64| {
            let Some(listener) = by_birth.get(&birth) else { return i64::MAX };
            let mut standing = listener.lock();
            if standing.deaf {
                return i64::MAX;
            }
            // an end for all may have dropped its oldest
            standing.settle(ring, allowance, now, dropped);
            slack(&standing, ring)
        };
        let total = ring.total();
        let bound = to_i64(total.messages) - to_i64(quota.messages);
        let by_messages = fullest.in_messages.at_most(bound, |birth| key(birth, Standing::slack_in_messages));
        // a backlog that is empty has room for one message of any size
        let bound = (to_i64(total.bytes + bytes) - to_i64(quota.bytes)).min(to_i64(total.bytes)) - 1;
        let by_bytes = || fullest.in_bytes.at_most(bound, |birth| key(birth, Standing::slack_in_bytes));
        by_messages.or_else(by_bytes).and_then(|birth| by_birth.get(&birth).cloned())
    }

    /// Takes a broadcast in; what is beyond every listener's backlog and every window goes.
    pub(super) fn push_broadcast(
        &mut self,
        position: Position,
        bytes: u64,
        expiry: Expiry,
        dropped: &mut Vec<Position>,
    ) {
        self.last = position;
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

    /// An EXPLICIT listener has a stream: broadcasts that it has in hand are not dropped because they have expired.
    pub(super) fn holds(&mut self, listener: &Arc<Listener>) {
        self.holders.insert(listener.birth, Arc::clone(listener));
    }

    /// Lets go of broadcasts that have expired.
    pub(super) fn expire(&mut self, now: u64, expired: &mut Vec<Position>) {
        if !self.ring.has_expired(now) {
            return;
        }
        let mut in_hand = InHand::NOTHING;
        self.holders.retain(|_, holder| {
            let standing = holder.lock();
            let attended = standing.attended(now);
            let explicit = standing.explicit.as_ref().filter(|explicit| explicit.outstanding().messages > 0);
            if let Some(explicit) = explicit.filter(|_| attended) {
                in_hand.add(standing.passed, explicit.in_hand_through());
            }
            attended
        });
        self.ring.expire(now, &in_hand, expired);
    }

    /// Which part of a listener's window still stands.
    pub(super) fn window(&self, now: u32) -> Window {
        window(&self.settings, now)
    }

    /// The broadcasts that a receiver hears.
    pub(super) fn ring_for(&self, standing: &Standing) -> &Ring {
        if standing.deaf { &self.silence } else { &self.ring }
    }

    /// Makes the rules true that were left aside while nobody looked at a listener.
    pub(super) fn settle(&self, standing: &mut Standing, dropped: &mut Vec<Position>) {
        let ring = self.ring_for(standing);
        standing.adopt(self.settings.redelivery, ring);
        standing.settle(ring, self.allowance(), self.now(), dropped);
    }

    /// Takes on the channel's way to redeliver.
    fn adopt(&self, standing: &mut Standing) {
        let ring = if standing.deaf { &self.silence } else { &self.ring };
        standing.adopt(self.settings.redelivery, ring);
    }

    fn now(&self) -> u64 {
        super::millis(self.began.elapsed())
    }

    /// How much may wait for one listener.
    pub(super) fn allowance(&self) -> Allowance {
        // what a crash forgot of acknowledgements does not make a backlog overflow
        Allowance { quota: self.settings.max_backlog, since: self.limited_at.max(self.regained_to) }
    }

    /// Has a listener's window looked at when its oldest message is old, unless that is arranged.
    pub(super) fn age(&mut self, listener: &Listener, standing: &mut Standing) {
        if standing.ageing {
            return;
        }
        if let Some(since) = standing.queue.window_since() {
            standing.ageing = true;
            let due = since.saturating_add(seconds(self.settings.replay_window)).saturating_add(1);
            self.ageing.insert((due, listener.birth));
        }
    }

    /// The window lasts for another time.
    fn age_anew(&mut self) {
        for (_, birth) in std::mem::take(&mut self.ageing) {
            if let Some(listener) = self.by_birth.get(&birth).cloned() {
                let mut standing = listener.lock();
                standing.ageing = false;
                self.age(&listener, &mut standing);
            }
        }
    }

    /// Lets go of what has grown old.
    pub(super) fn trim(&mut self, now: u32, dropped: &mut Vec<Position>) {
        self.trim_windows(now, dropped);
        if self.ring.kept() != Tally::default() {
            self.trim_ring(now, dropped);
        }
    }

    fn trim_windows(&mut self, now: u32, dropped: &mut Vec<Position>) {
        while let Some(&(due, birth)) = self.ageing.first()
            && due <= now
        {
            self.ageing.remove(&(due, birth));
            let Some(listener) = self.by_birth.get(&birth).cloned() else { continue };
            let mut standing = listener.lock();
            standing.queue.trim_window(self.window(now), dropped);
            standing.ageing = false;
            self.age(&listener, &mut standing);
        }
    }

    /// A broadcast goes when everybody had passed it for as long as the window lasts, or when the window holds more.
    fn trim_ring(&mut self, now: u32, dropped: &mut Vec<Position>) {
        let passed = self.passed_by_all();
        let window = seconds(self.settings.replay_window);
        let apart = (window / SAMPLES).max(1);
        if self
            .passed_by_all
            .back()
            .is_none_or(|(at, known)| *known < passed && now >= at.saturating_add(apart))
        {
            self.passed_by_all.push_back((now, passed));
        }
        while let Some((_, through)) =
            self.passed_by_all.pop_front_if(|(at, _)| at.saturating_add(window) < now)
        {
            self.ring.drop_through(through, dropped);
        }
        while !self.window_fits(passed) && self.ring.drop_first(dropped) {}
    }

    fn window_fits(&self, passed: Position) -> bool {
        let Some(first) = self.ring.first().filter(|first| *first <= passed) else { return true };
        debug_assert!(first > self.ring.floor(), "what is kept lies above the floor");
        let window = self.ring.tally_through(passed) - self.ring.dropped();
        let quota = self.settings.max_replay;
        window.messages <= quota.messages && window.bytes <= quota.bytes
    }

    fn passed_by_all(&mut self) -> Position {
        let by_birth = &self.by_birth;
        let passed = |birth: Position| match by_birth.get(&birth).map(|listener| listener.lock()) {
            Some(standing) if !standing.deaf => to_key(standing.heard()),
            Some(_) | None => i64::MAX,
        };
        let lowest = self.behind.first(passed).map(|(key, _)| Position(key.unsigned_abs()));
        lowest.map_or(self.ring.last(), |lowest| lowest.min(self.ring.last()))
    }

    /// Empties every replay window, to make room. Tells nothing: what goes was delivered.
    pub(super) fn drop_windows(&mut self, dropped: &mut Vec<Position>) {
        for (_, birth) in std::mem::take(&mut self.ageing) {
            if let Some(listener) = self.by_birth.get(&birth) {
                let mut standing = listener.lock();
                standing.ageing = false;
                standing.queue.drop_window(Position(u64::MAX), dropped);
            }
        }
        let passed = self.passed_by_all();
        self.ring.drop_through(passed, dropped);
    }

    /// Everything that is kept, to be forgotten with the channel.
    pub(super) fn drop_all(&mut self, dropped: &mut Vec<Position>) {
        self.ring.drop_through(Position(u64::MAX), dropped);
        for listener in self.by_birth.values() {
            listener.lock().queue.drop_all(dropped);
        }
    }
}

impl Fullest {
    fn put(&mut self, listener: Position, standing: &Standing, ring: &Ring) {
        self.in_messages.put(listener, standing.slack_in_messages(ring));
        self.in_bytes.put(listener, standing.slack_in_bytes(ring));
    }
}

/// Which part of a listener's window still stands.
pub(super) fn window(settings: &ChannelSettings, now: u32) -> Window {
    Window { handed_since: now.saturating_sub(seconds(settings.replay_window)), quota: settings.max_replay }
}

fn seconds(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).unwrap_or(u32::MAX)
}

fn to_key(position: Position) -> i64 {
    position.to_i64()
}

fn to_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
