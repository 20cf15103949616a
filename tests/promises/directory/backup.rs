//! A directory can be copied while it is served: the copy is one state of it, and what came after it is another life there.

use crate::support::{
    Wire,
    directory::{directory, end, file, over, waiting_numbers},
    message::{numbered, numbers},
    wire::pull,
    within,
};
use eric::v1::{ChannelSettings, GapReason, PullRequest};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use tokio::sync::oneshot;

/// As `sqlite3 DIR/eric.db "VACUUM INTO '…'"` does.
fn copy(from: &Path, to: &Path) {
    let connection =
        Connection::open_with_flags(file(from), OpenFlags::SQLITE_OPEN_READ_ONLY).expect("it may be read");
    let to = to.to_str().expect("temporary files have plain names");
    connection.execute("VACUUM INTO ?1", [to]).expect("it can be copied while it is written");
}

/// Sends until it is told to end; tells how many were accepted.
async fn sending(wire: Wire, mut end: oneshot::Receiver<()>) -> i64 {
    let mut sent = 10;
    while end.try_recv().is_err() {
        wire.dispatch("c", "l", numbered(sent)).await;
        sent += 1;
    }
    sent
}

#[tokio::test]
async fn a_copy_that_is_taken_while_messages_come_is_one_state() {
    let (dir, to) = (directory(), directory());
    let (server, wire) = over(dir.path()).await;
    wire.create_with("c", ChannelSettings { max_backlog_messages: Some(100_000), ..Default::default() })
        .await;
    wire.register("c", "l").await;
    wire.dispatch_all("c", "l", (0..10).map(numbered)).await;
    let request = PullRequest { max_messages: 5, ..pull("c", "l") };
    let batch = within(wire.call().pull(request)).await.unwrap().into_inner().batch.unwrap();
    let earlier = batch.resume_token;

    let (stop, stopped) = oneshot::channel();
    let sender = tokio::spawn(sending(wire.clone(), stopped));
    // some are on their way
    crate::support::until(async || wire.listener("c", "l").await.backlog_messages > 20).await;
    let (from, into) = (dir.path().to_owned(), file(to.path()));
    tokio::task::spawn_blocking(move || copy(&from, &into)).await.expect("it does not panic");
    stop.send(()).expect("it still sends");
    let sent = within(sender).await.expect("all are accepted");
    // behind all that the copy can have
    wire.dispatch_all("c", "l", (sent..sent + 100).map(numbered)).await;
    let mut reader = wire.listen("c", "l").await;
    let count = usize::try_from(sent + 100 - 5).expect("a few");
    assert_eq!(numbers(&reader.take(count).await), (5..sent + 100).collect::<Vec<_>>(), "it went on");
    let later = reader.token.clone();
    drop((reader, wire));
    end(server).await;

    let (_server, wire) = over(to.path()).await;
    let waiting = waiting_numbers(&wire, "l").await;
    let last = *waiting.last().expect("some were there when it began");
    let first = waiting[0];
    assert!(first <= 5, "a copy may be a second behind in what was received, and loses nothing: {first}");
    assert_eq!(waiting, (first..=last).collect::<Vec<_>>(), "all of them up to one moment");
    assert!(last >= 10 && last < sent, "{last} of {sent}");
    wire.dispatch_all("c", "l", (1_000_000..1_000_200).map(numbered)).await;
    let mut reader = wire.listen_from("c", "l", &later).await;
    reader.gap_of(GapReason::OtherLife, None).await;
    let mut reader = wire.listen_from("c", "l", &earlier).await;
    let came = numbers(&reader.take(usize::try_from(last - 5 + 1).expect("a few") + 200).await);
    assert_eq!(came, (5..=last).chain(1_000_000..1_000_200).collect::<Vec<_>>(), "an earlier token goes on");
}
