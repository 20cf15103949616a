//! The verbs of receivers: they open subscriptions.

use super::{
    Hub,
    channel::Channel,
    desk::Ending,
    gap::{Gap, GapReason},
    listener::{Listener, Seated, Standing},
    look::{self, Cursor},
    ring::Ring,
    subscription::{Owner, Subscription},
    token::ResumeToken,
};
use crate::{
    error::{Error, Limit},
    id::{ChannelId, ListenerId},
    log::Position,
};
use std::{
    future::poll_fn,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::timeout;

/// Where a new receiver begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum From {
    /// With what is accepted from now on.
    #[default]
    New,
    /// With the oldest broadcast that is kept.
    Oldest,
}

impl From {
    pub(super) fn position(self, ring: &Ring, now: Position) -> Position {
        match self {
            Self::New => now,
            Self::Oldest => ring.floor(),
        }
    }
}

/// Whom a subscription is for.
#[derive(Clone, Copy, Debug)]
pub enum Receiver<'a> {
    /// A registered listener: its stream takes over from an older one.
    Listener(ListenerId<'a>),
    /// A listener for the time of this stream.
    Watcher(From),
}

/// How a subscription is to be served.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// Where to go on.
    pub resume_token: Option<String>,
    /// Only messages of these types, and the server's own; empty: all.
    pub types: Vec<String>,
    /// A batch has at most so many messages.
    pub max_messages: usize,
    /// A batch has at most so many bytes, unless it is a single message.
    pub max_bytes: u64,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            resume_token: None,
            types: Vec::new(),
            max_messages: usize::MAX,
            max_bytes: super::bell::MAX_TAIL_BYTES,
        }
    }
}

impl Hub {
    /// Opens a subscription. It waits on the core of this thread.
    ///
    /// # Errors
    /// [`Error::ChannelNotFound`], [`Error::ListenerNotFound`] and their like; [`Error::ResumeTokenInvalid`],
    /// [`Error::ResumeTokenAhead`]; [`Error::LimitReached`]; [`Error::ShuttingDown`]. Nothing was taken over.
    pub fn subscribe(
        self: &Arc<Self>,
        channel: ChannelId<'_>,
        receiver: Receiver<'_>,
        options: ListenOptions,
    ) -> Result<Subscription, Error> {
        let token = options.resume_token.as_deref().filter(|text| !text.is_empty());
        let token =
            token.map(|text| ResumeToken::parse(text).ok_or(Error::ResumeTokenInvalid)).transpose()?;
        let channel = self.channel(channel)?;
        let place = self.take_place(&channel)?;
        let (owner, beginning) = match receiver {
            Receiver::Watcher(from) => self.watcher(&channel, from, token)?,
            Receiver::Listener(id) => self.take_over(&channel, id, token, place.seated)?,
        };
        let subscription = Subscription::new(place, owner, beginning, options);
        // a shutdown that began meanwhile has not seen this seat
        self.open()?;
        Ok(subscription)
    }

    /// Delivers next: what is ready, or what comes first within `wait`. `None`: nothing came.
    ///
    /// # Errors
    /// As [`Hub::subscribe`], and as its stream ends. A listener that is stopped meanwhile has nothing.
    pub async fn pull(
        subscription: &mut Subscription,
        wait: Duration,
    ) -> Result<Option<Arc<super::Batch>>, Error> {
        let mut next = poll_fn(|context| subscription.poll_batch(context));
        match timeout(wait, &mut next).await {
            Ok(Ok(batch)) => Ok(Some(batch)),
            Ok(Err(Ending::Failed(error))) => Err(error),
            Ok(Err(Ending::Stopped)) | Err(_) => Ok(None),
        }
    }

    fn take_place(self: &Arc<Self>, channel: &Arc<Channel>) -> Result<Place, Error> {
        self.open()?;
        if !super::take_one(&self.streams, self.limits.max_streams) {
            return Err(Error::LimitReached { limit: Limit::Streams, value: self.limits.max_streams });
        }
        let core = self.bells.desk_here();
        let stream = self.next_stream.fetch_add(1, Ordering::Relaxed);
        let seat = {
            let state = channel.lock();
            channel.desks[core].sit(stream, state.ring.last())
        };
        let seated = Seated { stream, core, seat };
        Ok(Place { hub: Arc::clone(self), channel: Arc::clone(channel), seated })
    }

