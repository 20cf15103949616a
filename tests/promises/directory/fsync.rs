//! What has to come to the disk beside the commits: at an interval, and when the write-ahead log is brought over.

use super::faults::{begun, named, refusal, state};
use crate::support::{
    Refused, Wire,
    directory::{directory, end, file, over, waiting_numbers},
    message::{numbers, sent, sized},
    power::Power,
    until,
};
use eric::v1::{LogState, Message};
use rusqlite::{Connection, OpenFlags};
use std::fs;
use tonic::Code;

/// How many messages a power cut would leave now.
fn kept(power: &Power) -> i64 {
    let copy = directory();
    for name in ["eric.db", "eric.db-wal"] {
        // it may not have come there yet
        drop(fs::copy(power.kept().join(name), copy.path().join(name)));
    }
    let count = |connection: Connection| {
        connection.query_row("SELECT count(*) FROM message", [], |row| row.get::<_, i64>(0))
    };
    Connection::open(file(copy.path())).and_then(count).unwrap_or_default()
}

#[tokio::test]
async fn at_an_interval_what_was_accepted_comes_to_the_disk_by_itself() {
    let power = Power::new();
    let (server, wire) = over(&power.dir()).await;
    wire.create("c").await;
    wire.register("c", "l").await;
    drop(wire);
    end(server).await;
    // while somebody reads the file as it is, nothing is brought over into it: that would wait for the disk, too
    let reader = Connection::open_with_flags(file(&power.dir()), OpenFlags::SQLITE_OPEN_READ_ONLY)
        .expect("it is there");
    reader.execute_batch("BEGIN; SELECT count(*) FROM message").expect("it can be read");
    let server = power.serve(&["--sync", "100ms"]).await;
    let wire = server.wire().await;
    wire.dispatch_all("c", "l", (0..10).map(named)).await;
    until(async || kept(&power) == 10).await;
    drop(wire);
    server.kill().await;
    let (_server, wire) = over(&power.kept()).await;
    assert_eq!(waiting_numbers(&wire, "l").await, (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn where_the_fsync_of_an_interval_fails_nothing_more_is_accepted_and_what_is_durable_is_served() {
    let power = Power::new();
    let server = power.serve(&["--sync", "50ms"]).await;
    let wire = begun(&server, 0..10).await;
    until(async || kept(&power) == 10).await;
    power.ask("fail");
    // it is answered before it is on disk
    wire.dispatch("c", "l", named(10)).await;
    until(async || state(&wire).await == LogState::Failed).await;
    power.ask_no_more("fail");
    // a second fsync that succeeds would not tell what the first one lost
    refusal(&wire, 11).await.is(Code::Unavailable, "LOG_UNAVAILABLE", &[]);
    assert_eq!(numbers(&wire.listen("c", "l").await.take(10).await), (0..10).collect::<Vec<_>>());
    assert!(server.said().iter().any(|line| line.contains("the log has failed")), "{:?}", server.said());
    drop(wire);
    server.kill().await;
    let (_server, wire) = over(&power.kept()).await;
    assert_eq!(waiting_numbers(&wire, "l").await, (0..10).collect::<Vec<_>>());
}

/// Nobody knows what the file has then; the write-ahead log has all.
#[tokio::test]
async fn where_the_write_ahead_log_cannot_be_brought_over_nothing_more_is_accepted_and_nothing_is_lost() {
    let power = Power::new();
    let server = power.serve(&[]).await;
    let wire = begun(&server, 0..0).await;
    power.ask("fail-file");
    // a few MiB are brought over at once
    let big = |number| Message { id: format!("m-{number}"), ..sized(500_000) };
    let mut accepted = 0;
    let refused = loop {
        match wire.try_dispatch("c", "l", big(accepted)).await {
            Ok(_) => accepted += 1,
            Err(status) => break Refused::of(&status),
        }
        assert!(accepted < 1_000, "nothing was brought over");
    };
    power.ask_no_more("fail-file");
    refused.is(Code::Unavailable, "LOG_UNAVAILABLE", &[]);
    refusal(&wire, 1_000).await.is(Code::Unavailable, "LOG_UNAVAILABLE", &[]);
    assert_eq!(state(&wire).await, LogState::Failed);
    let all: Vec<_> = (0..accepted).map(|number| big(number).id).collect();
    assert_eq!(ids(&wire).await, all);
    assert!(server.said().iter().any(|line| line.contains("the log has failed")), "{:?}", server.said());
    drop(wire);
    server.kill().await;
    let (_server, wire) = over(&power.kept()).await;
    let kept = ids(&wire).await;
    // the refused one may have come in after all
    assert!(kept.starts_with(&all) && kept.len() <= all.len() + 1, "{kept:?} of {all:?}");
    wire.dispatch("c", "l", named(1_000)).await;
}

async fn ids(wire: &Wire) -> Vec<String> {
    wire.messages("c", "l", 0).await.iter().map(|it| sent(it).id.clone()).collect()
}
