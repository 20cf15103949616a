//! A server of the test's own, in this process, on a free port of the loopback.

use super::{PATIENCE, Wire};
use eric::{
    client::{Backoff, Client},
    config::Config,
    server::{Drained, Server, Stopper},
    v1::ChannelSettings,
};
use std::{net::SocketAddr, sync::mpsc, thread, time::Duration};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// Longer than any test waits: what ends in time was not cut.
pub(crate) const NEVER: Duration = Duration::from_secs(3600);

pub(crate) struct TestServer {
    address: SocketAddr,
    http: SocketAddr,
    stopper: Stopper,
    server: Option<Server>,
    /// Dropped last.
    _directory: Option<TempDir>,
}

impl TestServer {
    /// With the defaults, two cores, and a drain that waits for ever.
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut config =
            Config { listen, http: Some(listen), workers: 2, drain_deadline: NEVER, ..Config::default() };
        change(&mut config);
        let directory = directory(&mut config);
        let server = Server::start(&config).expect("the loopback has a free port");
        Self {
            address: server.address(),
            http: server.http_address().unwrap_or(listen),
            stopper: server.stopper(),
            server: Some(server),
            _directory: directory,
        }
    }

    /// On the port of one that has ended.
    pub(crate) async fn again_on(address: SocketAddr) -> Self {
        // a command that is just being started may hold what this process had open for a moment longer
        super::until(async || std::net::TcpListener::bind(address).is_ok()).await;
        Self::with(|config| config.listen = address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it serves HTTP.
    pub(crate) fn http(&self) -> SocketAddr {
        self.http
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client of the bare wire, over a connection of its own.
    pub(crate) async fn wire(&self) -> Wire {
        Wire::connect(self.url()).await
    }

    /// A channel `c` with a listener `l`, and a client of the bare wire, over a connection of its own.
    pub(crate) async fn listener(&self) -> Wire {
        self.listener_of(ChannelSettings::default()).await
    }

    /// The same, in a channel of these settings.
    pub(crate) async fn listener_of(&self, settings: ChannelSettings) -> Wire {
        let wire = self.wire().await;
        wire.create_with("c", settings).await;
        wire.register("c", "l").await;
        wire
    }

    /// A client of the SDK that does not wait long before it tries again.
    pub(crate) fn client(&self) -> Client {
        client(&self.url())
    }

    pub(crate) fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Begins the drain.
    pub(crate) fn stop(&self) {
        self.stopper.stop();
    }

    /// Waits until everything has ended.
    pub(crate) async fn ended(mut self) -> Drained {
        let server = self.server.take().expect("it is taken by `ended` and `drop` alone");
        let (told, ended) = oneshot::channel();
        thread::spawn(move || told.send(server.join()));
        super::within(ended).await.expect("joining does not panic")
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stopper.cut();
        let Some(server) = self.server.take() else { return };
        let (told, ended) = mpsc::sync_channel(1);
        thread::spawn(move || told.send(server.join()));
        // not in a panic: the first one is the one to be read
        if ended.recv_timeout(PATIENCE).is_err() && !thread::panicking() {
            panic!("a server that was cut has not ended");
        }
    }
}

/// Every promise holds over a directory, too: with `ERIC_TEST_LOG=directory` each server has one of its own.
fn directory(config: &mut Config) -> Option<TempDir> {
    if config.data_dir.is_some() || !over_a_directory() {
        return None;
    }
    let directory = tempfile::tempdir().expect("there is a place for temporary files");
    config.max_log_bytes = Some(config.max_log_bytes_in_force());
    config.data_dir = Some(directory.path().to_owned());
    Some(directory)
}

pub(crate) fn over_a_directory() -> bool {
    std::env::var_os("ERIC_TEST_LOG").is_some_and(|log| log == "directory")
}

pub(crate) fn client(url: &str) -> Client {
    let backoff = Backoff { initial: Duration::from_millis(20), maximum: Duration::from_millis(100) };
    Client::builder(url).backoff(backoff).connect().expect("the address is an endpoint")
}

/// A server with a channel `c`, and a client of the bare wire.
pub(crate) async fn channel() -> (TestServer, Wire) {
    let server = TestServer::start();
    let wire = server.wire().await;
    wire.create("c").await;
    (server, wire)
}

/// The same, with these listeners in it.
pub(crate) async fn listeners(ids: &[&str]) -> (TestServer, Wire) {
    let (server, wire) = channel().await;
    for id in ids {
        wire.register("c", id).await;
    }
    (server, wire)
}

/// The same, with listeners that acknowledge.
pub(crate) async fn explicit_listeners(ids: &[&str]) -> (TestServer, Wire) {
    let (server, wire) = channel().await;
    for id in ids {
        wire.register_explicit("c", id).await;
    }
    (server, wire)
}

/// A server with a channel `c` and in it a listener `l`, and a client of the bare wire.
pub(crate) async fn listener() -> (TestServer, Wire) {
    listener_of(ChannelSettings::default()).await
}

/// The same, in a channel of these settings.
pub(crate) async fn listener_of(settings: ChannelSettings) -> (TestServer, Wire) {
    let server = TestServer::start();
    let wire = server.listener_of(settings).await;
    (server, wire)
}
