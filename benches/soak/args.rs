//! The command line.

use clap::Parser;
use std::time::Duration;

/// Sends, receives, cuts and stops for a while, and counts every message.
#[derive(Debug, Parser)]
#[command(name = "soak")]
struct Args {
    /// Goes on for so long, then waits until everything has arrived.
    #[arg(long)]
    seconds: Option<f64>,
    /// Decides what everybody does; another each time by default. With neither: a short run of one that is always the same,
    /// and of another.
    #[arg(long)]
    seed: Option<u64>,
    /// Writes there what everybody saw and said, to look for a cause.
    #[arg(long)]
    books: Option<std::path::PathBuf>,
}

/// How long, and with which chances.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) time: Duration,
    pub(crate) seeds: Vec<u64>,
    pub(crate) books: Option<std::path::PathBuf>,
}

impl Plan {
    const SHORT: f64 = 3.0;

    /// Reads the command line. `cargo test` hands what it is given to every target: the name of a test is none of ours,
    /// and other options are no fault. `None`: something else was asked for.
    pub(crate) fn from_command_line() -> Option<Self> {
        let ours = std::env::args().any(|arg| arg.starts_with("--se"));
        let args = match Args::try_parse() {
            Ok(args) => args,
            Err(error) if ours || !error.use_stderr() => error.exit(),
            Err(_) if names_another(std::env::args().skip(1)) => return None,
            Err(_) => Args { seconds: None, seed: None, books: None },
        };
        let another = fastrand::u64(..1_000_000);
        let seeds = match (args.seed, args.seconds) {
            (Some(seed), _) => vec![seed],
            (None, Some(_)) => vec![another],
            (None, None) => vec![1, another],
        };
        let seconds = args.seconds.unwrap_or(Self::SHORT).max(0.1);
        Some(Self { time: Duration::from_secs_f64(seconds), seeds, books: args.books })
    }
}

fn names_another(mut args: impl Iterator<Item = String>) -> bool {
    args.any(|arg| !arg.starts_with('-') && !"soak".contains(&arg) || arg == "--list")
}
