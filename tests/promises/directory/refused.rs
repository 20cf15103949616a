//! A directory that cannot be used is refused at the start, with what can be done.

use crate::support::{
    command::{Served, eric, path, told},
    directory::{damage, directory, end, file, over},
    message::numbered,
    within,
};
use eric::v1::Message;
use std::{fs, os::unix::fs::MetadataExt as _, os::unix::fs::PermissionsExt as _, path::Path};

/// What a server says that does not start.
pub(super) async fn does_not_start(dir: &Path) -> String {
    let (exit, _, err) =
        told(&["serve", "--listen", "127.0.0.1:0", "--http", "off", "--data-dir", path(dir)]).await;
    assert_eq!(exit, Some(1), "{err}");
    err
}

#[tokio::test]
async fn a_second_server_on_a_directory_is_refused_and_the_first_goes_on() {
    let dir = directory();
    let first = Served::over(dir.path(), &[]).await;
    let said = does_not_start(dir.path()).await;
    assert!(said.contains(path(dir.path())) && said.contains("one server at a time"), "{said}");
    first.wire().await.still_answers().await;
    first.kill().await;
    // a lock that a dead server left behind holds nobody up
    let next = Served::over(dir.path(), &[]).await;
    assert_eq!(next.end().await, Some(0));
}

#[tokio::test]
async fn a_directory_that_may_not_be_written_is_refused() {
    let dir = directory();
    let (server, wire) = over(dir.path()).await;
    drop(wire);
    end(server).await;
    for (name, mode) in [("eric.db", 0o444), ("eric.lock", 0o444), (".", 0o555)] {
        fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut command =
        eric(&["serve", "--listen", "127.0.0.1:0", "--http", "off", "--data-dir", path(dir.path())]);
    if fs::metadata(dir.path()).unwrap().uid() == 0 {
        // whoever may do everything may write this, too
        command.uid(65_534);
    }
    let output = within(command.output()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(path(dir.path())) && said.contains("ermission denied"), "{said}");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_later_format_is_refused() {
    let dir = directory();
    let (server, wire) = over(dir.path()).await;
    drop(wire);
    end(server).await;
    let connection = rusqlite::Connection::open(file(dir.path())).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let said = does_not_start(dir.path()).await;
    assert!(said.contains("eric.db has format version 99"), "{said}");
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_it_is_said_what_can_be_done() {
    let dir = directory();
    let (server, wire) = over(dir.path()).await;
    wire.create("c").await;
    wire.register("c", "l").await;
    let named = |n| Message { id: format!("m-{n}."), ..numbered(n) };
    for from in [0, 1_000] {
        wire.dispatch_all("c", "l", (from..from + 1_000).map(named)).await;
    }
    drop(wire);
    end(server).await;
    damage(dir.path(), b"m-1000.");
    let said = does_not_start(dir.path()).await;
    for hint in [path(&file(dir.path())), "damaged", "eric log check", "eric log export", "eric log import"] {
        assert!(said.contains(hint), "{hint} in {said}");
    }
}
