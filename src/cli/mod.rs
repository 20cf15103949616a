//! The command line: what can be asked for, and how it is run.

mod channel;
mod context;
mod delivered;
mod exit;
mod fault;
mod info;
mod listener;
mod output;
mod receive;
mod send;
mod view;

use clap::{Parser, Subcommand};
use context::{Connection, Context};
use exit::{EXIT_CODES, Exit, Fault};
use std::process::ExitCode;

/// Eric: a message dispatcher served over gRPC
#[derive(Parser, Debug)]
#[command(name = "eric", version, after_help = EXIT_CODES)]
struct Line {
    #[command(subcommand)]
    command: Command,
    #[command(flatten, next_help_heading = "Server")]
    connection: Connection,
}

#[derive(Subcommand, Debug)]
enum Command {
    Channel(channel::Channel),
    Listener(listener::Listener),
    Dispatch(send::Dispatch),
    Broadcast(send::Broadcast),
    NotifyEnd(send::NotifyEnd),
    Listen(receive::Listen),
    Watch(receive::Watch),
    Pull(receive::Pull),
    Info(info::Info),
}

impl Command {
    async fn run(self, context: &Context) -> Result<Exit, Fault> {
        match self {
            Command::Channel(command) => command.run(context).await,
            Command::Listener(command) => command.run(context).await,
            Command::Dispatch(command) => command.run(context).await,
            Command::Broadcast(command) => command.run(context).await,
            Command::NotifyEnd(command) => command.run(context).await,
            Command::Listen(command) => command.run(context).await,
            Command::Watch(command) => command.run(context).await,
            Command::Pull(command) => command.run(context).await,
            Command::Info(command) => command.run(context).await,
        }
    }
}

/// Reads the command line and runs it.
pub fn run() -> ExitCode {
    let line = Line::parse();
    let context = Context::new(line.connection);
    fault::exit(serve(line.command, &context), context.output).into()
}

fn serve(command: Command, context: &Context) -> Result<Exit, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(command.run(context))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_holds_together() {
        Line::command().debug_assert();
    }
}
