//! The server: bind, one runtime of one thread per core, accept, and drain with a deadline.
//!
//! One thread accepts and hands each connection to the core with the fewest; on its core a connection is served to its
//! end. A shutdown closes the hub, so that every stream ends by itself, lets connections finish what they have, and at
//! the deadline cuts what is left.

mod acceptor;
mod bare;
mod connection;
mod core;
mod door;
mod front;
mod local;
mod starting;
mod wire;

#[cfg(unix)]
use crate::socket;
use crate::{
    config::Config,
    error::Error,
    grpc,
    http::{self, Origins},
    hub::{Hub, Limits},
    log::{
        Log, LogError, Memory,
        directory::{Directory, OpenError, Options, Sync},
    },
    verbs::{Dispatcher, RequestLimits, Served, bodies::Bodies},
};
use acceptor::Acceptor;
use connection::Keeping;
use core::{Core, CoreThread};
use door::{Doors, Routers};
use local::{Bound, Local};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::JoinHandle,
};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::sync::CancellationToken;

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    addresses: Doors<SocketAddr>,
    stopper: Stopper,
    acceptor: JoinHandle<Runtime>,
    cores: Vec<CoreThread>,
    hub: Arc<Hub>,
}

/// Stops a server, from any thread, also while another joins it.
#[derive(Clone, Debug)]
pub struct Stopper {
    closing: CancellationToken,
    cut: CancellationToken,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[error("cannot serve on {place}: {cause}")]
pub struct StartError {
    place: String,
    cause: Cause,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Hub(#[from] Error),
    #[error(transparent)]
    Log(#[from] OpenError),
    #[error(transparent)]
    Socket(#[from] local::Refused),
}

impl StartError {
    fn new(cause: Cause, config: &Config) -> Self {
        let path = match cause {
            Cause::Socket(_) => config.socket.as_ref(),
            // what a log is at fault for, its directory is
            Cause::Log(_) | Cause::Hub(_) => config.data_dir.as_ref(),
            Cause::Io(_) => None,
        };
        let place = path.map_or_else(|| config.listen.to_string(), |path| path.display().to_string());
        Self { place, cause }
    }
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    cut: usize,
}

impl Drained {
    /// How many connections were still open when the deadline, or [`Stopper::cut`], cut them.
    pub fn cut(&self) -> usize {
        self.cut
    }
}

impl Server {
    /// Binds, reads back what a directory has kept, starts a thread for each worker, and accepts. While it reads, who
    /// connects is answered that it does not serve yet.
    ///
    /// # Errors
    /// The address or the socket cannot be bound, the directory cannot be used, or the system has no more threads.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        let doors = Doors::bind(config)
            .map_err(|(address, error)| StartError { place: address.to_string(), cause: error.into() })?;
        Self::serve(config, &doors).map_err(|cause| StartError::new(cause, config))
    }

    fn serve(config: &Config, doors: &Doors<TcpListener>) -> Result<Self, Cause> {
        let addresses = doors.map(TcpListener::local_addr)?;
        // who connects meanwhile waits until it is served
        let bound = config.socket.as_deref().map(Bound::at).transpose()?;
        let stopper = Stopper { closing: CancellationToken::new(), cut: CancellationToken::new() };
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let keeping = Keeping::new(config, runtime.handle().clone());
        let origins = Origins::new(&config.cors_origin, config.http);
        let hub = match begin(config, &runtime, doors, &keeping, &origins) {
            Ok(hub) => hub,
            Err(cause) => {
                // whoever starts a server may be on a runtime of his own, where none may be waited for
                runtime.shutdown_background();
                return Err(cause);
            }
        };
        let dispatcher = dispatcher(config, &hub, &stopper, &runtime);
        let (routers, health) = routers(dispatcher, doors.http.is_some(), origins);
        let core = Core {
            #[cfg(unix)]
            socket: socket_door(config, &hub, &stopper),
            hub: Arc::clone(&hub),
            routers,
            keeping,
            stopper: stopper.clone(),
        };
        let cores: Vec<_> = (0..config.workers).map(|number| core.start(number)).collect::<Result<_, _>>()?;
        let acceptor = Acceptor {
            hub: Arc::clone(&hub),
            health,
            cores: cores.iter().map(CoreThread::handle).collect(),
            stopper: stopper.clone(),
            deadline: config.drain_deadline,
            max_connections: config.max_connections,
            local: bound.map(|bound| local(bound, &runtime)).transpose()?,
        };
        Ok(Self { addresses, stopper, acceptor: acceptor.start(runtime, doors)?, cores, hub })
    }

    /// Where it serves gRPC.
    pub fn address(&self) -> SocketAddr {
        self.addresses.grpc
    }

    /// Where it serves HTTP; `None`: nowhere.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.addresses.http
    }

    /// What stops it from elsewhere.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Waits until everything has ended.
    pub fn join(self) -> Drained {
        // a thread that panicked has been reported where it did; the others are waited for all the same
        let clock = self.acceptor.join();
        let cut = self.cores.into_iter().map(CoreThread::join).sum();
        // the timers of the cores run on it
        drop(clock);
        // a log that outlives the process has it all with this, and is closed with the hub
        self.hub.save();
        Drained { cut }
    }
}

impl Stopper {
    /// Begins the drain: streams end, open calls finish, nothing new is taken. Twice is once.
    pub fn stop(&self) {
        self.closing.cancel();
    }

