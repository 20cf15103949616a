//! The way to the server: straight, or over a place where connections are cut and stall.

use eric::v1::dispatcher_service_client::DispatcherServiceClient;
use std::{cell::RefCell, net::SocketAddr, rc::Rc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
    task::{JoinSet, spawn_local},
};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

/// What goes wrong here, the server's faults apart, ends the soak and is told to whoever started it.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

pub(crate) type Wire = DispatcherServiceClient<Channel>;

/// Where connections break.
pub(crate) struct Road {
    address: SocketAddr,
    connections: Rc<RefCell<JoinSet<()>>>,
    stalled: watch::Sender<bool>,
}

impl Road {
    pub(crate) async fn to(server: SocketAddr) -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, connections) = (listener.local_addr()?, Rc::<RefCell<JoinSet<()>>>::default());
        let (stalled, goes) = watch::channel(false);
        let all = Rc::clone(&connections);
        spawn_local(async move {
            while let Ok((client, _)) = listener.accept().await {
                let goes = goes.clone();
                all.borrow_mut().spawn_local(async move {
                    // however it ends, it has ended
                    let _ = carry(client, server, goes).await;
                });
            }
        });
        Ok(Self { address, connections, stalled })
    }

    /// Breaks every connection that is open, and tells how many those were.
    pub(crate) fn cut(&self) -> u64 {
        let mut connections = self.connections.borrow_mut();
        while connections.try_join_next().is_some() {}
        connections.abort_all();
        connections.len() as u64
    }

    /// Nothing passes any more, or again.
    pub(crate) fn stall(&self, stalled: bool) {
        self.stalled.send_replace(stalled);
    }
}

async fn carry(client: TcpStream, server: SocketAddr, goes: watch::Receiver<bool>) -> std::io::Result<()> {
    let server = TcpStream::connect(server).await?;
    server.set_nodelay(true)?;
    client.set_nodelay(true)?;
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        end = one_way(from_client, to_server, goes.clone()) => end,
        end = one_way(from_server, to_client, goes) => end,
    }
}

async fn one_way(
    mut from: tcp::OwnedReadHalf,
    mut to: tcp::OwnedWriteHalf,
    mut goes: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        let open = goes.wait_for(|stalled| !stalled).await.is_ok();
        if read == 0 || !open {
            return Ok(());
        }
        to.write_all(&buffer[..read]).await?;
    }
}

/// All ways to the server.
pub(crate) struct Roads {
    server: SocketAddr,
    breaking: Vec<Road>,
}

impl Roads {
    pub(crate) async fn to(server: SocketAddr) -> Outcome<Self> {
        let mut breaking = Vec::new();
        for _ in 0..4 {
            breaking.push(Road::to(server).await?);
        }
        Ok(Self { server, breaking })
    }

    /// A connection of its own that nobody cuts.
    pub(crate) async fn straight(&self) -> Outcome<Wire> {
        Ok(connect(self.server).await?)
    }

    /// A connection of its own on any of them.
    pub(crate) async fn any(&self, rng: &mut fastrand::Rng) -> Result<Wire, tonic::transport::Error> {
        let road = self.breaking.get(rng.usize(..=self.breaking.len()));
        connect(road.map_or(self.server, |road| road.address)).await
    }

    /// One that breaks.
    pub(crate) fn one(&self, rng: &mut fastrand::Rng) -> &Road {
        &self.breaking[rng.usize(..self.breaking.len())]
    }
}

pub(crate) async fn connect(address: SocketAddr) -> Result<Wire, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?;
    // a client on a road that stalls notices, and does not wait for ever
    let endpoint = endpoint.connect_timeout(Duration::from_secs(2)).tcp_nodelay(true);
    Ok(DispatcherServiceClient::new(endpoint.connect().await?))
}

/// A call whose outcome is not known, or a stream that ended with its connection.
pub(crate) fn broken(status: &Status) -> bool {
    use Code::{Cancelled, DeadlineExceeded, Internal, Unavailable, Unknown};
    matches!(status.code(), Cancelled | DeadlineExceeded | Internal | Unavailable | Unknown)
}

pub(crate) fn millis(millis: u64) -> prost_types::Duration {
    let nanos = i32::try_from(millis % 1000 * 1_000_000).unwrap_or_default();
    prost_types::Duration { seconds: i64::try_from(millis / 1000).unwrap_or(i64::MAX), nanos }
}
