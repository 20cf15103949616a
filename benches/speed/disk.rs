//! Directories on the disk that is measured, and what is told by the files that Eric keeps there.

use crate::Outcome;
use std::{fs, path::Path, time::Duration};
use tempfile::TempDir;

/// What an idle server takes to bring its write-ahead log over into its file, and some more.
pub(crate) const CHECKPOINT: Duration = Duration::from_millis(1_600);

/// An empty directory beside what was built: elsewhere might be memory. It goes when it is dropped.
pub(crate) fn directory() -> Outcome<TempDir> {
    Ok(tempfile::Builder::new().prefix("speed-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
}

/// How many transactions were committed, modulo 2³², since a file of that name was opened. The index of its write-ahead
/// log counts them: `iChange` of <https://sqlite.org/walformat.html>.
pub(crate) fn commits(directory: &Path, file: &str) -> Outcome<u32> {
    const CHANGE: std::ops::Range<usize> = 8..12;
    let index = fs::read(directory.join(format!("{file}-shm")))?;
    let change = index.get(CHANGE).ok_or("the index of the write-ahead log is too short")?;
    Ok(u32::from_ne_bytes(change.try_into()?))
}