    /// Ends now.
    pub fn cut(&self) {
        self.closing.cancel();
        self.cut.cancel();
    }
}

/// Over what a directory has kept, or over nothing.
fn begin(
    config: &Config,
    runtime: &Runtime,
    doors: &Doors<TcpListener>,
    keeping: &Keeping,
    origins: &Origins,
) -> Result<Arc<Hub>, Cause> {
    let (limits, workers) = (limits(config), config.workers);
    let Some(dir) = &config.data_dir else {
        return Ok(Hub::new(Arc::new(Memory::default()), limits, workers)?);
    };
    let log: Arc<dyn Log> = Arc::new(Directory::open(dir, &options(config))?);
    starting::answer_during(runtime, doors, keeping, origins, move || {
        let hub = Hub::new(log, limits, workers)?;
        // nothing is served before the start itself is safe
        Handle::current().block_on(hub.settled())?;
        Ok::<_, Error>(hub)
    })?
    .map_err(|error| {
        let damaged = error == Error::Log(LogError::Corrupt);
        if damaged { OpenError::contradicts(dir).into() } else { error.into() }
    })
}

fn dispatcher(config: &Config, hub: &Arc<Hub>, stopper: &Stopper, clock: &Runtime) -> Dispatcher {
    let limits = request_limits(config);
    Dispatcher::new(Served {
        hub: Arc::clone(hub),
        bodies: Bodies::new(&limits),
        limits,
        closing: stopper.closing.clone(),
        grace: config.drain_deadline,
        clock: clock.handle().clone(),
    })
}

fn routers(dispatcher: Dispatcher, http: bool, origins: Origins) -> (Routers, grpc::Health) {
    let (grpc, health) = grpc::routes(dispatcher.clone());
    let http = http.then(|| http::routes(dispatcher, grpc::for_browsers(grpc.clone()), origins));
    (Routers { grpc, http }, health)
}

fn local(bound: Bound, runtime: &Runtime) -> io::Result<Local> {
    let _inside = runtime.enter();
    Local::over(bound)
}

#[cfg(unix)]
fn socket_door(config: &Config, hub: &Arc<Hub>, stopper: &Stopper) -> socket::Door {
    let max_payload_bytes = request_limits(config).max_payload_bytes;
    socket::Door::new(Arc::clone(hub), max_payload_bytes, config.header_timeout, stopper.closing.clone())
}

fn options(config: &Config) -> Options {
    let mut options = Options::default();
    options.sync = if config.sync.is_zero() { Sync::Always } else { Sync::Interval(config.sync) };
    options.cache_bytes = config.cache_bytes;
    options
}

fn limits(config: &Config) -> Limits {
    Limits {
        max_channels: config.max_channels as u64,
        max_listeners: config.max_listeners as u64,
        max_streams: config.max_streams as u64,
        max_log_bytes: config.max_log_bytes_in_force(),
        max_idempotency_bytes: config.max_idempotency_bytes,
    }
}

fn request_limits(config: &Config) -> RequestLimits {
    // what does not fit in memory's width is no limit on this machine
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX / 4);
    RequestLimits {
        max_payload_bytes: size(config.max_payload_bytes),
        max_batch_messages: config.max_batch_messages,
        max_batch_bytes: size(config.max_batch_bytes),
    }
}
