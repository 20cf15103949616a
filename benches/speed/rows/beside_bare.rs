//! Rows that set Eric beside the bare server: each with a fresh pair of them.

use super::{Row, eric};
use crate::{
    Outcome,
    args::Plan,
    child::Server,
    client::Connection,
    compare::{Side, compare},
    load::{Audience, Drain, FanOut, Load, Pace, Publish, Unary},
    messages::Template,
    proc,
    report::Comparison,
    setup,
};
use eric::v1::publication::Receiver;

/// Messages in a batch, and how many batches one publisher has in flight.
pub(super) const BATCH: usize = 64;
pub(super) const BATCHES: u64 = 8;

/// Callers on one connection.
pub(super) const CALLERS_A_CONNECTION: usize = 16;

/// The channel, and a listener in it that nobody listens to.
const CHANNEL: &str = "prices";
const LISTENER: &str = "north";

pub(super) async fn unary(plan: &Plan, row: &Row, callers: usize) -> Outcome<Comparison> {
    let (bare, eric) = (Server::bare().await?, eric(plan, &[]).await?);
    let (base, other) = (dispatchers(&bare, callers).await?, dispatchers(&eric, callers).await?);
    beside(plan, row, Side { server: &bare, load: base }, Side { server: &eric, load: other }).await
}

/// Callers who dispatch to one listener.
pub(super) async fn dispatchers(server: &Server, callers: usize) -> Outcome<Unary> {
    let connections = callers.div_ceil(CALLERS_A_CONNECTION);
    let connections = Connection::open_many(server.address, connections).await?;
    receiver(&connections[0]).await?;
    Ok(Unary::dispatch(connections, callers, CHANNEL, LISTENER))
}

pub(super) async fn publish(plan: &Plan, row: &Row) -> Outcome<Comparison> {
    let (bare, eric) = (Server::bare().await?, eric(plan, &[]).await?);
    // as many messages in flight on both sides
    let one_a_frame = publisher(&bare, 1, BATCHES * BATCH as u64).await?;
    let batches = publisher(&eric, BATCH, BATCHES).await?;
    beside(plan, row, Side { server: &bare, load: one_a_frame }, Side { server: &eric, load: batches }).await
}

/// One who dispatches to one listener, in batches.
pub(super) async fn publisher(server: &Server, batch: usize, in_flight: u64) -> Outcome<Publish> {
    let connection = Connection::open(server.address).await?;
    receiver(&connection).await?;
    let template = Template::batch(CHANNEL, &Receiver::Listener(LISTENER.to_owned()), batch);
    Ok(Publish::new(connection, template, in_flight))
}

async fn receiver(connection: &Connection) -> Outcome {
    setup::channel(connection, CHANNEL, setup::dropping()).await?;
    setup::register(connection, CHANNEL, LISTENER).await
}

pub(super) async fn drain(plan: &Plan, row: &Row) -> Outcome<Comparison> {
    let backlog = plan.count(1_000_000);
    let (bare, eric) = (Server::bare().await?, eric(plan, &["--max-log-bytes", "0"]).await?);
    let ready = Drain::new(bare.address, backlog, true).await?;
    let filled = Drain::new(eric.address, backlog, plan.against_bare).await?;
    beside(plan, row, Side { server: &bare, load: ready }, Side { server: &eric, load: filled }).await
}

pub(super) async fn fan_out(plan: &Plan, row: &Row, audience: Audience, pace: Pace) -> Outcome<Comparison> {
    let audience = Audience { streams: plan.count(audience.streams), ..audience };
    enough_files(2 * audience.connections())?;
    let (bare, eric) = (Server::bare().await?, eric(plan, &[]).await?);
    let base = FanOut::open(bare.address, audience, pace, plan.pause).await?;
    let other = FanOut::open(eric.address, audience, pace, plan.pause).await?;
    beside(plan, row, Side { server: &bare, load: base }, Side { server: &eric, load: other }).await
}

pub(super) fn enough_files(connections: u64) -> Outcome {
    // what the program has open besides
    let (needed, limit) = (connections + 50, proc::max_open_files()?);
    if limit < needed {
        return Err(
            format!("{needed} open files are needed and {limit} allowed: `ulimit -n {needed}`").into()
        );
    }
    Ok(())
}

async fn beside(
    plan: &Plan,
    row: &Row,
    bare: Side<'_, impl Load>,
    eric: Side<'_, impl Load>,
) -> Outcome<Comparison> {
    Ok(Comparison::new(row.name, compare(plan, bare, eric).await?, row.goal))
}
