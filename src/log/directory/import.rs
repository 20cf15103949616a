//! Takes back what was exported, into a directory that holds no log.

use super::{
    super::Position,
    aside::Aside,
    line::{Line, record},
    lock::Lock,
    open::{self, OpenError},
    options::Options,
    pending::Item,
    rows::{Rows, mark},
    schema::FORMAT,
    writer::now,
};
use rusqlite::{Connection, ffi, params};
use std::{
    fmt,
    io::{self, BufRead},
    path::{Path, PathBuf},
};

/// Lines that are committed together.
const TOGETHER: usize = 4_096;

/// Why an import was not finished: there is no log then.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The directory cannot be taken.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is a log.
    #[error("{} is there: an import needs an empty directory", .0.display())]
    NotEmpty(PathBuf),
    /// The lines cannot be read.
    #[error("cannot read the lines: {0}")]
    Read(#[from] io::Error),
    /// The lines begin with no log's, or have no end.
    #[error("the lines are not a whole export: {0}")]
    NotWhole(&'static str),
    /// A later version has exported them.
    #[error("the lines have format version {0}; this version of Eric knows {FORMAT} and none later")]
    Newer(i32),
    /// A line is not one that was exported.
    #[error("line {line} is none that `eric log export` has written: {what}")]
    Line {
        /// Its number, from 1 on.
        line: u64,
        /// What is the matter.
        what: String,
    },
}

/// What an import has taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Lines that were taken.
    pub lines: u64,
    /// What the export could not read, one sentence each.
    pub unreadable: Vec<String>,
}

/// Takes lines that [`super::export`] has written, all of them.
///
/// # Errors
/// There is a log, a line is none of an export, or the last is missing: then nothing is left behind.
pub fn import(dir: &Path, from: &mut dyn BufRead) -> Result<Imported, ImportError> {
    open::make(dir)?;
    let _lock = Lock::take(dir)?;
    let file = open::file(dir);
    // a write-ahead log that has lost its file would be taken for that of the new one
    if let Some(there) = [file.with_extension("db-wal"), file].into_iter().rfind(|file| file.exists()) {
        return Err(ImportError::NotEmpty(there));
    }
    let aside = Aside::of(dir)?;
    let connection = open::writer(aside.path(), &Options::default())?;
    let imported = Import::new(connection, open::file(aside.path())).all(from)?;
    aside.finish()?;
    Ok(imported)
}

struct Import {
    connection: Connection,
    file: PathBuf,
    imported: Imported,
    ended: bool,
}

impl Import {
    fn new(connection: Connection, file: PathBuf) -> Self {
        Self { connection, file, imported: Imported::default(), ended: false }
    }

    fn all(mut self, from: &mut dyn BufRead) -> Result<Imported, ImportError> {
        let mut lines = from.lines();
        loop {
            let some: Vec<_> = lines.by_ref().take(TOGETHER).collect::<io::Result<_>>()?;
            if some.is_empty() {
                break;
            }
            self.some(&some)?;
        }
        if !self.ended {
            return Err(ImportError::NotWhole("the last line is missing"));
        }
        self.gather().map_err(|error| OpenError::store(&self.file, error))?;
        Ok(self.imported)
    }

    /// All of it comes into the one file, and on disk.
    fn gather(&self) -> rusqlite::Result<()> {
        let busy =
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0))?;
        // somebody looks into it
        let held = ffi::Error::new(ffi::SQLITE_BUSY);
        if busy { Err(rusqlite::Error::SqliteFailure(held, None)) } else { Ok(()) }
    }

    fn some(&mut self, lines: &[String]) -> Result<(), ImportError> {
        let store = |error| OpenError::store(&self.file, error);
        let transaction = self.connection.transaction().map_err(store)?;
        for json in lines {
            self.imported.lines += 1;
            let at = self.imported.lines;
            let line = read(json, at)?;
            self.ended = matches!(line, Line::End { .. });
            if let Line::End { unreadable } = line {
                self.imported.unreadable = unreadable;
            } else {
                put(&transaction, line).map_err(|error| unfit(at, &error))?;
            }
        }
        Ok(transaction.commit().map_err(store)?)
    }
}

/// A line, where it may stand at this place.
fn read(json: &str, at: u64) -> Result<Line, ImportError> {
    let line = serde_json::from_str(json).map_err(|error| unfit(at, &error))?;
    match (&line, at) {
        (Line::Log { format, .. }, _) if *format > FORMAT => Err(ImportError::Newer(*format)),
        (Line::Log { .. }, 2..) => Err(unfit(at, &"it begins another export")),
        (Line::Log { .. }, _) | (_, 2..) => Ok(line),
        (_, _) => Err(ImportError::NotWhole("the first line is missing")),
    }
}

fn unfit(line: u64, what: &dyn fmt::Display) -> ImportError {
    ImportError::Line { line, what: what.to_string() }
}

fn put(transaction: &Connection, line: Line) -> rusqlite::Result<()> {
    match line {
        Line::Log { last, .. } => mark(transaction, Position(last), now()),
        Line::Accepted { position, channel, listener, until, id } => {
            let [position, channel] = [position, channel].map(u64::cast_signed);
            let row = params![position, channel, listener.map(u64::cast_signed), until, id];
            let sql = "INSERT INTO accepted VALUES (?1, ?2, ?3, ?4, ?5)";
            transaction.prepare_cached(sql)?.execute(row).map(drop)
        }
        Line::End { .. }
        | Line::Start { .. }
        | Line::Channel(_)
        | Line::Listener(_)
        | Line::Message(_)
        | Line::Removed(_) => {
            let (position, record) = record(line).ok_or(rusqlite::Error::InvalidQuery)?;
            Rows::new(transaction, now())?.put(&Item::One(Position(position), record))
        }
    }
}
