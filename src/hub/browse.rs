//! A look through what waits for a listener, which it does not consume.

use super::{Hub, look::View};
use crate::{
    error::Error,
    id::{ChannelId, ListenerId},
    log::{Entry, Position},
};

/// A page of a listener's backlog.
#[derive(Debug)]
pub struct Page {
    /// The messages, oldest first.
    pub entries: Vec<Entry>,
    /// Behind which the next page begins; `None` at the end.
    pub next: Option<Position>,
}

impl Hub {
    /// At most `count` of the messages that wait for a listener behind a position, and at most so many bytes, unless it is a
    /// single message.
    ///
    /// # Errors
    /// [`Error::ChannelNotFound`], [`Error::ListenerNotFound`] and their like; [`Error::Log`].
    pub fn list_messages(
        &self,
        channel: ChannelId<'_>,
        id: ListenerId<'_>,
        after: Position,
        count: usize,
        max_bytes: u64,
    ) -> Result<Page, Error> {
        let channel = self.channel(channel)?;
        let safe = self.log.watermark().position();
        let (positions, more) = {
            let state = channel.lock_existing()?;
            let listener = self.listener_in(&channel, &state, id)?;
            let mut standing = listener.lock();
            self.settle(&state, &mut standing);
            let now = self.clock_ms();
            View { standing: &standing, ring: state.ring_for(&standing), safe, now }
                .page(after, count, max_bytes)
        };
        let mut entries = Vec::with_capacity(positions.len());
        self.log.read(&positions, &mut entries)?;
        let next = positions.last().copied().filter(|_| more);
        Ok(Page { entries, next })
    }
}

impl View<'_> {
    /// What waits behind a position, and whether there is more than that.
    fn page(self, after: Position, count: usize, max_bytes: u64) -> (Vec<Position>, bool) {
        let after = after.max(self.standing.passed);
        let mut waiting = self
            .waiting(after)
            .take_while(|next| next.position <= self.safe)
            .filter(|next| !next.expiry.is_past(self.now))
            .peekable();
        let (mut positions, mut bytes) = (Vec::new(), 0);
        while positions.len() < count
            && let Some(next) =
                waiting.next_if(|next| positions.is_empty() || bytes + next.bytes <= max_bytes)
        {
            bytes += next.bytes;
            positions.push(next.position);
        }
        (positions, waiting.next().is_some())
    }
}
