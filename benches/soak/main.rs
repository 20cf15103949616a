//! Sends, receives, cuts and stops for a while, counts every message, and says what was lost, out of order or missing
//! without a gap.
//!
//! `make soak` (or `cargo test --bench soak -- --help`). Without arguments, as `cargo test` runs it, it takes a few
//! seconds, so that it never rots. The seed decides what everybody does, not when: a run is alike, not the same.
//!
//! In reading order: [`cast`] who there is; [`send`], [`receive`], [`pull`] and [`disturb`] what they do, over [`road`];
//! [`books`] what is written down of it; [`judge`] what must be so.

mod args;
mod books;
mod cast;
mod disturb;
mod hand;
mod judge;
mod pull;
mod receive;
mod road;
mod send;
mod stage;

use args::Plan;
use std::process::ExitCode;

/// What goes wrong here, the server's faults apart, ends the soak and is told to whoever started it.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let Some(plan) = Plan::from_command_line() else { return ExitCode::SUCCESS };
    println!("soak: {} s, seed {}", plan.time.as_secs_f64(), plan.seed);
    match run(&plan) {
        Ok(verdict) => {
            println!("{verdict}");
            if verdict.sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

// One thread for all clients: what is written in the books then has one order that is easy to reason about.
fn run(plan: &Plan) -> Outcome<judge::Verdict> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stage = runtime.block_on(stage::play(plan))?;
    Ok(judge::judge(&stage.cast, &stage.books.lock()))
}
