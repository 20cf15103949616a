//! A place between a client and its server where connections break, and where the server may be another one.

use std::{
    future,
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};
use tokio_util::sync::CancellationToken;

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    server: Arc<Mutex<SocketAddr>>,
    connections: Arc<Mutex<Connections>>,
    accepting: AbortHandle,
}

#[derive(Default)]
struct Connections {
    open: JoinSet<()>,
    /// Of those that have not fallen silent.
    silence: CancellationToken,
}

impl Proxy {
    pub(crate) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let server = Arc::new(Mutex::new(server));
        let connections = Arc::<Mutex<Connections>>::default();
        let accepting = accept(listener, Arc::clone(&server), Arc::clone(&connections));
        let accepting = tokio::spawn(accepting).abort_handle();
        Self { address, server, connections, accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks every connection that is open.
    pub(crate) fn cut(&self) {
        self.connections.lock().expect("nothing panics with it").open.abort_all();
    }

    /// Nothing passes either way any more on the connections that are open, and they stay open.
    pub(crate) fn fall_silent(&self) {
        std::mem::take(&mut self.connections.lock().expect("nothing panics with it").silence).cancel();
    }

    /// New connections lead to another server.
    pub(crate) fn lead_to(&self, server: SocketAddr) {
        *self.server.lock().expect("nothing panics with it") = server;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, server: Arc<Mutex<SocketAddr>>, connections: Arc<Mutex<Connections>>) {
    while let Ok((client, _)) = listener.accept().await {
        let server = *server.lock().expect("nothing panics with it");
        let mut connections = connections.lock().expect("nothing panics with it");
        let silence = connections.silence.clone();
        connections.open.spawn(pass_on(client, server, silence));
    }
}

async fn pass_on(mut client: TcpStream, server: SocketAddr, silence: CancellationToken) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    let passing = copy_bidirectional(&mut client, &mut server);
    // however it ends, it has ended
    if silence.run_until_cancelled(passing).await.is_none() {
        future::pending::<()>().await;
    }
}
