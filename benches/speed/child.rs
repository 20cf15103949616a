//! The servers under test: child processes that never outlive the bench.

use crate::{
    Outcome,
    bare_events::{self, Reads},
    client::{Connection, verb},
    messages::frame,
    nchan,
};
use eric::v1::GetServerRequest;
use std::{
    ffi::OsStr,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    time::Duration,
};
use tokio::{
    net::TcpStream,
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep},
};

/// How long a server may take until it accepts connections; an unoptimised one on a busy machine is slow.
const START: Duration = Duration::from_secs(20);

/// Serves until it is killed, where this process was started as one of the servers.
pub(crate) fn serve() -> Option<Outcome> {
    let mut arguments = std::env::args().skip(1);
    let (asked, address) = (arguments.next()?, arguments.next()?.parse().ok()?);
    match &*asked {
        crate::bare::ARGUMENT => Some(crate::bare::serve(address)),
        crate::bare::KEEPING => Some(crate::bare::serve_over(arguments.next()?.as_ref(), address)),
        bare_events::ARGUMENT => Some(bare_events::serve(address, Reads::ByHand)),
        bare_events::BY_AXUM => Some(bare_events::serve(address, Reads::ByAxum)),
        _ => None,
    }
}

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    process: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Where it speaks HTTP/1.1, which may be the same.
    pub(crate) http: SocketAddr,
}

impl Server {
    /// Starts this program again as the bare server.
    pub(crate) async fn bare() -> Outcome<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(crate::bare::ARGUMENT).arg(address.to_string());
        Self::start(command, address).await
    }

    /// Starts this program again as the bare server that keeps what it gets in a directory.
    pub(crate) async fn bare_over(directory: &Path) -> Outcome<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(crate::bare::KEEPING).arg(address.to_string()).arg(directory);
        Self::start(command, address).await
    }

    /// Starts this program again as the bare server of events.
    pub(crate) async fn bare_events(reads: Reads) -> Outcome<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        let argument = match reads {
            Reads::ByHand => bare_events::ARGUMENT,
            Reads::ByAxum => bare_events::BY_AXUM,
        };
        command.arg(argument).arg(address.to_string());
        Self::start(command, address).await
    }

    /// Starts nginx with Nchan, which keeps what it writes in a directory.
    pub(crate) async fn nchan(program: &OsStr, directory: &Path) -> Outcome<Self> {
        let address = free_address()?;
        let mut command = Command::new(program);
        command.args(nchan::arguments(directory, address)?);
        Self::start(command, address).await
    }

    /// Starts Eric with all of its defaults, on two addresses.
    pub(crate) async fn eric_with_http() -> Outcome<Self> {
        let http = free_address()?;
        let mut server = Self::eric(&["--http", &http.to_string()]).await?;
        server.http = http;
        Ok(server)
    }

    /// Starts Eric with its defaults, apart from `flags`.
    pub(crate) async fn eric(flags: &[&str]) -> Outcome<Self> {
        let address = free_address()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_eric"));
        command.args(["serve", "--listen", &address.to_string()]).args(flags);
        Self::start(command, address).await
    }

    /// The same over a directory, once it has read what stands there.
    pub(crate) async fn eric_over(directory: &Path, flags: &[&str]) -> Outcome<Self> {
        let directory = directory.to_str().ok_or("the path of the directory is no text")?;
        let server = Self::eric(&[&["--data-dir", directory], flags].concat()).await?;
        let deadline = Instant::now() + START;
        while !server.serves().await {
            if Instant::now() > deadline {
                return Err(format!("the server has not read {directory} after {START:?}").into());
            }
            sleep(Duration::from_millis(2)).await;
        }
        Ok(server)
    }

    // Until it has read its log it answers that it does not, and then it closes the connection.
    async fn serves(&self) -> bool {
        let Ok(connection) = Connection::open(self.address).await else { return false };
        connection.call(verb::GET_SERVER, frame(&GetServerRequest {})).await.is_ok()
    }

    /// Starts nats-server with JetStream in a directory. It acknowledges what is on disk.
    pub(crate) async fn nats(program: &OsStr, directory: &Path) -> Outcome<Self> {
        let (address, settings) = (free_address()?, directory.join("nats.conf"));
        let text = format!(
            "listen: \"{address}\"\nlogfile: {:?}\njetstream {{ store_dir: {directory:?}, sync_interval: always }}\n",
            directory.join("nats.log")
        );
        fs::write(&settings, text)?;
        let mut command = Command::new(program);
        command.arg("--config").arg(settings);
        Self::start(command, address).await
    }

    // Nothing of the caller's environment may change what is measured. Flags are stronger than what is said here.
    async fn start(mut command: Command, address: SocketAddr) -> Outcome<Self> {
        command
            .env_clear()
            .env("ERIC_LOG_LEVEL", "warn")
            .env("ERIC_HTTP", "off")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let mut server = Self { process: command.spawn()?, address, http: address };
        server.ready().await?;
        Ok(server)
    }

    async fn ready(&mut self) -> Outcome {
        let deadline = Instant::now() + START;
        while TcpStream::connect(self.address).await.is_err() {
            if let Some(status) = self.process.try_wait()? {
                return Err(format!("the server ended before it served: {status}").into());
            }
            if Instant::now() > deadline {
                return Err(format!("the server does not listen on {} after {START:?}", self.address).into());
            }
            sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// Names it in /proc.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns once this process is told to end.
pub(crate) async fn interrupted() -> &'static str {
    let mut terminate = signal(SignalKind::terminate()).expect("a runtime with signals is running");
    tokio::select! {
        _ = terminate.recv() => "terminated",
        _ = tokio::signal::ctrl_c() => "interrupted",
    }
}

/// A port that nobody has now. Below 32768, where the system takes the clients' own ports from, so that no
/// client of ours can take it in between.
fn free_address() -> Outcome<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 10_000) as u16;
    for _ in 0..1_000 {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed) % 2_000;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err(format!("no free port from {first}").into())
}
