//! Rows of Server-Sent Events: a server that only writes, Eric, and nginx with Nchan, by turns.

use super::{Row, beside_bare::enough_files};
use crate::{
    Outcome,
    args::Plan,
    bare_events::Reads,
    child::Server,
    client::Connection,
    compare::{Side, compare_all},
    disk,
    load::{Events, FanOut, Heard as _, Pace, Poster, Publisher},
    messages::{self, CHANNEL_OF_EVENTS},
    nchan, proc,
    report::{Memory, Served},
    setup,
};
use tempfile::TempDir;
use tokio::time::sleep;

/// What is there already is not counted: the first of everything brings pages of its own.
const FIRST: u64 = 100;

/// A server of events, and where it takes and gives them.
struct Source {
    who: String,
    server: Server,
    /// Whether it takes a stream of what is published, by gRPC.
    grpc: bool,
    events: String,
    publish: String,
    /// What is posted there.
    body: String,
    // dropped last: a server may write there
    _directory: Option<TempDir>,
}

impl Source {
    async fn bare() -> Outcome<Self> {
        Ok(Self::plain("a bare writer", Server::bare_events(Reads::ByHand).await?, None))
    }

    async fn bare_by_axum() -> Outcome<Self> {
        Ok(Self::plain(
            "a bare writer, published to by axum",
            Server::bare_events(Reads::ByAxum).await?,
            None,
        ))
    }

    /// What is published as it stands, at fixed places.
    fn plain(who: &str, server: Server, directory: Option<TempDir>) -> Self {
        let (events, publish) = (nchan::EVENTS.to_owned(), nchan::PUBLISH.to_owned());
        let body = messages::payload();
        Self { who: who.to_owned(), server, grpc: false, events, publish, body, _directory: directory }
    }

    async fn eric() -> Outcome<Self> {
        let server = Server::eric_with_http().await?;
        setup::channel(&Connection::open(server.address).await?, CHANNEL_OF_EVENTS, setup::defaults())
            .await?;
        let [events, publish] =
            ["events", "broadcast"].map(|at| format!("/v1/channels/{CHANNEL_OF_EVENTS}/{at}"));
        let (who, body) = ("Eric".to_owned(), messages::broadcast_as_json());
        Ok(Self { who, server, grpc: true, events, publish, body, _directory: None })
    }

    /// `None`: nobody says where it is.
    async fn nchan() -> Outcome<Option<Self>> {
        let Some(program) = nchan::program() else { return Ok(None) };
        let directory = disk::directory()?;
        let server = Server::nchan(&program, directory.path()).await?;
        Ok(Some(Self::plain("nginx with Nchan", server, Some(directory))))
    }

    async fn poster(&self) -> Outcome<Publisher> {
        Ok(Publisher::Posts(Poster::open(self.server.http, &self.publish, &self.body).await?))
    }

    /// Who publishes for long opens a stream, where there is such a thing; on it what comes at once comes in a batch.
    async fn publisher(&self, pace: Pace) -> Outcome<Publisher> {
        if !self.grpc {
            return self.poster().await;
        }
        let at_once = match pace {
            Pace::Bursts(count) => count,
            Pace::FlatOut => 1,
        };
        let connection = Connection::open(self.server.address).await?;
        Publisher::batches(&connection, CHANNEL_OF_EVENTS, at_once).await
    }

    async fn heard_by(&self, streams: u64) -> Outcome<Events> {
        let mut events = Events::none();
        events.open(self.server.http, &self.events, streams).await?;
        Ok(events)
    }
}

/// Events that are posted, each by a request of its own, and heard by nobody.
pub(super) async fn posted(plan: &Plan, row: &Row, pace: Pace) -> Outcome<Served> {
    let sources = sources().await?;
    let mut sides = Vec::new();
    for source in &sources {
        let publisher = source.poster().await?;
        sides.push(Side {
            server: &source.server,
            load: FanOut::to(Events::none(), publisher, pace, plan.pause),
        });
    }
    served(plan, row, &sources, sides).await
}

pub(super) async fn fan_out(plan: &Plan, row: &Row, streams: u64, pace: Pace) -> Outcome<Served> {
    let streams = if streams == 0 { 0 } else { plan.count(streams) };
    enough_files(4 * streams)?;
    let sources = sources().await?;
    let mut sides = Vec::new();
    for source in &sources {
        let (heard, publisher) = (source.heard_by(streams).await?, source.publisher(pace).await?);
        sides.push(Side { server: &source.server, load: FanOut::to(heard, publisher, pace, plan.pause) });
    }
    served(plan, row, &sources, sides).await
}

async fn sources() -> Outcome<Vec<Source>> {
    let mut sources = vec![Source::bare().await?, Source::eric().await?];
    sources.push(Source::bare_by_axum().await?);
    sources.extend(Source::nchan().await?);
    Ok(sources)
}

async fn served(
    plan: &Plan,
    row: &Row,
    sources: &[Source],
    sides: Vec<Side<'_, FanOut<Events>>>,
) -> Outcome<Served> {
    let figures = compare_all(plan, sides).await?;
    let who = sources.iter().map(|source| source.who.clone());
    Ok(Served { name: row.name.to_owned(), sides: who.zip(figures).collect(), goal: row.goal })
}

pub(super) async fn memory(plan: &Plan, row: &Row) -> Outcome<Memory> {
    enough_files(plan.count(2_000) + FIRST)?;
    let bare_bytes = Some(bytes_a_stream(plan, &Source::bare().await?).await?);
    let eric_bytes = bytes_a_stream(plan, &Source::eric().await?).await?;
    Ok(Memory { name: row.name.to_owned(), bare_bytes, eric_bytes, goal_bytes: row.goal })
}

async fn bytes_a_stream(plan: &Plan, source: &Source) -> Outcome<f64> {
    let (mut events, mut publisher) = (source.heard_by(FIRST).await?, source.poster().await?);
    carry_one(&events, &mut publisher).await?;
    let (count, before) = (plan.count(2_000), rest(plan, source).await?);
    events.open(source.server.http, &source.events, count).await?;
    carry_one(&events, &mut publisher).await?;
    Ok((rest(plan, source).await? - before) / count as f64)
}

// A stream that never carried anything is nobody's: what the first message leaves behind belongs to it.
async fn carry_one(events: &Events, publisher: &mut Publisher) -> Outcome {
    events.record().sent(1, events.len());
    publisher.publish(1).await?;
    events.record().complete().await
}

// Resident bytes once everything that was asked for is done.
async fn rest(plan: &Plan, source: &Source) -> Outcome<f64> {
    sleep(10 * plan.settle).await;
    Ok(proc::resident_bytes(source.server.pid())? as f64)
}
