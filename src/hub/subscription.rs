//! A subscription: a stream's cursor. It holds no queue, so a slow reader costs a cursor.

mod fetch;

use super::{
    batch::{Handed, Room},
    cursor::Cursor,
    desk::{Ending, Tail},
    expiry::Expiry,
    listener::Listener,
    options::{Credit, ListenOptions},
    place::{Close, Place},
    presence::{PresenceChange, Watch},
    settings::AcknowledgementMode,
    standing::Standing,
    token::ResumeToken,
};
use crate::{error::Error, log::Position};
use fetch::{Fetched, Reading};
use std::{
    future::Future,
    num::NonZeroU64,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
};
use tokio::time::Sleep;

/// What the first batch after a pause holds at most: a reader that has stalled holds no more in memory. Each batch that
/// is asked for at once may hold twice as much.
const FIRST_BYTES: u64 = 16 * 1024;
/// Whose place in the order a subscription moves.
#[derive(Debug)]
pub(super) enum Owner {
    Listener(Arc<Listener>),
    Watcher(Box<Standing>),
}

/// Where a stream begins, and what it says first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning {
    pub(super) cursor: Cursor,
    pub(super) gap: Option<super::Gap>,
    /// The deliveries before it, where its token tells how many there were.
    pub(super) turn: Option<NonZeroU64>,
}

impl Beginning {
    pub(super) fn at(cursor: Cursor) -> Self {
        Self { cursor, gap: None, turn: None }
    }
}

/// Where a subscription began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// The channel's id.
    pub channel: Arc<str>,
    /// The listener's id; `None` for a watcher.
    pub listener: Option<Arc<str>>,
    /// The listener's birth; the channel's for a watcher.
    pub birth: Position,
    /// When its messages count as delivered.
    pub mode: AcknowledgementMode,
    /// The listener's generation.
    pub generation: u64,
    /// Where it begins.
    pub token: ResumeToken,
}

/// An open subscription. Dropping it ends it, and stops its listener.
#[derive(Debug)]
pub struct Subscription {
    owner: Owner,
    cursor: Cursor,
    /// How many deliveries there were, where its token tells that.
    turn: Option<NonZeroU64>,
    /// What is said before all else.
    first_gap: Option<super::Gap>,
    /// It has not looked for itself yet.
    fresh: bool,
    /// How much the next batch may hold.
    grant: u64,
    max_bytes: u64,
    max_messages: usize,
    types: Box<[String]>,
    delay: Option<Pin<Box<Sleep>>>,
    /// What is being read for it, where the log must wait for a disk.
    reading: Option<Box<Reading>>,
    /// It does not know yet whether anything is there for it: it is being read, or there is more to look at.
    looking: bool,
    /// What it handed over last was all there was for it, and more will wake it.
    rests: bool,
    /// What its end means for what it has delivered.
    close: Close,
    /// Where it also says who listens.
    presence: Option<Box<Watch>>,
    // last, so that a listener is let go before its seat is
    place: Place,
}

impl Subscription {
    pub(super) fn new(
        place: Place,
        owner: Owner,
        beginning: Beginning,
        presence: Option<Box<Watch>>,
        options: ListenOptions,
    ) -> Self {
        Self {
            place,
            owner,
            cursor: beginning.cursor,
            turn: beginning.turn,
            first_gap: beginning.gap,
            fresh: true,
            grant: FIRST_BYTES.min(options.max_bytes),
            max_bytes: options.max_bytes,
            max_messages: options.max_messages,
            types: options.types.into(),
            delay: None,
            reading: None,
            looking: false,
            rests: false,
            presence,
            close: if options.pull { Close::Pull } else { Close::Client },
        }
    }

    /// Where it began.
    pub fn started(&self) -> Started {
        let (listener, birth, mode, generation) = match &self.owner {
            Owner::Listener(listener) => {
                let generation =
                    listener.lock().explicit.as_ref().map_or(0, |explicit| explicit.generation());
                (Some(Arc::clone(&listener.id)), listener.birth, listener.mode, generation)
            }
            Owner::Watcher(_) => (None, self.place.channel.birth, AcknowledgementMode::Automatic, 0),
        };
        let channel = Arc::clone(&self.place.channel.id);
        Started { channel, listener, birth, mode, generation, token: self.token() }
    }

    /// Gives it up without counting an attempt of what it has delivered.
    pub fn withdraw(mut self) {
        self.close = Close::Withdrawn;
    }

