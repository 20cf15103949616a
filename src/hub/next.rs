//! What comes next for a receiver: a broadcast of its channel, or a dispatch of its own.

use super::{expiry::Expiry, queue::Dispatch, ring::Broadcast};
use crate::log::Position;

/// A message in a receiver's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) position: Position,
    pub(super) bytes: u64,
    pub(super) expiry: Expiry,
    /// Its number among the channel's broadcasts; `None`: it is the listener's own.
    pub(super) ordinal: Option<u64>,
}

impl Next {
    /// As what it is where it is the listener's own.
    pub(super) fn dispatch(self) -> Dispatch {
        Dispatch { position: self.position, bytes: self.bytes, expiry: self.expiry }
    }

    /// Both in one order.
    pub(super) fn merge(
        broadcasts: impl Iterator<Item = Broadcast>,
        own: impl Iterator<Item = Dispatch>,
    ) -> impl Iterator<Item = Self> {
        let (mut broadcasts, mut own) = (broadcasts.peekable(), own.peekable());
        std::iter::from_fn(move || {
            let own_first = match (broadcasts.peek(), own.peek()) {
                (Some(broadcast), Some(dispatch)) => dispatch.position < broadcast.position,
                (broadcast, _) => broadcast.is_none(),
            };
            if own_first { own.next().map(Self::from) } else { broadcasts.next().map(Self::from) }
        })
    }
}

impl From<Broadcast> for Next {
    fn from(broadcast: Broadcast) -> Self {
        let Broadcast { position, bytes, ordinal, expiry } = broadcast;
        Self { position, bytes, expiry, ordinal: Some(ordinal) }
    }
}

impl From<Dispatch> for Next {
    fn from(dispatch: Dispatch) -> Self {
        let Dispatch { position, bytes, expiry } = dispatch;
        Self { position, bytes, expiry, ordinal: None }
    }
}
