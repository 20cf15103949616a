//! The socket in the file system: for its owner alone, one server at a time, and gone with it.

use socket2::{Domain, SockAddr, Socket, Type};
use std::{
    fs::{self, File, Permissions, TryLockError},
    io::{self, ErrorKind},
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
            net::UnixListener,
        },
    },
    path::{Path, PathBuf},
    thread,
    time::Duration,
};
use tracing::warn;

/// Whoever runs the server may connect, and nobody else.
const MODE: u32 = 0o600;
/// So many clients may wait to be accepted; the system has a limit of its own.
const BACKLOG: i32 = 4096;
/// So long another server that starts is waited for: it needs a moment, and a folder that others may read could be locked by
/// anybody for ever.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(10);

/// Why a path cannot be served at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    #[error("a server answers there already")]
    Answered,
    #[error("what is there is no socket")]
    NoSocket,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The file of a socket. Dropping it removes the file, unless another has taken its place.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// What tells a file from another under its name.
type Identity = (u64, u64);

impl SocketFile {
    /// Listens at a path. A socket that nobody answers at is replaced.
    ///
    /// # Errors
    /// Somebody answers there, something else than a socket is there, or the system refuses.
    pub(crate) fn bind(path: &Path) -> Result<(UnixListener, Self), SocketError> {
        // from the look at what is there until somebody answers: one that is bound and does not listen yet looks abandoned
        let _turn = turn(path)?;
        make_way(path)?;
        let (socket, identity) = bound(path)?;
        // from here on it is removed if something fails
        let file = Self { path: path.to_owned(), identity };
        // Linux has done so at its birth, as far as the umask let it; nobody can connect before it listens
        fs::set_permissions(path, Permissions::from_mode(MODE))?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok((OwnedFd::from(socket).into(), file))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|there| there == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            warn!(path = %self.path.display(), %error, "cannot remove the socket");
        }
    }
}

/// Keeps other servers from the folder meanwhile, and leaves nothing there. It ends with the process, too.
#[expect(clippy::disallowed_methods, reason = "a server that is being bound has no streams yet")]
fn turn(path: &Path) -> io::Result<Option<File>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // whoever may make files in a folder need not be one who may read it
    let Ok(folder) = File::open(folder) else { return Ok(None) };
    let mut tries = 0..TRIES;
    loop {
        match folder.try_lock() {
            Ok(()) => return Ok(Some(folder)),
            Err(TryLockError::WouldBlock) if tries.next().is_some() => thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(ErrorKind::TimedOut, "its folder is locked"));
            }
            // some file systems have no locks
            Err(TryLockError::Error(_)) => return Ok(None),
        }
    }
}

/// Binds a socket whose file has the mode from its first moment.
fn bound(path: &Path) -> io::Result<(Socket, Identity)> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Linux gives the file the mode of its socket; other systems refuse, and have it set later
    let _ = File::from(OwnedFd::from(socket.try_clone()?)).set_permissions(Permissions::from_mode(MODE));
    socket.bind(&SockAddr::unix(path)?)?;
    Ok((socket, identity(path)?))
}

fn identity(path: &Path) -> io::Result<Identity> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

/// Removes what a server left that ended without a word.
fn make_way(path: &Path) -> Result<(), SocketError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(found) if !found.file_type().is_socket() => return Err(SocketError::NoSocket),
        Ok(_) if answers(path)? => return Err(SocketError::Answered),
        Ok(_) => {}
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn answers(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // one that has many waiting would have this wait, too
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::net::UnixStream, sync::Barrier};

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn its_file_has_its_mode_before_anything_else_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let _socket = bound(&path).unwrap();
        assert_eq!(mode(&path), MODE);
    }

    #[test]
    fn it_goes_with_its_owner_and_not_with_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let first = SocketFile::bind(&path).unwrap();
        assert_eq!(mode(&path), MODE);
        fs::remove_file(&path).unwrap();
        let second = SocketFile::bind(&path).unwrap();
        drop(first);
        assert!(UnixStream::connect(&path).is_ok(), "the second one answers");
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn what_nobody_answers_at_is_replaced_and_what_somebody_does_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "it is left behind");
        let _here = SocketFile::bind(&path).unwrap();
        assert!(matches!(SocketFile::bind(&path), Err(SocketError::Answered)));
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[test]
    fn of_several_that_start_at_once_one_is_there() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..200 {
            let path = folder.path().join(round.to_string());
            // each would replace it
            drop(UnixListener::bind(&path).unwrap());
            let start = Barrier::new(4);
            let bound: Vec<_> = thread::scope(|scope| {
                let bind = || {
                    start.wait();
                    SocketFile::bind(&path)
                };
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(bind)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(bound.iter().filter(|bound| bound.is_ok()).count(), 1, "round {round}: {bound:?}");
            assert!(UnixStream::connect(&path).is_ok());
        }
    }

    #[test]
    fn what_is_no_socket_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        fs::write(&path, "mine").unwrap();
        assert!(matches!(SocketFile::bind(&path), Err(SocketError::NoSocket)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(SocketFile::bind(&link), Err(SocketError::NoSocket)));
        assert!(matches!(SocketFile::bind(folder.path()), Err(SocketError::NoSocket)));
    }

    #[test]
    fn a_path_that_no_socket_can_have_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("x".repeat(200)), folder.path().join("no/folder")] {
            assert!(matches!(SocketFile::bind(&path), Err(SocketError::Io(_))));
        }
    }
}
