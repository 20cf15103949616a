//! What the log takes: not judged, but printed.
//! `cargo test --release --lib log::directory::tests::measure -- --ignored --nocapture --test-threads 1`

use super::*;
use std::time::{Duration, Instant};

/// As large as the messages of `make bench`.
const PAYLOAD: usize = 225;

fn one(channel: Position, message: &Message) -> Record {
    let message = message.clone();
    Record::Message {
        channel,
        listener: None,
        accepted_at: 1,
        remember_until: None,
        message,
        dead_letter: None,
    }
}

/// Batches of 64, from 8 threads that each wait for their last.
fn publish(log: &Directory, channel: Position, batches: usize) {
    let message = message("m-000001", PAYLOAD);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..batches {
                    let mut last = Position::ZERO;
                    for _ in 0..64 {
                        last = log.append(one(channel, &message)).expect("the log takes it");
                    }
                    wait(log.watermark().reached(last)).expect("the log writes");
                }
            });
        }
    });
}

/// What this process has had written to its device.
fn written() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let bytes = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    bytes.and_then(|bytes| bytes.parse().ok()).unwrap_or_default()
}

/// The store alone: the same rows, 512 a commit, on the same disk.
fn store_alone(rows: usize, page_bytes: u32) -> (f64, f64) {
    let dir = dir();
    let options = Options { page_bytes, ..Options::default() };
    let mut connection = open::writer(dir.path(), &options).unwrap();
    let message = message("m-000001", PAYLOAD);
    let (began, before) = (Instant::now(), written());
    for commit in 0..rows / 512 {
        let transaction = connection.transaction().unwrap();
        let mut insert = transaction
            .prepare_cached("INSERT INTO message VALUES (?1, 1, NULL, 1, NULL, NULL, NULL, 1, ?2)")
            .unwrap();
        for row in 0..512 {
            insert.execute(rusqlite::params![(commit * 512 + row) as i64, message.bytes()]).unwrap();
        }
        drop(insert);
        transaction.commit().unwrap();
        if commit % 64 == 63 {
            connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
        }
    }
    let rate = rows as f64 / began.elapsed().as_secs_f64();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    (rate, (written() - before) as f64 / (rows * message.len()) as f64)
}

#[test]
#[ignore = "a measurement"]
fn publishing_beside_the_store_alone() {
    for page_bytes in [4096, 8192, 16384] {
        let rows = 8 * 64 * 400;
        let (alone, alone_written) = store_alone(rows, page_bytes);
        let options = Options { page_bytes, ..Options::default() };
        let dir = dir();
        let log = open(dir.path(), &options);
        let channel = channel(&log, "c");
        settle(&log);
        let (began, before) = (Instant::now(), written());
        publish(&log, channel, 400);
        let rate = rows as f64 / began.elapsed().as_secs_f64();
        let counts = log.counts();
        drop(log);
        let bytes = (written() - before) as f64 / (rows * message("m-000001", PAYLOAD).len()) as f64;
        println!(
            "pages of {page_bytes}: store alone {alone:.0}/s, {alone_written:.2} written a byte; \
             log {rate:.0}/s, {bytes:.2}; mean batch {:.0}",
            counts.records as f64 / counts.commits as f64
        );
    }
}

#[test]
#[ignore = "a measurement"]
fn a_lone_append_and_256_at_once() {
    let log = temporary(&Options::default());
    let channel = channel(&log, "c");
    let message = message("m-000001", PAYLOAD);
    let append = || {
        let began = Instant::now();
        let position = log.append(one(channel, &message)).unwrap();
        wait(log.watermark().reached(position)).unwrap();
        began.elapsed()
    };
    let mut took: Vec<_> = (0..2_000).map(|_| append()).collect();
    took.sort_unstable();
    println!("a lone append: median {:?}, p99 {:?}, worst {:?}", took[1000], took[1980], took[1999]);
    println!("its commits: {:?}", log.counts());
    let before = log.counts();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let calls = (0..256).map(|_| async {
            for _ in 0..100 {
                let position = log.append(one(channel, &message)).unwrap();
                log.watermark().reached(position).await.unwrap();
            }
        });
        futures_util::future::join_all(calls).await;
    });
    let counts = log.counts();
    let mean = (counts.records - before.records) as f64 / (counts.commits - before.commits) as f64;
    println!("256 callers: mean batch {mean:.1}");
}

#[test]
#[ignore = "a measurement"]
fn recovery() {
    let dir = dir();
    let log =
        open(dir.path(), &Options { sync: Sync::Interval(Duration::from_secs(1)), ..Options::default() });
    let channel = channel(&log, "c");
    publish(&log, channel, 1954);
    drop(log);
    for _ in 0..3 {
        let log = open(dir.path(), &Options::default());
        let (began, mut messages) = (Instant::now(), 0_u64);
        log.recover(&mut |_| messages += 1).unwrap();
        let took = began.elapsed();
        println!("recovery: {messages} in {took:?}: {:.0}/s", messages as f64 / took.as_secs_f64());
        let began = Instant::now();
        let connection = open::reader(dir.path()).unwrap();
        let sound: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).unwrap();
        println!("quick_check says {sound} after {:?}", began.elapsed());
    }
}

#[test]
#[ignore = "a measurement"]
fn the_worst_wait_while_much_is_deleted_and_given_back() {
    let dir = dir();
    let log = open(dir.path(), &Options::default());
    let channel = channel(&log, "c");
    let message = message("m-000001", PAYLOAD);
    publish(&log, channel, 1000);
    let positions: Vec<_> = (2..=log.last().0).map(Position).collect();
    let size = || fs::metadata(open::file(dir.path())).unwrap().len() >> 20;
    let full = size();
    // every other one first: no run, and no page becomes free
    let (odd, even): (Vec<_>, Vec<_>) = positions.iter().partition(|position| position.0 % 2 == 1);
    let mut worst = Duration::ZERO;
    for gone in [odd, even] {
        log.delete(&gone);
        log.save(&mut |_| {});
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            let began = Instant::now();
            let position = log.append(one(channel, &message)).unwrap();
            wait(log.watermark().reached(position)).unwrap();
            worst = worst.max(began.elapsed());
        }
        println!("worst wait of an append: {worst:?}; the file: {full} MiB, now {} MiB", size());
    }
}
