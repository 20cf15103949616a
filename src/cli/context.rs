//! What every command that talks to a server is given: where it is, and how to print.

use super::{exit::Fault, output::Output};
use crate::client::Client;
use clap::Args;
use std::time::Duration;

/// Options of every command that talks to a server.
#[derive(Args, Clone, Debug)]
pub(crate) struct Connection {
    /// The server's address
    #[arg(
        long,
        global = true,
        env = "ERIC_SERVER",
        value_name = "URL",
        default_value = "http://127.0.0.1:50051"
    )]
    server: String,
    /// Print for machines: one JSON object a line, errors too
    #[arg(long, global = true)]
    json: bool,
    /// How long the server may take to answer
    #[arg(long, global = true, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    timeout: Duration,
    /// Keep trying for so long while the server is not there
    #[arg(long, global = true, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    wait_for_server: Duration,
}

/// A command's surroundings.
pub(crate) struct Context {
    connection: Connection,
    /// Where it prints.
    pub(crate) output: Output,
}

impl Context {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { output: Output::new(connection.json), connection }
    }

    /// A client over a connection of its own.
    pub(crate) fn client(&self) -> Result<Client, Fault> {
        let client = Client::builder(self.endpoint())
            .timeout(self.connection.timeout)
            .repeat_for(self.connection.wait_for_server);
        Ok(client.connect()?)
    }

    /// `localhost:50051` is as good as `http://localhost:50051`.
    fn endpoint(&self) -> String {
        match self.connection.server.contains("://") {
            true => self.connection.server.clone(),
            false => format!("http://{}", self.connection.server),
        }
    }
}

/// As `250ms`, `5s` or `1h 30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, humantime::DurationError> {
    humantime::parse_duration(text)
}
