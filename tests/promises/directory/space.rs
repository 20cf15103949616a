//! The file gives back the room of what went, without anybody's doing.

use crate::support::{
    directory::{directory, end, file, over},
    explicit::through,
    message::sized,
    until,
};
use eric::v1::ChannelSettings;
use std::{fs, path::Path};

/// Of a hundred kilobytes each.
const MESSAGES: usize = 600;
const BATCH: usize = 40;

fn bytes(dir: &Path) -> u64 {
    fs::metadata(file(dir)).expect("it is there").len()
}

#[tokio::test]
async fn the_file_becomes_small_again_once_all_is_acknowledged() {
    let dir = directory();
    let (server, wire) = over(dir.path()).await;
    let settings = ChannelSettings { max_backlog_bytes: Some(1 << 30), ..Default::default() };
    wire.create_with("c", settings).await;
    wire.register_explicit("c", "l").await;
    for _ in 0..MESSAGES / BATCH {
        wire.dispatch_all("c", "l", (0..BATCH).map(|_| sized(100_000))).await;
    }
    // what stands in the write-ahead log is brought over
    until(async || bytes(dir.path()) > 60_000_000).await;
    let mut reader = wire.listen("c", "l").await;
    for _ in 0..MESSAGES / BATCH {
        let last = reader.take(BATCH).await.pop().expect("a batch has some");
        wire.acknowledge(through(last.sequence)).await;
    }
    until(async || bytes(dir.path()) < 8 << 20).await;
    drop((reader, wire));
    end(server).await;
}

/// What stands in the write-ahead log is read at a start: older than the file, and damaged, it would come over what is newer.
#[tokio::test]
async fn the_write_ahead_log_is_emptied_when_nothing_more_comes() {
    let dir = directory();
    let (server, wire) = over(dir.path()).await;
    let log = || fs::metadata(dir.path().join("eric.db-wal")).expect("it is there").len();
    wire.create("c").await;
    wire.register("c", "l").await;
    for _ in 0..2 {
        wire.dispatch("c", "l", sized(100_000)).await;
        assert!(log() > 100_000);
        until(async || log() == 0).await;
    }
    drop(wire);
    end(server).await;
}
