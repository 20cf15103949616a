//! The bells: one for each core, so that a broadcast wakes a core once and not once per stream.
//!
//! Ringing a channel marks its desk on every core that has streams there, unless it is marked already, and wakes the
//! core. The core takes the mark off *before* it looks what is new, so what is accepted later marks it again. It reads
//! what is new once, lays it on the desk for all streams that are level, and wakes those who wait.

mod hear;

use super::{
    Hub,
    batch::{Batch, Room},
    channel::Channel,
    desk::Tail,
    expiry::Expiry,
    listener::Listener,
};
use crate::log::{Position, Watermark};
use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
};
use tokio::sync::Notify;

/// What a bell brings at most: as much as one response.
pub(super) const MAX_TAIL_BYTES: u64 = 256 * 1024;

thread_local! {
    static HERE: Cell<usize> = const { Cell::new(OUTSIDE) };
}

/// Where those sit that are on no core.
const OUTSIDE: usize = 0;

/// Says that this thread is a core, counted from 0. Its streams will wait for [`Hub::attend`] of that core.
pub fn on_core(core: usize) {
    HERE.set(core + 1);
}

/// The desk of this thread.
pub(super) fn here() -> usize {
    HERE.get()
}

#[derive(Clone, Debug)]
enum Ring {
    Channel(Arc<Channel>),
    Listener(Arc<Channel>, Arc<Listener>),
}

#[derive(Debug, Default)]
struct Core {
    rung: Mutex<Vec<Ring>>,
    wake: Notify,
}

impl Core {
    fn rung(&self) -> MutexGuard<'_, Vec<Ring>> {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self, ring: Ring) {
        let first = {
            let mut rung = self.rung();
            rung.push(ring);
            rung.len() == 1
        };
        if first {
            self.wake.notify_one();
        }
    }
}

/// A ring for what is not safe yet, from one position up to another: once for each rise of the watermark, however much
/// comes in between.
#[derive(Debug)]
struct Later {
    first: Position,
    last: Position,
    ring: Ring,
}

impl Later {
    fn at(position: Position, ring: Ring) -> Self {
        Self { first: position, last: position, ring }
    }

    /// Who announces is not always who was first to be accepted.
    fn stretch(&mut self, position: Position) {
        self.first = self.first.min(position);
        self.last = self.last.max(position);
    }

    /// Hands the ring over where something has become safe, with the last position of that; true: there is more that has
    /// not.
    fn settle(&mut self, through: Position, safe: &mut Vec<(Ring, Position)>) -> bool {
        if self.first <= through {
            safe.push((self.ring.clone(), self.last.min(through)));
            // or later: to ring for nothing costs a look
            self.first = Position(through.0 + 1);
        }
        self.last > through
    }
}

/// The bells of all cores, and what will ring when it is safe: by the birth of the channel or the listener.
#[derive(Debug)]
pub(super) struct Bells {
    cores: Box<[Core]>,
    unsafe_yet: Mutex<BTreeMap<Position, Later>>,
}

impl Bells {
    pub(super) fn new(cores: usize) -> Self {
        Self { cores: (0..=cores).map(|_| Core::default()).collect(), unsafe_yet: Mutex::default() }
    }

    /// How many desks a channel has.
    pub(super) fn desks(&self) -> usize {
        self.cores.len()
    }

    /// The desk for a stream that begins on this thread.
    pub(super) fn desk_here(&self) -> usize {
        if here() < self.cores.len() { here() } else { OUTSIDE }
    }

    /// Something was broadcast up to `head`, and is safe. It takes no channel's lock: whoever rings may have one.
    pub(super) fn ring_channel(&self, channel: &Arc<Channel>, head: Position) {
        for (at, (core, desk)) in self.cores.iter().zip(&channel.desks).enumerate() {
            if desk.occupied() == 0 {
                continue;
            }
            if at == OUTSIDE {
                desk.wake_all(head);
            } else if !desk.rung.swap(true, Ordering::SeqCst) {
                core.ring(Ring::Channel(Arc::clone(channel)));
            }
        }
    }

    /// Something was dispatched to a listener, and is safe.
    pub(super) fn ring_listener(&self, channel: &Arc<Channel>, listener: &Arc<Listener>) {
        let Some(seated) = listener.lock().seated else { return };
        if seated.core == OUTSIDE {
            channel.desks[OUTSIDE].wake(seated.seat);
        } else if !listener.rung.swap(true, Ordering::SeqCst) {
            self.cores[seated.core].ring(Ring::Listener(Arc::clone(channel), Arc::clone(listener)));
        }
    }

    /// Something was accepted and will be safe later, whatever becomes of the call that brought it.
    pub(super) fn ring_later(
        &self,
        watermark: &Watermark,
        position: Position,
        channel: &Arc<Channel>,
        listener: Option<&Arc<Listener>>,
    ) {
        let birth = listener.map_or(channel.birth, |listener| listener.birth);
        let ring = || match listener {
            None => Ring::Channel(Arc::clone(channel)),
            Some(listener) => Ring::Listener(Arc::clone(channel), Arc::clone(listener)),
        };
        self.unsafe_yet()
            .entry(birth)
            .and_modify(|later| later.stretch(position))
            .or_insert_with(|| Later::at(position, ring()));
        // it may have become safe just before
        let safe = watermark.position();
        if safe >= position {
            self.settle(safe);
        }
    }

