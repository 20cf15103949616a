//! The `eric` command: its options, its commands, and how they run.

mod acknowledge;
mod bench;
mod channel;
mod context;
mod delivered;
mod exit;
mod fault;
mod info;
mod listener;
mod log;
mod messages;
mod output;
mod receive;
mod send;
mod serve;
mod view;

use std::{io, process::ExitCode};

use clap::{CommandFactory as _, Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

use context::{Connection, Context};
use exit::{EXIT_CODES, Exit, Fault};
use serve::Serve;

/// The command line of `eric`.
#[derive(Parser)]
#[command(name = "eric", version, about = "A message dispatcher served over gRPC", after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    connection: Connection,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve, until SIGTERM or SIGINT.
    Serve(Serve),
    Log(log::Log),
    #[command(flatten)]
    Client(ClientCommand),
}

/// The commands that talk to a server.
#[derive(Subcommand)]
enum ClientCommand {
    Channel(channel::Channel),
    Listener(listener::Listener),
    Dispatch(send::Dispatch),
    Broadcast(send::Broadcast),
    NotifyEnd(send::NotifyEnd),
    Listen(receive::Listen),
    Watch(receive::Watch),
    Pull(receive::Pull),
    Ack(acknowledge::Ack),
    Reject(acknowledge::Reject),
    Extend(acknowledge::Extend),
    Messages(messages::Messages),
    Requeue(messages::Requeue),
    Info(info::Info),
    Bench(bench::Bench),
}

impl Cli {
    /// Runs the command to its end.
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Serve(serve) => serve.run(&variables(&Self::command())),
            Command::Log(log) => {
                let output = Context::new(self.connection).output;
                fault::exit(log.run(output), output).into()
            }
            Command::Client(command) => {
                let context = Context::new(self.connection);
                fault::exit(command.run_on(&context), context.output).into()
            }
        }
    }
}

impl ClientCommand {
    fn run_on(self, context: &Context) -> Result<Exit, Fault> {
        runtime()?.block_on(self.run(context))
    }

    async fn run(self, context: &Context) -> Result<Exit, Fault> {
        match self {
            ClientCommand::Channel(command) => command.run(context).await,
            ClientCommand::Listener(command) => command.run(context).await,
            ClientCommand::Dispatch(command) => command.run(context).await,
            ClientCommand::Broadcast(command) => command.run(context).await,
            ClientCommand::NotifyEnd(command) => command.run(context).await,
            ClientCommand::Listen(command) => command.run(context).await,
            ClientCommand::Watch(command) => command.run(context).await,
            ClientCommand::Pull(command) => command.run(context).await,
            ClientCommand::Ack(command) => command.run(context).await,
            ClientCommand::Reject(command) => command.run(context).await,
            ClientCommand::Extend(command) => command.run(context).await,
            ClientCommand::Messages(command) => command.run(context).await,
            ClientCommand::Requeue(command) => command.run(context).await,
            ClientCommand::Info(command) => command.run(context).await,
            ClientCommand::Bench(command) => command.run(context).await,
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
