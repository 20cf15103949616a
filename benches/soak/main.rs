//! Sends, receives, cuts and stops for a while, counts every message, and says what was lost, out of order or missing
//! without a gap.
//!
//! `make soak` (or `cargo test --bench soak -- --help`). Without arguments, as `cargo test` runs it, it takes a few
//! seconds, so that it never rots. The seed decides what everybody does, not when: a run is alike, not the same.
//!
//! In reading order: [`cast`] who there is, and [`enter`] as the server knows them; [`play`] the whole on its [`stage`], with
//! the server in its [`house`], or a [`victim`] that one can [`kill`];
//! [`send`], [`receive`], [`visit`], [`pull`], [`hand`], [`refuse`], [`disturb`], [`lives`] and [`guests`] what they do, over
//! [`road`], some until they are answered: [`insist`];
//! [`event`] and [`books`] what is written down of it; [`judge`] what must be so, of one receiver [`trial`], [`order`],
//! [`gaps`], [`flight`], [`firm`] and [`crash`], told as a [`verdict`]; what [`remains`] in the log; [`proof`] and [`example`] that the judge finds what is wrong.

mod args;
mod books;
mod cast;
mod crash;
mod disturb;
mod enter;
mod event;
mod example;
mod firm;
mod flight;
mod gaps;
mod guests;
mod hand;
mod house;
mod insist;
mod judge;
mod kill;
mod lives;
mod order;
mod play;
mod proof;
mod pull;
mod receive;
mod refuse;
mod remains;
mod road;
mod send;
mod stage;
mod trial;
mod verdict;
mod victim;
mod visit;

use args::{Plan, Run};
use road::Outcome;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(plan) = Plan::from_command_line() else { return ExitCode::SUCCESS };
    let sound = example::hold().and_then(|()| {
        // each is played, also where one before it found something
        plan.runs.iter().map(|run| play_and_judge(&plan, run)).collect::<Outcome<Vec<_>>>()
    });
    match sound {
        Ok(sound) if sound.iter().all(|sound| *sound) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing is wrong.
// One thread for all clients: what is written in the books then has one order that is easy to reason about.
fn play_and_judge(plan: &Plan, run: &Run) -> Outcome<bool> {
    println!("soak: {run}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stage = runtime.block_on(play::play(run))?;
    let books = stage.books.lock();
    if let Some(path) = &plan.books {
        std::fs::write(path, format!("{:#?}", &*books))?;
    }
    let verdict = judge::judge(&stage.cast, &books);
    // a checker that cannot fail proves nothing
    let proof = proof::prove(&stage.cast, &books);
    println!("{proof}\n{verdict}");
    match proof.untold.first() {
        Some(untold) => Err(format!("the checker is blind: {untold}").into()),
        None => Ok(verdict.faults.none()),
    }
}
