//! The doors: where each is bound, and what is served there.

use crate::config::Config;
use axum::Router;
use std::{
    io,
    net::{SocketAddr, TcpListener},
};

/// Which door a connection came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Grpc,
    Http,
}

/// What each door has.
#[derive(Clone, Debug)]
pub(super) struct Doors<T> {
    pub(super) grpc: T,
    /// `None`: there is no such door.
    pub(super) http: Option<T>,
}

/// What is served at each.
pub(super) type Routers = Doors<Router>;

impl<T> Doors<T> {
    /// What a door has that somebody has come through.
    pub(super) fn at(&self, door: Door) -> &T {
        match door {
            Door::Grpc => &self.grpc,
            Door::Http => self.http.as_ref().unwrap_or(&self.grpc),
        }
    }

    pub(super) fn map<U, E>(&self, mut to: impl FnMut(&T) -> Result<U, E>) -> Result<Doors<U>, E> {
        Ok(Doors { grpc: to(&self.grpc)?, http: self.http.as_ref().map(to).transpose()? })
    }
}

impl Doors<TcpListener> {
    /// Binds them as a configuration says.
    ///
    /// # Errors
    /// The address that cannot be bound, and why.
    pub(super) fn bind(config: &Config) -> Result<Self, (SocketAddr, io::Error)> {
        let addresses = Doors { grpc: config.listen, http: config.http };
        addresses.map(|address| bind(*address).map_err(|error| (*address, error)))
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
