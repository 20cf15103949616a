//! What is the matter with the file, and whether it passes.

use super::{super::LogError, open::OpenError, quota::limit};
use rusqlite::{Error, ErrorCode};
use std::path::Path;

/// The disk is full where the index of the write-ahead log would grow: nothing was written.
const IOERR_SHMSIZE: i32 = 4874;

/// A write has failed. The store says no more of it.
const IOERR_WRITE: i32 = 778;

/// What is the matter, where nothing is lost by trying again: the disk is full, or a limit is reached, or somebody else
/// holds the file.
pub(super) fn passes(file: &Path, error: &Error) -> Option<String> {
    let told = error.sqlite_error()?;
    let passing = [ErrorCode::DiskFull, ErrorCode::DatabaseBusy, ErrorCode::DatabaseLocked];
    match told.extended_code {
        _ if passing.contains(&told.code) => Some(error.to_string()),
        IOERR_SHMSIZE => Some(error.to_string()),
        // what was to be written was not: unlike after an fsync, nothing is in doubt
        IOERR_WRITE => limit(file).map(|error| error.to_string()),
        _ => None,
    }
}

/// Says once why the log no longer writes. After a failed fsync nobody knows what is on disk, and a second one that
/// succeeds would not tell: <https://wiki.postgresql.org/wiki/Fsync_Errors>.
pub(super) fn tell_failed(file: &Path, error: &Error) {
    tracing::error!(
        file = %file.display(), %error,
        "the log has failed and writes nothing more until the server is started anew; what is durable is still read"
    );
}

/// As those who read are told.
pub(super) fn of_reading(file: &Path, error: &Error) -> LogError {
    tracing::error!(file = %file.display(), %error, "the log cannot be read");
    kind(error)
}

/// As the one who starts is told, who can do something.
pub(super) fn of_recovering(file: &Path, error: &Error) -> LogError {
    let kind = kind(error);
    if kind == LogError::Corrupt {
        let damaged = OpenError::Damaged { file: file.to_owned(), what: error.to_string() };
        tracing::error!("{damaged}");
    } else {
        tracing::error!(file = %file.display(), %error, "the log cannot be read");
    }
    kind
}

fn kind(error: &Error) -> LogError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => LogError::Corrupt,
        Some(_) => LogError::Unavailable,
        // a value of another kind than was written
        None => LogError::Corrupt,
    }
}
