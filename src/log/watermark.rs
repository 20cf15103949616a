//! How far a log's order is safe, and who wants to know.

use super::{LogError, Position};
use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tokio::sync::Notify;

type Follower = Box<dyn Fn(Position) + Send + Sync>;

/// The durable watermark of a log: everything up to it is safe. It only rises.
#[derive(Default)]
pub struct Watermark {
    through: AtomicU64,
    /// Nothing more becomes safe for now.
    stalled: AtomicBool,
    rose: Notify,
    follower: OnceLock<Follower>,
}

impl Watermark {
    /// The last position that is safe.
    pub fn position(&self) -> Position {
        Position(self.through.load(Ordering::SeqCst))
    }

    /// Tells the hub of every rise that happens outside of an append. The first to ask is told, and nobody else.
    pub(crate) fn follow(&self, follower: impl Fn(Position) + Send + Sync + 'static) {
        let follower: Follower = Box::new(follower);
        // a hub is made once for its log; a second one would tell the same streams twice
        drop(self.follower.set(follower));
    }

    /// For a log whose append is safe when it returns: the one who appended looks for himself.
    pub(super) fn rise_at_append(&self, position: Position) {
        self.through.fetch_max(position.0, Ordering::SeqCst);
    }

    /// For a log that writes later: wakes those who wait, and tells the hub.
    pub(super) fn rise(&self, position: Position) {
        self.rise_at_append(position);
        self.stalled.store(false, Ordering::SeqCst);
        if let Some(follower) = self.follower.get() {
            follower(position);
        }
        self.rose.notify_waiters();
    }

    /// The log cannot write: whoever waits is told, and whoever comes, until it rises again.
    pub(super) fn stall(&self) {
        self.stalled.store(true, Ordering::SeqCst);
        self.rose.notify_waiters();
    }

    /// Waits until a position is safe; at once where it is.
    ///
    /// # Errors
    /// [`LogError::Unavailable`]: it is not, and the log cannot write now. What was appended may become safe later.
    pub async fn reached(&self, position: Position) -> Result<(), LogError> {
        loop {
            let rose = self.rose.notified();
            if self.position() >= position {
                return Ok(());
            }
            if self.stalled.load(Ordering::SeqCst) {
                return Err(LogError::Unavailable);
            }
            rose.await;
        }
    }
}

impl fmt::Debug for Watermark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watermark").field(&self.position()).finish()
    }
}
