//! Whether it is a limit that keeps the disk from taking more: the store tells a full disk apart, and no quota.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    os::unix::fs::FileExt as _,
    path::Path,
};

/// A block of any file system: where a write was cut short by a limit, there is no room for one.
const BLOCK: usize = 4096;

/// Tries to write a little beside the file, as far behind as the file and its write-ahead log are long; tells why that
/// cannot be where it is a limit: of the disk, of a quota, of the size of a file.
pub(super) fn limit(file: &Path) -> Option<io::Error> {
    let probe = file.with_extension("probe");
    let size = |file: &Path| fs::metadata(file).map_or(0, |file| file.len());
    let behind = size(file).max(size(&file.with_extension("db-wal")));
    let tried = File::create(&probe).and_then(|probe| probe.write_all_at(&[0; BLOCK], behind));
    // where it cannot be taken away, the next one takes its place
    drop(fs::remove_file(&probe));
    tried.err().filter(|error| {
        matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
    })
}
