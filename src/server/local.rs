//! The Unix socket of `eric-sse` beside the address, as the acceptor has it.

#[cfg(unix)]
pub(super) use there::{Bound, Local, Refused};

#[cfg(not(unix))]
pub(super) use nowhere::{Bound, Local, Refused};

#[cfg(unix)]
mod there {
    use crate::{
        server::core::Arrival,
        socket::{SocketError, SocketFile},
    };
    use std::{io, os::unix::net, path::Path};
    use tokio::net::UnixListener;

    /// Why there is none.
    pub(in crate::server) type Refused = SocketError;

    /// A socket at which clients may wait.
    #[derive(Debug)]
    pub(in crate::server) struct Bound(net::UnixListener, SocketFile);

    impl Bound {
        pub(in crate::server) fn at(path: &Path) -> Result<Self, Refused> {
            SocketFile::bind(path).map(|(listener, file)| Self(listener, file))
        }
    }

    /// A socket from which clients are taken. Dropping it removes its file.
    #[derive(Debug)]
    pub(in crate::server) struct Local {
        listener: UnixListener,
        _file: SocketFile,
    }

    impl Local {
        /// Needs a tokio runtime.
        pub(in crate::server) fn over(Bound(listener, file): Bound) -> io::Result<Self> {
            Ok(Self { listener: UnixListener::from_std(listener)?, _file: file })
        }

        pub(in crate::server) async fn accept(&self) -> io::Result<Arrival> {
            let (stream, _) = self.listener.accept().await?;
            stream.into_std().map(Arrival::Socket)
        }
    }
}

#[cfg(not(unix))]
mod nowhere {
    use crate::server::core::Arrival;
    use std::{io, path::Path};

    /// Why there is none.
    #[derive(Debug, thiserror::Error)]
    #[error("this system has no Unix sockets")]
    pub(in crate::server) struct Refused;

    /// Nobody has one.
    #[derive(Debug)]
    pub(in crate::server) enum Bound {}

    impl Bound {
        pub(in crate::server) fn at(_: &Path) -> Result<Self, Refused> {
            Err(Refused)
        }
    }

    /// Nobody has one.
    #[derive(Debug)]
    pub(in crate::server) enum Local {}

    impl Local {
        pub(in crate::server) fn over(bound: Bound) -> io::Result<Self> {
            match bound {}
        }

        pub(in crate::server) async fn accept(&self) -> io::Result<Arrival> {
            match *self {}
        }
    }
}
