//! Stands in for the server until it is there: binds, and ends when it is told to.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// A server that runs.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    stopper: Stopper,
}

/// Stops a server, from any thread, also while another joins it.
#[derive(Clone)]
pub struct Stopper {
    stop: CancellationToken,
    cut: CancellationToken,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve on {address}: {source}")]
pub struct StartError {
    address: SocketAddr,
    source: io::Error,
}

/// How a server ended.
#[derive(Debug)]
pub struct Drained {
    cut: usize,
}

impl Drained {
    /// How many connections were still open when the deadline, or a second signal, cut them.
    pub fn cut(&self) -> usize {
        self.cut
    }
}

impl Server {
    /// Binds, starts the workers and accepts.
    pub fn start(config: &Config) -> Result<Server, StartError> {
        let bound =
            TcpListener::bind(config.listen).and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = bound.map_err(|source| StartError { address: config.listen, source })?;
        let stopper = Stopper { stop: CancellationToken::new(), cut: CancellationToken::new() };
        Ok(Server { listener, address, stopper })
    }

    /// Where it serves.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What stops it from elsewhere.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Waits until everything has ended.
    pub fn join(self) -> Drained {
        let runtime =
            tokio::runtime::Builder::new_current_thread().build().expect("no driver, nothing to fail");
        runtime.block_on(self.stopper.stop.cancelled());
        drop(self.listener);
        Drained { cut: usize::from(self.stopper.cut.is_cancelled()) }
    }
}

impl Stopper {
    /// Begins the drain.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Ends now.
    pub fn cut(&self) {
        self.cut.cancel();
    }
}
