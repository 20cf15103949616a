//! The hub: every verb of the service is one method here, over any log.
//!
//! In reading order: `settings` and `tally` say what may be bounded; a `channel` has a `state`: a `ring` of
//! broadcasts and `listener`s, each with its `standing`: a `queue` of its own dispatches and its `gap`s; `look` says what is
//! next for a stream; a `subscription` is a stream's cursor, which waits at a `desk` for the `bell` of its core; a
//! `bundle` is all that one `stream` carries, its `members`, `shared` where that is more than one subscription, which take
//! turns as they are `ready`; what may be a million lies `spread`; `presence` is who listens, for those who watch for it; `explicit` is what a listener has in hand until it acknowledges;
//! `channels`, `listeners`, `publish`, `run`, `subscribe`, `pull`, `acknowledge`, `dead_letter` and `browse` are the verbs; `ids` knows
//! what was accepted before; `room`, `upkeep` and `alarm` keep everything bounded.

mod acknowledge;
mod alarm;
mod attendance;
mod batch;
mod bell;
mod browse;
mod bundle;
mod channel;
mod channels;
mod cursor;
mod dead_letter;
mod desk;
mod event;
mod expiry;
mod explicit;
mod gap;
mod gone;
mod ids;
mod keep;
mod kept;
mod listener;
mod listeners;
mod lives;
mod look;
mod lowest;
mod members;
mod next;
mod options;
mod place;
mod presence;
mod publish;
mod pull;
mod queue;
mod ready;
mod recover;
mod ring;
mod room;
mod run;
mod session;
mod settings;
mod shared;
mod spread;
mod standing;
mod state;
mod stream;
mod subscribe;
mod subscription;
mod tally;
mod token;
mod unsaved;
mod upkeep;

#[cfg(test)]
mod tests;

pub use acknowledge::{Acknowledged, Acknowledgement, Extension, Life};
pub use batch::{Batch, FORMATS, Handed, Repeat};
pub use bell::on_core;
pub use browse::Page;
pub use bundle::{Bundle, StreamChange};
pub use channels::{ChannelInfo, Created};
pub use dead_letter::{Rejected, Rejection, Requeued};
pub use desk::Ending;
pub use event::Event;
pub use gap::{Gap, GapReason, Span};
pub use listeners::{ListenerInfo, NewListener, Purged, Registered};
pub use options::{Credit, From, ListenOptions, Receiver, TakeOver};
pub use presence::{PresenceChange, PresenceEvent};
pub use publish::Accepted;
pub use run::Publication;
pub use settings::{
    AcknowledgementMode, Backoff, ChannelSettings, Limits, ListenerSettings, Overflow, Redelivery,
};
pub use stream::{StreamId, StreamKind};
pub use subscription::{Started, Subscription};
pub use tally::{Quota, Tally};
pub use token::{Incarnation, ResumeToken};
pub use upkeep::keep;

use crate::{
    error::Error,
    id::{ChannelId, ListenerId},
    log::{Durability, Figures, Log, Position, Record},
};
use bell::Bells;
use channel::Channel;
use desk::Ending as End;
use gone::{Gone, How};
use listener::Listener;
use spread::Spread;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::SystemTime,
};
use tokio::time::Instant;

/// All channels of a server.
pub struct Hub {
    log: Arc<dyn Log>,
    limits: Limits,
    incarnation: Incarnation,
    lives: lives::Lives,
    began: Instant,
    began_at: i64,
    /// When the hub began, by the calendar as the machine has it now.
    unix_nanos_at_begin: AtomicI64,
    channels: RwLock<Channels>,
    listeners: AtomicU64,
    streams: AtomicU64,
    /// Subscriptions that share a stream with others, or could.
    sharing: AtomicU64,
    next_stream: AtomicU64,
    bundles: Mutex<stream::Streams>,
    closing: AtomicBool,
    bells: Bells,
    gone: Mutex<Gone>,
    alarms: Arc<alarm::Alarms>,
    room: room::Room,
    unsaved: Arc<unsaved::Unsaved>,
    id_keys: ids::Keys,
    id_budget: ids::Budget,
}

#[derive(Default)]
struct Channels {
    by_id: Spread<Arc<str>, Arc<Channel>>,
    by_birth: BTreeMap<Position, Arc<Channel>>,
}

