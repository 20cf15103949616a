//! What the operating system says of a process: CPU to the nanosecond, memory, open files; and how busy the machine is.

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

/// The CPU time of the whole machine, in ticks, and what this process and its children that have ended took of it.
pub(crate) struct Machine {
    all: u64,
    busy: u64,
    own: u64,
}

impl Machine {
    /// Reads it now.
    pub(crate) fn now() -> Outcome<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        // user, nice, system, idle, iowait, irq, softirq, steal
        let cpu = numbers(stat.lines().next().unwrap_or_default().trim_start_matches("cpu"), 8)?;
        let own = fs::read_to_string("/proc/self/stat")?;
        // behind the name, which may hold anything: eleven fields, then utime, stime, cutime, cstime
        let fields = own.rsplit_once(") ").map_or("", |(_, fields)| fields);
        let own = numbers(fields.splitn(12, ' ').last().unwrap_or_default(), 4)?;
        let all = cpu.iter().sum();
        Ok(Self { all, busy: all - cpu[3] - cpu[4], own: own.iter().sum() })
    }

    /// The share of the machine that others have taken since, in percent.
    pub(crate) fn percent_for_others(&self) -> Outcome<u64> {
        let now = Self::now()?;
        let others = (now.busy - self.busy).saturating_sub(now.own - self.own);
        Ok(100 * others / (now.all - self.all).max(1))
    }
}

fn numbers(text: &str, count: usize) -> Outcome<Vec<u64>> {
    let numbers: Vec<_> = text.split_whitespace().take(count).map(str::parse).collect::<Result<_, _>>()?;
    if numbers.len() == count { Ok(numbers) } else { Err("more numbers were expected".into()) }
}

/// The resident memory of a process in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Outcome<u64> {
    // not `status`: its counters lag by some pages a thread
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).ok_or("smaps_rollup has no Rss")?;
    Ok(first_number(line)? * 1024)
}

/// What a process has had written to its disks, in bytes: each page of the file cache that it made dirty.
pub(crate) fn written_bytes(pid: u32) -> Outcome<u64> {
    written_in(&format!("/proc/{pid}/io"))
}

/// The same of this thread.
pub(crate) fn written_by_this_thread() -> Outcome<u64> {
    written_in("/proc/thread-self/io")
}

fn written_in(path: &str) -> Outcome<u64> {
    let io = fs::read_to_string(path)?;
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes:"));
    first_number(line.ok_or("io has no write_bytes")?)
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
