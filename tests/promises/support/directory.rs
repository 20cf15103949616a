//! A data directory between two servers, and what is done to its file.

use super::{TestServer, Wire, message::numbers};
use eric::{config::Config, v1};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

pub(crate) fn directory() -> TempDir {
    tempfile::tempdir().expect("there is a place for temporary files")
}

pub(crate) fn file(dir: &Path) -> PathBuf {
    dir.join("eric.db")
}

/// A server over a directory, and a client of the bare wire.
pub(crate) async fn over(dir: &Path) -> (TestServer, Wire) {
    over_with(dir, |_| {}).await
}

pub(crate) async fn over_with(dir: &Path, change: impl FnOnce(&mut Config)) -> (TestServer, Wire) {
    let server = TestServer::with(|config| {
        config.data_dir = Some(dir.to_owned());
        change(config);
    });
    let wire = server.wire().await;
    (server, wire)
}

/// Drains it, and closes its log.
pub(crate) async fn end(server: TestServer) {
    server.stop();
    assert_eq!(server.ended().await.cut(), 0);
}

/// What waits for these listeners of `c`.
pub(crate) async fn waiting(wire: &Wire, listeners: &[&str]) -> Vec<Vec<v1::Delivery>> {
    let mut all = Vec::new();
    for listener in listeners {
        all.push(wire.messages("c", listener, 0).await);
    }
    all
}

/// The numbers that wait for a listener of `c`.
pub(crate) async fn waiting_numbers(wire: &Wire, listener: &str) -> Vec<i64> {
    numbers(&wire.messages("c", listener, 0).await)
}

/// Overwrites the page in the middle of the file that holds these bytes. The log must have been closed.
pub(crate) fn damage(dir: &Path, bytes: &[u8]) {
    const PAGE: usize = 4096;
    let mut content = fs::read(file(dir)).expect("the file is there");
    let at = content.windows(bytes.len()).position(|window| window == bytes).expect("it is in the file");
    let page = at / PAGE * PAGE;
    content[page..page + PAGE].fill(0xa5);
    fs::write(file(dir), content).expect("the file takes it");
}
