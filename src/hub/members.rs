//! The subscriptions of one stream: nobody, one that waits for itself, or many that share.

use super::{
    desk::Ending,
    event::Event,
    options::Credit,
    shared::Shared,
    subscription::{Part, Subscription},
    token::ResumeToken,
};
use crate::error::Error;
use std::task::{Context, Poll, Waker};

/// The number of a stream's first subscription.
pub(super) const FIRST: u32 = 1;

/// The subscriptions of a stream, and how many it has had.
#[derive(Debug)]
pub(super) struct Open {
    /// The last number that was given; none is given twice.
    pub(super) last: u32,
    pub(super) members: Members,
}

/// Nearly all streams have one subscription, for all their life: it waits for itself.
#[derive(Debug)]
pub(super) enum Members {
    Nobody,
    Alone(Alone),
    Many(Box<Shared>),
    /// Nobody reads the stream any more.
    Closed,
}

#[derive(Debug)]
pub(super) struct Alone {
    subscription: Box<Subscription>,
    announced: bool,
    /// Who reads the stream, for the day when another subscription comes.
    reader: Option<Waker>,
}

impl Alone {
    pub(super) fn news(&mut self) -> Option<Event> {
        let first = !std::mem::replace(&mut self.announced, true);
        first.then(|| Event::Started(FIRST, self.subscription.started()))
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Event> {
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

    pub(super) fn token(&self) -> ResumeToken {
        self.subscription.token()
    }

    pub(super) fn rests(&self) -> bool {
        self.subscription.rests()
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
    pub(super) fn next_number(&mut self) -> u32 {
        self.last += 1;
        self.last
    }

    pub(super) fn full(&self) -> bool {
        match &self.members {
            Members::Many(shared) => shared.full(),
            Members::Nobody | Members::Alone(_) | Members::Closed => false,
        }
    }

    pub(super) fn number_of(&self, seat: u64) -> Option<u32> {
        match &self.members {
            Members::Alone(alone) => (alone.subscription.seat() == seat).then_some(FIRST),
            Members::Many(shared) => shared.number_of(seat),
            Members::Nobody | Members::Closed => None,
        }
    }

    pub(super) fn set_credit(&mut self, number: u32, credit: Credit) -> Result<(), Error> {
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

    pub(super) fn enter(&mut self, subscription: Subscription) -> u32 {
        let (number, subscription) = (self.next_number(), Box::new(subscription));
        if number == FIRST {
            self.members = Members::Alone(Alone { subscription, announced: false, reader: None });
        } else if let Some(shared) = self.shared() {
            shared.enter(number, subscription, false);
        }
        number
    }

    /// As a stream of many, from now on; `None` where it is closed.
    pub(super) fn shared(&mut self) -> Option<&mut Shared> {
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
