//! Lives of a process that drives a log, each on what the disk has kept of the one before.

use super::{
    super::*,
    books::Books,
    left::{Left, copy},
};
use std::{
    env,
    process::{Command, Output},
};

/// The process ends so where its power is cut.
pub(super) const CUT: i32 = 86;

pub(super) struct Lives {
    dir: TempDir,
    layer: PathBuf,
    pub(super) books: Books,
}

impl Lives {
    pub(super) fn new() -> Self {
        let dir = dir();
        let layer = dir.path().join("power.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power/power.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&layer).arg(source).arg("-ldl");
        assert!(cc.status().expect("there is a C compiler").success());
        fs::create_dir(dir.path().join("log")).expect("the directory is new");
        Self { dir, layer, books: Books::default() }
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// How often the write-ahead log has begun anew; `None`: nothing stands there.
    pub(super) fn wal(&self) -> Option<u32> {
        let wal = fs::read(self.log().join("eric.db-wal")).ok()?;
        // <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>
        let number = wal.get(12..16)?.try_into().expect("four bytes");
        Some(u32::from_be_bytes(number))
    }

    /// Runs a process until its end, and goes on with what the disk would have kept.
    pub(super) fn live(&mut self, life: usize, faults: &[(&str, u64)]) -> Output {
        let (log, shadow) = (self.log(), self.dir.path().join("shadow"));
        copy(&log, &shadow);
        let mut driver = Command::new(env::current_exe().expect("it is a file"));
        driver.args(["log::directory::tests::power::driver::driver", "--exact", "--ignored", "--nocapture"]);
        driver.env("LD_PRELOAD", &self.layer).env("POWER_DIR", &log).env("POWER_SHADOW", &shadow);
        driver.env("ERIC_POWER_LIFE", life.to_string());
        faults.iter().for_each(|(name, value)| _ = driver.env(name, value.to_string()));
        let output = driver.output().expect("it can be started");
        fs::remove_dir_all(&log).expect("nobody else has it");
        fs::rename(&shadow, &log).expect("its name is free");
        self.books.hear(&String::from_utf8_lossy(&output.stdout));
        output
    }

    pub(super) fn left(&self) -> Left {
        Left::of(&self.log())
    }

    pub(super) fn judge(&self) {
        self.books.judge(&self.left());
    }
}
