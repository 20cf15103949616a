//! Brings the write-ahead log over into the file, off the writer's path.

use super::{super::LogState, options::Options, room::Disk, shared::Shared, trouble};
use rusqlite::Connection;
use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// How often it looks.
const LOOK: Duration = Duration::from_millis(50);
/// So many looks without a commit, and the rest is brought over too, and the write-ahead log emptied: what stands there still
/// is read at a start, and were it damaged by then, older pages would come over newer ones.
const IDLE: u32 = 20;

#[derive(Debug)]
pub(super) struct Checkpoints {
    connection: Connection,
    shared: Arc<Shared>,
    file: PathBuf,
    page_bytes: i64,
    /// The write-ahead log should begin anew when it has this size. It grows on while the rest is brought over.
    long: i64,
    disk: Arc<Disk>,
    /// So much is brought over at once while writes go on: pages that change often are brought over once.
    at_once: i64,
}

/// The write-ahead log, in bytes.
struct Wal {
    size: i64,
    rest: i64,
}

impl Checkpoints {
    pub(super) fn new(
        connection: Connection,
        shared: Arc<Shared>,
        file: PathBuf,
        disk: Arc<Disk>,
        options: &Options,
    ) -> rusqlite::Result<Self> {
        let page_bytes = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        // whoever writes or reads is not kept waiting while this waits for another
        connection.busy_timeout(Duration::ZERO)?;
        let (long, at_once) = (options.wal_bytes, options.wal_bytes / 4);
        Ok(Self { connection, shared, file, page_bytes, long, disk, at_once })
    }

    pub(super) fn run(self) {
        let (mut seen, mut quiet) = (0, 0);
        while self.shared.sleep(LOOK) && self.shared.standing() != LogState::Failed {
            self.disk.look(&self.shared, 0);
            let written = self.shared.written.load(Ordering::Relaxed);
            quiet = if written == seen { quiet + 1 } else { 0 };
            seen = written;
            // where nothing happens nothing is looked at; what is left to the writer would find it locked by us
            if quiet > IDLE || (quiet == 0 && self.shared.wal_rest.load(Ordering::Relaxed)) {
                continue;
            }
            match self.look(quiet == IDLE) {
                Ok(true) => {}
                // somebody reads: it is tried again when it has been quiet for as long again
                Ok(false) => quiet = 0,
                Err(error) if trouble::passes(&self.file, &error).is_some() => quiet = 0,
                Err(error) => {
                    trouble::tell_failed(&self.file, &error);
                    return self.shared.fail();
                }
            }
        }
    }

    /// False where all was to be brought over, and was not.
    fn look(&self, all: bool) -> rusqlite::Result<bool> {
        let wal = self.wal("NOOP")?;
        let too_long = wal.size >= self.long && wal.rest > 0;
        if all {
            return Ok(wal.size == 0 || self.empty(wal.rest)?);
        }
        if too_long || wal.rest >= self.at_once {
            self.wal("PASSIVE")?;
        }
        // it tells of what was there when it began: what was committed since then is left
        if too_long {
            self.shared.wal_rest.store(true, Ordering::Relaxed);
        }
        Ok(true)
    }

    /// To empty it is to lock writers out: what takes long is brought over before.
    fn empty(&self, rest: i64) -> rusqlite::Result<bool> {
        let rest = if rest > 0 { self.wal("PASSIVE")?.rest } else { 0 };
        Ok(rest == 0 && self.wal("TRUNCATE")?.size == 0)
    }

    fn wal(&self, mode: &str) -> rusqlite::Result<Wal> {
        let mut checkpoint = self.connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
        checkpoint.query_row([], |row| {
            let (size, done): (i64, i64) = (row.get(1)?, row.get(2)?);
            Ok(Wal { size: size * self.page_bytes, rest: (size - done) * self.page_bytes })
        })
    }
}
