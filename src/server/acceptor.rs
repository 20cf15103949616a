//! The thread that accepts, keeps the hub up, and sees to the end.

use super::{
    Stopper,
    core::{Arrival, CoreHandle},
    local::Local,
};
use crate::{
    grpc::Health,
    hub::{self, Hub},
};
use std::{
    future::pending,
    io,
    net::TcpListener,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::{runtime::Runtime, time::sleep};
use tracing::{debug, warn};

/// After an error that will not go away at once, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Acceptor {
    pub(super) hub: Arc<Hub>,
    pub(super) health: Health,
    pub(super) cores: Vec<CoreHandle>,
    pub(super) stopper: Stopper,
    pub(super) deadline: Duration,
    pub(super) max_connections: usize,
    pub(super) local: Option<Local>,
}

impl Acceptor {
    /// Runs on a thread of its own, which gives the runtime back at its end.
    pub(super) fn start(self, runtime: Runtime, listener: TcpListener) -> io::Result<JoinHandle<Runtime>> {
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        thread::Builder::new().name("acceptor".to_owned()).spawn(move || {
            runtime.block_on(self.run(listener));
            runtime
        })
    }

    async fn run(mut self, listener: tokio::net::TcpListener) {
        let upkeep = tokio::spawn(hub::keep(Arc::downgrade(&self.hub)));
        self.health.serving().await;
        tokio::select! {
            () = self.accept(async || tcp(&listener).await) => {}
            () = self.accept(async || self.local().await) => {}
            () = self.stopper.closing.cancelled() => {}
        }
        drop(listener);
        self.local = None;
        self.stopper.closing.cancel();
        self.health.draining().await;
        self.hub.close();
        tokio::select! {
            () = self.all_ended() => {}
            () = sleep(self.deadline) => self.stopper.cut.cancel(),
        }
        upkeep.abort();
    }

    async fn all_ended(&self) {
        for core in &self.cores {
            core.ended().await;
        }
    }

    /// Whoever comes to a door, for ever.
    async fn accept(&self, next: impl AsyncFn() -> io::Result<Arrival>) {
        loop {
            match next().await {
                Ok(arrival) => self.place(arrival).await,
                Err(error) => {
                    warn!(%error, "cannot accept");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn local(&self) -> io::Result<Arrival> {
        match &self.local {
            Some(local) => local.accept().await,
            None => pending().await,
        }
    }

    /// Gives a connection to the core with the fewest.
    async fn place(&self, arrival: Arrival) {
        let open: usize = self.cores.iter().map(CoreHandle::connections).sum();
        if open >= self.max_connections {
            debug!(open, "a connection too many was closed");
            return;
        }
        if let Some(core) = self.cores.iter().min_by_key(|core| core.connections()) {
            core.give(arrival).await;
        }
    }
}

async fn tcp(listener: &tokio::net::TcpListener) -> io::Result<Arrival> {
    let (stream, _) = listener.accept().await?;
    stream.into_std().map(Arrival::Tcp)
}
