//! A place between a client and its server where connections break or fall silent, and where the server may be another one.

use super::server;
use eric::client::Client;
use std::{
    future,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
};

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    connections: Arc<Mutex<Connections>>,
    accepting: AbortHandle,
}

struct Connections {
    server: SocketAddr,
    open: JoinSet<()>,
    passes: watch::Sender<Passes>,
}

/// What passes on the connections that are open.
#[derive(Clone, Copy, Default, PartialEq)]
enum Passes {
    #[default]
    All,
    Questions,
    Nothing,
}

impl Proxy {
    pub(crate) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let connections = Connections { server, open: JoinSet::new(), passes: watch::Sender::default() };
        let connections = Arc::new(Mutex::new(connections));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&connections))).abort_handle();
        Self { address, connections, accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client of the SDK that does not wait long before it tries again.
    pub(crate) fn client(&self) -> Client {
        server::client(&self.url())
    }

    /// Breaks every connection that is open; new ones are passed on.
    pub(crate) fn cut(&self) {
        let mut connections = lock(&self.connections);
        connections.open.abort_all();
        connections.passes = watch::Sender::default();
    }

    /// What the server says on the connections that are open gets lost, until they are cut.
    pub(crate) fn swallow_answers(&self) {
        lock(&self.connections).passes.send_replace(Passes::Questions);
    }

    /// Nothing passes either way any more on the connections that are open, and they stay open.
    pub(crate) fn fall_silent(&self) {
        std::mem::take(&mut lock(&self.connections).passes).send_replace(Passes::Nothing);
    }

    /// New connections lead to another server.
    pub(crate) fn lead_to(&self, server: SocketAddr) {
        lock(&self.connections).server = server;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

fn lock(connections: &Mutex<Connections>) -> MutexGuard<'_, Connections> {
    connections.lock().expect("nothing panics with it")
}

async fn accept(listener: TcpListener, connections: Arc<Mutex<Connections>>) {
    while let Ok((client, _)) = listener.accept().await {
        let mut connections = lock(&connections);
        let (server, passes) = (connections.server, connections.passes.subscribe());
        connections.open.spawn(pass_on(client, server, passes));
    }
}

async fn pass_on(mut client: TcpStream, server: SocketAddr, passes: watch::Receiver<Passes>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    let (mut questions, mut asks) = client.split();
    let (mut answers, mut takes) = server.split();
    let answers_pass = passes.clone();
    // whichever side ends, it has ended
    tokio::select! {
        _ = copy(&mut questions, &mut takes) => {}
        () = pass_answers(&mut answers, &mut asks, answers_pass) => {}
        () = silence(passes) => future::pending().await,
    }
}

/// Until nothing passes.
async fn silence(mut passes: watch::Receiver<Passes>) {
    if passes.wait_for(|passes| *passes == Passes::Nothing).await.is_err() {
        future::pending().await
    }
}

async fn pass_answers(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    passes: watch::Receiver<Passes>,
) {
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if *passes.borrow() == Passes::All && to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
