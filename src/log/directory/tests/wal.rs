//! The write-ahead log stays short while writes never pause.

use super::*;
use std::{thread, time::Duration};

/// It grows on while what is there is brought over, beside the writer: where the disk is slow, by some times as much.
const TIMES: u64 = 12;
const PAYLOAD: usize = 4096;
/// So many threads each append so many, and go on when the last of them is durable: the writer always has the next commit.
const THREADS: usize = 8;
const BATCH: usize = 32;

/// Appends at least so much, and tells what the write-ahead log came to: while the log is open its file never shrinks.
fn longest(options: &Options, bytes: usize) -> u64 {
    let dir = dir();
    let log = open(dir.path(), options);
    let channel = channel(&log, "c");
    let batches = bytes / (THREADS * BATCH * PAYLOAD);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| (0..batches).for_each(|_| append_some(&log, channel)));
        }
    });
    fs::metadata(dir.path().join("eric.db-wal")).expect("it is there").len()
}

fn append_some(log: &Directory, channel: Position) {
    let message = message("m", PAYLOAD);
    let mut last = Position::ZERO;
    for _ in 0..BATCH {
        let message = message.clone();
        let (remember_until, dead_letter) = (None, None);
        let record =
            Record::Message { channel, listener: None, accepted_at: 1, remember_until, message, dead_letter };
        last = log.append(record).expect("the log takes it");
    }
    wait(log.watermark().reached(last)).expect("the log writes");
}

fn assert_bounded(options: &Options, bytes: usize) {
    let (longest, bound) = (longest(options, bytes), TIMES * options.wal_bytes.unsigned_abs());
    assert!(
        longest <= bound,
        "{} MiB of {} while {} MiB were written",
        longest >> 20,
        bound >> 20,
        bytes >> 20
    );
}

/// Unbounded it would come to nearly as much again as is written.
fn assert_bounded_where_short(sync: Sync) {
    assert_bounded(&Options { sync, wal_bytes: 8 << 20, ..Options::default() }, 160 << 20);
}

const EACH_SECOND: Sync = Sync::Interval(Duration::from_secs(1));

#[test]
fn it_begins_anew_while_every_commit_waits_for_the_disk() {
    assert_bounded_where_short(Sync::Always);
}

#[test]
fn it_begins_anew_while_one_commit_a_second_waits_for_the_disk() {
    assert_bounded_where_short(EACH_SECOND);
}

#[test]
#[ignore = "it writes 4 GiB"]
fn it_begins_anew_as_long_as_it_takes() {
    for sync in [Sync::Always, EACH_SECOND] {
        assert_bounded(&Options { sync, ..Options::default() }, 1 << 30);
    }
}
