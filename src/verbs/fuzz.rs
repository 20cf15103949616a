//! How fuzz targets are run, which stand at the doors.
//!
//! A target is a function of bytes that panics where a promise is broken. Each is run over random bytes, over sound
//! inputs, and over sound inputs that were damaged; `ERIC_FUZZ_CASES` says how many, and a case that fails is named.

mod damage;

pub(crate) use damage::damaged;

use fastrand::Rng;
use std::panic::{catch_unwind, resume_unwind};

/// Runs a target over so many inputs, the same each time.
pub(crate) fn fuzz(cases: u64, target: fn(&[u8]), sound: fn(&mut Rng) -> Vec<u8>) {
    let asked = std::env::var("ERIC_FUZZ_CASES").ok();
    let cases = asked.map_or(cases, |asked| asked.parse().expect("ERIC_FUZZ_CASES is a number"));
    for case in 0..cases {
        let mut rng = Rng::with_seed(case);
        let input = match case % 8 {
            0 => damage::random(&mut rng),
            1 => sound(&mut rng),
            _ => {
                let (input, other) = (sound(&mut rng), sound(&mut rng));
                damaged(&mut rng, input, &other)
            }
        };
        if let Err(panic) = catch_unwind(|| target(&input)) {
            eprintln!("case {case} broke it: {}", input.escape_ascii());
            resume_unwind(panic);
        }
    }
}
