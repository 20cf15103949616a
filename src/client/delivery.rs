//! What a receiver gets, at its place in the order.

use super::{Message, account::Hold, time};
use crate::v1;
use std::{fmt, sync::Arc, time::SystemTime};

pub use crate::v1::{DeadLetterCause, DeliveryKind, Receipt};

/// A message with its place in the channel's order.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Delivery {
    /// The message, as it was sent.
    pub message: Message,
    /// Its position in the server's log: rising within a channel, not consecutive.
    pub sequence: i64,
    /// When the server accepted it, by the server's clock.
    pub accept_time: SystemTime,
    /// Dispatched to this listener alone, or broadcast.
    pub kind: DeliveryKind,
    /// Which attempt to deliver it this is, from 1.
    pub attempt: i32,
    /// Why it came here, where this is a dead letter listener.
    pub dead_letter: Option<Box<DeadLetter>>,
    pub(super) hold: Grip,
}

/// Why a message was moved to a dead letter listener.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// What moved it.
    pub cause: DeadLetterCause,
    /// The reason that the last rejection gave; empty where it gave none.
    pub reason: String,
    /// The listener it was meant for.
    pub listener: String,
    /// Its sequence there.
    pub sequence: i64,
    /// How often it was attempted there.
    pub attempts: i32,
    /// When it was moved, by the server's clock.
    pub time: SystemTime,
}

/// What an EXPLICIT listener's delivery is acknowledged by, shared by its clones.
#[derive(Clone, Default)]
pub(super) struct Grip(Option<Arc<Hold>>);

impl Grip {
    pub(super) fn get(&self) -> Option<&Hold> {
        self.0.as_deref()
    }
}

impl From<Option<Hold>> for Grip {
    fn from(hold: Option<Hold>) -> Self {
        Self(hold.map(Arc::new))
    }
}

/// How a delivery is held is nobody's matter.
impl fmt::Debug for Grip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "explicit" } else { "automatic" })
    }
}

/// Deliveries are equal by what they say.
impl PartialEq for Grip {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl From<v1::Delivery> for Delivery {
    fn from(delivery: v1::Delivery) -> Self {
        Self {
            kind: delivery.kind(),
            message: delivery.message.unwrap_or_default().into(),
            sequence: delivery.sequence,
            accept_time: time::or_epoch(delivery.accept_time),
            attempt: 1,
            dead_letter: delivery.dead_letter.map(|letter| Box::new(letter.into())),
            hold: Grip::default(),
        }
    }
}

impl From<v1::DeadLetter> for DeadLetter {
    fn from(letter: v1::DeadLetter) -> Self {
        Self {
            cause: letter.cause(),
            reason: letter.reason,
            listener: letter.listener,
            sequence: letter.sequence,
            attempts: letter.attempts,
            time: time::or_epoch(letter.time),
        }
    }
}
