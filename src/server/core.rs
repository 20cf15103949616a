//! A core: one thread, one runtime, connections and streams of its own.

use super::{
    Stopper,
    connection::{self, Keeping},
    door::{Door, Routers},
};
use crate::hub::{self, Hub};
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

/// What every core is made of.
#[derive(Clone)]
pub(super) struct Core {
    pub(super) hub: Arc<Hub>,
    pub(super) routers: Routers,
    pub(super) keeping: Keeping,
    pub(super) stopper: Stopper,
}

/// How the acceptor sees a core.
#[derive(Clone, Debug)]
pub(super) struct CoreHandle {
    connections: Arc<AtomicUsize>,
    hand_over: mpsc::Sender<(Door, TcpStream)>,
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
    pub(super) async fn give(&self, door: Door, stream: TcpStream) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        if self.hand_over.send((door, stream)).await.is_err() {
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
        let runtime = Builder::new_current_thread().enable_all().build()?;
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

    async fn run(self, mut taken: mpsc::Receiver<(Door, TcpStream)>, connections: Arc<AtomicUsize>) -> usize {
        let hub = Arc::clone(&self.hub);
        let bell = tokio::spawn(async move { hub.attend().await });
        let open = TaskTracker::new();
        let serve = async {
            while let Some((door, stream)) = taken.recv().await {
                self.serve(door, stream, &open, &connections);
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

    fn serve(&self, door: Door, stream: TcpStream, open: &TaskTracker, connections: &Arc<AtomicUsize>) {
        let counted = Counted(Arc::clone(connections));
        let served = connection::serve(
            stream,
            door,
            self.routers.at(door).clone(),
            self.keeping.clone(),
            self.stopper.closing.clone(),
        );
        open.spawn(async move {
            served.await;
            drop(counted);
        });
    }
}

/// A connection among those of its core.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
