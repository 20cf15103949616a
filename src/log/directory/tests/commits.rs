//! Many callers share a commit: what comes while one is under way rides on the next.

use super::*;
use std::thread;

const CALLERS: u64 = 8;
const EACH: u64 = 500;

/// How many commits it took for what came while another process kept the writer from writing; `None`: that was so long
/// that the log was refused to some.
fn commits(log: &Directory, dir: &Path, channel: Position) -> Option<u64> {
    let before = log.counts();
    let other = Connection::open(open::file(dir)).expect("it is there");
    other.execute_batch("BEGIN IMMEDIATE").expect("nobody writes");
    let append = || log.append(record(channel, None, "m", None)).is_ok();
    let call = || (0..EACH).all(|_| append());
    let all = thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(call)).collect();
        callers.into_iter().all(|caller| caller.join().expect("it does not panic"))
    });
    other.execute_batch("ROLLBACK").expect("it has begun");
    while log.check().is_err() {
        thread::park_timeout(std::time::Duration::from_millis(20));
    }
    settle(log);
    let counts = log.counts();
    all.then(|| {
        assert_eq!(counts.records - before.records, CALLERS * EACH);
        counts.commits - before.commits
    })
}

/// The writer has taken the first of them when it finds that it has to wait, which it does for a moment: a machine that is
/// too busy tries again.
#[test]
fn what_comes_while_the_writer_waits_is_a_handful_of_commits() {
    let dir = dir();
    let log = open(dir.path(), &Options::default());
    let channel = channel(&log, "c");
    settle(&log);
    let commits = (0..50).find_map(|_| commits(&log, dir.path(), channel)).expect("one of them is in time");
    assert!(commits <= 3, "{commits} commits");
}
