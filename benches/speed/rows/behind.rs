//! A listener far behind, whose backlog is read back from disk: how fast, and what live streams feel of it.

use super::Row;
use crate::{
    Outcome,
    args::Plan,
    child::Server,
    client::{Connection, verb},
    compare::median,
    disk,
    load::{Audience, Drain, Load, Receivers, Streams},
    messages::Template,
    report::Behind,
};
use futures_util::future::try_join;
use std::{
    cell::Cell,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::time::{MissedTickBehavior, interval};

const BACKLOG: u64 = 200_000;
/// Live streams, and how often they get something.
const OTHERS: u64 = 10;
const PACE: Duration = Duration::from_millis(10);

pub(super) async fn drain(plan: &Plan, row: &Row) -> Outcome<Behind> {
    let (mut near, mut far) = (Backlog::behind("1GiB", plan).await?, Backlog::behind("1MiB", plan).await?);
    let longest_before = far.broadcasts_for(plan.time).await?;
    for _ in 0..plan.repetitions {
        near.drain().await?;
        far.drain().await?;
    }
    Ok(Behind {
        name: row.name.to_owned(),
        at_hand_per_second: median(near.per_second.into_iter()),
        per_second: median(far.per_second.into_iter()),
        longest_before,
        longest_at_hand: near.longest,
        longest: far.longest,
    })
}

/// A server with a backlog, and others who are live.
struct Backlog {
    load: Drain,
    others: Streams,
    connection: Connection,
    per_second: Vec<f64>,
    longest: f64,
    _server: Server,
    // dropped last: the server writes to it
    _directory: TempDir,
}

impl Backlog {
    async fn behind(cache: &str, plan: &Plan) -> Outcome<Self> {
        let directory = disk::directory()?;
        let server = Server::eric_over(directory.path(), &["--cache-bytes", cache]).await?;
        let load = Drain::new(server.address, plan.count(BACKLOG), false).await?;
        let connection = Connection::open(server.address).await?;
        let mut others = Streams::none(&connection, "others").await?;
        let audience = Audience { receivers: Receivers::Watchers, streams: OTHERS, per_connection: 1 };
        others.open(server.address, audience).await?;
        let (per_second, longest) = (Vec::new(), 0.0);
        Ok(Self { load, others, connection, per_second, longest, _server: server, _directory: directory })
    }

    /// Fills the backlog, which is not counted, and drains it beside the others.
    async fn drain(&mut self) -> Outcome {
        self.load.prepare().await?;
        let (began, done) = (Instant::now(), Cell::new(None));
        let drain = async {
            let drained = self.load.run(Duration::ZERO).await?;
            done.set(Some(drained as f64 / began.elapsed().as_secs_f64()));
            Ok(())
        };
        try_join(drain, broadcasts(&self.connection, &self.others, || done.get().is_none())).await?;
        self.per_second.extend(done.get());
        self.longest = self.longest.max(self.arrived().await?);
        Ok(())
    }

    async fn broadcasts_for(&self, time: Duration) -> Outcome<f64> {
        let end = Instant::now() + time;
        broadcasts(&self.connection, &self.others, || Instant::now() < end).await?;
        self.arrived().await
    }

    // The longest time that a broadcast took to all the others, in milliseconds.
    async fn arrived(&self) -> Outcome<f64> {
        self.others.record.complete().await?;
        Ok(self.others.record.take_latency().max() as f64 / 1e6)
    }
}

// One after the other, each a pace after the last.
async fn broadcasts(connection: &Connection, others: &Streams, more: impl Fn() -> bool) -> Outcome {
    let (template, mut ticks) = (Template::broadcast("others"), interval(PACE));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while more() {
        ticks.tick().await;
        others.record.sent(1, others.len());
        connection.call(verb::BROADCAST, template.stamp()).await?;
    }
    Ok(())
}
