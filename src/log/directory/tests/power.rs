//! Power cuts, failing fsyncs and full disks: `tests/power/power.c` is laid over a process that drives a log. What was
//! accepted is there after it, in order, and nothing was invented. `ERIC_POWER_CYCLES` says how often, `ERIC_POWER_SEED`
//! repeats what was seen.

mod books;
mod driver;
mod left;
mod lives;
mod sending;

use lives::{CUT, Lives};
use std::env;

/// So many lives go on with the same files.
const GENERATIONS: usize = 24;

fn cycles() -> usize {
    let cycles = env::var("ERIC_POWER_CYCLES").ok().and_then(|cycles| cycles.parse().ok());
    cycles.unwrap_or(GENERATIONS)
}

fn seed() -> u64 {
    let seed = env::var("ERIC_POWER_SEED").ok().and_then(|seed| seed.parse().ok());
    seed.unwrap_or_else(|| fastrand::u64(..1_000_000))
}

fn faults(life: usize, random: &mut fastrand::Rng) -> Vec<(&'static str, u64)> {
    let cut = random.u64(1..if life.is_multiple_of(3) { 200 } else { 4_000 });
    let mut faults = vec![("POWER_SEED", random.u64(..1_000_000))];
    match life % 8 {
        6 => faults.push(("POWER_FAIL_SYNC_AT", random.u64(1..100))),
        7 => faults.extend([
            ("POWER_FULL_AT", random.u64(1..300)),
            ("POWER_FULL_FOR", random.u64(1..8)),
            ("POWER_CUT_AT", cut + 300),
        ]),
        _ => faults.push(("POWER_CUT_AT", cut)),
    }
    faults
}

#[test]
fn what_was_accepted_outlives_power_cuts_failed_fsyncs_and_full_disks() {
    let (cycles, seed) = (cycles(), seed());
    println!("ERIC_POWER_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut lives, mut cuts, mut over, mut anew, mut accepted) = (Lives::new(), 0, 0, 0, 0);
    for life in 0..cycles {
        if life > 0 && life.is_multiple_of(GENERATIONS) {
            accepted += lives.books.accepted.len();
            lives = Lives::new();
        }
        let faults = faults(life, &mut random);
        println!("life {life}: {faults:?}");
        let before = lives.wal();
        let output = lives.live(life, &faults);
        let code = output.status.code();
        assert!(
            matches!(code, Some(0 | CUT)),
            "the driver ended with {code:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        cuts += usize::from(code == Some(CUT));
        over += usize::from(before.is_some());
        anew += usize::from(code == Some(CUT) && lives.wal() > before.max(Some(0)));
        lives.judge();
    }
    accepted += lives.books.accepted.len();
    println!("{accepted} accepted in {cycles} lives, {cuts} of them cut");
    println!("{over} began with what a cut had left of a write-ahead log, in {anew} one had begun anew");
    assert!(cuts > cycles / 4 && accepted > 0);
    assert!(cycles < GENERATIONS || (over > 0 && anew > 0));
}

/// The layer itself: a log that does not wait for the disk does lose what it has accepted.
#[test]
fn what_was_not_synced_is_lost() {
    let lost = (0..8).any(|seed| {
        let mut lives = Lives::new();
        lives.live(0, &[("POWER_CUT_AT", 500)]);
        lives.live(1, &[("POWER_CUT_AT", 500), ("ERIC_POWER_LAX", 1), ("POWER_SEED", seed)]);
        let left = lives.left();
        lives.books.lost(&left).is_some()
    });
    assert!(lost);
}