/// A hub in numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HubInfo {
    /// The tag of this start.
    pub incarnation: Incarnation,
    /// When it began, in nanoseconds since 1970-01-01 UTC.
    pub began_at: i64,
    /// What accepted means.
    pub durability: Durability,
    /// The limits in force.
    pub limits: Limits,
    /// How many channels there are.
    pub channels: u64,
    /// How many listeners are registered.
    pub listeners: u64,
    /// How many streams are open.
    pub streams: u64,
    /// What the log holds, in bytes.
    pub log_bytes: u64,
    /// What the log says of itself, where it is on disk.
    pub log: Option<Figures>,
    /// What the memory of accepted ids takes, in bytes.
    pub id_bytes: u64,
    /// How many ids were forgotten before their time, for want of room.
    pub ids_evicted: u64,
}

impl Hub {
    /// Begins an incarnation over a log, with all that it has kept over the end of a process. It is safe to serve once
    /// [`Hub::settled`] says so.
    ///
    /// `cores` is how many threads call [`Hub::attend`], each of which has said [`on_core`] first; 0 where the hub is
    /// embedded and its streams are polled anywhere.
    ///
    /// # Errors
    /// [`Error::Log`]: the log could not be read back, or did not take the start's position.
    pub fn new(log: Arc<dyn Log>, limits: Limits, cores: usize) -> Result<Arc<Self>, Error> {
        let (began, unix_nanos) = (Instant::now(), now());
        let (keys, budget) = (ids::Keys::default(), ids::Budget::new(limits.max_idempotency_bytes));
        let regain = recover::Regain::read(&*log, Moment { millis: 0, unix_nanos }, &keys, &budget)?;
        let incarnation = Incarnation::random();
        log.append(Record::Start { incarnation: incarnation.to_u64(), started_at: now() })?;
        let hub = Arc::new_cyclic(|this: &std::sync::Weak<Self>| {
            let this = this.clone();
            log.watermark().follow(cores, move |position| {
                if let Some(hub) = this.upgrade() {
                    hub.bells.settle(position);
                }
            });
            Self::over(log, limits, cores, incarnation, began, (keys, budget))
        });
        hub.regain(regain)?;
        Ok(hub)
    }

    fn over(
        log: Arc<dyn Log>,
        limits: Limits,
        cores: usize,
        incarnation: Incarnation,
        began: Instant,
        (id_keys, id_budget): (ids::Keys, ids::Budget),
    ) -> Self {
        Self {
            lives: lives::Lives::on_record(&log.starts()),
            log,
            limits,
            incarnation,
            began,
            began_at: now(),
            unix_nanos_at_begin: AtomicI64::new(now()),
            channels: RwLock::default(),
            listeners: AtomicU64::new(0),
            streams: AtomicU64::new(0),
            sharing: AtomicU64::new(0),
            next_stream: AtomicU64::new(fastrand::u64(1..=StreamId::LARGEST_FIRST)),
            bundles: Mutex::default(),
            closing: AtomicBool::new(false),
            bells: Bells::new(cores),
            gone: Mutex::default(),
            alarms: Arc::default(),
            room: room::Room::default(),
            unsaved: Arc::default(),
            id_keys,
            id_budget,
        }
    }

    /// The hub in numbers.
    pub fn info(&self) -> HubInfo {
        HubInfo {
            incarnation: self.incarnation,
            began_at: self.began_at,
            durability: self.log.durability(),
            limits: self.limits,
            channels: self.channels().by_id.len() as u64,
            listeners: self.listeners.load(Ordering::Relaxed),
            streams: self.streams.load(Ordering::Relaxed),
            log_bytes: self.log.bytes(),
            log: self.log.figures(),
            id_bytes: self.id_budget.taken(),
            ids_evicted: self.id_budget.evicted(),
        }
    }

    /// The tag of this start.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Waits until what was accepted at a position is safe.
    ///
    /// # Errors
    /// [`Error::Log`]: the log cannot write now. Whether it was accepted is not known.
    pub async fn durable(&self, position: Position) -> Result<(), Error> {
        Ok(self.log.watermark().reached_at(self.bells.desk_here(), position).await?)
    }

    /// Waits until everything is safe that was changed or accepted so far.
    ///
    /// # Errors
    /// As [`Hub::durable`].
    pub async fn settled(&self) -> Result<(), Error> {
        self.durable(self.log.last()).await
    }

