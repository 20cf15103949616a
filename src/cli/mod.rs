//! The `eric` command: its options, its commands, and how they run.

mod serve;

use std::{io, process::ExitCode};

use clap::{CommandFactory as _, Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

use serve::Serve;

/// The command line of `eric`.
#[derive(Parser)]
#[command(name = "eric", version, about = "A message dispatcher served over gRPC")]
pub struct Cli {
    /// The server to talk to.
    #[arg(
        long,
        global = true,
        env = "ERIC_SERVER",
        value_name = "URL",
        default_value = "http://127.0.0.1:50051",
        help_heading = CLIENT
    )]
    pub server: String,

    /// Print JSON, one object a line.
    #[arg(long, global = true, help_heading = CLIENT)]
    pub json: bool,

    #[command(subcommand)]
    command: Command,
}

/// These options stand in every help; the heading says that `serve` has no use for them.
const CLIENT: &str = "Options of the commands that talk to a server";

#[derive(Subcommand)]
enum Command {
    /// Serve, until SIGTERM or SIGINT.
    Serve(Serve),
}

impl Cli {
    /// Runs the command to its end.
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Serve(serve) => serve.run(&variables(&Self::command())),
        }
    }
}

/// The variables that `command` and all below it read.
fn variables(command: &clap::Command) -> Vec<String> {
    let own = command.get_arguments().filter_map(|argument| argument.get_env());
    let own = own.map(|name| name.to_string_lossy().into_owned());
    own.chain(command.get_subcommands().flat_map(variables)).collect()
}

/// What a client command runs on, and what hears the signals of a server: one thread is enough.
fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_variable_of_every_command_is_known() {
        let known = variables(&Cli::command());
        for name in ["ERIC_SERVER", "ERIC_CONFIG", "ERIC_MAX_STREAMS"] {
            assert!(known.iter().any(|variable| variable == name), "{name} in {known:?}");
        }
    }
}