    /// Changes how much may be outstanding.
    ///
    /// # Errors
    /// [`Error::NotExplicit`].
    pub fn set_credit(&mut self, credit: Credit) -> Result<(), Error> {
        let Owner::Listener(listener) = &self.owner else { return Ok(()) };
        listener.must_be_explicit(&self.place.channel.id)?;
        {
            let mut standing = listener.lock();
            let own = standing.seated == Some(self.place.seated);
            if let Some(explicit) = standing.explicit.as_mut().filter(|_| own) {
                explicit.set_credit(credit.0);
            }
        }
        self.place.hub.bells.ring_listener(&self.place.channel, listener);
        Ok(())
    }

    /// Where it stands.
    pub fn token(&self) -> ResumeToken {
        ResumeToken { turn: self.turn, ..self.place.hub.token(&self.place.channel, self.cursor.at) }
    }

    /// Its seat, by a number that no other of the hub has.
    pub(super) fn seat(&self) -> u64 {
        self.place.seated.stream
    }

    /// A batch, or who listens, in turn.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Part, Ending>> {
        let Some(watch) = &mut self.presence else { return self.poll_batch(context).map_ok(Part::Batch) };
        if !watch.yields()
            && let Poll::Ready(changes) = watch.poll(context)
        {
            return Poll::Ready(Ok(Part::Presence(changes)));
        }
        match self.poll_batch(context) {
            Poll::Ready(next) => Poll::Ready(next.map(Part::Batch)),
            Poll::Pending => self.poll_presence(context).map(|changes| Ok(Part::Presence(changes))),
        }
    }

    fn poll_presence(&mut self, context: &Context<'_>) -> Poll<Vec<PresenceChange>> {
        self.presence.as_mut().map_or(Poll::Pending, |watch| watch.poll(context))
    }

    /// The next batch. What it holds counts as handed over when this returns.
    ///
    /// It ends with the reason, as often as it is polled again. Waiting costs nothing: the bell wakes it.
    pub fn poll_batch(&mut self, context: &mut Context<'_>) -> Poll<Result<Handed, Ending>> {
        self.rests = false;
        let Place { channel, seated, .. } = &self.place;
        // before the delay: an end does not wait for it
        let glance = channel.desks[seated.core].look_up(seated.seat, context.waker(), self.cursor.at);
        if let Some(ending) = glance.ending {
            return Poll::Ready(Err(ending));
        }
        if let Some(delay) = &mut self.delay {
            ready!(delay.as_mut().poll(context));
            self.delay = None;
        }
        if let Some(handed) = glance.tail.and_then(|tail| self.take(&tail, glance.seen)) {
            return Poll::Ready(Ok(handed));
        }
        if !self.behind(glance.seen) {
            self.grant = FIRST_BYTES.min(self.max_bytes);
            self.looking = false;
            return Poll::Pending;
        }
        let next = self.fetch_some(context);
        self.looking &= next.is_pending();
        next
    }

    /// Whether something may be there for it that its last poll has not come to: it will be woken.
    pub(super) fn is_looking(&self) -> bool {
        self.looking
    }

    /// Whether a poll that follows the last one at once would find nothing: its waker is known.
    pub(super) fn rests(&self) -> bool {
        self.rests
    }

    /// What is still ready, batch after batch, for a stream that has been told to end. What a delay holds is not.
    pub fn last_batch(&mut self) -> Option<Handed> {
        while self.delay.is_none() {
            match self.fetch() {
                Fetched::Batch(handed) => return Some(handed),
                Fetched::Again => {}
                // what is on disk is not ready
                Fetched::Nothing | Fetched::Reading | Fetched::Failed(_) => return None,
            }
        }
        None
    }

    /// Takes what the bell brought, if it is just what comes next.
    fn take(&mut self, tail: &Tail, seen: Position) -> Option<Handed> {
        let room = Room::new(self.max_messages, self.max_bytes);
        let paced = self.place.channel.paced.load(Ordering::Relaxed);
        if self.fresh || paced || !room.holds(tail.batch.entries.len(), tail.bytes) {
            return None;
        }
        let through = tail.batch.token.sequence;
        // most messages have no ttl, and a look at the clock for each stream would cost as much as the rest
        let hub = &self.place.hub;
        let lasts = || tail.expiry == Expiry::NEVER || !tail.expiry.is_past(hub.clock_ms());
        let (mut generation, mut rests) = (0, seen <= through);
        let taken = match &mut self.owner {
            Owner::Watcher(standing) => lasts() && standing.take_level(self.cursor, through, tail),
            Owner::Listener(listener) => {
                let mut standing = listener.lock();
                // what is not wanted must be acknowledged for it, too
                let all = self.types.is_empty() || standing.explicit.is_none();
                // while it is locked: whoever looks what has expired sees that it is in hand, or is early enough
                let taken = all
                    && standing.seated == Some(self.place.seated)
                    && lasts()
                    && standing.take_level(self.cursor, through, tail);
                rests &= !standing.has_news(Cursor { at: through, ..self.cursor });
                if let Some(explicit) = &standing.explicit {
                    generation = explicit.generation();
                    if taken {
                        self.turn = self.turn.map(|_| explicit.turn());
                    }
                }
                taken
            }
        };
        if !taken {
            return None;
        }
        self.cursor.at = through;
        self.place.hub.room.changed();
        let handed = Handed { generation, ..Handed::shared(self.wanted(&tail.batch)?) };
        self.rests = rests && self.presence.is_none();
        if self.rests {
            self.grant = FIRST_BYTES.min(self.max_bytes);
        }
        Some(handed)
    }

    /// Whether there may be something that no bell will bring.
    fn behind(&self, seen: Position) -> bool {
        if self.fresh || self.cursor.at < seen {
            return true;
        }
        match &self.owner {
            Owner::Watcher(standing) => standing.gaps.any_to_say(self.cursor.said),
            Owner::Listener(listener) => listener.lock().has_news(self.cursor),
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let Place { hub, channel, seated, .. } = &self.place;
        if let Owner::Listener(listener) = &self.owner {
            hub.let_go(channel, listener, *seated, self.close);
        }
    }
}

