//! The `eric` command: reads the command line, runs it, and tells the shell how it went.

use std::process::ExitCode;

use clap::Parser as _;

/// A log in memory keeps and frees messages in no order that the system's allocator likes: with it, a third of a call's CPU
/// went there.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    eric::cli::Cli::parse().run()
}
