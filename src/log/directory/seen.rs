//! What the writer saw when it looked last.

use std::sync::atomic::{AtomicI64, AtomicU64};

#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) free_bytes: AtomicU64,
    /// When the oldest message was accepted; 0: there is none.
    pub(super) oldest: AtomicI64,
}
