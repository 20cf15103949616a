//! The subscriptions of a stream that has had more than one: each is polled when it was woken, in turn.

use super::{
    batch::Handed,
    desk::Ending,
    event::Event,
    options::Credit,
    ready::{Call, Ready},
    subscription::{Part, Subscription},
    token::ResumeToken,
};
use crate::error::Error;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Bound,
    sync::Arc,
    task::{Context, Poll, Wake as _, Waker},
};

/// A stream carries no more subscriptions; and no more than so many beginnings and ends wait to be read.
pub(super) const MAX_SUBSCRIPTIONS: usize = 65_536;
/// So many that were woken may come to nothing, then the core's other streams have a turn.
const NOTHING_IN_A_ROW: usize = 256;
/// A heartbeat asks so many where they stand; the next one goes on behind them.
const ASKED_AT_ONCE: usize = 2_048;

/// The subscriptions of one stream, each under its number.
#[derive(Debug, Default)]
pub(super) struct Shared {
    members: BTreeMap<u32, Member>,
    /// Their numbers by their seats, to find the one that has a listener.
    by_seat: HashMap<u64, u32>,
    /// What the stream has yet to say: beginnings in their order, and ends that were not found by polling.
    unannounced: VecDeque<u32>,
    ended: VecDeque<(u32, Ending)>,
    ready: Arc<Ready>,
    /// News and deliveries take turns: thousands that are added delay nobody's messages.
    news_next: bool,
    /// Whom the last heartbeat asked last.
    asked: u32,
}

#[derive(Debug)]
struct Member {
    subscription: Box<Subscription>,
    call: Arc<Call>,
    /// The same as a waker, so that none is made for a poll.
    waker: Waker,
    announced: bool,
    /// Where it stood when the stream last said so.
    said: ResumeToken,
}

impl Member {
    fn poll(&mut self) -> Poll<Result<Part, Ending>> {
        self.call.answered();
        self.subscription.poll_next(&mut Context::from_waker(&self.waker))
    }

    /// There may be more: it has another turn, behind those who wait.
    fn handed(&mut self, handed: Handed, number: u32) -> Event {
        self.said = handed.batch.token;
        self.call.wake_by_ref();
        Event::Batch(number, handed)
    }
}

impl Shared {
    /// Takes one in, under a number that none had before.
    pub(super) fn enter(&mut self, number: u32, subscription: Box<Subscription>, announced: bool) {
        let call = Call::new(number, &self.ready);
        let (waker, said) = (Waker::from(Arc::clone(&call)), subscription.token());
        self.by_seat.insert(subscription.seat(), number);
        if announced {
            call.wake_by_ref();
        } else {
            self.unannounced.push_back(number);
        }
        self.members.insert(number, Member { subscription, call, waker, announced, said });
        self.ready.wake();
    }

    /// Whether it is as much as a stream may carry, or a client that reads nothing may have waiting for it.
    pub(super) fn full(&self) -> bool {
        let unread = self.unannounced.len().max(self.ended.len()).max(self.ready.waiting());
        self.members.len() >= MAX_SUBSCRIPTIONS || unread >= 2 * MAX_SUBSCRIPTIONS
    }

    /// The number of the subscription that sits there.
    pub(super) fn number_of(&self, seat: u64) -> Option<u32> {
        self.by_seat.get(&seat).copied()
    }

    pub(super) fn set_credit(&mut self, number: u32, credit: Credit) -> Result<(), Error> {
        let Some(member) = self.members.get_mut(&number) else { return Ok(()) };
        member.subscription.set_credit(credit)?;
        // what it had to wait for may be allowed now
        member.call.wake_by_ref();
        Ok(())
    }

    /// Ends one at its client's wish; false where there is none of this number.
    pub(super) fn withdraw(&mut self, number: u32) -> bool {
        let Some(member) = self.take(number) else { return false };
        // what was never said to have begun need not be said to have ended
        if member.announced {
            self.ended.push_back((number, Ending::Stopped));
            self.ready.wake();
        }
        member.subscription.withdraw();
        true
    }

    fn take(&mut self, number: u32) -> Option<Member> {
        let member = self.members.remove(&number)?;
        self.by_seat.remove(&member.subscription.seat());
        Some(member)
    }

    pub(super) fn wake(&self) {
        self.ready.wake();
    }

    /// What comes next; pending too where nobody is left, unless the hub is about to end.
    pub(super) fn poll(&mut self, closing: bool, context: &Context<'_>) -> Poll<Event> {
        self.ready.read_by(context.waker());
        self.news_next = !self.news_next;
        if let Some(news) = self.news_next.then(|| self.news()).flatten() {
            return Poll::Ready(news);
        }
        for _ in 0..NOTHING_IN_A_ROW {
            let Some(number) = self.ready.next() else { return self.otherwise(closing) };
            if let Some(event) = self.poll_one(number) {
                return Poll::Ready(event);
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn otherwise(&mut self, closing: bool) -> Poll<Event> {
        match self.news() {
            Some(news) => Poll::Ready(news),
            None if closing && self.members.is_empty() => {
                Poll::Ready(Event::Over(Ending::Failed(Error::ShuttingDown)))
            }
            None => Poll::Pending,
        }
    }

    /// A beginning or an end that is yet to be said.
    pub(super) fn news(&mut self) -> Option<Event> {
        while let Some(number) = self.unannounced.pop_front() {
            // it may have been removed before anybody heard of it
            let Some(member) = self.members.get_mut(&number) else { continue };
            member.announced = true;
            member.call.wake_by_ref();
            let started = member.subscription.started();
            member.said = started.token;
            return Some(Event::Started(number, started));
        }
        self.ended.pop_front().map(|(number, ending)| Event::Ended(number, ending))
    }

    fn poll_one(&mut self, number: u32) -> Option<Event> {
        let member = self.members.get_mut(&number)?;
        if !member.announced {
            member.call.answered();
            return None;
        }
        match member.poll() {
            Poll::Pending => None,
            Poll::Ready(Ok(Part::Batch(handed))) => Some(member.handed(handed, number)),
            Poll::Ready(Ok(Part::Presence(changes))) => {
                member.call.wake_by_ref();
                Some(Event::Presence(number, changes))
            }
            Poll::Ready(Err(Ending::Failed(Error::ShuttingDown))) => {
                if let Some(handed) = member.subscription.last_batch() {
                    return Some(member.handed(handed, number));
                }
                // the stream itself says why, once all have handed over what was ready
                self.take(number);
                None
            }
            Poll::Ready(Err(ending)) => {
                self.take(number);
                Some(Event::Ended(number, ending))
            }
        }
    }

    /// Where those stand who have moved on without a word, by passing over what they do not want; where nobody has and
    /// the stream is idle, one of them.
    pub(super) fn heartbeat(&mut self, idle: bool) -> Option<Vec<(u32, ResumeToken)>> {
        let (mut moved, mut any) = (Vec::new(), None);
        let behind = (Bound::Excluded(self.asked), Bound::Unbounded);
        self.asked = 0;
        let known = self.members.range_mut(behind).filter(|(_, member)| member.announced);
        for (place, (number, member)) in known.take(ASKED_AT_ONCE).enumerate() {
            let token = member.subscription.token();
            any.get_or_insert((*number, token));
            if std::mem::replace(&mut member.said, token) != token {
                moved.push((*number, token));
            }
            self.asked = if place + 1 == ASKED_AT_ONCE { *number } else { 0 };
        }
        if moved.is_empty() && idle {
            moved.extend(any);
            return Some(moved);
        }
        (!moved.is_empty()).then_some(moved)
    }
}
