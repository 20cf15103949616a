//! Takes back what was exported, into a directory that holds no log.

use super::{
    super::Position,
    line::{Line, record},
    lock::Lock,
    open::{self, OpenError},
    options::Options,
    pending::Item,
    rows::{Rows, mark},
    writer::now,
};
use rusqlite::{Connection, params};
use std::{
    fs,
    io::{self, BufRead},
    path::{Path, PathBuf},
};

/// Lines that are committed together.
const TOGETHER: usize = 4_096;

/// Why an import was not finished. What it made is taken away again.
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
    /// A line is not one that was exported.
    #[error("line {line} is none that `eric log export` has written: {what}")]
    Line {
        /// Its number, from 1 on.
        line: u64,
        /// What is the matter.
        what: String,
    },
}

/// Takes lines that [`super::export`] has written. It tells how many.
///
/// # Errors
/// There is a log, or a line is none of an export: then nothing is left behind.
pub fn import(dir: &Path, from: &mut dyn BufRead) -> Result<u64, ImportError> {
    fs::create_dir_all(dir).map_err(|error| OpenError::io(dir, error))?;
    let _lock = Lock::take(dir)?;
    let file = open::file(dir);
    if file.exists() {
        return Err(ImportError::NotEmpty(file));
    }
    let imported = open::writer(dir, &Options::default())
        .map_err(ImportError::from)
        .and_then(|mut connection| lines(&mut connection, &file, from));
    if imported.is_err() {
        for made in [&file, &file.with_extension("db-wal"), &file.with_extension("db-shm")] {
            // it may not have come so far
            drop(fs::remove_file(made));
        }
    }
    imported
}

fn lines(connection: &mut Connection, file: &Path, from: &mut dyn BufRead) -> Result<u64, ImportError> {
    let store = |error| OpenError::store(file, error);
    let (mut taken, mut lines) = (0, from.lines());
    loop {
        let some: Vec<_> = lines.by_ref().take(TOGETHER).collect::<io::Result<_>>()?;
        if some.is_empty() {
            break;
        }
        let transaction = connection.transaction().map_err(store)?;
        for line in some {
            taken += 1;
            take(&transaction, &line).map_err(|what| ImportError::Line { line: taken, what })?;
        }
        transaction.commit().map_err(store)?;
    }
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(store)?;
    Ok(taken)
}

fn take(transaction: &Connection, json: &str) -> Result<(), String> {
    let line: Line = serde_json::from_str(json).map_err(|error| error.to_string())?;
    put(transaction, line).map_err(|error| error.to_string())
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
        Line::Start { .. } | Line::Channel(_) | Line::Listener(_) | Line::Message(_) | Line::Removed(_) => {
            let (position, record) = record(line).ok_or(rusqlite::Error::InvalidQuery)?;
            Rows::new(transaction, now())?.put(&Item::One(Position(position), record))
        }
    }
}
