//! Rows that set Eric beside itself: one server, two loads.

use super::{Row, beside_bare, eric};
use crate::{
    Outcome,
    args::Plan,
    child::Server,
    client::{Connection, verb},
    compare::{Side, compare},
    load::{Acknowledged, Load, Publish, Unary},
    messages::Template,
    report::Comparison,
    setup,
};
use eric::v1::publication::Receiver;

/// After so many runs the ids of a channel take all that they may.
const TO_FILL: u32 = 8;
const OFTEN: usize = 5;
/// So much more a message may cost whose id is remembered, in microseconds.
const ADDED: f64 = 0.2;

pub(super) async fn batch(plan: &Plan, row: &Row) -> Outcome<Comparison> {
    // a server each, since their channels have one name
    let (called, streamed) = (eric(plan, &[]).await?, eric(plan, &[]).await?);
    let calls = beside_bare::dispatchers(&called, 64).await?;
    let batches = beside_bare::publisher(&streamed, beside_bare::BATCH, beside_bare::BATCHES).await?;
    let (one, other) = (Side { server: &called, load: calls }, Side { server: &streamed, load: batches });
    Ok(Comparison::new(row.name, compare(plan, one, other).await?, row.goal))
}

/// Both have ids, all of them new: what differs is that one channel remembers them, as many as there is room for, and
/// forgets one for each. Until there are so many it takes memory that the system has yet to give. The two differ by little,
/// so they are measured more often than others.
pub(super) async fn ids(plan: &Plan, row: &Row) -> Outcome<Comparison> {
    let server = eric(plan, &[]).await?;
    let connection = Connection::open(server.address).await?;
    let (forgets, remembers, listener) = ("forgets", "remembers", "north");
    for (channel, settings) in [(forgets, setup::forgetting()), (remembers, setup::dropping())] {
        setup::channel(&connection, channel, settings).await?;
        setup::register(&connection, channel, listener).await?;
    }
    let to = |channel| batches(&connection, channel, &Receiver::Listener(listener.to_owned()));
    let mut remembering = to(remembers);
    remembering.run(TO_FILL * plan.time).await?;
    let compared = channels(&plan.repeated(OFTEN), row, &server, to(forgets), remembering).await?;
    Ok(Comparison { goal_added_micros: Some(ADDED), ..compared })
}

/// The same client reads both; one acknowledges each batch by a unary call.
pub(super) async fn acknowledged(plan: &Plan, row: &Row) -> Outcome<Comparison> {
    let backlog = plan.count(500_000);
    let (automatic, explicit) = (eric(plan, &[]).await?, eric(plan, &[]).await?);
    let (of_one, of_other) = (
        Acknowledged::new(automatic.address, backlog, false).await?,
        Acknowledged::new(explicit.address, backlog, true).await?,
    );
    let (one, other) =
        (Side { server: &automatic, load: of_one }, Side { server: &explicit, load: of_other });
    Ok(Comparison::new(row.name, compare(plan, one, other).await?, row.goal))
}

/// Twice: by unary calls, as people do, and in batches, where nothing hides what the broadcast itself costs.
/// Many more are sent than a backlog holds, so that all listeners are full and drop their oldest.
pub(super) async fn crowd(plan: &Plan, row: &Row) -> Outcome<[Comparison; 2]> {
    let server = eric(plan, &["--max-listeners", "2000000"]).await?;
    let (few, many) = ("few", "many");
    let connection = Connection::open(server.address).await?;
    for (channel, listeners) in [(few, 10), (many, plan.count(1_000_000))] {
        setup::channel(&connection, channel, setup::defaults()).await?;
        setup::register_many(server.address, channel, listeners).await?;
    }
    let to_all = |channel| batches(&connection, channel, &Receiver::Broadcast(true));
    let called = channels(plan, row, &server, callers(&connection, few), callers(&connection, many)).await?;
    let batched = channels(plan, row, &server, to_all(few), to_all(many)).await?;
    Ok([named(called, "unary, 16 callers"), named(batched, "in batches of 64")])
}

fn callers(connection: &Connection, channel: &str) -> Unary {
    Unary::new(vec![connection.clone()], 16, verb::BROADCAST, Template::broadcast(channel))
}

fn batches(connection: &Connection, channel: &str, receiver: &Receiver) -> Publish {
    let template = Template::batch(channel, receiver, beside_bare::BATCH);
    Publish::new(connection.clone(), template, beside_bare::BATCHES)
}

async fn channels(
    plan: &Plan,
    row: &Row,
    server: &Server,
    few: impl Load,
    many: impl Load,
) -> Outcome<Comparison> {
    let compared = compare(plan, Side { server, load: few }, Side { server, load: many }).await?;
    Ok(Comparison::new(row.name, compared, row.goal))
}

fn named(comparison: Comparison, how: &str) -> Comparison {
    Comparison { name: format!("{}: {how}", comparison.name), ..comparison }
}
