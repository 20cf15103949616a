//! One process at a time has a directory: a lock that ends with it, however it ends.

use super::open::OpenError;
use std::{
    fs::{File, TryLockError},
    path::Path,
};

/// Held as long as the log.
#[derive(Debug)]
pub(super) struct Lock(File);

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

/// A command that is just being started has all that its parent has open for a moment longer: closing the file would leave the
/// lock to it.
impl Drop for Lock {
    fn drop(&mut self) {
        // at worst it goes with the last who has the file open
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_in_use(dir: &Path) -> bool {
        matches!(Lock::take(dir), Err(OpenError::InUse { dir: of }) if of == dir)
    }

    #[test]
    fn it_is_given_back_although_a_child_still_has_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        // as a fork has it
        let _child = lock.0.try_clone().unwrap();
        assert!(is_in_use(dir.path()));
        drop(lock);
        assert!(!is_in_use(dir.path()));
    }
}
