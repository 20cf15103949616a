//! A start over a directory: how long a server takes to read what it kept, until it answers.

use super::Row;
use crate::{
    Outcome, args::Plan, child::Server, client::Connection, compare::median, disk, load::Publish,
    messages::Template, report::Recovery, setup,
};
use eric::v1::publication::Receiver;
use std::{path::Path, time::Instant};
use tokio::time::sleep;

const CHANNEL: &str = "kept";
const LISTENER: &str = "north";
const BATCH: usize = 100;
/// Room for all ids.
const IDS: &[&str] = &["--max-idempotency-bytes", "1GiB"];
pub(super) async fn start(plan: &Plan, row: &Row, ids: bool) -> Outcome<Recovery> {
    let (messages, directory) = (plan.count(1_000_000).next_multiple_of(BATCH as u64), disk::directory()?);
    fill(plan, directory.path(), messages, ids).await?;
    let (mut empty, mut full) = (Vec::new(), Vec::new());
    for _ in 0..plan.repetitions {
        empty.push(seconds(disk::directory()?.path()).await?);
        full.push(seconds(directory.path()).await?);
    }
    let (empty_seconds, seconds) = (median(empty.into_iter()), median(full.into_iter()));
    Ok(Recovery { name: row.name.to_owned(), messages, empty_seconds, seconds, goal: row.goal })
}

// It is killed: nothing is tidier than after a crash.
async fn fill(plan: &Plan, directory: &Path, messages: u64, ids: bool) -> Outcome {
    let server = Server::eric_over(directory, &[&["--sync", "1s"], IDS].concat()).await?;
    let connection = Connection::open(server.address).await?;
    let settings = if ids { setup::bottomless() } else { setup::bottomless_and_forgetting() };
    setup::channel(&connection, CHANNEL, settings).await?;
    setup::register(&connection, CHANNEL, LISTENER).await?;
    let template = Template::batch(CHANNEL, &Receiver::Listener(LISTENER.to_owned()), BATCH);
    Publish::new(connection, template, 4).send_while(|sent| sent < messages).await?;
    if !plan.quick {
        sleep(disk::CHECKPOINT).await;
    }
    Ok(())
}

async fn seconds(directory: &Path) -> Outcome<f64> {
    let began = Instant::now();
    let _server = Server::eric_over(directory, IDS).await?;
    Ok(began.elapsed().as_secs_f64())
}
