//! What an operator may set.

use std::time::Duration;

/// When what was accepted is on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// Before it is answered: nothing that was accepted is lost.
    #[default]
    Always,
    /// So often. The end of the process loses nothing; the end of the machine loses what was accepted since, at most
    /// that long ago.
    Interval(Duration),
}

/// How a directory is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// When what was accepted is on disk.
    pub sync: Sync,
    /// What the newest messages may take in memory. What is older is read from the file.
    pub cache_bytes: u64,
    /// What may wait to be written. Beyond it messages are refused for a moment.
    pub pending_bytes: u64,
    /// The size of a page of a new file, in bytes.
    pub(super) page_bytes: u32,
    /// The write-ahead log begins anew at about this size, in bytes.
    pub(super) wal_bytes: i64,
    /// The most pages that the file may have: a disk that is full, for tests.
    #[cfg(test)]
    pub(super) max_pages: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sync: Sync::Always,
            cache_bytes: 64 << 20,
            pending_bytes: 64 << 20,
            // with 8192 it takes a tenth more a second in batches of 64, and writes a tenth more; and half as much again for a
            // message that comes alone
            page_bytes: 4096,
            wal_bytes: 32 << 20,
            #[cfg(test)]
            max_pages: None,
        }
    }
}
