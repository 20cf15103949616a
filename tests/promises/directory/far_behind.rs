//! Memory is bounded by a cache: who is far behind is read back from the disk, while the others go on.

use crate::support::{
    Wire,
    command::Served,
    directory::{directory, end, over_with},
    message::{numbered, numbers, sent, sized},
};
use eric::v1::{ChannelSettings, Message, StartAt};
use std::{fs, ops::Range};

const BEHIND: i64 = 2_000;

#[tokio::test]
async fn listeners_far_behind_are_read_back_while_a_live_one_goes_on() {
    let dir = directory();
    // a few messages
    let small = |config: &mut eric::config::Config| config.cache_bytes = 10_000;
    let (server, wire) = over_with(dir.path(), small).await;
    let settings = ChannelSettings { max_backlog_messages: Some(100_000), ..Default::default() };
    wire.create_with("c", settings).await;
    for listener in ["far", "farther"] {
        wire.register("c", listener).await;
    }
    for from in (0..BEHIND).step_by(500) {
        wire.broadcast_all("c", (from..from + 500).map(numbered)).await;
    }
    wire.register_at("c", "live", StartAt::Unspecified).await;
    let mut live = wire.listen("c", "live").await;
    let mut far = wire.listen("c", "far").await;
    let mut farther = wire.listen("c", "farther").await;
    for round in 0..20 {
        let number = BEHIND + round;
        wire.broadcast("c", numbered(number)).await;
        assert_eq!(numbers(&[live.one().await]), [number]);
        let expected: Vec<_> = (round * 50..(round + 1) * 50).collect();
        assert_eq!(numbers(&far.take(50).await), expected);
    }
    let rest = numbers(&far.take(1_020).await);
    assert_eq!(rest, (1_000..BEHIND + 20).collect::<Vec<_>>());
    let all = numbers(&farther.take(2_020).await);
    assert_eq!(all, (0..BEHIND + 20).collect::<Vec<_>>());
    drop((live, far, farther, wire));
    end(server).await;
}

#[tokio::test]
async fn a_message_larger_than_the_cache_goes_through() {
    let dir = directory();
    let (server, wire) = over_with(dir.path(), |config| config.cache_bytes = 0).await;
    wire.create("c").await;
    wire.register("c", "l").await;
    let sent = sized(500_000);
    for _ in 0..5 {
        wire.dispatch("c", "l", sent.clone()).await;
    }
    let received = wire.listen("c", "l").await.take(5).await;
    let same =
        |delivery: &eric::v1::Delivery| crate::support::message::sent(delivery).payload == sent.payload;
    assert!(received.iter().all(same));
    drop(wire);
    end(server).await;
}

#[tokio::test]
async fn a_pull_that_does_not_wait_gives_what_is_on_disk() {
    let dir = directory();
    let (server, wire) = over_with(dir.path(), |config| config.cache_bytes = 0).await;
    wire.create("c").await;
    wire.register("c", "l").await;
    wire.dispatch_all("c", "l", (0..50).map(numbered)).await;
    for number in 0..50 {
        assert_eq!(numbers(&wire.pull("c", "l", 1).await.0.deliveries), [number]);
    }
    assert!(wire.pull("c", "l", 1).await.0.deliveries.is_empty());
    drop(wire);
    end(server).await;
}

/// As many large ones as a batch takes: four megabytes.
const BATCH: usize = 40;
const BATCHES: usize = 50;

fn large(number: usize) -> Message {
    Message { id: format!("m-{number}"), ..sized(100_000) }
}

async fn broadcast(wire: &Wire, batches: Range<usize>) {
    for batch in batches {
        wire.broadcast_all("c", (batch * BATCH..(batch + 1) * BATCH).map(large)).await;
    }
}

/// What a server has in memory, in MiB.
fn resident(server: &Served) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("it has not ended");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the system tells it");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("it is a number");
    kib >> 10
}

#[tokio::test]
async fn what_waits_on_the_disk_takes_no_memory() {
    let dir = directory();
    let server = Served::over(dir.path(), &["--cache-bytes", "1MiB"]).await;
    let wire = server.wire().await;
    let settings = ChannelSettings { max_backlog_bytes: Some(1 << 30), ..Default::default() };
    wire.create_with("c", settings).await;
    wire.register("c", "l").await;
    broadcast(&wire, 0..5).await;
    let before = resident(&server);
    broadcast(&wire, 5..BATCHES).await;
    let after = resident(&server);
    assert!(after < before + 40, "{before} MiB, then {after} MiB");
    let mut reader = wire.listen("c", "l").await;
    for number in 0..BATCHES * BATCH {
        assert_eq!(sent(&reader.one().await).id, large(number).id);
    }
    server.kill().await;
}
