//! The log on disk: an SQLite file in a directory of its own. Accepted means: it is on disk, after fsync.
//!
//! In reading order:
//! - `schema` has the tables as operators see them, `last` how far positions were given, `open` and `lock` who may open
//!   the file, `options` what is set.
//! - `shared` is what those who append share with the writer: `pending`, what waits to be written, and `kept`, what
//!   memory knows of what is kept (`sizes` of all, the newest in the `cache`, `runs` that were deleted).
//! - `writer` is the one thread that writes. It turns what waits into `rows`, and after each commit lets the watermark
//!   rise; `rhythm` says when a commit waits for the disk, `trouble` what becomes of errors (`quota` of limits),
//!   `threads` what of a panic.
//! - `delete` and `doomed` carry deletions out; `upkeep` and `sweep` do beside the commits what nobody waits for;
//!   `checkpoints` keeps the write-ahead log short from a thread of its own; `room` is what both keep free on the disk.
//! - `reader` and `fetches` read back what is no longer in memory, `recover` all of it at the start, `ahead` of whoever
//!   takes it in.
//! - `stats` counts what the running log does, `seen` is what the writer looked for, `figures` has what it says of
//!   itself. For operators: `stat` counts what stands in a directory, `check` looks whether it is sound, `export` writes
//!   it as JSON lines (`line`; `salvage` reads around what is damaged), `import` takes those back, `aside` until it has
//!   all.

mod ahead;
mod aside;
mod cache;
mod check;
mod checkpoints;
mod checksum;
mod delete;
mod doomed;
mod export;
mod fetches;
mod figures;
mod import;
mod kept;
mod last;
mod letter;
mod line;
mod lock;
mod open;
mod options;
mod pending;
mod quota;
mod rate;
mod reader;
mod recover;
mod rhythm;
mod room;
mod rows;
mod runs;
mod salvage;
mod schema;
mod seen;
mod shared;
mod sizes;
mod stat;
mod stats;
mod sweep;
mod threads;
mod trouble;
mod upkeep;
mod writer;

#[cfg(test)]
mod tests;

pub use check::{Checked, check};
pub use export::{ExportError, Exported, export};
pub use import::{ImportError, Imported, import};
pub use open::OpenError;
pub use options::{Options, Sync};
pub use stat::{ChannelStat, Stat, stat};
pub use stats::Counts;

use super::{
    Change, Durability, Entry, Fetch, Figures, Log, LogError, LogState, Position, Record, Recovered, Start,
    Watermark,
};
use cache::Cache;
use checkpoints::Checkpoints;
use fetches::Fetches;
use kept::Kept;
use lock::Lock;
use pending::{Pending, Saved};
use reader::Reader;
use rhythm::Rhythm;
use room::{Disk, Room};
use rusqlite::Connection;
use shared::Shared;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};
use threads::spawn;
use tokio::sync::oneshot;
use writer::{Writer, now};

/// Keeps everything in a directory, which it holds alone. It writes out what waits when it is dropped.
#[derive(Debug)]
pub struct Directory {
    shared: Arc<Shared>,
    fetches: Arc<Fetches>,
    reader: Reader,
    /// One save at a time.
    saving: Mutex<()>,
    file: PathBuf,
    sync: Sync,
    threads: Vec<JoinHandle<()>>,
    // dropped last: until then nobody else may open the file
    _lock: Lock,
}

impl Directory {
    /// Opens the log of a directory, and makes one where there is none. Before anything else it is to
    /// [recover](Log::recover): until then it is unavailable, unless it is new.
    ///
    /// # Errors
    /// Another process has it, the system refuses it, or what stands there is damaged, foreign or of a later version.
    pub fn open(dir: &Path, options: &Options) -> Result<Self, OpenError> {
        open::make(dir)?;
        let lock = Lock::take(dir)?;
        let connection = open::writer(dir, options)?;
        let file = open::file(dir);
        Self::start(dir, options, connection, lock).map_err(|error| OpenError::store(&file, error))
    }

    fn start(dir: &Path, options: &Options, connection: Connection, lock: Lock) -> rusqlite::Result<Self> {
        #[cfg(test)]
        if let Some(pages) = options.max_pages {
            connection.pragma_update(None, "max_page_count", pages)?;
        }
        let file = open::file(dir);
        let shared = Arc::new(share(&connection, options)?);
        let reader = Reader::new(open::reader(dir)?, file.clone());
        let fetching = Reader::new(open::reader(dir)?, file.clone());
        let upkeeper = open::upkeeper(dir, options)?;
        let disk = Arc::new(Disk::new(dir, Room::beside(options.wal_bytes)));
        let checkpoints =
            Checkpoints::new(upkeeper, Arc::clone(&shared), file.clone(), Arc::clone(&disk), options)?;
        let rhythm = Rhythm::new(options.sync);
        let writer = Writer::new(connection, Arc::clone(&shared), file.clone(), disk, rhythm);
        let fetches = Arc::new(Fetches::default());
        let threads = vec![
            spawn("log-writer", &shared, move || writer.run()),
            spawn("log-checkpoints", &shared, move || checkpoints.run()),
            spawn("log-reader", &shared, answer(Arc::clone(&fetches), Arc::clone(&shared), fetching)),
        ];
        let saving = Mutex::default();
        let sync = options.sync;
        Ok(Self { shared, fetches, reader, saving, file, sync, threads, _lock: lock })
    }

    /// What it has done since it was opened.
    pub fn counts(&self) -> Counts {
        self.shared.stats.counts()
    }
}

