//! A file that is made aside, and comes to its place as a whole or not at all.

use super::open::{self, OpenError};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Where it is made. Whoever is killed over it leaves that behind, and the next one takes it away.
#[derive(Debug)]
pub(super) struct Aside {
    dir: PathBuf,
    aside: PathBuf,
}

impl Aside {
    /// Beside the place in this directory, which is held by the caller.
    pub(super) fn of(dir: &Path) -> Result<Self, OpenError> {
        let made = Self { dir: dir.to_owned(), aside: dir.join("eric.import") };
        let there = |error: &io::Error| error.kind() != io::ErrorKind::NotFound;
        if let Some(error) = fs::remove_dir_all(&made.aside).err().filter(there) {
            return Err(OpenError::io(&made.aside, error));
        }
        fs::create_dir(&made.aside).map_err(|error| OpenError::io(&made.aside, error))?;
        Ok(made)
    }

    /// The directory to make it in.
    pub(super) fn path(&self) -> &Path {
        &self.aside
    }

    /// Brings it to its place. It is on disk, and nobody has it open.
    pub(super) fn finish(self) -> Result<(), OpenError> {
        let place = open::file(&self.dir);
        fs::rename(open::file(&self.aside), &place).map_err(|error| OpenError::io(&place, error))?;
        open::sync_directory(&self.dir).inspect_err(|_| drop(fs::remove_file(&place)))
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // what stays takes room, and does no harm
        drop(fs::remove_dir_all(&self.aside));
    }
}
