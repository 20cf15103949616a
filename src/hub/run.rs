//! Messages that come together, for one channel: it is looked up once, locked once, and its bells ring once.

use super::{
    Hub, Moment,
    channel::Channel,
    ids::{Key, Remembered},
    listener::Listener,
    publish::{Accepted, Admission, Terms},
    state::State,
};
use crate::{
    error::Error,
    id::{ChannelId, ListenerId},
    log::{Position, kept_bytes},
    message::Message,
};
use std::sync::Arc;

/// A message, and whom it is for.
#[derive(Debug)]
pub struct Publication<'a> {
    /// One listener, or all.
    pub listener: Option<ListenerId<'a>>,
    /// The message.
    pub message: Message,
}

/// One listener, or all, and under what a message for them is remembered.
type Keyed = (Option<Arc<Listener>>, Option<Key>);

/// What was accepted and has to be told: to one listener, or to all.
type Rings = Vec<(Position, Option<Arc<Listener>>)>;

/// A message of a run, in its turn.
struct One {
    listener: Option<Arc<Listener>>,
    message: Message,
    key: Option<Key>,
    /// It was looked for under its key, if it has one, and is not there.
    is_new: bool,
    now: Moment,
}

/// What is done for all of a run at once: what each would wait for, all wait for together.
#[derive(Default)]
struct Left {
    rings: Rings,
    /// Positions that are no longer kept.
    dropped: Vec<Position>,
    /// What is to be remembered, before the channel is unlocked.
    ids: Vec<Remembered>,
}

impl Hub {
    /// The most that [`Hub::publish`] is given at once: for so many a channel is locked.
    pub const LONGEST_RUN: usize = 64;

    /// Sends one message after the other, as [`Hub::dispatch`] and [`Hub::broadcast`] do, and answers each for itself;
    /// after an error no more, if it stops there.
    pub fn publish(
        &self,
        channel: ChannelId<'_>,
        run: Vec<Publication<'_>>,
        stop_at_error: bool,
    ) -> Vec<Result<Accepted, Error>> {
        debug_assert!(run.len() <= Self::LONGEST_RUN, "a channel is not locked for long");
        let bytes = run.iter().map(|publication| kept_bytes(&publication.message)).sum();
        match self.channel(channel) {
            Ok(channel) if self.make_room(bytes).is_ok() => self.take_run(&channel, run, stop_at_error),
            // there may be room for some, and the others have each its error
            Ok(_) | Err(_) => answers(run.into_iter(), stop_at_error, |one| match one.listener {
                None => self.broadcast(channel, one.message),
                Some(listener) => self.dispatch(channel, listener, one.message),
            }),
        }
    }

    fn take_run(
        &self,
        channel: &Arc<Channel>,
        run: Vec<Publication<'_>>,
        stop_at_error: bool,
    ) -> Vec<Result<Accepted, Error>> {
        let mut left = Left { rings: Vec::with_capacity(run.len()), ..Left::default() };
        let mut state = channel.lock();
        let now = self.moment();
        let receivers: Vec<_> = run.iter().map(|one| self.receiver(channel, &state, one)).collect();
        let keys: Vec<_> = receivers.iter().flatten().filter_map(|(_, key)| *key).collect();
        let mut new = state.ids.are_new(&keys, now.millis).into_iter();
        let results = answers(run.into_iter().zip(receivers), stop_at_error, |(one, receiver)| {
            let (listener, key) = receiver?;
            let is_new = key.is_none_or(|_| new.next() == Some(true));
            let one = One { listener, message: one.message, key, is_new, now };
            self.take(channel, &mut state, one, &mut left)
        });
        self.remember_run(&mut state, &mut left.ids, now);
        drop(state);
        self.forget(&left.dropped);
        self.room.changed();
        self.announce(channel, &left.rings);
        results
    }

    /// As the channel knows him: nobody comes or goes while it is locked. With the key of his message.
    fn receiver(&self, channel: &Channel, state: &State, one: &Publication<'_>) -> Result<Keyed, Error> {
        if state.removed {
            return Err(channel.is_removed());
        }
        let listener = one.listener.map(|id| self.listener_in(channel, state, id)).transpose()?;
        let key = self.key(&one.message, listener.as_deref());
        Ok((listener, key))
    }

    fn take(
        &self,
        channel: &Arc<Channel>,
        state: &mut State,
        one: One,
        left: &mut Left,
    ) -> Result<Accepted, Error> {
        let One { listener, message, key, is_new, now } = one;
        if !is_new {
            // one like it may be among these
            self.remember_run(state, &mut left.ids, now);
        }
        let Left { rings, dropped, ids } = left;
        let to_remember = is_new.then_some(ids);
        let terms = Terms { admission: Admission::BySettings, now, room: Ok(()), key, to_remember };
        let accepted = match &listener {
            None => self.take_broadcast(channel, state, message, terms, dropped),
            Some(listener) => self.take_dispatch(channel, state, listener, message, terms, dropped),
        }?;
        if !accepted.duplicate {
            rings.push((accepted.position, listener));
        }
        Ok(accepted)
    }

    fn remember_run(&self, state: &mut State, ids: &mut Vec<Remembered>, now: Moment) {
        if !ids.is_empty() {
            state.ids.remember(ids, now.millis, &self.id_budget);
            ids.clear();
        }
    }

    fn announce(&self, channel: &Arc<Channel>, rings: &Rings) {
        let safe = self.log.watermark().position();
        for (place, (position, listener)) in rings.iter().enumerate() {
            let next = rings.get(place + 1).filter(|(position, _)| *position <= safe);
            if next.is_some_and(|(_, next)| same(listener.as_ref(), next.as_ref())) {
                continue;
            }
            match listener {
                None => self.announce_broadcast(*position, channel),
                Some(listener) => self.announce_dispatch(*position, channel, listener),
            }
        }
    }
}

fn same(one: Option<&Arc<Listener>>, other: Option<&Arc<Listener>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn answers<T>(
    run: impl ExactSizeIterator<Item = T>,
    stop_at_error: bool,
    mut answer: impl FnMut(T) -> Result<Accepted, Error>,
) -> Vec<Result<Accepted, Error>> {
    let mut results = Vec::with_capacity(run.len());
    for one in run {
        results.push(answer(one));
        if stop_at_error && results.last().is_some_and(Result::is_err) {
            break;
        }
    }
    results
}
