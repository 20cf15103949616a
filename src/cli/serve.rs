//! `eric serve`: reads the configuration, starts the server and ends with it.

mod arguments;

use std::{env, io, net::SocketAddr, process::ExitCode, thread};

use tracing::{error, info, warn};

use super::runtime;
use crate::{
    config::{self, Config},
    server::{Server, StartError, Stopper},
    signal::Signals,
    telemetry,
};

pub(super) use arguments::Serve;

/// A configuration that cannot be served: the status of a wrong command line. Starting again would not help.
const FAULTY: u8 = 2;

impl Serve {
    /// Serves until a signal. Success: everything ended within the deadline.
    pub(super) fn run(self, known_variables: &[String]) -> ExitCode {
        let present = env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
        let strangers = config::strangers(present, known_variables);
        match self.load() {
            Ok(config) => {
                telemetry::init(&config);
                strangers.iter().for_each(|stranger| warn!("{stranger}"));
                serve(&config)
            }
            Err(faults) => {
                eprintln!("error: {faults}");
                strangers.iter().for_each(|stranger| eprintln!("warning: {stranger}"));
                ExitCode::from(FAULTY)
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("cannot hear signals: {0}")]
    Signals(#[from] io::Error),
}

fn serve(config: &Config) -> ExitCode {
    match start(config) {
        Ok(server) => end(server),
        Err(failure) => {
            report(&failure);
            ExitCode::FAILURE
        }
    }
}

fn start(config: &Config) -> Result<Server, Failure> {
    let runtime = runtime()?;
    // before the server: a signal that comes while it starts stops it like any other
    let signals = runtime.block_on(async { Signals::hear() })?;
    let server = Server::start(config)?;
    announce(&server, config);
    let stopper = server.stopper();
    // it ends with the process; what waits for the server must not wait for a signal
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || runtime.block_on(obey(signals, &stopper)))?;
    Ok(server)
}

fn announce(server: &Server, config: &Config) {
    let addresses = [Some(server.address()), server.http_address()];
    info!(
        address = %server.address(),
        http = server.http_address().map_or_else(|| "off".to_owned(), |http| http.to_string()),
        socket = config.socket.as_ref().map(|path| tracing::field::display(path.display())),
        version = env!("CARGO_PKG_VERSION"),
        workers = config.workers,
        durability = durability(config),
        "serving"
    );
    let strangers = |address: &SocketAddr| !address.ip().to_canonical().is_loopback();
    for address in addresses.into_iter().flatten().filter(strangers) {
        warn!(%address, "no TLS and no authentication: whoever reaches this address may send and receive");
    }
}

/// What accepted means, in words.
fn durability(config: &Config) -> String {
    match &config.data_dir {
        None => "memory: accepted messages are lost with this process".to_owned(),
        Some(dir) if config.sync.is_zero() => {
            format!("{}: accepted means on disk, after fsync", dir.display())
        }
        Some(dir) => format!(
            "{}: a power cut may lose what was accepted in its last {}",
            dir.display(),
            humantime::format_duration(config.sync)
        ),
    }
}

/// The first signal begins the drain, the second ends it.
async fn obey(mut signals: Signals, stopper: &Stopper) {
    let signal = signals.next().await;
    info!(signal, "draining; a second signal cuts");
    stopper.stop();
    let signal = signals.next().await;
    warn!(signal, "cutting");
    stopper.cut();
}

fn end(server: Server) -> ExitCode {
    match server.join().cut() {
        0 => {
            info!("ended");
            ExitCode::SUCCESS
        }
        connections => {
            warn!(connections, "ended: what was still open was cut");
            ExitCode::FAILURE
        }
    }
}

/// Somebody who turned the log off still learns why nothing runs.
fn report(failure: &Failure) {
    if tracing::enabled!(tracing::Level::ERROR) {
        error!("{failure}");
    } else {
        eprintln!("error: {failure}");
    }
}
