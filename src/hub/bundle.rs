//! A bundle: the open subscriptions of one stream, each under its number.
//!
//! Whoever reads the stream has the [`Bundle`]; whoever knows its id may add and remove subscriptions, whether it is read
//! or not. A stream's own lock comes before every other.

use super::{
    Hub, bell,
    event::Event,
    members::{FIRST, Members, Open},
    options::{ListenOptions, Receiver},
    shared::MAX_SUBSCRIPTIONS,
    stream::{Stream, StreamId, StreamKind, Streams},
    token::ResumeToken,
};
use crate::{error::Error, id::ChannelId};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::Ordering},
    task::{Context, Poll},
};

/// No text that a client sends as a stream's id is repeated to it beyond this.
const MAX_ID_CHARS: usize = 32;

/// A stream for whoever reads it. Dropping it ends all of its subscriptions.
#[derive(Debug)]
pub struct Bundle {
    stream: Arc<Stream>,
}

impl Bundle {
    /// No stream carries more.
    pub const MAX_SUBSCRIPTIONS: usize = MAX_SUBSCRIPTIONS;

    /// What ChangeListen names it by.
    pub fn id(&self) -> StreamId {
        self.stream.id
    }

    /// Adds a subscription while the stream opens, and tells its number: from 1, in the order asked.
    ///
    /// # Errors
    /// As [`Hub::subscribe`]; [`Error::InvalidSetting`] for a listener that is there already. It takes no number then.
    pub fn add(
        &self,
        channel: ChannelId<'_>,
        receiver: Receiver<'_>,
        options: ListenOptions,
    ) -> Result<u32, Error> {
        let mut open = self.stream.open();
        if let Some(number) = self.stream.number_of(&open, channel, receiver) {
            let description = format!("subscription {number} of the stream has it already");
            return Err(Error::InvalidSetting { field: "listener", description });
        }
        self.stream.enter(&mut open, channel, receiver, options)
    }

    /// Passes over the number of a subscription that was refused.
    pub fn skip(&self) -> u32 {
        let mut open = self.stream.open();
        let number = open.next_number();
        if number > FIRST {
            open.shared();
        }
        number
    }

    /// What happens next. What a batch holds counts as handed over when this returns.
    ///
    /// No subscription delays another: they take turns. Waiting costs nothing, however many there are.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        let mut open = self.stream.open();
        if let Members::Alone(alone) = &mut open.members {
            return alone.poll(context);
        }
        let closing = self.stream.hub.closing.load(Ordering::SeqCst);
        open.shared().map_or(Poll::Pending, |shared| shared.poll(closing, context))
    }

    /// Whether a poll that follows the last one at once would find nothing: it need not be made, the next event wakes.
    pub fn rests(&self) -> bool {
        match &self.stream.open().members {
            Members::Alone(alone) => alone.rests(),
            Members::Many(_) | Members::Nobody | Members::Closed => false,
        }
    }

    /// A beginning or an end that has yet to be said; deliveries stay.
    pub fn news(&mut self) -> Option<Event> {
        match &mut self.stream.open().members {
            Members::Alone(alone) => alone.news(),
            Members::Many(shared) => shared.news(),
            Members::Nobody | Members::Closed => None,
        }
    }

    /// Where subscriptions stand, to be said now and then; `None`: nothing needs to be said. It is bounded.
    ///
    /// An idle stream says something in any case: nothing, where it has no subscription.
    pub fn heartbeat(&mut self, idle: bool) -> Option<Vec<(u32, ResumeToken)>> {
        match &mut self.stream.open().members {
            Members::Alone(alone) => idle.then(|| vec![(FIRST, alone.token())]),
            Members::Many(shared) => shared.heartbeat(idle),
            Members::Nobody | Members::Closed => idle.then(Vec::new),
        }
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        let hub = &self.stream.hub;
        hub.open_streams().remove(&self.stream.id);
        hub.streams.fetch_sub(1, Ordering::Relaxed);
        let members = std::mem::replace(&mut self.stream.open().members, Members::Closed);
        drop(members);
    }
}

/// An open stream for whoever changes its subscriptions.
#[derive(Debug)]
pub struct StreamChange {
    stream: Arc<Stream>,
}

impl StreamChange {
    /// Adds a listener and tells its number; one that is there has its credit updated, and nothing else.
    ///
    /// # Errors
    /// As [`Hub::subscribe`]; [`Error::StreamNotFound`] once the stream has ended.
    pub fn add(
        &self,
        channel: ChannelId<'_>,
        receiver: Receiver<'_>,
        options: ListenOptions,
    ) -> Result<u32, Error> {
        let mut open = self.open()?;
        if let Some(number) = self.stream.number_of(&open, channel, receiver) {
            options.credit.map_or(Ok(()), |credit| open.set_credit(number, credit))?;
            return Ok(number);
        }
        self.stream.enter(&mut open, channel, receiver, options)
    }

    /// Ends a subscription. The stream stays open, also without any.
    ///
    /// # Errors
    /// [`Error::SubscriptionNotFound`]; [`Error::StreamNotFound`] once the stream has ended.
    pub fn remove(&self, number: u32) -> Result<(), Error> {
        let mut open = self.open()?;
        let known = (FIRST..=open.last).contains(&number);
        // one that it never had leaves the stream as it is
        let removed = known && open.shared().is_some_and(|shared| shared.withdraw(number));
        if removed { Ok(()) } else { Err(Error::SubscriptionNotFound { subscription: number.into() }) }
    }

    fn open(&self) -> Result<MutexGuard<'_, Open>, Error> {
        let open = self.stream.open();
        match &open.members {
            Members::Closed => Err(self.stream.not_found()),
            Members::Nobody | Members::Alone(_) | Members::Many(_) => Ok(open),
        }
    }
}

impl Hub {
    /// Opens a stream without subscriptions. It waits on the core of this thread. A batch of a subscription has at most
    /// `max_bytes`, unless it is a single message.
    ///
    /// # Errors
    /// [`Error::LimitReached`]; [`Error::ShuttingDown`].
    pub fn open_stream(self: &Arc<Self>, kind: StreamKind, max_bytes: u64) -> Result<Bundle, Error> {
        self.open()?;
        self.take_stream()?;
        let stream = Arc::new(Stream {
            hub: Arc::clone(self),
            id: StreamId(self.next_stream.fetch_add(1, Ordering::Relaxed)),
            kind,
            core: self.bells.desk_here(),
            max_bytes: max_bytes.min(bell::MAX_TAIL_BYTES),
            open: Mutex::new(Open { last: 0, members: Members::Nobody }),
        });
        self.open_streams().insert(stream.id, Arc::downgrade(&stream));
        Ok(Bundle { stream })
    }

    /// The open stream of listeners that has this id.
    ///
    /// # Errors
    /// [`Error::StreamNotFound`].
    pub fn change_stream(&self, id: &str) -> Result<StreamChange, Error> {
        let stream = StreamId::parse(id).and_then(|id| self.open_streams().get(&id)?.upgrade());
        match stream.filter(|stream| stream.kind == StreamKind::Listen) {
            Some(stream) => Ok(StreamChange { stream }),
            None => Err(Error::StreamNotFound { stream: id.chars().take(MAX_ID_CHARS).collect() }),
        }
    }

    pub(super) fn open_streams(&self) -> MutexGuard<'_, Streams> {
        self.bundles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wake_streams(&self) {
        let streams: Vec<_> = self.open_streams().values().filter_map(Weak::upgrade).collect();
        streams.iter().for_each(|stream| stream.wake());
    }
}