/// What a subscription says.
pub(super) enum Part {
    Batch(Handed),
    Presence(Vec<PresenceChange>),
}

#[cfg(test)]
mod tests {
    use super::super::{ChannelSettings, Hub, Limits, NewListener, Receiver, on_core};
    use super::*;
    use crate::{
        id::{ChannelId, ListenerId},
        log::Memory,
        message::Message,
        v1,
    };
    use prost::Message as _;
    use std::{future::poll_fn, time::Duration};
    use tokio::time::timeout;

    #[tokio::test(start_paused = true)]
    async fn who_wants_all_that_a_bell_brings_has_the_same_batch_as_everybody() {
        on_core(0);
        let hub = Hub::new(Arc::new(Memory::default()), Limits::default(), 1).unwrap();
        let channel = ChannelId::parse("c").unwrap();
        hub.create_channel(channel, ChannelSettings::default(), false).unwrap();
        let mut streams = Vec::new();
        for types in [vec![], vec!["t".to_owned()], vec!["t".to_owned(), "u".to_owned()]] {
            let options = ListenOptions { types, ..ListenOptions::default() };
            let mut stream = hub.subscribe(channel, Receiver::Watcher(Default::default()), options).unwrap();
            assert!(timeout(Duration::ZERO, poll_fn(|context| stream.poll_batch(context))).await.is_err());
            streams.push(stream);
        }
        let mut batches = async |kind: &str| {
            let message = v1::Message { r#type: kind.into(), ..v1::Message::default() };
            hub.broadcast(channel, Message::parse(&message.encode_to_vec(), 1024, 0).unwrap()).unwrap();
            let _ = timeout(Duration::from_millis(10), hub.attend()).await;
            let mut batches = Vec::new();
            for stream in &mut streams {
                let next = timeout(Duration::ZERO, poll_fn(|context| stream.poll_batch(context))).await;
                batches.push(next.ok().map(|handed| handed.unwrap().batch));
            }
            batches
        };
        let all = batches("t").await;
        let first = all[0].as_ref().unwrap();
        assert!(all.iter().all(|batch| batch.as_ref().is_some_and(|batch| Arc::ptr_eq(batch, first))));
        let some: Vec<_> = batches("u").await.iter().map(Option::is_some).collect();
        assert_eq!(some, [true, false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_bell_brings_keeps_to_the_most_messages_of_a_batch() {
        on_core(0);
        let hub = Hub::new(Arc::new(Memory::default()), Limits::default(), 1).unwrap();
        let (channel, listener) = (ChannelId::parse("c").unwrap(), ListenerId::parse("l").unwrap());
        hub.create_channel(channel, ChannelSettings::default(), false).unwrap();
        hub.register(channel, listener, NewListener::default()).unwrap();
        let options = ListenOptions { max_messages: 1, ..ListenOptions::default() };
        let mut stream = hub.subscribe(channel, Receiver::Listener(listener), options).unwrap();
        let opened = timeout(Duration::ZERO, poll_fn(|context| stream.poll_batch(context))).await;
        assert!(opened.is_err(), "nothing is there yet");
        (0..3).for_each(|_| drop(hub.notify_end(channel).unwrap()));
        let _ = timeout(Duration::from_millis(10), hub.attend()).await;
        for _ in 0..3 {
            let batch = poll_fn(|context| stream.poll_batch(context)).await.unwrap();
            assert_eq!(batch.batch.entries.len(), 1);
        }
    }
}
