//! What a server says of itself.

use super::{Client, Result, Service, policy::Repeat, time};
use crate::v1;
use std::time::{Duration, SystemTime};

pub use crate::v1::{Durability, Limits, LogState};

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
    /// The log on disk, where there is one.
    pub log: Option<Log>,
}

/// A log on disk, in numbers. What is counted begins with the server's start.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Log {
    /// The size of its file, in bytes.
    pub file_bytes: i64,
    /// The part of the file that is free.
    pub free_bytes: i64,
    /// The size of the write-ahead log beside the file.
    pub wal_bytes: i64,
    /// When the oldest message that is kept was accepted.
    pub oldest_accept_time: Option<SystemTime>,
    /// So often what was accepted is brought to the disk; zero: before it is answered.
    pub sync_interval: Duration,
    /// Commits that are done.
    pub commits: i64,
    /// Messages and changes in them.
    pub records: i64,
    /// Records by commits.
    pub mean_batch: f64,
    /// Commits a second, in the last second or two.
    pub commits_per_second: f64,
    /// How long half of the commits took at most, or a quarter less.
    pub commit_time_p50: Duration,
    /// Likewise, 99 of 100.
    pub commit_time_p99: Duration,
    /// The longest.
    pub commit_time_max: Duration,
    /// Whether it takes what it is given.
    pub state: LogState,
}

impl From<v1::Log> for Log {
    fn from(log: v1::Log) -> Self {
        let duration = |duration: Option<_>| duration.and_then(time::duration).unwrap_or_default();
        Self {
            state: log.state(),
            file_bytes: log.file_bytes,
            free_bytes: log.free_bytes,
            wal_bytes: log.wal_bytes,
            oldest_accept_time: log.oldest_accept_time.map(|at| time::or_epoch(Some(at))),
            sync_interval: duration(log.sync_interval),
            commits: log.commits,
            records: log.records,
            commits_per_second: log.commits_per_second,
            mean_batch: log.mean_batch,
            commit_time_p50: duration(log.commit_time_p50),
            commit_time_p99: duration(log.commit_time_p99),
            commit_time_max: duration(log.commit_time_max),
        }
    }
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
            log: server.log.map(Log::from),
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
