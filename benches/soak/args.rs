//! The command line.

use clap::Parser;
use std::{fmt, time::Duration};

/// Sends, receives, cuts and stops for a while, and counts every message.
#[derive(Debug, Default, Parser)]
#[command(name = "soak")]
struct Args {
    /// Goes on for so long, then waits until everything has arrived.
    #[arg(long)]
    seconds: Option<f64>,
    /// Decides what everybody does; another each time by default. With nothing at all: a short run of one that is always the
    /// same, and short ones of others: in memory, over a directory, and with a server that is killed.
    #[arg(long)]
    seed: Option<u64>,
    /// Over a directory of its own, which is checked at the end.
    #[arg(long)]
    directory: bool,
    /// Over a directory, by a server in a process of its own that is killed so often (SIGKILL) and started again.
    #[arg(long, conflicts_with_all = ["seconds", "directory"])]
    kills: Option<u32>,
    /// Writes there what everybody saw and said, to look for a cause.
    #[arg(long)]
    books: Option<std::path::PathBuf>,
}

/// What the server stands on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Over {
    Memory,
    Directory,
    /// A directory, with so many crashes.
    Crashes(u32),
}

/// For how long, and with which chances.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) over: Over,
    pub(crate) time: Duration,
    pub(crate) seed: u64,
}

/// What is to be played.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) runs: Vec<Run>,
    pub(crate) books: Option<std::path::PathBuf>,
}

impl Plan {
    const SHORT: Duration = Duration::from_secs(3);
    const FEW: u32 = 12;

    /// Reads the command line. `cargo test` hands what it is given to every target: the name of a test is none of ours,
    /// and other options are no fault. `None`: something else was asked for.
    pub(crate) fn from_command_line() -> Option<Self> {
        const OURS: [&str; 4] = ["--se", "--k", "--d", "--b"];
        let ours = std::env::args().any(|arg| OURS.iter().any(|our| arg.starts_with(our)));
        let args = match Args::try_parse() {
            Ok(args) => args,
            Err(error) if ours || !error.use_stderr() => error.exit(),
            Err(_) if names_another(std::env::args().skip(1)) => return None,
            Err(_) => Args::default(),
        };
        Some(Self { runs: args.runs(), books: args.books })
    }
}

impl Args {
    fn runs(&self) -> Vec<Run> {
        let another = || self.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
        let seconds = self.seconds.map(|seconds| Duration::from_secs_f64(seconds.max(0.1)));
        let run = |over, seed| Run { over, time: seconds.unwrap_or(Plan::SHORT), seed };
        match (self.kills, self.directory) {
            (Some(kills), _) => vec![run(Over::Crashes(kills), another())],
            (None, true) => vec![run(Over::Directory, another())],
            (None, false) if self.seconds.is_some() || self.seed.is_some() => {
                vec![run(Over::Memory, another())]
            }
            (None, false) => vec![
                run(Over::Memory, 1),
                run(Over::Memory, another()),
                run(Over::Directory, another()),
                run(Over::Crashes(Plan::FEW), another()),
            ],
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, seed) = (self.time.as_secs_f64(), self.seed);
        match self.over {
            Over::Memory => write!(f, "{seconds} s, seed {seed}"),
            Over::Directory => write!(f, "{seconds} s over a directory, seed {seed}"),
            Over::Crashes(kills) => write!(f, "{kills} crashes over a directory, seed {seed}"),
        }
    }
}

fn names_another(mut args: impl Iterator<Item = String>) -> bool {
    args.any(|arg| !arg.starts_with('-') && !"soak".contains(&arg) || arg == "--list")
}