    fn watcher(
        &self,
        channel: &Channel,
        from: From,
        token: Option<ResumeToken>,
    ) -> Result<(Owner, Beginning), Error> {
        let state = channel.lock_existing()?;
        let life = self.judge(channel, channel.birth, token)?;
        let start = match life {
            Life::None => from.position(&state.ring, self.log.watermark().position()),
            Life::Same(at) => at,
            Life::Other => state.ring.floor(),
        };
        let standing = Standing::new(start, &state.ring);
        let cursor = Cursor { at: start, said: start };
        let gap = matches!(life, Life::Other).then(|| other_life(channel.birth, start));
        Ok((Owner::Watcher(Box::new(standing)), Beginning { cursor, gap }))
    }

    fn take_over(
        &self,
        channel: &Channel,
        id: ListenerId<'_>,
        token: Option<ResumeToken>,
        seated: Seated,
    ) -> Result<(Owner, Beginning), Error> {
        let mut state = channel.lock_existing()?;
        let listener = self.listener_in(channel, &state, id)?;
        let mut standing = listener.lock();
        let life = self.judge(channel, standing.start, token)?;
        let mut dropped = Vec::new();
        standing.settle(&state.ring, state.allowance(), &mut dropped);
        let beginning = match life {
            Life::None => go_on(&standing),
            Life::Same(at) => {
                let (now, window) = (self.clock(), state.window(self.clock()));
                let tally = (at >= state.ring.floor()).then(|| state.ring.tally_through(at));
                if at >= standing.passed {
                    // what it skips is not said later, out of its place
                    standing.gaps.hand_over(at, now, window.handed_since);
                }
                standing.hand_over(at, tally, now, window, &mut dropped);
                state.age(&listener, &mut standing);
                self.room.changed();
                Beginning::at(Cursor { at, said: at })
            }
            Life::Other => begin_again(&standing, &state.ring),
        };
        let older = standing.seated.replace(seated);
        standing.running = true;
        drop(standing);
        drop(state);
        self.forget(&dropped);
        super::listeners::end(channel, older, Ending::Failed(taken_over(channel, &listener)));
        Ok((Owner::Listener(listener), beginning))
    }

    /// Which life a token is of, for a receiver that nothing below `start` was meant for.
    fn judge(&self, channel: &Channel, start: Position, token: Option<ResumeToken>) -> Result<Life, Error> {
        let Some(token) = token else { return Ok(Life::None) };
        let same = token.incarnation == self.incarnation && token.birth == channel.birth;
        if !same || token.sequence < start {
            return Ok(Life::Other);
        }
        if token.sequence > self.log.watermark().position() {
            return Err(Error::ResumeTokenAhead);
        }
        Ok(Life::Same(token.sequence))
    }
}

/// What a token says.
enum Life {
    None,
    Same(Position),
    Other,
}

/// Where a stream begins, and what it says first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning {
    pub(super) cursor: Cursor,
    pub(super) gap: Option<Gap>,
}

impl Beginning {
    fn at(cursor: Cursor) -> Self {
        Self { cursor, gap: None }
    }
}

/// Behind everything that was handed over; what was lost since is said first.
fn go_on(standing: &Standing) -> Beginning {
    let said = standing.gaps.said();
    let at = standing.gaps.first_after(said).map_or(standing.passed, |gap| gap.after);
    Beginning::at(Cursor { at, said })
}

/// With the oldest that is kept since the listener's birth.
fn begin_again(standing: &Standing, ring: &Ring) -> Beginning {
    let noted = standing.gaps.first_after(standing.start).map_or(standing.passed, |gap| gap.after);
    let through = look::before_next(standing, ring, standing.start).min(noted);
    let cursor = Cursor { at: through, said: through };
    Beginning { cursor, gap: Some(other_life(standing.start, through)) }
}

fn other_life(after: Position, through: Position) -> Gap {
    Gap { reason: GapReason::OtherLife, after, through, count: None }
}

fn taken_over(channel: &Channel, listener: &Listener) -> Error {
    Error::ListenerTakenOver { channel: channel.id.to_string(), listener: listener.id.to_string() }
}

/// A place among the open streams. Dropping it leaves nothing behind.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) hub: Arc<Hub>,
    pub(super) channel: Arc<Channel>,
    pub(super) seated: Seated,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.channel.desks[self.seated.core].leave(self.seated.seat);
        self.hub.streams.fetch_sub(1, Ordering::Relaxed);
    }
}
