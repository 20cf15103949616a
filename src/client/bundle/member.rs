//! One listener of a bundle: where it stands, and what it has to say.

use super::super::{
    CHANNEL_CLOSED, Code, End, Event, Listen, account::Account, resume::Cursor, subscribe::ListenAsked,
};
use crate::v1;
use std::sync::Arc;

/// What a [`Bundle`](super::Bundle) brings, and of which listener.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Told {
    /// The channel's id.
    pub channel: Arc<str>,
    /// The listener's id.
    pub listener: Arc<str>,
    /// What it is.
    pub what: What,
}

/// What a listener of a [`Bundle`](super::Bundle) is told.
#[derive(Clone, Debug)]
pub enum What {
    /// What a [`Subscription`](super::super::Subscription) of its own would have brought.
    Event(Event),
    /// It has ended; the others go on.
    Ended(End),
}

pub(super) struct Member {
    pub(super) channel: Arc<str>,
    pub(super) listener: Arc<str>,
    pub(super) asked: ListenAsked,
    pub(super) cursor: Cursor,
    pub(super) is_ready: bool,
    pub(super) end: Option<End>,
}

impl Member {
    pub(super) fn new(listen: Listen) -> Self {
        let ListenAsked(asked) = &listen.asked;
        let (channel, listener) = (asked.channel.as_str().into(), asked.listener.as_str().into());
        let account = Account::new(listen.client.clone(), asked.channel.clone(), asked.listener.clone());
        let cursor = Cursor::new(asked.resume_token.clone(), Some(account));
        Self { channel, listener, asked: listen.asked, cursor, is_ready: false, end: None }
    }

    pub(super) fn is(&self, channel: &str, listener: &str) -> bool {
        (&*self.channel, &*self.listener) == (channel, listener)
    }

    pub(super) fn tells(&self, what: What) -> Told {
        Told { channel: self.channel.clone(), listener: self.listener.clone(), what }
    }

    pub(super) fn subscription(&self) -> v1::Subscription {
        let resume_token = self.cursor.opening_token().to_owned();
        v1::Subscription { resume_token, ..self.asked.0.clone() }
    }

    /// What it has to say next.
    pub(super) fn next(&mut self) -> Option<What> {
        match self.cursor.hand_out() {
            Some(Event::Delivery(delivery)) if delivery.message.message_type() == CHANNEL_CLOSED => {
                drop(delivery.acknowledge());
                Some(What::Ended(End::ChannelClosed))
            }
            Some(event) => Some(What::Event(event)),
            None => {
                let fault = self.cursor.account().and_then(|account| account.fault());
                self.end.take().or(fault.map(End::Failed)).map(What::Ended)
            }
        }
    }
}

/// How a subscription ended, by what its stream says of it.
pub(super) fn end_of(ended: v1::SubscriptionEnded) -> End {
    match ended.status {
        Some(status) if status.code != Code::Ok as i32 => End::Failed(status.into()),
        Some(_) | None => End::Stopped,
    }
}
