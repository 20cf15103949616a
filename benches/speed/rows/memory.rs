//! Rows about memory: what a server's resident set grows by.

use super::{Row, eric};
use crate::{
    Outcome,
    args::Plan,
    child::Server,
    client::{Connection, verb},
    load::{Audience, Receivers, Streams},
    messages::Template,
    proc,
    report::Memory,
    setup,
};
use tokio::time::sleep;

/// What is there already is not counted: the first of everything brings pages of its own.
const FIRST: u64 = 100;

const CHANNEL: &str = "idle";

pub(super) async fn listener(plan: &Plan, row: &Row) -> Outcome<Memory> {
    let server = eric(plan, &[]).await?;
    let connection = Connection::open(server.address).await?;
    for channel in ["first", "counted"] {
        setup::channel(&connection, channel, setup::defaults()).await?;
    }
    setup::register_many(server.address, "first", FIRST).await?;
    let (count, before) = (plan.count(100_000), rest(plan, &server).await?);
    setup::register_many(server.address, "counted", count).await?;
    let eric_bytes = (rest(plan, &server).await? - before) / count as f64;
    Ok(Memory { name: row.name.to_owned(), bare_bytes: None, eric_bytes, goal_bytes: row.goal })
}

pub(super) async fn stream(plan: &Plan, row: &Row, receivers: Receivers) -> Outcome<Memory> {
    let (bare, eric) = (Server::bare().await?, eric(plan, &[]).await?);
    let bare_bytes = Some(bytes_a_stream(plan, &bare, receivers).await?);
    let eric_bytes = bytes_a_stream(plan, &eric, receivers).await?;
    Ok(Memory { name: row.name.to_owned(), bare_bytes, eric_bytes, goal_bytes: row.goal })
}

async fn bytes_a_stream(plan: &Plan, server: &Server, receivers: Receivers) -> Outcome<f64> {
    let audience = |streams| Audience { receivers, streams, per_connection: 100 };
    let connection = Connection::open(server.address).await?;
    let mut streams = Streams::none(&connection, CHANNEL).await?;
    streams.open(server.address, audience(FIRST)).await?;
    carry_one(&connection, &streams).await?;
    let (count, before) = (plan.count(5_000), rest(plan, server).await?);
    streams.open(server.address, audience(count)).await?;
    carry_one(&connection, &streams).await?;
    Ok((rest(plan, server).await? - before) / count as f64)
}

// A stream that never carried anything is nobody's: what the first message leaves behind belongs to it.
async fn carry_one(connection: &Connection, streams: &Streams) -> Outcome {
    streams.record.sent(1, streams.len());
    connection.call(verb::BROADCAST, Template::broadcast(CHANNEL).stamp()).await?;
    streams.record.complete().await
}

// Resident bytes once everything that was asked for is done.
async fn rest(plan: &Plan, server: &Server) -> Outcome<f64> {
    sleep(10 * plan.settle).await;
    Ok(proc::resident_bytes(server.pid())? as f64)
}
