//! A file that is not as it was written: it is refused at the start, and told to whom it concerns while it is served.

use super::{
    faults::{begun, named, state},
    refused::does_not_start,
};
use crate::support::{
    Refused,
    command::{Served, path},
    directory::{directory, end, file, over, waiting_numbers},
    message::{numbered, numbers, rising},
    reader::delivered,
    wire::pull,
    within,
};
use eric::v1::{ChannelSettings, GapReason, LogState, Message};
use rusqlite::Connection;
use std::{fs, fs::File, os::unix::fs::FileExt as _, path::Path};
use tempfile::TempDir;
use tonic::Code;

const PAGE: usize = 4096;

/// A channel `c`, and a thousand messages for each of its listeners `l` and `other`.
async fn filled() -> TempDir {
    let dir = directory();
    let (server, wire) = over(dir.path()).await;
    wire.create_with("c", ChannelSettings { max_backlog_messages: Some(100_000), ..Default::default() })
        .await;
    for listener in ["l", "other"] {
        wire.register("c", listener).await;
    }
    for listener in ["l", "other"] {
        let named = |n| Message { id: format!("{listener}-{n}."), ..numbered(n) };
        wire.dispatch_all("c", listener, (0..1_000).map(named)).await;
    }
    drop(wire);
    end(server).await;
    dir
}

/// Overwrites a page where it stands, whoever has the file open.
fn overwrite(dir: &Path, page: u64) {
    let file = File::options().write(true).open(file(dir)).expect("it is there");
    file.write_all_at(&[0xa5; PAGE], page * PAGE as u64).expect("it takes it");
}

/// Which page has these bytes.
fn page_of(dir: &Path, bytes: &[u8]) -> u64 {
    let content = fs::read(file(dir)).expect("it is there");
    let at = content.windows(bytes.len()).position(|window| window == bytes).expect("it is in the file");
    (at / PAGE) as u64
}

/// Which page a table begins at.
fn root(dir: &Path, table: &str) -> u64 {
    let connection = Connection::open(file(dir)).expect("it is sound");
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
    let root: u32 = connection.query_row(sql, [table], |row| row.get(0)).expect("the table is there");
    u64::from(root) - 1
}

async fn is_refused(what: &str, damage: impl FnOnce(&Path)) {
    let dir = filled().await;
    damage(dir.path());
    let said = does_not_start(dir.path()).await;
    for hint in [path(&file(dir.path())), "damaged", "eric log check", "eric log export", "eric log import"] {
        assert!(said.contains(hint), "{what}: {hint} in {said}");
    }
}

#[tokio::test]
async fn wherever_a_file_is_damaged_it_is_refused_and_it_is_said_what_can_be_done() {
    is_refused("the first page", |dir| overwrite(dir, 0)).await;
    is_refused("half of it", |dir| {
        let file = File::options().write(true).open(file(dir)).expect("it is there");
        file.set_len(file.metadata().expect("it has a size").len() / 2).expect("it can be cut");
    })
    .await;
    is_refused("who has come further than the log", |dir| {
        let connection = Connection::open(file(dir)).expect("it is sound");
        let sql = "UPDATE listener SET state = json_set(state, '$.passed', 1000000) WHERE id = 'l'";
        assert_eq!(connection.execute(sql, []).expect("it is there"), 1);
    })
    .await;
    for table in ["mark", "start", "channel", "listener", "message", "accepted", "removed", "doomed"] {
        is_refused(table, |dir| overwrite(dir, root(dir, table))).await;
    }
}

#[tokio::test]
async fn a_page_that_is_damaged_while_it_is_served_is_told_to_whom_it_concerns_and_the_others_go_on() {
    let dir = filled().await;
    let damaged = page_of(dir.path(), b"l-500.");
    // what was there before it starts is read from the disk
    let server = Served::over(dir.path(), &[]).await;
    let wire = server.wire().await;
    let mut other = wire.listen("c", "other").await;
    overwrite(dir.path(), damaged);
    let (events, end) = wire.listen("c", "l").await.rest().await;
    Refused::of(&end.expect_err("it cannot go on")).is(Code::Internal, "LOG_CORRUPT", &[]);
    let came: Vec<_> = events.into_iter().map(delivered).collect();
    assert!(came.len() < 500 && rising(&numbers(&came)), "{}", came.len());
    // one by one all come that stand before it
    let mut next = came.len() as i64;
    let refused = loop {
        match within(wire.call().pull(pull("c", "l"))).await {
            Ok(answer) => {
                let batch = answer.into_inner().batch.expect("a pull answers a batch");
                assert_eq!(numbers(&batch.deliveries), [next]);
                next += 1;
            }
            Err(status) => break Refused::of(&status),
        }
    };
    refused.is(Code::Internal, "LOG_CORRUPT", &[]);
    assert!(next <= 500, "{next}");
    assert_eq!(numbers(&other.take(1_000).await), (0..1_000).collect::<Vec<_>>());
    wire.broadcast("c", numbered(1_000)).await;
    assert_eq!(numbers(&[other.one().await]), [1_000]);
    wire.still_answers().await;
    assert!(server.said().iter().any(|line| line.contains("cannot be read")), "{:?}", server.said());
    assert_eq!(state(&wire).await, LogState::Writing);
    server.kill().await;
}

/// Changes one byte in the middle of the write-ahead log. Whoever wrote it has ended.
fn flip(dir: &Path) {
    let log = dir.join("eric.db-wal");
    let mut content = fs::read(&log).expect("it is there");
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(log, content).expect("it takes it");
}

/// It is taken for a torn write.
#[tokio::test]
async fn behind_damage_in_the_write_ahead_log_all_is_gone_and_who_knew_of_it_is_told() {
    let dir = directory();
    let server = Served::over(dir.path(), &[]).await;
    let wire = begun(&server, 0..0).await;
    for number in 0..100 {
        wire.dispatch("c", "l", named(number)).await;
    }
    let mut reader = wire.listen("c", "l").await;
    assert_eq!(numbers(&reader.take(100).await), (0..100).collect::<Vec<_>>());
    let token = reader.token.clone();
    drop((reader, wire));
    server.kill().await;
    flip(dir.path());

    let server = Served::over(dir.path(), &[]).await;
    let wire = server.wire().await;
    let left = waiting_numbers(&wire, "l").await;
    let count = left.len() as i64;
    assert!(count > 0 && count < 100, "{count}");
    assert_eq!(left, (0..count).collect::<Vec<_>>(), "what stands before it is there");
    assert!(!wire.dispatch("c", "l", named(99)).await.duplicate, "it was gone");
    let mut reader = wire.listen_from("c", "l", &token).await;
    reader.gap_of(GapReason::OtherLife, None).await;
    let came = numbers(&reader.take(left.len() + 1).await);
    assert_eq!(came, (0..count).chain([99]).collect::<Vec<_>>());
    server.kill().await;
}
