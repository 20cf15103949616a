//! The `eric` command: reads the command line, runs it, and tells the shell how it went.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    eric::cli::Cli::parse().run()
}
