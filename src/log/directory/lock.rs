//! One process at a time has a directory: a lock that ends with it, however it ends.

use super::open::OpenError;
use std::{
    fs::{File, TryLockError},
    path::Path,
};

/// Held as long as the log.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "the lock is the open file")] File);

impl Lock {
    pub(super) fn take(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join("eric.lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| OpenError::io(&path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse { dir: dir.to_owned() }),
            Err(TryLockError::Error(error)) => Err(OpenError::io(&path, error)),
        }
    }
}