    /// Everything up to a position is safe.
    pub(super) fn settle(&self, through: Position) {
        let mut safe = Vec::new();
        self.unsafe_yet().retain(|_, later| later.settle(through, &mut safe));
        for (ring, head) in safe {
            match ring {
                Ring::Channel(channel) => self.ring_channel(&channel, head),
                Ring::Listener(channel, listener) => self.ring_listener(&channel, &listener),
            }
        }
    }

    fn unsafe_yet(&self) -> MutexGuard<'_, BTreeMap<Position, Later>> {
        self.unsafe_yet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    /// Answers the bell of this core, and tells those who wait for the log, for ever. Runs on the thread that said
    /// [`on_core`].
    pub async fn attend(&self) {
        let desk = self.bells.desk_here();
        tokio::join!(self.hear(&self.bells.cores[desk]), self.log.watermark().attend(desk));
    }

    /// Tells how many streams were woken.
    fn answer(&self, ring: Ring) -> usize {
        match ring {
            Ring::Channel(channel) => self.answer_channel(&channel),
            Ring::Listener(channel, listener) => {
                listener.rung.store(false, Ordering::SeqCst);
                let seated = listener.lock().seated;
                match seated {
                    Some(seated) if seated.core == here() => channel.desks[seated.core].wake(seated.seat),
                    // another core's stream has taken over, and this bell has kept its own from being rung
                    Some(_) => self.bells.ring_listener(&channel, &listener),
                    None => {}
                }
                1
            }
        }
    }

    fn answer_channel(&self, channel: &Arc<Channel>) -> usize {
        let desk = &channel.desks[here()];
        desk.rung.store(false, Ordering::SeqCst);
        let safe = self.log.watermark().position();
        let news = self.news(channel, desk.seen(), safe);
        let woken = desk.bring(news.seen, news.tail);
        // a backlog larger than one batch came at once
        if news.more {
            self.bells.ring_channel(channel, news.seen);
        }
        woken
    }

    /// What is new in a channel, read once for all streams of a core.
    fn news(&self, channel: &Channel, seen: Position, safe: Position) -> News {
        let (positions, expiry, after, tally, head) = {
            let state = channel.lock();
            let after = seen.max(state.ring.floor());
            let new = state.ring.after(after).take_while(|broadcast| broadcast.position <= safe);
            let (mut positions, mut expiry) = (Vec::new(), Expiry::NEVER);
            let room = Room::new(usize::MAX, MAX_TAIL_BYTES);
            room.take(
                new,
                |broadcast| broadcast.bytes,
                |broadcast| {
                    positions.push(broadcast.position);
                    expiry = expiry.min(broadcast.expiry);
                },
            );
            let tally = state.ring.tally_through(positions.last().copied().unwrap_or(after));
            (positions, expiry, after, tally, state.ring.last().min(safe))
        };
        // what was trimmed before the bell was heard is a gap, which streams find by themselves
        let Some(&through) = positions.last() else { return News { seen: head, tail: None, more: false } };
        let mut entries = Vec::with_capacity(positions.len());
        let read = self.log.read_at_hand(&positions, &mut entries).unwrap_or(false);
        if !read || entries.len() < positions.len() || expiry.is_past(self.clock_ms()) {
            // streams read for themselves, and say what is missing
            return News { seen: head, tail: None, more: false };
        }
        let bytes = Room::taken_by(&entries);
        let batch = Arc::new(Batch::new(Vec::new(), entries, self.token(channel, through)));
        News { seen: through, tail: Some(Tail { after, tally, batch, bytes, expiry }), more: through < head }
    }
}

/// What a bell brings to a desk.
struct News {
    seen: Position,
    tail: Option<Tail>,
    more: bool,
}

#[cfg(test)]
mod tests {
    use super::{
        super::{settings::ChannelSettings, state::State, unsaved::Mark},
        *,
    };
    use tokio::time::Instant;

    #[test]
    fn what_rings_later_rings_for_each_rise_that_makes_some_of_it_safe_and_is_then_forgotten() {
        let state = State::new(Position(1), ChannelSettings::default(), Instant::now());
        let channel = Channel::new("c".into(), Position(1), 0, 1, Mark::default(), state);
        let mut later = Later::at(Position(7), Ring::Channel(Arc::new(channel)));
        later.stretch(Position(5));
        later.stretch(Position(9));
        let mut rings = |through| {
            let mut safe = Vec::new();
            (later.settle(Position(through), &mut safe), safe.len())
        };
        assert_eq!([4, 5, 6, 9].map(&mut rings), [(true, 0), (true, 1), (true, 1), (false, 1)]);
    }
}
