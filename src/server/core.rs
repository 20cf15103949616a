//! A core: one thread, one runtime, connections and streams of its own.

use super::{
    Stopper,
    connection::{self, Keeping},
    door::{Door, Routers},
};
use crate::hub::{self, Hub};
#[cfg(unix)]
use crate::socket;
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::{
    io,
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};
use tokio::{runtime::Builder, sync::mpsc};
use tokio_util::task::TaskTracker;

/// So many connections may wait for a core to take them; then the acceptor waits, and behind it the system's backlog.
const WAITING_CONNECTIONS: usize = 256;
/// After so many turns of streams and calls it is looked what has come from the network; the default, 61, is tens of
/// milliseconds of streams that have much to gather.
const TURNS: u32 = 16;

/// What every core is made of.
#[derive(Clone)]
pub(super) struct Core {
    pub(super) hub: Arc<Hub>,
    pub(super) routers: Routers,
    pub(super) keeping: Keeping,
    #[cfg(unix)]
    pub(super) socket: socket::Door,
    pub(super) stopper: Stopper,
}

/// A connection that was accepted, by the door at which it came.
#[derive(Debug)]
pub(super) enum Arrival {
    Tcp(Door, TcpStream),
    #[cfg(unix)]
    Socket(UnixStream),
}

/// How the acceptor sees a core.
#[derive(Clone, Debug)]
pub(super) struct CoreHandle {
    connections: Arc<AtomicUsize>,
    hand_over: mpsc::Sender<Arrival>,
}

impl CoreHandle {
    /// How many connections it has.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Waits until it has ended.
    pub(super) async fn ended(&self) {
        self.hand_over.closed().await;
    }

    /// Gives it a connection; it is gone where the core is.
    pub(super) async fn give(&self, arrival: Arrival) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        if self.hand_over.send(arrival).await.is_err() {
            self.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A core that runs.
#[derive(Debug)]
pub(super) struct CoreThread {
    handle: CoreHandle,
    thread: JoinHandle<usize>,
}

impl CoreThread {
    pub(super) fn handle(&self) -> CoreHandle {
        self.handle.clone()
    }

    /// Waits for its end; tells how many connections were cut.
    pub(super) fn join(self) -> usize {
        drop(self.handle);
        self.thread.join().unwrap_or_default()
    }
}

impl Core {
    pub(super) fn start(&self, number: usize) -> io::Result<CoreThread> {
        let (hand_over, taken) = mpsc::channel(WAITING_CONNECTIONS);
        let connections = Arc::new(AtomicUsize::new(0));
        let handle = CoreHandle { connections: Arc::clone(&connections), hand_over };
        let runtime = Builder::new_current_thread().event_interval(TURNS).enable_all().build()?;
        let core = self.clone();
        let thread = thread::Builder::new().name(format!("core-{number}")).spawn(move || {
            hub::on_core(number);
            let cut = runtime.block_on(core.run(taken, connections));
            // what was cut is dropped with the runtime, here, where its streams belong
            drop(runtime);
            cut
        })?;
        Ok(CoreThread { handle, thread })
    }

    async fn run(self, mut taken: mpsc::Receiver<Arrival>, connections: Arc<AtomicUsize>) -> usize {
        let hub = Arc::clone(&self.hub);
        let bell = tokio::spawn(async move { hub.attend().await });
        let open = TaskTracker::new();
        let serve = async {
            while let Some(arrival) = taken.recv().await {
                let counted = Counted(Arc::clone(&connections));
                match arrival {
                    Arrival::Tcp(door, stream) => counted.spawn(&open, self.serve(door, stream)),
                    #[cfg(unix)]
                    Arrival::Socket(stream) => counted.spawn(&open, self.socket.clone().serve(stream)),
                }
            }
        };
        tokio::select! {
            () = serve => {}
            () = self.stopper.closing.cancelled() => {}
        }
        open.close();
        tokio::select! {
            () = open.wait() => {}
            () = self.stopper.cut.cancelled() => {}
        }
        bell.abort();
        open.len()
    }

    fn serve(&self, door: Door, stream: TcpStream) -> impl Future<Output = ()> + use<> {
        let (router, keeping) = (self.routers.at(door).clone(), self.keeping.clone());
        connection::serve(stream, door, router, keeping, self.stopper.closing.clone())
    }
}

/// A connection among those of its core.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn spawn(self, open: &TaskTracker, served: impl Future<Output = ()> + Send + 'static) {
        open.spawn(async move {
            served.await;
            drop(self);
        });
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
