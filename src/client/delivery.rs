//! What a receiver gets, at its place in the order.

use super::{Message, time};
use crate::v1;
use std::time::SystemTime;

pub use crate::v1::{DeliveryKind, GapReason, Receipt};

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
}

/// Messages that were meant for a receiver and cannot reach it, at their place in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// Why.
    pub reason: GapReason,
    /// Everything up to this sequence is not part of the gap.
    pub after_sequence: i64,
    /// The last sequence that the gap covers.
    pub through_sequence: i64,
    /// How many messages are missing, where that can be known.
    pub count: Option<i64>,
}

impl From<v1::Delivery> for Delivery {
    fn from(delivery: v1::Delivery) -> Self {
        Self {
            kind: delivery.kind(),
            message: delivery.message.unwrap_or_default().into(),
            sequence: delivery.sequence,
            accept_time: time::or_epoch(delivery.accept_time),
        }
    }
}

impl From<v1::Gap> for Gap {
    fn from(gap: v1::Gap) -> Self {
        Self {
            reason: gap.reason(),
            after_sequence: gap.after_sequence,
            through_sequence: gap.through_sequence,
            count: gap.count,
        }
    }
}
