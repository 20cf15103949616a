//! The verbs of receivers: they open subscriptions.

use super::{
    Hub,
    batch::Handed,
    channel::Channel,
    cursor::Cursor,
    desk::Ending,
    gap::{Gap, GapReason},
    listener::{Listener, Seated, Standing},
    look,
    options::{From, ListenOptions, Receiver},
    place::Place,
    ring::Ring,
    subscription::{Beginning, Owner, Subscription},
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
    pub async fn pull(subscription: &mut Subscription, wait: Duration) -> Result<Option<Handed>, Error> {
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
        channel.end_stream(older, Ending::Failed(taken_over(channel, &listener)));
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
