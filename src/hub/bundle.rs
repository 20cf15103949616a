//! A bundle: the open subscriptions of one stream, each under its number.
//!
//! Whoever reads the stream has the [`Bundle`]; whoever knows its id may add and remove subscriptions, whether it is read
//! or not. A stream's own lock comes before every other.

use super::{
    Hub,
    batch::Handed,
    bell,
    desk::Ending,
    options::{Credit, ListenOptions, Receiver},
    presence::PresenceChange,
    shared::{MAX_SUBSCRIPTIONS, Shared},
    subscription::{Part, Started, Subscription},
    token::ResumeToken,
};
use crate::{
    error::{Error, Limit},
    id::ChannelId,
};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::Ordering},
    task::{Context, Poll, Waker},
};

/// The number of a stream's first subscription.
const FIRST: u32 = 1;
/// No text that a client sends as a stream's id is repeated to it beyond this.
const MAX_ID_CHARS: usize = 32;

/// Names an open stream of a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamId(u64);

impl StreamId {
    /// The largest that is begun with. It is random: one of an older start of the server names nothing.
    pub(super) const LARGEST_FIRST: u64 = 1 << 48;

    fn parse(text: &str) -> Option<Self> {
        u64::from_str_radix(text.strip_prefix('s')?, 16).ok().map(Self)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{:x}", self.0)
    }
}

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// For listeners, who may come and go.
    Listen,
    /// For watchers, who are named when it opens.
    Watch,
}

/// What happens on a stream.
#[derive(Debug)]
pub enum Event {
    /// A subscription has begun.
    Started(u32, Started),
    /// A subscription hands over.
    Batch(u32, Handed),
    /// The first does, which has never had another beside it. Nothing else happens on its stream.
    Only(Handed),
    /// Who listens on the channel of a subscription, in its order.
    Presence(u32, Vec<PresenceChange>),
    /// A subscription has ended; the stream goes on.
    Ended(u32, Ending),
    /// The stream has ended.
    Over(Ending),
}

/// The open streams of a hub, by their ids.
pub(super) type Streams = HashMap<StreamId, Weak<Stream>>;

/// A stream as those share it who read it and who change it.
#[derive(Debug)]
pub(super) struct Stream {
    hub: Arc<Hub>,
    id: StreamId,
    kind: StreamKind,
    /// Its subscriptions sit there, wherever they are added.
    core: usize,
    max_bytes: u64,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    /// The last number that was given; none is given twice.
    last: u32,
    members: Members,
}

/// Nearly all streams have one subscription, for all their life: it waits for itself.
#[derive(Debug)]
enum Members {
    Nobody,
    Alone(Alone),
    Many(Box<Shared>),
    /// Nobody reads the stream any more.
    Closed,
}

#[derive(Debug)]
struct Alone {
    subscription: Box<Subscription>,
    announced: bool,
    /// Who reads the stream, for the day when another subscription comes.
    reader: Option<Waker>,
}

impl Alone {
    fn news(&mut self) -> Option<Event> {
        let first = !std::mem::replace(&mut self.announced, true);
        first.then(|| Event::Started(FIRST, self.subscription.started()))
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        if let Some(news) = self.news() {
            return Poll::Ready(news);
        }
        if !self.reader.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
            self.reader = Some(context.waker().clone());
        }
        match self.subscription.poll_next(context) {
            Poll::Ready(Ok(Part::Batch(handed))) => Poll::Ready(Event::Only(handed)),
            Poll::Ready(Ok(Part::Presence(changes))) => Poll::Ready(Event::Presence(FIRST, changes)),
            Poll::Ready(Err(ending)) => Poll::Ready(self.end(ending)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// What is ready at a shutdown is handed over first.
    fn end(&mut self, ending: Ending) -> Event {
        let going = ending == Ending::Failed(Error::ShuttingDown);
        match going.then(|| self.subscription.last_batch()).flatten() {
            Some(handed) => Event::Only(handed),
            None => Event::Over(ending),
        }
    }
}

impl Open {
    fn next_number(&mut self) -> u32 {
        self.last += 1;
        self.last
    }

    fn full(&self) -> bool {
        match &self.members {
            Members::Many(shared) => shared.full(),
            Members::Nobody | Members::Alone(_) | Members::Closed => false,
        }
    }

    fn number_of(&self, seat: u64) -> Option<u32> {
        match &self.members {
            Members::Alone(alone) => (alone.subscription.seat() == seat).then_some(FIRST),
            Members::Many(shared) => shared.number_of(seat),
            Members::Nobody | Members::Closed => None,
        }
    }

    fn set_credit(&mut self, number: u32, credit: Credit) -> Result<(), Error> {
        match &mut self.members {
            Members::Alone(alone) => {
                alone.subscription.set_credit(credit)?;
                alone.reader.iter().for_each(Waker::wake_by_ref);
                Ok(())
            }
            Members::Many(shared) => shared.set_credit(number, credit),
            Members::Nobody | Members::Closed => Ok(()),
        }
    }

    fn enter(&mut self, subscription: Subscription) -> u32 {
        let (number, subscription) = (self.next_number(), Box::new(subscription));
        if number == FIRST {
            self.members = Members::Alone(Alone { subscription, announced: false, reader: None });
        } else if let Some(shared) = self.shared() {
            shared.enter(number, subscription, false);
        }
        number
    }

    /// As a stream of many, from now on; `None` where it is closed.
    fn shared(&mut self) -> Option<&mut Shared> {
        if matches!(self.members, Members::Nobody | Members::Alone(_)) {
            let mut shared = Box::<Shared>::default();
            if let Members::Alone(alone) = std::mem::replace(&mut self.members, Members::Nobody) {
                shared.enter(FIRST, alone.subscription, alone.announced);
                // he waits for the one alone, and comes to wait for all
                alone.reader.iter().for_each(Waker::wake_by_ref);
            }
            self.members = Members::Many(shared);
        }
        match &mut self.members {
            Members::Many(shared) => Some(shared),
            Members::Nobody | Members::Alone(_) | Members::Closed => None,
        }
    }
}

impl Stream {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn not_found(&self) -> Error {
        Error::StreamNotFound { stream: self.id.to_string() }
    }

    /// The hub is about to end: a stream of nobody hears of it here, the others from their subscriptions.
    pub(super) fn wake(&self) {
        if let Members::Many(shared) = &self.open().members {
            shared.wake();
        }
    }

    fn enter(
        &self,
        open: &mut Open,
        channel: ChannelId<'_>,
        receiver: Receiver<'_>,
        options: ListenOptions,
    ) -> Result<u32, Error> {
        if open.full() {
            let value = MAX_SUBSCRIPTIONS as u64;
            return Err(Error::LimitReached { limit: Limit::Subscriptions, value });
        }
        let options = ListenOptions { max_bytes: self.max_bytes, ..options };
        self.hub.subscribe_on(self.core, channel, receiver, options).map(|it| open.enter(it))
    }

    /// The number of the subscription that has this listener now.
    fn number_of(&self, open: &Open, channel: ChannelId<'_>, receiver: Receiver<'_>) -> Option<u32> {
        match receiver {
            Receiver::Listener(id) => open.number_of(self.hub.seat_of(channel, id)?),
            Receiver::Watcher(_) => None,
        }
    }
}

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
            Members::Alone(alone) => idle.then(|| vec![(FIRST, alone.subscription.token())]),
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
