//! A place between a client and its server where connections break, and where the server may be another one.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    server: Arc<Mutex<SocketAddr>>,
    connections: Arc<Mutex<JoinSet<()>>>,
    accepting: AbortHandle,
}

impl Proxy {
    pub(crate) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("the loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let server = Arc::new(Mutex::new(server));
        let connections = Arc::new(Mutex::new(JoinSet::new()));
        let accepting = accept(listener, Arc::clone(&server), Arc::clone(&connections));
        let accepting = tokio::spawn(accepting).abort_handle();
        Self { address, server, connections, accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks every connection that is open.
    pub(crate) fn cut(&self) {
        self.connections.lock().expect("nothing panics with it").abort_all();
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

async fn accept(listener: TcpListener, server: Arc<Mutex<SocketAddr>>, connections: Arc<Mutex<JoinSet<()>>>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let server = *server.lock().expect("nothing panics with it");
        connections.lock().expect("nothing panics with it").spawn(async move {
            let Ok(mut server) = TcpStream::connect(server).await else { return };
            // however it ends, it has ended
            let _ = copy_bidirectional(&mut client, &mut server).await;
        });
    }
}