/// What memory has to know of the file before anything happens.
fn share(connection: &Connection, options: &Options) -> rusqlite::Result<Shared> {
    let last = last::last(connection)?;
    let kept = Kept::new(starts(connection)?, Cache::after(last, options.cache_bytes));
    Ok(Shared::new(Pending::after(last, options.pending_bytes), kept, last == Position::ZERO))
}

fn starts(connection: &Connection) -> rusqlite::Result<Vec<Start>> {
    let mut starts = connection.prepare("SELECT position, incarnation FROM start ORDER BY position")?;
    let start = |row: &rusqlite::Row<'_>| {
        let (position, incarnation): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok(Start { position: Position(position.cast_unsigned()), incarnation: incarnation.cast_unsigned() })
    };
    starts.query_map([], start)?.collect()
}

fn answer(fetches: Arc<Fetches>, shared: Arc<Shared>, reader: Reader) -> impl FnOnce() {
    move || {
        fetches.run(|positions| {
            let mut found = Vec::new();
            read(&shared, &reader, positions, &mut found).map(|()| found)
        });
    }
}

/// From memory what is there, and the rest, which is older, from the file.
fn read(
    shared: &Shared,
    reader: &Reader,
    positions: &[Position],
    found: &mut Vec<Entry>,
) -> Result<(), LogError> {
    let places = look(shared, |kept| kept.find(positions))?;
    let before = found.len();
    let read = reader.read(&places.on_disk, found);
    let read = read.and_then(|()| complete(shared, &places.on_disk, &found[before..]));
    match read {
        Ok(()) => found.extend(places.at_hand),
        Err(_) => found.truncate(before),
    }
    read
}

fn look<T>(shared: &Shared, look: impl FnOnce(&Kept) -> T) -> Result<T, LogError> {
    let state = shared.lock();
    if !state.recovered {
        return Err(LogError::Unavailable);
    }
    Ok(look(&state.kept))
}

/// What was deleted meanwhile may be missing, and nothing else.
fn complete(shared: &Shared, wanted: &[Position], found: &[Entry]) -> Result<(), LogError> {
    if wanted.len() == found.len() {
        return Ok(());
    }
    let mut found = found.iter().map(|entry| entry.position).peekable();
    let mut missing = wanted.iter().filter(|&&position| found.next_if_eq(&position).is_none());
    let lost = look(shared, |kept| missing.any(|&position| kept.has(position)))?;
    if lost { Err(LogError::Corrupt) } else { Ok(()) }
}

impl Log for Directory {
    fn append(&self, record: Record) -> Result<Position, LogError> {
        self.shared.change(|state| state.append(record))
    }

    fn append_all(&self, records: Vec<Record>, gone: &[Position]) -> Result<Position, LogError> {
        self.shared.change(|state| state.append_all(records, gone))
    }

    fn watermark(&self) -> &Watermark {
        &self.shared.watermark
    }

    fn last(&self) -> Position {
        self.shared.lock().pending.last
    }

    fn read(&self, positions: &[Position], found: &mut Vec<Entry>) -> Result<(), LogError> {
        if self.read_at_hand(positions, found)? {
            return Ok(());
        }
        read(&self.shared, &self.reader, positions, found)
    }

    fn read_at_hand(&self, positions: &[Position], found: &mut Vec<Entry>) -> Result<bool, LogError> {
        look(&self.shared, |kept| kept.find_at_hand(positions, found))
    }

    fn fetch(&self, positions: &[Position]) -> Fetch {
        let (answer, fetch) = oneshot::channel();
        let mut found = Vec::new();
        match self.read_at_hand(positions, &mut found) {
            Ok(false) => self.fetches.push(positions.to_vec(), answer),
            // whoever asked may have gone
            Ok(true) => drop(answer.send(Ok(found))),
            Err(error) => drop(answer.send(Err(error))),
        }
        fetch
    }

    fn delete(&self, positions: &[Position]) {
        self.shared.change(|state| state.kept.delete(positions));
    }

    fn save(&self, changes: &mut dyn FnMut(&mut dyn FnMut(Change))) {
        let _one = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.lock().kept.open();
        changes(&mut |change| self.shared.lock().kept.collect(change));
        self.shared.change(|state| {
            let saved = state.kept.close();
            // a log that has failed keeps nothing
            if let Some(saved) = saved.filter(|_| state.standing != LogState::Failed) {
                state.pending.push_saved(saved);
            }
        });
    }

    fn recover(&self, found: &mut dyn FnMut(Recovered)) -> Result<(), LogError> {
        let unavailable = |error| trouble::of_recovering(&self.file, &error);
        let dir = self.file.parent().expect("the file lies in the directory");
        let connection = open::reader(dir).map_err(unavailable)?;
        let recovered = ahead::recover_ahead(connection, now(), found).map_err(unavailable)?;
        tracing::info!(messages = recovered.messages, bytes = recovered.bytes, "the log was read");
        self.shared.change(|state| {
            state.kept.recover(recovered.sizes, recovered.bytes);
            state.recovered = true;
            let gone = recovered.orphans.sorted();
            if !gone.is_empty() {
                state.pending.push_saved(Saved { gone, ..Saved::default() });
            }
        });
        Ok(())
    }

    fn starts(&self) -> Vec<Start> {
        self.shared.lock().kept.starts.clone()
    }

    fn check(&self) -> Result<(), LogError> {
        self.shared.lock().can_write()
    }

    fn bytes(&self) -> u64 {
        self.shared.bytes()
    }

    fn durability(&self) -> Durability {
        Durability::Disk
    }

    fn figures(&self) -> Option<Figures> {
        Some(figures::figures(&self.file, self.sync, &self.shared))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.fetches.close();
        self.shared.close();
        for thread in self.threads.drain(..) {
            // one that panicked has said so
            drop(thread.join());
        }
    }
}
