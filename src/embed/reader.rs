//! A subscription read one by one.

use super::{Delivered, Delivery, Result};
use crate::{
    error,
    hub::{Batch, Ending, Gap, ResumeToken, Subscription},
    message::CHANNEL_CLOSED_TYPE,
};
use std::{
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

/// What comes next.
pub(super) enum Step {
    Delivery(Delivery),
    Gap(Gap),
    /// This message says that no more will come. It is the last step.
    Closed(Delivery),
    /// The last step.
    Stopped,
    /// The last step.
    Failed(error::Error),
}

/// Reads a subscription, and lets it go as soon as it has ended.
#[derive(Debug)]
pub(super) struct Reader {
    subscription: Option<Subscription>,
    batch: Option<Arc<Batch>>,
    /// What of the batch is next: gaps first.
    next: usize,
    token: ResumeToken,
}

impl Reader {
    pub(super) fn new(subscription: Subscription) -> Self {
        let token = subscription.token();
        Self { subscription: Some(subscription), batch: None, next: 0, token }
    }

    /// After what was given last.
    pub(super) fn token(&self) -> ResumeToken {
        self.token
    }

    /// Behind the last step there is only [`Step::Stopped`].
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        loop {
            if let Some(step) = self.held() {
                return Poll::Ready(step);
            }
            let Some(subscription) = &mut self.subscription else { return Poll::Ready(Step::Stopped) };
            match ready!(subscription.poll_batch(context)) {
                Ok(handed) => (self.batch, self.next) = (Some(handed.batch), 0),
                Err(ending) => return Poll::Ready(self.end(ending)),
            }
        }
    }

    fn held(&mut self) -> Option<Step> {
        let batch = self.batch.as_ref()?;
        let next = self.next;
        self.next += 1;
        if let Some(gap) = batch.gaps.get(next) {
            self.token.sequence = gap.through;
            return Some(Step::Gap(*gap));
        }
        let Some(entry) = batch.entries.get(next - batch.gaps.len()) else {
            self.batch = None;
            return None;
        };
        self.token = ResumeToken { sequence: entry.position, ..batch.token };
        let delivery = Delivery::of(entry);
        if delivery.message.message_type() != CHANNEL_CLOSED_TYPE {
            return Some(Step::Delivery(delivery));
        }
        self.let_go();
        Some(Step::Closed(delivery))
    }

    fn end(&mut self, ending: Ending) -> Step {
        self.let_go();
        match ending {
            Ending::Stopped => Step::Stopped,
            Ending::Failed(error) => Step::Failed(error),
        }
    }

    /// Ends the subscription: its listener is stopped, and nothing more is taken from its queue.
    pub(super) fn let_go(&mut self) {
        self.subscription = None;
        self.batch = None;
    }

    /// The next message and the gaps before it, without waiting.
    pub(super) fn what_is_there(&mut self) -> Result<Delivered> {
        let mut found = Delivered::default();
        let mut context = Context::from_waker(Waker::noop());
        while let Poll::Ready(step) = self.poll(&mut context) {
            match step {
                Step::Gap(gap) => found.gaps.push(gap),
                Step::Delivery(delivery) | Step::Closed(delivery) => {
                    found.delivery = Some(delivery);
                    break;
                }
                Step::Stopped => break,
                Step::Failed(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }
}
