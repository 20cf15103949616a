//! What an operator may set, and how flags, variables and a file become one [`Config`].

mod fault;
mod file;
mod given;
mod load;
mod names;
mod settings;
mod units;

use std::{net::SocketAddr, num::NonZero, path::PathBuf, thread, time::Duration};

pub(crate) use fault::{Faults, Origin};
pub(crate) use given::Given;
pub(crate) use load::load;
pub(crate) use names::strangers;
pub(crate) use settings::{SETTINGS, Setting};
pub(crate) use units::{BYTES, TIME, log_filter};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// What a server runs with. `Config::default()` holds the defaults.
///
/// Counts are `usize`, sizes are `u64` bytes. The ranges are those of `eric serve`, which refuses what lies
/// outside; a program that builds a `Config` itself keeps to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The address to serve on. Port 0: any free one. Default `127.0.0.1:50051`: this machine only.
    pub listen: SocketAddr,
    /// Where HTTP is served: JSON, Server-Sent Events, and gRPC beside them; port 0: any free one; `None`: nowhere. Default
    /// `127.0.0.1:8080`.
    pub http: Option<SocketAddr>,
    /// The origins whose pages may use HTTP beside its own, such as `https://app.example`; `*`: all. Default none. On
    /// loopback its own are those of an address or `localhost`, and no request may be for another host than those and the hosts
    /// of these.
    pub cors_origin: Vec<String>,
    /// The path of a Unix socket for clients of `eric-sse`; `None`: there is none. Default `None`.
    pub socket: Option<PathBuf>,
    /// Where accepted messages are kept over the end of the process; `None`: nowhere. Default `None`.
    pub data_dir: Option<PathBuf>,
    /// How much of what was accepted may be lost with the machine, in a directory: zero, for nothing, to 1 hour.
    /// Default zero.
    pub sync: Duration,
    /// What of a directory's messages is held in memory, in bytes: 1 MiB to 1 TiB. Default 64 MiB.
    pub cache_bytes: u64,
    /// Threads, each with a runtime and connections of its own: 1 to 1024. Default: the cores.
    pub workers: usize,
    /// How long open calls may take to end once the server stops; then they are cut: 0 to 1 hour. Default 10 s.
    pub drain_deadline: Duration,
    /// Time between HTTP/2 pings on a connection, and where HTTP is served until TCP asks: 1 s to 1 hour, or zero for none. Default 20 s.
    pub keep_alive_interval: Duration,
    /// How long the answer to a ping may take; then the connection is closed. So is one of HTTP that takes nothing for this
    /// and `keep_alive_interval`: 1 s to 1 hour. Default 20 s.
    pub keep_alive_timeout: Duration,
    /// How long a new connection may take to begin its first request, by HTTP/1.1 one for each further head, idle or not, and
    /// on the socket for all of its request; then it is closed: 1 s to 1 hour. Default 10 s.
    pub header_timeout: Duration,
    /// Open connections: 1 to 1,000,000. Default 20,000.
    pub max_connections: usize,
    /// The payload of one message, in bytes: 1 to 1 GiB, at most `max_batch_bytes`. Default 1 MiB.
    pub max_payload_bytes: u64,
    /// Publications in one batch: 1 to 65,536. Default 1,024.
    pub max_batch_messages: usize,
    /// The encoded size of one batch, in bytes: 1 to 1 GiB. Default 4 MiB.
    pub max_batch_bytes: u64,
    /// Channels: 1 to 10,000,000. Default 10,000.
    pub max_channels: usize,
    /// Listeners in all channels together: 1 to 100,000,000. Default 1,000,000.
    pub max_listeners: usize,
    /// Open Listen and Watch streams: 1 to 1,000,000. Default 10,000.
    pub max_streams: usize,
    /// What the log may hold, in bytes: `max_payload_bytes` to 1 PiB, or 0 for no limit. Default `None`:
    /// [`Config::DEFAULT_MAX_LOG_BYTES`] in memory, no limit in a directory.
    pub max_log_bytes: Option<u64>,
    /// What the memory of accepted ids may take, in bytes: 1 MiB to 64 GiB, or 0 to remember none. Default 64 MiB.
    pub max_idempotency_bytes: u64,
    /// The form of the server's own log. Default text.
    pub log_format: LogFormat,
    /// What the server's own log tells, as `tracing` filter directives. Default `info`.
    pub log_level: String,
}

impl Config {
    /// What a log in memory may hold where nothing else is said, in bytes.
    pub const DEFAULT_MAX_LOG_BYTES: u64 = GIB;

    /// What the log may hold, in bytes; 0: no limit.
    pub fn max_log_bytes_in_force(&self) -> u64 {
        let default = if self.data_dir.is_some() { 0 } else { Self::DEFAULT_MAX_LOG_BYTES };
        self.max_log_bytes.unwrap_or(default)
    }
}

/// The form of the server's own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum LogFormat {
    /// A line for people; coloured on a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 50051)),
            http: Some(SocketAddr::from(([127, 0, 0, 1], 8080))),
            cors_origin: Vec::new(),
            socket: None,
            data_dir: None,
            sync: Duration::ZERO,
            cache_bytes: 64 * MIB,
            workers: cores(),
            drain_deadline: Duration::from_secs(10),
            keep_alive_interval: Duration::from_secs(20),
            keep_alive_timeout: Duration::from_secs(20),
            header_timeout: Duration::from_secs(10),
            max_connections: 20_000,
            max_payload_bytes: MIB,
            max_batch_messages: 1024,
            max_batch_bytes: 4 * MIB,
            max_channels: 10_000,
            max_listeners: 1_000_000,
            max_streams: 10_000,
            max_log_bytes: None,
            max_idempotency_bytes: 64 * MIB,
            log_format: LogFormat::Text,
            log_level: "info".to_owned(),
        }
    }
}

/// What the operating system lets this process use, by affinity and cgroup.
fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}
