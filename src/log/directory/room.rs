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

    /// Looks at the disk of a directory, in whose file so many bytes are free; true: it has changed. A disk that does not
    /// say is taken as large.
    fn look(&mut self, dir: &Path, in_file: u64) -> bool {
        let Ok(disk) = rustix::fs::statvfs(dir) else { return false };
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        self.judge(Space { free: bytes(disk.f_bavail).saturating_add(in_file), all: bytes(disk.f_blocks) })
    }

    fn judge(&mut self, Space { free, all }: Space) -> bool {
        let needed = self.needed.min(all / PART);
        // once it is tight there must be a little more: it would change again and again
        let needed = if self.tight { needed + needed / 4 } else { needed };
        let before = std::mem::replace(&mut self.tight, free < needed);
        self.tight != before
    }
}

/// The disk of a directory: it is looked at from time to time, and by whoever writes much, who else could have used up what is
/// to be left before anybody looks.
#[derive(Debug)]
pub(super) struct Disk {
    dir: PathBuf,
    room: Mutex<Room>,
}

impl Disk {
    pub(super) fn new(dir: &Path, room: Room) -> Self {
        Self { dir: dir.to_owned(), room: Mutex::new(room) }
    }

    pub(super) fn look(&self, shared: &Shared) {
        let mut room = self.room.lock().unwrap_or_else(PoisonError::into_inner);
        if !room.look(&self.dir, shared.seen.free_bytes.load(Ordering::Relaxed)) {
            return;
        }
        let dir = self.dir.display();
        if room.tight {
            tracing::error!(%dir, "the disk is full but for what the log itself needs: no message is taken");
        } else {
            tracing::info!(%dir, "the disk has room again");
        }
        shared.lock().tight = room.tight;
    }
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
        let mut room = Room { needed: u64::MAX, tight: false };
        assert!(!room.look(Path::new("/no such directory"), 0));
        room.look(&std::env::temp_dir(), 0);
    }
}
