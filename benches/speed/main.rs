//! Measures Eric beside a bare tonic server, and over a directory beside the store alone, in one run on one machine with one client, and prints a table.
//!
//! `make bench` (or `cargo bench --bench speed -- --help`). Without `--bench` on its command line, as `cargo
//! test` runs it, it does everything for about two seconds in all, so that it never rots.
//!
//! In reading order: [`rows`] what is measured; [`compare`] how; [`load`] the kinds of load; [`client`] and
//! [`scan`] what drives them; [`bare`], [`bare_events`], [`store`], [`nats`] and [`nchan`] what Eric is measured against, [`disk`] where; [`report`] what is printed.

mod args;
mod bare;
mod bare_events;
mod child;
mod client;
mod compare;
mod disk;
mod load;
mod messages;
mod nats;
mod nchan;
mod proc;
mod report;
mod rows;
mod scan;
mod setup;
mod store;

use args::Plan;
use std::process::ExitCode;

/// What goes wrong here ends the bench and is told to whoever started it.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    match child::serve().unwrap_or_else(|| measure(&Plan::from_command_line())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

// One thread for the whole client: it competes with the server for the cores, and one core is all it may take.
fn measure(plan: &Plan) -> Outcome {
    if !proc::available() {
        return plan
            .give_up("CPU is read from /proc/<pid>/task/*/schedstat, which this system does not have");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        tokio::select! {
            report = rows::run(plan) => report,
            // returning drops the children, and that kills them
            signal = child::interrupted() => Err(signal.into()),
        }
    })?;
    report.print(plan);
    report.outcome()
}
