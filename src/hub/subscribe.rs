//! The verbs of receivers: they open subscriptions.

use super::{
    Hub,
    channel::Channel,
    cursor::Cursor,
    dead_letter::Failure,
    desk::Ending,
    explicit::{Explicit, Failing},
    gap::{Gap, GapReason},
    listener::Listener,
    options::{From, ListenOptions, Receiver, TakeOver},
    place::{Close, Place},
    ring::Ring,
    settings::Limits,
    standing::{Seated, Standing},
    state::State,
    subscription::{Beginning, Owner, Subscription},
    token::ResumeToken,
};
use crate::{
    error::{Error, Limit},
    id::{ChannelId, ListenerId},
    log::Position,
};
use std::{
    num::NonZeroU64,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

impl Hub {
    /// Opens a subscription that is a stream of its own. It waits on the core of this thread.
    ///
    /// # Errors
    /// [`Error::ChannelNotFound`], [`Error::ListenerNotFound`] and their like; [`Error::ResumeTokenInvalid`],
    /// [`Error::ResumeTokenAhead`]; [`Error::NotExplicit`]; [`Error::NotSafeYet`]; [`Error::LimitReached`];
    /// [`Error::ShuttingDown`]. Nothing was taken over.
    pub fn subscribe(
        self: &Arc<Self>,
        channel: ChannelId<'_>,
        receiver: Receiver<'_>,
        options: ListenOptions,
    ) -> Result<Subscription, Error> {
        self.subscribe_at(Table::Own(self.bells.desk_here()), channel, receiver, options)
    }

    /// Opens a subscription of a stream that waits on a core.
    pub(super) fn subscribe_on(
        self: &Arc<Self>,
        core: usize,
        channel: ChannelId<'_>,
        receiver: Receiver<'_>,
        options: ListenOptions,
    ) -> Result<Subscription, Error> {
        self.subscribe_at(Table::Shared(core), channel, receiver, options)
    }

    fn subscribe_at(
        self: &Arc<Self>,
        table: Table,
        channel: ChannelId<'_>,
        receiver: Receiver<'_>,
        options: ListenOptions,
    ) -> Result<Subscription, Error> {
        let token = options.resume_token.as_deref().filter(|text| !text.is_empty());
        let token =
            token.map(|text| ResumeToken::parse(text).ok_or(Error::ResumeTokenInvalid)).transpose()?;
        let channel = self.channel(channel)?;
        let place = self.take_place(&channel, table)?;
        let (owner, beginning) = match receiver {
            Receiver::Watcher(from) => self.watcher(&channel, from, token, &options)?,
            Receiver::Listener(id) => self.take_over(&channel, id, token, place.seated, &options)?,
        };
        let presence = options.presence && matches!(owner, Owner::Watcher(_));
        let presence = presence.then(|| Box::new(self.watch_presence(&place.channel)));
        let subscription = Subscription::new(place, owner, beginning, presence, options);
        // a shutdown that began meanwhile has not seen this seat
        self.open()?;
        Ok(subscription)
    }

    /// One of the streams that may be open.
    pub(super) fn take_stream(&self) -> Result<(), Error> {
        if super::take_one(&self.streams, self.limits.max_streams) {
            return Ok(());
        }
        Err(Error::LimitReached { limit: Limit::Streams, value: self.limits.max_streams })
    }

    /// One of those that share streams: there may be as many as listeners, and one for each stream.
    fn take_share(&self) -> Result<(), Error> {
        let Limits { max_listeners, max_streams, .. } = self.limits;
        if super::take_one(&self.sharing, max_listeners.saturating_add(max_streams)) {
            return Ok(());
        }
        Err(Error::LimitReached { limit: Limit::Listeners, value: max_listeners })
    }

    fn take_place(self: &Arc<Self>, channel: &Arc<Channel>, table: Table) -> Result<Place, Error> {
        self.open()?;
        let (core, alone) = match table {
            Table::Own(core) => (core, self.take_stream().map(|()| true)?),
            Table::Shared(core) => (core, self.take_share().map(|()| false)?),
        };
        let stream = self.next_stream.fetch_add(1, Ordering::Relaxed);
        let seat = {
            let state = channel.lock();
            channel.desks[core].sit(stream, state.ring.last())
        };
        let seated = Seated { stream, core, seat };
        Ok(Place { hub: Arc::clone(self), channel: Arc::clone(channel), seated, alone })
    }

    fn watcher(
        &self,
        channel: &Channel,
        from: From,
        token: Option<ResumeToken>,
        options: &ListenOptions,
    ) -> Result<(Owner, Beginning), Error> {
        let state = channel.lock_existing()?;
        self.must_be_safe(channel.birth, options)?;
        let life = self.judge(channel, channel.birth, token)?;
        let start = match life {
            Life::None => from.position(&state.ring, self.log.watermark().position()),
            Life::Same(at, _) => at,
            Life::Other => state.ring.floor(),
        };
        let standing = Standing::new(start, &state.ring);
        let cursor = Cursor { at: start, said: start };
        let gap = matches!(life, Life::Other).then(|| other_life(channel.birth, start));
        Ok((Owner::Watcher(Box::new(standing)), Beginning { gap, ..Beginning::at(cursor) }))
    }

    fn take_over(
        &self,
        channel: &Arc<Channel>,
        id: ListenerId<'_>,
        token: Option<ResumeToken>,
        seated: Seated,
        options: &ListenOptions,
    ) -> Result<(Owner, Beginning), Error> {
        let mut state = channel.lock_existing()?;
        let listener = self.listener_in(channel, &state, id)?;
        self.must_be_safe(listener.birth, options)?;
        if options.credit.is_some() {
            listener.must_be_explicit(&channel.id)?;
        }
        let now = self.clock_ms();
        let (life, told_at) = {
            let standing = self.lock_to_tell(channel, &state, &listener);
            if options.returns && standing.halted {
                return Err(stopped(channel, &listener));
            }
            may_take_over(channel, &listener, &standing, token.is_some(), options, now)?;
            (self.judge(channel, standing.start, token)?, standing.withheld())
        };
        self.must_be_safe(told_at, options)?;
        self.count_what_was_left(channel, &mut state, &listener, options, now)?;
        let mut standing = listener.lock();
        let mut dropped = Vec::new();
        state.settle(&mut standing, &mut dropped);
        let goes_on = options.pull
            && standing
                .explicit
                .as_ref()
                .is_some_and(|it| it.goes_on(options.session.as_deref(), now) && !life.lacks_some_of(it));
        // pulls that follow one another are a stream also between two of them
        let pulled = standing.explicit.as_ref().is_some_and(|explicit| explicit.is_pulled(now));
        standing.begin_stream(options.credit.unwrap_or_default().0, goes_on);
        let turn = standing.explicit.as_ref().filter(|_| options.pull).map(|explicit| explicit.turn());
        let taken = standing.seated.is_some() || pulled;
        let beginning = match life {
            Life::Other => begin_again(&standing, state.ring_for(&standing)),
            Life::None | Life::Same(..) if standing.explicit.is_some() => {
                Beginning::at(standing.cursor(Cursor { at: standing.passed, said: Position::ZERO }))
            }
            Life::None => go_on(&standing),
            Life::Same(at, _) => {
                self.move_to(at, &mut state, &listener, &mut standing, &mut dropped);
                Beginning::at(Cursor { at, said: at })
            }
        };
        let older = standing.seated.replace(seated);
        standing.running = true;
        standing.halted = false;
        // what was put off while nobody listened
        let next = self.next_moment(&standing, state.ring_for(&standing), now);
        self.set_alarm(channel, &listener, &mut standing, next);
        if standing.explicit.is_some() {
            state.holds(&listener);
        }
        if options.session.is_some() || standing.claim.is_some() {
            standing.claim.get_or_insert_default().pass_to(options.session.clone(), taken);
        }
        self.attends(channel, &listener, &mut standing, options);
        drop(standing);
        drop(state);
        self.forget(&dropped);
        channel.end_stream(older, Ending::Failed(taken_over(channel, &listener)));
        Ok((Owner::Listener(listener), Beginning { turn, ..beginning }))
    }

    fn must_be_safe(&self, birth: Position, options: &ListenOptions) -> Result<(), Error> {
        if options.once_safe && birth > self.log.watermark().position() {
            return Err(Error::NotSafeYet { at: birth });
        }
        Ok(())
    }

    /// A token moves the cursor of an AUTOMATIC listener.
    fn move_to(
        &self,
        at: Position,
        state: &mut State,
        listener: &Listener,
        standing: &mut Standing,
        dropped: &mut Vec<Position>,
    ) {
        let (now, window) = (self.clock(), state.window(self.clock()));
        let tally = standing.tally_through(at, state.ring_for(standing));
        if at >= standing.passed {
            // what it skips is not said later, out of its place
            standing.gaps.hand_over(at, now, window.handed_since);
        }
        standing.hand_over(at, tally, now, window, dropped);
        state.age(listener, standing);
        self.room.changed();
    }

    /// The first message that is not acknowledged has failed once more, if a stream had delivered it and its client went
    /// away, and this is another client.
    fn count_what_was_left(
        &self,
        channel: &Arc<Channel>,
        state: &mut State,
        listener: &Arc<Listener>,
        options: &ListenOptions,
        now: u64,
    ) -> Result<(), Error> {
        let first = {
            let mut standing = listener.lock();
            // what is too much is not what was left
            self.settle(state, &mut standing);
            let goes_on = |it: &Explicit| options.pull && it.goes_on(options.session.as_deref(), now);
            let left = standing.explicit.as_ref().is_some_and(|explicit| {
                !goes_on(explicit) && explicit.was_left_by_another(options.session.as_deref())
            });
            if left { standing.first_left(state.ring_for(&standing), now) } else { None }
        };
        let Some(position) = first else { return Ok(()) };
        let failing =
            Failing { position, delay: Some(Duration::ZERO), last: false, reason: "its client went away" };
        self.fail_deliveries(channel, state, listener, &[failing], Failure::Left).map(drop)
    }

    /// A stream ends; its listener stops, unless another stream has it.
    pub(super) fn let_go(
        &self,
        channel: &Arc<Channel>,
        listener: &Arc<Listener>,
        seated: Seated,
        close: Close,
    ) {
        let mut standing = listener.lock();
        if standing.seated != Some(seated) {
            return;
        }
        standing.seated = None;
        standing.running = false;
        self.departs(channel, listener, &mut standing, close);
        let now = self.clock_ms();
        standing.idle_since = now;
        let closing = self.closing.load(Ordering::SeqCst);
        let whose = standing.claim.as_ref().and_then(|claim| claim.holder().cloned());
        if let Some(explicit) = &mut standing.explicit {
            match close {
                Close::Client if !closing => explicit.leave(whose),
                Close::Pull if !closing => explicit.pulled(whose, now),
                Close::Client | Close::Pull | Close::Withdrawn => {}
            }
        }
        let idle = standing.idle_moment();
        self.set_alarm(channel, listener, &mut standing, idle);
    }

    /// The seat of the stream that a listener has, by the number that is given once.
    pub(super) fn seat_of(&self, channel: ChannelId<'_>, id: ListenerId<'_>) -> Option<u64> {
        let channel = self.channels().by_id.get(channel.as_str()).cloned()?;
        let state = channel.lock();
        let seated = state.listener(id.as_str())?.lock().seated;
        seated.map(|seated| seated.stream)
    }

    /// Which life a token is of, for a receiver that nothing below `start` was meant for.
    fn judge(&self, channel: &Channel, start: Position, token: Option<ResumeToken>) -> Result<Life, Error> {
        let Some(token) = token else { return Ok(Life::None) };
        let same = self.lives.of(token.sequence) == token.incarnation && token.birth == channel.birth;
        if !same || token.sequence < start {
            return Ok(Life::Other);
        }
        if token.sequence > self.log.watermark().position() {
            return Err(Error::ResumeTokenAhead);
        }
        Ok(Life::Same(token.sequence, token.turn))
    }
}

/// Where a new subscription sits: on which core, and whether it is a stream of its own.
#[derive(Clone, Copy, Debug)]
enum Table {
    Own(usize),
    Shared(usize),
}

/// What a token says.
enum Life {
    None,
    Same(Position, Option<NonZeroU64>),
    Other,
}

impl Life {
    /// Whether its client says that it has not got everything that was delivered: an answer was lost on its way.
    fn lacks_some_of(&self, explicit: &Explicit) -> bool {
        match *self {
            Self::None => false,
            Self::Same(at, turn) => turn.map_or(at < explicit.sent(), |turn| turn != explicit.turn()),
            Self::Other => true,
        }
    }
}

/// Behind everything that was handed over; what was lost since is said first, and what waits before a gap comes before it.
fn go_on(standing: &Standing) -> Beginning {
    let said = standing.gaps.said();
    let lost = standing.gaps.first_to_say(said).map(|gap| gap.after);
    let at = lost.map_or(standing.passed, |lost| lost.min(standing.passed));
    Beginning::at(Cursor { at, said })
}

/// With the oldest that is kept since the listener's birth.
fn begin_again(standing: &Standing, ring: &Ring) -> Beginning {
    let noted = standing.gaps.first_to_say(standing.start).map_or(standing.passed, |gap| gap.after);
    let through = standing.before_next(ring, standing.start).min(noted);
    let cursor = Cursor { at: through, said: through };
    Beginning { gap: Some(other_life(standing.start, through)), ..Beginning::at(cursor) }
}

/// Whether a stream may begin, in view of the one that is open.
fn may_take_over(
    channel: &Channel,
    listener: &Listener,
    standing: &Standing,
    reconnects: bool,
    options: &ListenOptions,
    now: u64,
) -> Result<(), Error> {
    let claim = standing.claim.as_deref();
    let session = options.session.as_deref();
    let own = session.is_some() && claim.and_then(|claim| claim.holder()).map(|holder| &**holder) == session;
    if !standing.attended(now) || own {
        return Ok(());
    }
    let ousted = session.is_some_and(|session| claim.is_some_and(|claim| claim.was_ousted(session)));
    match options.take_over {
        TakeOver::Always => Ok(()),
        TakeOver::Fairly if reconnects && ousted => Err(taken_over(channel, listener)),
        TakeOver::Fairly => Ok(()),
        TakeOver::Never => Err(Error::InUse {
            channel: channel.id.to_string(),
            listener: listener.id.to_string(),
            by: "an open stream",
        }),
    }
}

fn other_life(after: Position, through: Position) -> Gap {
    Gap { reason: GapReason::OtherLife, after, through, count: None }
}

fn stopped(channel: &Channel, listener: &Listener) -> Error {
    Error::ListenerStopped { channel: channel.id.to_string(), listener: listener.id.to_string() }
}

fn taken_over(channel: &Channel, listener: &Listener) -> Error {
    Error::ListenerTakenOver { channel: channel.id.to_string(), listener: listener.id.to_string() }
}
