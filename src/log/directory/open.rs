//! The file and its connections, and why it may not be opened.

use super::{
    options::{Options, Sync},
    schema::{APPLICATION, FORMAT, TABLES},
};
use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};
use std::{
    cmp::Ordering,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// Another program may hold the file for a moment: a backup, a shell.
const BUSY: Duration = Duration::from_millis(250);
/// Statements that a connection keeps ready.
const STATEMENTS: usize = 64;

/// Why a directory is not taken as a log.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{} is in use by another process: one server at a time holds a data directory", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// Nothing was ever kept there.
    #[error("there is no log in {}", dir.display())]
    Missing {
        /// The directory.
        dir: PathBuf,
    },
    /// The system refuses it.
    #[error("cannot use {}: {error}", path.display())]
    Io {
        /// What was touched.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A later version has written it.
    #[error("{} has format version {found}; this version of Eric knows {FORMAT} and none later", file.display())]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: i32,
    },
    /// An earlier version has written it.
    #[error(
        "{} has format version {found}; this version of Eric knows {FORMAT}: `eric log export` of the version that has written \
         it writes what `eric log import` of this one takes", file.display()
    )]
    Older {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: i32,
    },
    /// It is a database of something else.
    #[error("{} is a database, but not one of Eric's", file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
    },
    /// What it reads is not what was written.
    #[error(
        "{} is damaged ({what}); `eric log check {dir}` tells what is intact, `eric log export {dir}` writes what can \
         be read as JSON lines, and `eric log import` takes that into an empty directory",
        file.display(), dir = file.parent().unwrap_or(file).display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What was found.
        what: String,
    },
    /// It cannot be read or written now.
    #[error("cannot open {}: {error}", file.display())]
    Store {
        /// The file.
        file: PathBuf,
        /// What the store says.
        error: rusqlite::Error,
    },
}

impl OpenError {
    /// What a directory has given back does not agree with itself.
    pub(crate) fn contradicts(dir: &Path) -> Self {
        Self::Damaged { file: file(dir), what: "what it keeps does not agree with itself".to_owned() }
    }

    pub(super) fn io(path: &Path, error: io::Error) -> Self {
        Self::Io { path: path.to_owned(), error }
    }

    pub(super) fn store(file: &Path, error: rusqlite::Error) -> Self {
        let file = file.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { file, what: error.to_string() }
            }
            _ => Self::Store { file, error },
        }
    }
}

/// Makes the directory where it is missing, so that a power cut leaves it there.
pub(super) fn make(dir: &Path) -> Result<(), OpenError> {
    let missing: Vec<_> = dir.ancestors().take_while(|dir| !dir.exists()).collect();
    fs::create_dir_all(dir).map_err(|error| OpenError::io(dir, error))?;
    missing.into_iter().filter_map(Path::parent).try_for_each(|parent| {
        // the parent of a plain name
        let here = Path::new(".");
        sync_directory(if parent.as_os_str().is_empty() { here } else { parent })
    })
}

/// The file of a directory.
pub(super) fn file(dir: &Path) -> PathBuf {
    dir.join("eric.db")
}

/// The one connection that writes: looks whether the file is ours, before anything else, and makes the tables where there
/// are none.
pub(super) fn writer(dir: &Path, options: &Options) -> Result<Connection, OpenError> {
    let file = file(dir);
    let store = |error| OpenError::store(&file, error);
    let connection = Connection::open(&file).map_err(store)?;
    prepare(&connection).map_err(store)?;
    let new = tables(&connection).map_err(store)? == 0;
    if new {
        shape(&connection, options).map_err(store)?;
    } else {
        identify(&connection, &file)?;
    }
    write_ahead(&connection, options).map_err(store)?;
    if new {
        create(&connection).map_err(store)?;
    }
    sync_directory(dir)?;
    Ok(connection)
}

fn tables(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
}

/// These two count only while the file is empty; on one that is not, the second would be a commit of its own.
fn shape(connection: &Connection, options: &Options) -> rusqlite::Result<()> {
    connection.pragma_update(None, "page_size", options.page_bytes)?;
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")
}

fn write_ahead(connection: &Connection, options: &Options) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    synchronous(connection, options.sync)
}

/// With [`Sync::Interval`] a commit waits for no disk; the writer makes one wait at each interval.
pub(super) fn synchronous(connection: &Connection, sync: Sync) -> rusqlite::Result<()> {
    let mode = if sync == Sync::Always { "FULL" } else { "NORMAL" };
    connection.pragma_update(None, "synchronous", mode)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // a log that has failed must not write again, not even when it is closed
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT}; COMMIT;"
    ))
}

/// Whether a file that has tables is ours, of a version that we know.
pub(super) fn identify(connection: &Connection, file: &Path) -> Result<(), OpenError> {
    let number = |pragma| {
        let number = connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
        number.map_err(|error| OpenError::store(file, error))
    };
    if number("application_id")? != APPLICATION {
        return Err(OpenError::Foreign { file: file.to_owned() });
    }
    let found = number("user_version")?;
    match found.cmp(&FORMAT) {
        Ordering::Less => Err(OpenError::Older { file: file.to_owned(), found }),
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(OpenError::Newer { file: file.to_owned(), found }),
    }
}

/// A file that was made is there after a power cut only once its directory is on disk.
pub(super) fn sync_directory(dir: &Path) -> Result<(), OpenError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| OpenError::io(dir, error))
}

/// A connection that writes nothing but checkpoints.
pub(super) fn upkeeper(dir: &Path, options: &Options) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(
        file(dir),
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    prepare(&connection)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    synchronous(&connection, options.sync)?;
    Ok(connection)
}

/// A connection to the log of a directory that only reads, for operators: whether a server runs on it or not.
pub(super) fn look(dir: &Path) -> Result<Connection, OpenError> {
    let file = file(dir);
    if !file.exists() {
        return Err(OpenError::Missing { dir: dir.to_owned() });
    }
    let connection = reader(dir).map_err(|error| OpenError::store(&file, error))?;
    identify(&connection, &file)?;
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn reader(dir: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(
        file(dir),
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    prepare(&connection)?;
    connection.pragma_update(None, "cache_size", -4_096)?;
    Ok(connection)
}
