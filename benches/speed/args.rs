//! The command line, and the plan that follows from it.

use crate::Outcome;
use clap::Parser;
use std::{fmt, time::Duration};

/// Measures Eric beside a bare tonic server: CPU per message, messages a second, latency, memory.
#[derive(Debug, Default, Parser)]
#[command(name = "speed")]
struct Args {
    /// Runs only the rows whose name contains this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Measures each side of a row for so long at a time.
    #[arg(long, default_value_t = 0.5)]
    seconds: f64,
    /// Measures so often, the sides by turns; the median counts.
    #[arg(long, default_value_t = 5)]
    repetitions: usize,
    /// Prints JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Runs everything for about two seconds in all: it shows that it runs, not how fast.
    #[arg(long)]
    quick: bool,
    /// What stands in for Eric; `bare` tests the bench itself.
    #[arg(long, value_enum, default_value_t = Against::Eric)]
    against: Against,
    /// What cargo says when it benches and does not test.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, clap::ValueEnum)]
enum Against {
    #[default]
    Eric,
    Bare,
}

/// How much is measured, and what.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    only: Option<String>,
    /// One measurement of one side.
    pub(crate) time: Duration,
    /// What is thrown away before the first.
    pub(crate) warm_up: Duration,
    pub(crate) repetitions: usize,
    /// Between two paced broadcasts.
    pub(crate) pause: Duration,
    /// Until a server has come to rest.
    pub(crate) settle: Duration,
    pub(crate) json: bool,
    /// Nothing that is printed means anything.
    pub(crate) quick: bool,
    /// A second bare server stands in for Eric.
    pub(crate) against_bare: bool,
}

impl Plan {
    /// Reads the command line. `cargo test` hands what it is given to every target: options that are unknown
    /// here are no fault then, and the name of a test is the name of a row, most likely of none.
    pub(crate) fn from_command_line() -> Self {
        let benched = std::env::args().any(|arg| arg == "--bench");
        match Args::try_parse() {
            Ok(args) => Self::new(args, benched),
            Err(error) if benched || !error.use_stderr() => error.exit(),
            Err(_) => {
                let only = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
                Self::new(Args { only, ..Args::default() }, false)
            }
        }
    }

    fn new(args: Args, benched: bool) -> Self {
        let quick = args.quick || !benched;
        let time = if quick { Duration::from_millis(5) } else { Duration::from_secs_f64(args.seconds) };
        Self {
            only: args.only,
            time,
            warm_up: time / 2,
            repetitions: if quick { 1 } else { args.repetitions.max(1) },
            pause: Duration::from_millis(if quick { 1 } else { 3 }),
            settle: Duration::from_millis(if quick { 1 } else { 10 }),
            json: args.json,
            quick,
            against_bare: args.against == Against::Bare,
        }
    }

    /// Measures so many times as often; once where nothing that is printed means anything.
    pub(crate) fn repeated(&self, times: usize) -> Self {
        let repetitions = if self.quick { self.repetitions } else { times * self.repetitions };
        Self { repetitions, ..self.clone() }
    }

    /// Whether a row was asked for.
    pub(crate) fn wants(&self, row: &str) -> bool {
        self.only.as_ref().is_none_or(|text| row.contains(text.as_str()))
    }

    /// A count of messages, streams or listeners: a hundredth, and never many, where nothing is measured.
    pub(crate) fn count(&self, full: u64) -> u64 {
        if self.quick { (full / 100).clamp(1, 1_000) } else { full }
    }

    /// Says why nothing is measured, which is a fault only where measuring was asked for.
    pub(crate) fn give_up(&self, reason: &str) -> Outcome {
        if self.quick {
            eprintln!("nothing is measured: {reason}");
            return Ok(());
        }
        Err(reason.into())
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} runs of {:?} each, by turns", self.repetitions, self.time)
    }
}
