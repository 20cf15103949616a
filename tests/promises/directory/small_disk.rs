//! A disk that is really full: a small file system in memory, which nobody sees but the processes of one story.

use super::faults::state;
use crate::support::{
    PATIENCE, Refused, Wire,
    command::Served,
    directory::directory,
    message::{sent, sized},
    until, within,
};
use eric::v1::{LogState, Message, PurgeListenerRequest};
use std::{env, path::PathBuf};
use tokio::{process::Command, time::timeout};
use tonic::Code;

/// No file system may be mounted here.
const REFUSED: i32 = 86;

/// Plays a story on a disk of such a size, in a process of its own; it is left out where nothing can be mounted.
async fn plays(story: &str, size: &str) {
    let disk = directory();
    let mount = format!(r#"mount -t tmpfs -o size={size} tmpfs "$DISK" || exit {REFUSED}; exec "$0" "$@""#);
    for unshare in ["-m", "-rm"] {
        let mut command = Command::new("unshare");
        command.args([unshare, "sh", "-c", &mount]).arg(env::current_exe().expect("it is a file"));
        command.args([&format!("directory::small_disk::{story}"), "--exact", "--ignored", "--nocapture"]);
        command.env("DISK", disk.path()).kill_on_drop(true);
        // a story waits for several things
        let output = timeout(4 * PATIENCE, command.output()).await.expect("it ends");
        let Ok(output) = output else { continue };
        let said = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said)).concat();
        match output.status.code() {
            Some(0) => {
                assert!(said.contains("1 passed"), "{said}");
                return;
            }
            // of unshare itself, where it may not
            Some(1 | REFUSED) => {}
            code => panic!("it ended with {code:?}: {said}"),
        }
    }
    println!("left out: no file system can be mounted here");
}

fn disk() -> PathBuf {
    env::var_os("DISK").expect("the test says where").into()
}

async fn larger(size: &str) {
    let mut mount = Command::new("mount");
    let mounted = within(mount.args(["-o", &format!("remount,size={size}")]).arg(disk()).status()).await;
    assert!(mounted.expect("there is mount").success());
}

/// The next of many messages.
fn next(number: usize) -> Message {
    Message { id: format!("m-{number}"), ..sized(100_000) }
}

/// Sends to the listener `l` until that is refused; how many were accepted, with those before, and why no more are.
async fn fill(wire: &Wire, accepted: usize) -> (usize, Refused) {
    for number in accepted.. {
        if let Err(status) = wire.try_dispatch("c", "l", next(number)).await {
            return (number, Refused::of(&status));
        }
    }
    unreachable!("no disk takes so many")
}

async fn waiting(wire: &Wire) -> Vec<String> {
    wire.messages("c", "l", 0).await.iter().map(|it| sent(it).id.clone()).collect()
}

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|number| next(number).id).collect()
}

async fn begun(arguments: &[&str]) -> (Served, Wire) {
    let server = Served::over(&disk(), arguments).await;
    let wire = server.wire().await;
    wire.create("c").await;
    wire.register_explicit("c", "l").await;
    (server, wire)
}

/// Fills the disk, and looks what is there then; how many were accepted, with those before.
async fn full(wire: &Wire, accepted: usize) -> usize {
    let (accepted, refused) = fill(wire, accepted).await;
    refused.is(Code::Unavailable, "LOG_UNAVAILABLE", &[]);
    assert!(accepted > 0 && refused.retry.is_some(), "{refused:?}");
    assert_eq!(state(wire).await, LogState::Stalled);
    assert_eq!(waiting(wire).await, ids(accepted), "what was accepted is there");
    accepted
}

#[tokio::test]
async fn a_disk_that_is_full_takes_nothing_serves_what_it_has_and_goes_on_with_more_room() {
    plays("full_and_larger", "4m").await;
}

#[tokio::test]
#[ignore = "a story that the test above plays"]
async fn full_and_larger() {
    let (server, wire) = begun(&[]).await;
    let accepted = full(&wire, 0).await;
    let mut reader = wire.listen("c", "l").await;
    let read = reader.take(accepted).await;
    assert_eq!(read.iter().map(|it| sent(it).id.clone()).collect::<Vec<_>>(), ids(accepted));
    assert!(server.said().iter().any(|line| line.contains("disk is full")), "{:?}", server.said());

    larger("10m").await;
    until(async || wire.try_dispatch("c", "l", next(accepted)).await.is_ok()).await;
    assert_eq!(waiting(&wire).await, ids(accepted + 1), "each of them once");
    let accepted = full(&wire, accepted + 1).await;
    drop((reader, wire));
    server.kill().await;

    larger("20m").await;
    let server = Served::over(&disk(), &[]).await;
    let wire = server.wire().await;
    // of the last one it was not known
    wire.dispatch("c", "l", next(accepted)).await;
    assert_eq!(waiting(&wire).await, ids(accepted + 1));
    server.kill().await;
}

#[tokio::test]
async fn a_log_with_a_bound_below_its_disk_takes_again_what_was_made_room_for() {
    plays("bounded", "96m").await;
}

#[tokio::test]
#[ignore = "a story that the test above plays"]
async fn bounded() {
    let (server, wire) = begun(&["--max-log-bytes", "16MiB"]).await;
    let mut accepted = 0;
    // twice as much as there is room for on the disk
    for _ in 0..12 {
        let (all, refused) = fill(&wire, accepted).await;
        refused.is(Code::ResourceExhausted, "LOG_FULL", &[]);
        assert!(all > accepted + 100, "{}", all - accepted);
        wire.purge("c", "l", None).await;
        accepted = all;
    }
    assert_eq!(state(&wire).await, LogState::Writing);
    server.kill().await;
}

#[tokio::test]
async fn a_disk_that_is_full_takes_again_what_was_made_room_for() {
    plays("full_and_purged", "64m").await;
}

#[tokio::test]
#[ignore = "a story that the test above plays"]
async fn full_and_purged() {
    let (server, wire) = begun(&[]).await;
    let accepted = full(&wire, 0).await;
    let purge = || PurgeListenerRequest { channel: "c".into(), listener: "l".into(), through_sequence: None };
    until(async || wire.call().purge_listener(purge()).await.is_ok()).await;
    until(async || wire.try_dispatch("c", "l", next(accepted)).await.is_ok()).await;
    server.kill().await;
}
