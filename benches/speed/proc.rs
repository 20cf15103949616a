//! What the operating system says of a process: CPU to the nanosecond, memory, open files.

use crate::Outcome;
use std::{collections::HashMap, fs, time::Duration};

/// Whether this system tells what is asked of it here.
pub(crate) fn available() -> bool {
    fs::read_to_string("/proc/self/schedstat").is_ok()
}

/// The CPU time of each thread of a process at one moment.
///
/// By thread, since one that ends takes its count with it. A running thread's count may be a tick old: let the
/// process come to rest first.
pub(crate) struct CpuTime(HashMap<String, u64>);

impl CpuTime {
    /// Reads it now.
    pub(crate) fn of(pid: u32) -> Outcome<Self> {
        let mut threads = HashMap::new();
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let task = task?;
            // a thread may end between the listing and the reading
            if let Ok(text) = fs::read_to_string(task.path().join("schedstat")) {
                threads.insert(task.file_name().to_string_lossy().into_owned(), first_number(&text)?);
            }
        }
        Ok(Self(threads))
    }

    /// What was used since an earlier reading.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let of_thread = |(thread, now): (&String, &u64)| now - earlier.0.get(thread).copied().unwrap_or(0);
        Duration::from_nanos(self.0.iter().map(of_thread).sum())
    }
}

/// The resident memory of a process in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Outcome<u64> {
    // not `status`: its counters lag by some pages a thread
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).ok_or("smaps_rollup has no Rss")?;
    Ok(first_number(line)? * 1024)
}

/// How many files this process may have open, sockets included; its children inherit it.
pub(crate) fn max_open_files() -> Outcome<u64> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    // "unlimited" is no number
    Ok(first_number(line.ok_or("limits has no open files")?).unwrap_or(u64::MAX))
}

fn first_number(text: &str) -> Outcome<u64> {
    Ok(text.split_whitespace().next().ok_or("a number was expected")?.parse()?)
}
