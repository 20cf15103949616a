//! A disk that may be full, fail, or keep its writers waiting, under a real server: `tests/power/power.c` is laid over it.

use super::{command::Served, until};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// A data directory on such a disk.
pub(crate) struct Power {
    root: TempDir,
}

impl Power {
    pub(crate) fn new() -> Self {
        let power = Self { root: super::directory::directory() };
        for dir in [power.dir(), power.at("control")] {
            fs::create_dir(dir).expect("it is new");
        }
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power/power.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(power.at("power.so")).arg(source).arg("-ldl");
        assert!(cc.status().expect("there is a C compiler").success());
        power
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// What the server sees.
    pub(crate) fn dir(&self) -> PathBuf {
        self.at("log")
    }

    /// What the disk would have kept, had its power been cut.
    pub(crate) fn kept(&self) -> PathBuf {
        self.at("kept")
    }

    pub(crate) async fn serve(&self, arguments: &[&str]) -> Served {
        self.start(arguments, None).serving().await
    }

    /// Does not wait until it serves. While the disk holds, it holds reads of what stands there in the file, too.
    pub(crate) fn start(&self, arguments: &[&str], read_at: Option<u64>) -> Served {
        self.begin();
        let read_at = read_at.map(|at| at.to_string());
        let environment = [
            ("LD_PRELOAD", self.at("power.so")),
            ("POWER_DIR", self.dir()),
            ("POWER_SHADOW", self.kept()),
            ("POWER_CONTROL", self.at("control")),
            ("POWER_READ_AT", read_at.unwrap_or_else(|| "-1".to_owned()).into()),
        ];
        Served::begin(&self.dir(), arguments, &environment)
    }

    /// All that is there is on the disk.
    fn begin(&self) {
        drop(fs::remove_dir_all(self.kept()));
        fs::create_dir(self.kept()).expect("it is new");
        for file in fs::read_dir(self.dir()).expect("it is there") {
            let file = file.expect("it is there");
            fs::copy(file.path(), self.kept().join(file.file_name())).expect("there is room");
        }
    }

    /// From now on, the disk does this: `full`, `quota`, `limit`, `fail`, `hold`.
    pub(crate) fn ask(&self, what: &str) {
        fs::write(self.at("control").join(what), "").expect("there is room");
    }

    /// And no more.
    pub(crate) fn ask_no_more(&self, what: &str) {
        fs::remove_file(self.at("control").join(what)).expect("it was asked");
    }

    /// Waits until the disk keeps a writer waiting.
    pub(crate) async fn holds(&self) {
        let held = self.at("control").join("held");
        until(async || held.exists()).await;
        fs::remove_file(held).expect("it is there");
    }
}
