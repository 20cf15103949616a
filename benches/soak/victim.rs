//! A server in a process of its own, which can be killed at any moment and started again where it was.

use crate::road::{Outcome, connect};
use eric::{log::directory, v1::GetServerRequest};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

/// How long it may take until it serves; one that is not optimised is slow on a busy machine.
const START: Duration = Duration::from_secs(30);

/// So much of its log is told.
const TAIL: usize = 2000;

pub(crate) struct Victim {
    address: SocketAddr,
    process: Child,
    place: TempDir,
}

impl Victim {
    /// Over a directory that is new.
    pub(crate) async fn start() -> Outcome<Self> {
        let (address, place) = (free_address()?, tempfile::tempdir()?);
        let process = spawn(&place, address)?;
        let mut victim = Self { address, process, place };
        victim.serves().await?;
        Ok(victim)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends it SIGKILL.
    ///
    /// # Errors
    /// It has ended by itself before.
    pub(crate) fn kill(&mut self) -> Outcome {
        self.lives()?;
        Ok(self.process.start_kill()?)
    }

    /// Starts it again, on the same directory and address.
    pub(crate) async fn again(&mut self) -> Outcome {
        self.process.wait().await?;
        self.process = spawn(&self.place, self.address)?;
        Ok(())
    }

    /// Waits until it answers.
    pub(crate) async fn serves(&mut self) -> Outcome {
        let deadline = Instant::now() + START;
        while !self.answers().await {
            self.lives()?;
            if Instant::now() > deadline {
                return Err(format!("the server does not serve; {}", self.tail()).into());
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    async fn answers(&self) -> bool {
        let Ok(mut wire) = connect(self.address).await else { return false };
        wire.get_server(GetServerRequest {}).await.is_ok()
    }

    fn lives(&mut self) -> Outcome {
        match self.process.try_wait()? {
            None => Ok(()),
            Some(status) => Err(format!("the server ended by itself, {status}; {}", self.tail()).into()),
        }
    }

    /// Ends it for good, and tells what is wrong with what it leaves behind.
    pub(crate) async fn end(mut self) -> Outcome<Vec<String>> {
        self.kill()?;
        self.process.wait().await?;
        let mut faults = directory::check(&data(&self.place), &mut |_| {})?.faults;
        let told = fs::read_to_string(log(&self.place))?;
        let wrong = told.lines().filter(|line| line.contains(" ERROR ") || line.contains("panicked"));
        faults.extend(wrong.map(|line| format!("the server says: {line}")));
        Ok(faults)
    }

    fn tail(&self) -> String {
        let told = fs::read_to_string(log(&self.place)).unwrap_or_default();
        told[told.floor_char_boundary(told.len().saturating_sub(TAIL))..].to_owned()
    }
}

fn data(place: &TempDir) -> PathBuf {
    place.path().join("data")
}

fn log(place: &TempDir) -> PathBuf {
    place.path().join("log")
}

// Nothing of the caller's environment may change how it serves.
fn spawn(place: &TempDir, address: SocketAddr) -> Outcome<Child> {
    let log = fs::OpenOptions::new().create(true).append(true).open(log(place))?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_eric"));
    command.args(["serve", "--workers", "2", "--max-idempotency-bytes", "1GiB"]);
    command.arg("--listen").arg(address.to_string()).arg("--data-dir").arg(data(place));
    command.env_clear().env("ERIC_HTTP", "off").env("ERIC_LOG_LEVEL", "warn").kill_on_drop(true);
    let told = (log.try_clone()?, log);
    Ok(command.stdin(Stdio::null()).stdout(told.0).stderr(told.1).spawn()?)
}

/// Below the ports that connections get: none of them may have it while nobody serves there.
fn free_address() -> Outcome<SocketAddr> {
    let ports = (0..100).map(|_| fastrand::u16(20_000..32_000));
    let addresses = ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let mut free = addresses.filter(|address| TcpListener::bind(address).is_ok());
    free.next().ok_or_else(|| "no port is free".into())
}
