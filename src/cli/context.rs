//! What every command that talks to a server is given: where it is, and how to print.

use super::{exit::Fault, output::Output};
use crate::{
    client::Client,
    config::{BYTES, TIME},
};
use clap::{Arg, Args, Command};
use std::time::Duration;

/// Those of the options that `serve` and `log` have no use for.
const HEADING: &str = "Options of the commands that talk to a server";

/// Options of every command that talks to a server.
#[derive(Args, Clone, Debug)]
pub(crate) struct Connection {
    /// The server's address
    #[arg(
        long,
        help_heading = HEADING,
        global = true,
        env = "ERIC_SERVER",
        value_name = "URL",
        default_value = "http://127.0.0.1:50051"
    )]
    server: String,
    /// Print for machines: one JSON object a line, errors too
    #[arg(long, help_heading = "Options of every command but serve", global = true)]
    json: bool,
    /// How long the server may take to answer
    #[arg(long, help_heading = HEADING, global = true, value_name = "TIME", default_value = "10s", value_parser = duration)]
    timeout: Duration,
    /// Keep trying for so long while the server is not there
    #[arg(long, help_heading = HEADING, global = true, value_name = "TIME", default_value = "0s", value_parser = duration)]
    wait_for_server: Duration,
}

impl Connection {
    /// The options for a command that has no use for them, or only for how to print: it takes them, and does not show them.
    pub(crate) fn out_of_sight(prints: bool) -> impl Iterator<Item = Arg> {
        let all: Vec<_> = Self::augment_args(Command::new("")).get_arguments().cloned().collect();
        let useless = move |option: &Arg| !prints || option.get_help_heading() == Some(HEADING);
        all.into_iter().filter(useless).map(|option| option.hide(true))
    }
}

/// A command's surroundings.
#[derive(Clone)]
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

/// As `250ms`, `5s` or `1h30m`, the same way as in the server's configuration.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    (TIME.read)(text).ok_or_else(|| format!("it is not {}", TIME.name))
}

/// As `65_536`, `64KiB` or `1GiB`, likewise.
pub(crate) fn size(text: &str) -> Result<i64, String> {
    let bytes = (BYTES.read)(text).and_then(|bytes| i64::try_from(bytes).ok());
    bytes.ok_or_else(|| format!("it is not {}", BYTES.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_have_units() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(size("64MiB"), Ok(64 << 20));
        assert!(duration("10").is_err_and(|error| error.contains("500ms")));
        assert!(size("64MB").is_err_and(|error| error.contains("64KiB")));
    }
}
