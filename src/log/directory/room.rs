//! Whether the disk has room for more than the log itself needs.

use super::shared::Shared;
use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError, atomic::Ordering},
};

/// What a disk is to keep free, where it is large enough: to bring the write-ahead log over, and to delete.
const LOGS: i64 = 2;
/// Of a small disk this part.
const PART: u64 = 8;

/// What is free, and what there is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Space {
    free: u64,
    all: u64,
}

/// Whether messages are refused: what is left is for acknowledgements, purges and removals, which make room.
#[derive(Debug)]
pub(super) struct Room {
    needed: u64,
    tight: bool,
}

impl Room {
    /// For a write-ahead log of about this size.
    pub(super) fn beside(wal_bytes: i64) -> Self {
        Self { needed: (LOGS * wal_bytes).unsigned_abs(), tight: false }
    }

    /// True: it has changed.
    fn judge(&mut self, Space { free, all }: Space) -> bool {
        let needed = self.needed.min(all / PART);
        // once it is tight there must be a little more: it would change again and again
        let needed = if self.tight { needed + needed / 4 } else { needed };
        let before = std::mem::replace(&mut self.tight, free < needed);
        self.tight != before
    }
}

/// What a disk says of itself.
type Look = fn(&Path) -> Option<Space>;

/// The disk of a directory. It is looked at from time to time, and by the writer: while it is brought over what was written,
/// more could be written than is to be kept free.
#[derive(Debug)]
pub(super) struct Disk {
    dir: PathBuf,
    space: Look,
    room: Mutex<Room>,
}

impl Disk {
    pub(super) fn new(dir: &Path, room: Room) -> Self {
        Self { dir: dir.to_owned(), space, room: Mutex::new(room) }
    }

    /// One that says that it is full.
    #[cfg(test)]
    pub(super) fn full(dir: &Path, room: Room) -> Self {
        Self { space: |_| Some(Space { free: 0, all: u64::MAX }), ..Self::new(dir, room) }
    }

    /// So many bytes of what waits to become durable have been written. A disk that does not say is taken as large.
    pub(super) fn look(&self, shared: &Shared, written: u64) {
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Space { free, all }) = (self.space)(&self.dir) else { return };
        let free = free.saturating_add(shared.seen.free_bytes.load(Ordering::Relaxed));
        let mut state = shared.lock();
        // it was accepted, and will be written
        let free = free.saturating_sub(state.pending.bytes().saturating_sub(written));
        if !room.judge(Space { free, all }) {
            return;
        }
        let tight = room.tight;
        state.tight = tight;
        // whoever reads what is told may be slow
        drop((state, room));
        let dir = self.dir.display();
        if tight {
            tracing::error!(%dir, "the disk is full but for what the log itself needs: no message is taken");
        } else {
            tracing::info!(%dir, "the disk has room again");
        }
    }
}

fn space(dir: &Path) -> Option<Space> {
    let disk = rustix::fs::statvfs(dir).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    Some(Space { free: bytes(disk.f_bavail), all: bytes(disk.f_blocks) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_tight_where_less_is_free_than_the_log_needs_or_a_part_of_a_small_disk() {
        let mut room = Room::beside(100);
        let mut judge = |free, all| {
            let changed = room.judge(Space { free, all });
            (room.tight, changed)
        };
        assert_eq!(judge(200, 1_000_000), (false, false));
        assert_eq!(judge(199, 1_000_000), (true, true));
        assert_eq!(judge(249, 1_000_000), (true, false));
        assert_eq!(judge(250, 1_000_000), (false, true));
        assert_eq!(judge(10, 80), (false, false));
        assert_eq!(judge(9, 80), (true, true));
        assert_eq!(judge(0, 0), (false, true), "it tells nothing");
    }

    #[test]
    fn a_disk_is_looked_at() {
        assert_eq!(space(Path::new("/no such directory")), None);
        assert!(space(&std::env::temp_dir()).is_some_and(|space| space.free <= space.all));
    }
}
