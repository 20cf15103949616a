//! What a server says of itself.

use super::{Client, Result, Service, policy::Repeat, time};
use crate::v1;
use std::time::SystemTime;

pub use crate::v1::{Durability, Limits};

/// What a server is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Server {
    /// Its version, by semver.org.
    pub version: String,
    /// A random tag of this start of the server.
    pub incarnation: String,
    /// When it started, by its clock.
    pub start_time: SystemTime,
    /// What accepted means here.
    pub durability: Durability,
    /// The limits in force.
    pub limits: Limits,
    /// How many channels there are.
    pub channels: i64,
    /// How many listeners are registered in all of them.
    pub listeners: i64,
    /// How many streams are open.
    pub streams: i64,
    /// What the log holds, in bytes.
    pub log_bytes: i64,
}

impl From<v1::GetServerResponse> for Server {
    fn from(server: v1::GetServerResponse) -> Self {
        Self {
            durability: server.durability(),
            version: server.version,
            incarnation: server.incarnation,
            start_time: time::or_epoch(server.start_time),
            limits: server.limits.unwrap_or_default(),
            channels: server.channels,
            listeners: server.listeners,
            streams: server.streams,
            log_bytes: server.log_bytes,
        }
    }
}

impl Client {
    /// Tells what the server is: version, limits, durability, incarnation.
    ///
    /// # Errors
    /// Where the server cannot be reached.
    pub async fn server(&self) -> Result<Server> {
        let verb = |mut service: Service, request| async move { service.get_server(request).await };
        Ok(self.call(Repeat::Safe, v1::GetServerRequest {}, verb).await?.into())
    }
}
