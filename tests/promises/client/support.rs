//! A server to talk to, and a way to it that can be cut.

use eric::{
    client::{Client, Event, Message, Subscription},
    config::Config,
    server::{Server, Stopper},
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(20);

/// A server of one worker on a port of its own, cut when it is dropped.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    stopper: Stopper,
}

impl TestServer {
    pub(crate) fn start() -> Self {
        Self::start_on(([127, 0, 0, 1], 0).into())
    }

    /// On the port of one that is about to be gone.
    pub(crate) async fn restart_on(address: SocketAddr) -> Self {
        until_free(address).await;
        Self::start_on(address)
    }

    fn start_on(listen: SocketAddr) -> Self {
        let config = Config { listen, workers: 1, ..Config::default() };
        let server = Server::start(&config).expect("the port is free");
        Self { address: server.address(), stopper: server.stopper() }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.url()).expect("the address is one")
    }

    /// With a channel `c` and a listener `l`.
    pub(crate) async fn with_listener() -> (Self, Client) {
        let server = Self::start();
        let client = server.client();
        client.create_channel("c").await.expect("it is new");
        client.register("c", "l").await.expect("it is new");
        (server, client)
    }
}

/// Until nobody listens there any more.
pub(crate) async fn until_free(address: SocketAddr) {
    while std::net::TcpListener::bind(address).is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stopper.cut();
    }
}

/// Passes connections on to a server, until they are cut.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    connections: Arc<std::sync::Mutex<Connections>>,
    accepting: JoinHandle<()>,
}

/// Those that are not cut.
#[derive(Default)]
struct Connections {
    cut: CancellationToken,
    swallows: watch::Sender<bool>,
}

impl Proxy {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let connections = Arc::<std::sync::Mutex<Connections>>::default();
        let accepting = tokio::spawn(accept(listener, server, Arc::clone(&connections)));
        Self { address, connections, accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.url()).expect("the address is one")
    }

    /// What the server says from now on gets lost, until the connections are cut.
    pub(crate) fn swallow_answers(&self) {
        self.connections.lock().expect("nobody panics with it").swallows.send_replace(true);
    }

    /// Ends every connection; new ones are passed on.
    pub(crate) fn cut(&self) {
        let mut connections = self.connections.lock().expect("nobody panics with it");
        std::mem::take(&mut *connections).cut.cancel();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, connections: Arc<std::sync::Mutex<Connections>>) {
    while let Ok((near, _)) = listener.accept().await {
        let (cut, swallows) = {
            let connections = connections.lock().expect("nobody panics with it");
            (connections.cut.clone(), connections.swallows.subscribe())
        };
        tokio::spawn(async move { cut.run_until_cancelled(pass_on(near, server, swallows)).await });
    }
}

async fn pass_on(mut near: TcpStream, server: SocketAddr, swallows: watch::Receiver<bool>) {
    let Ok(mut far) = TcpStream::connect(server).await else { return };
    let (mut questions, mut asks) = near.split();
    let (mut answers, mut takes) = far.split();
    // whichever side ends, it has ended
    tokio::select! {
        _ = copy(&mut questions, &mut takes) => {}
        () = copy_unless(&mut answers, &mut asks, swallows) => {}
    }
}

async fn copy_unless(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    swallows: watch::Receiver<bool>,
) {
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if !*swallows.borrow() && to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

pub(crate) fn numbered(number: u64) -> Message {
    Message::new("number").with_json(&number).expect("a number is JSON")
}

/// The next event, in time.
pub(crate) async fn next(subscription: &mut Subscription) -> Option<eric::client::Result<Event>> {
    timeout(LONG, subscription.next()).await.expect("something comes, or it ends")
}

/// The numbers of the next so many deliveries; a gap is none of them.
pub(crate) async fn numbers(subscription: &mut Subscription, count: usize) -> Vec<u64> {
    let mut numbers = Vec::with_capacity(count);
    while numbers.len() < count {
        match next(subscription).await {
            Some(Ok(Event::Delivery(delivery))) => {
                numbers.push(delivery.message.json().expect("a number was sent"));
            }
            other => panic!("after {} of {count}: {other:?}", numbers.len()),
        }
    }
    numbers
}

/// What comes of it, in time.
pub(crate) async fn patiently<T>(future: impl Future<Output = T>) -> T {
    timeout(LONG, future).await.expect("it comes to an end")
}

/// Looks again and again until it is so.
pub(crate) async fn until(mut so: impl AsyncFnMut() -> bool) {
    patiently(async {
        while !so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