    /// Ends every stream with [`Error::ShuttingDown`] and opens no more. Twice is once.
    pub fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        let ending = End::Failed(Error::ShuttingDown);
        self.channels().by_id.values().for_each(|channel| channel.end_streams(&ending));
        self.wake_streams();
    }

    fn open(&self) -> Result<(), Error> {
        if self.closing.load(Ordering::SeqCst) { Err(Error::ShuttingDown) } else { Ok(()) }
    }

    fn channels(&self) -> RwLockReadGuard<'_, Channels> {
        self.channels.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn channels_mut(&self) -> RwLockWriteGuard<'_, Channels> {
        self.channels.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn gone(&self) -> MutexGuard<'_, Gone> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn channel(&self, id: ChannelId<'_>) -> Result<Arc<Channel>, Error> {
        let channel = self.channels().by_id.get(id.as_str()).cloned();
        channel.ok_or_else(|| self.no_channel(id))
    }

    /// The channel of this birth.
    fn born(&self, birth: Position) -> Option<Arc<Channel>> {
        self.channels().by_birth.get(&birth).cloned()
    }

    fn no_channel(&self, id: ChannelId<'_>) -> Error {
        let channel = id.as_str().to_owned();
        if self.gone().how(&channel, None).is_some() {
            Error::ChannelRemoved { channel }
        } else {
            Error::ChannelNotFound { channel }
        }
    }

    fn no_listener(&self, channel: &Channel, id: ListenerId<'_>) -> Error {
        let (channel, listener) = (channel.id.to_string(), id.as_str().to_owned());
        match self.gone().how(&channel, Some(&listener)) {
            Some(How::Removed) => Error::ListenerRemoved { channel, listener },
            Some(How::Expired) => Error::ListenerExpired { channel, listener },
            None => Error::ListenerNotFound { channel, listener },
        }
    }

    fn listener_in(
        &self,
        channel: &Channel,
        state: &state::State,
        id: ListenerId<'_>,
    ) -> Result<Arc<Listener>, Error> {
        state.listener(id.as_str()).cloned().ok_or_else(|| self.no_listener(channel, id))
    }

    /// Seconds since the hub began, by a clock that never goes back.
    fn clock(&self) -> u32 {
        u32::try_from(self.began.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    /// The same in milliseconds.
    fn clock_ms(&self) -> u64 {
        millis(self.began.elapsed())
    }

    /// Now, by both of the hub's clocks, for one look at the machine's.
    fn moment(&self) -> Moment {
        let elapsed = self.began.elapsed();
        let since = i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX);
        Moment {
            millis: millis(elapsed),
            unix_nanos: self.unix_nanos_at_begin.load(Ordering::Relaxed).saturating_add(since),
        }
    }

    /// The machine's calendar may have been set meanwhile.
    fn set_calendar(&self) {
        let since = i64::try_from(self.began.elapsed().as_nanos()).unwrap_or(i64::MAX);
        self.unix_nanos_at_begin.store(now().saturating_sub(since), Ordering::Relaxed);
    }

    fn token(&self, channel: &Channel, sequence: Position) -> ResumeToken {
        ResumeToken { incarnation: self.lives.of(sequence), birth: channel.birth, sequence, turn: None }
    }

    /// Where a stream stands that has everything of its channel up to a sequence; `token` is any of the same channel.
    pub fn token_at(&self, token: ResumeToken, sequence: Position) -> ResumeToken {
        ResumeToken { incarnation: self.lives.of(sequence), sequence, turn: None, ..token }
    }

    fn forget(&self, dropped: &[Position]) {
        if !dropped.is_empty() {
            self.log.delete(dropped);
            self.room.changed();
        }
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("incarnation", &self.incarnation).finish_non_exhaustive()
    }
}

/// A moment.
#[derive(Clone, Copy, Debug)]
struct Moment {
    /// Since the hub began, by a clock that never goes back.
    millis: u64,
    /// Since 1970-01-01 UTC, by the machine's calendar.
    unix_nanos: i64,
}

/// Now, in nanoseconds since 1970-01-01 UTC.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

fn unix_millis() -> i64 {
    now() / 1_000_000
}

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Adds one to a count unless it stands at its limit.
fn take_one(count: &AtomicU64, max: u64) -> bool {
    count
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < max).then_some(count + 1))
        .is_ok()
}
