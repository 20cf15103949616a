//! What is measured, row by row, each against its goal.

mod behind;
mod beside_bare;
mod beside_itself;
mod events;
mod memory;
mod on_disk;
mod recovery;
mod rejecting;

use crate::{
    Outcome,
    args::Plan,
    child::Server,
    load::{Audience, Pace, Receivers},
    proc::Machine,
    report::Report,
};
use What::{
    Acknowledged, BatchBesideUnary, Behind, Crowd, Drain, Events, EventsMemory, FanOut, Ids, ListenerMemory,
    OnDisk, Posted, Publish, Recovery, Rejecting, StreamMemory, Unary,
};
use on_disk::Way;

/// One line of a table.
struct Row {
    name: &'static str,
    what: What,
    /// A ratio, bytes, the longest pause in milliseconds, or messages a second; 0: none.
    goal: f64,
}

enum What {
    /// Dispatch by so many callers.
    Unary(usize),
    Publish,
    Drain,
    FanOut(Audience, Pace),
    BatchBesideUnary,
    /// Streams of Server-Sent Events, so many.
    Events(u64, Pace),
    /// Events for nobody, each by a request of its own.
    Posted(Pace),
    EventsMemory,
    /// A drain that acknowledges each batch.
    Acknowledged,
    /// A million listeners with a backlog, some of which reject what they get.
    Rejecting,
    /// Ids that senders give, remembered.
    Ids,
    /// A broadcast while a million idle listeners are registered.
    Crowd,
    ListenerMemory,
    StreamMemory(Receivers),
    /// Messages that are answered once they are on disk.
    OnDisk(Way),
    /// A start over a directory with a million messages, whose ids are remembered or not.
    Recovery(bool),
    /// A backlog that is read back from disk.
    Behind,
}

const fn row(name: &'static str, what: What, goal: f64) -> Row {
    Row { name, what, goal }
}

const fn watchers(streams: u64, per_connection: u64) -> Audience {
    Audience { receivers: Receivers::Watchers, streams, per_connection }
}

const fn listeners(streams: u64, per_connection: u64) -> Audience {
    Audience { receivers: Receivers::Listeners, streams, per_connection }
}

const ONE_BY_ONE: Pace = Pace::Bursts(1);
const BURSTS: Pace = Pace::Bursts(20);

const ROWS: [Row; 45] = [
    row("unary Dispatch, 1 caller", Unary(1), 0.6),
    row("unary Dispatch, 64 callers on 4 connections", Unary(64), 0.6),
    row("Publish in batches of 64, beside one message a frame", Publish, 1.0),
    row("drain a backlog of 1,000,000 through Listen", Drain, 0.7),
    row("fan-out to 1 watcher, one by one", FanOut(watchers(1, 1), ONE_BY_ONE), 0.3),
    row("fan-out to 1 watcher, bursts of 20", FanOut(watchers(1, 1), BURSTS), 0.5),
    row("fan-out to 1 watcher, flat out", FanOut(watchers(1, 1), Pace::FlatOut), 0.2),
    row("fan-out to 100 watchers, one by one", FanOut(watchers(100, 10), ONE_BY_ONE), 0.3),
    row("fan-out to 100 watchers, bursts of 20", FanOut(watchers(100, 10), BURSTS), 0.5),
    row("fan-out to 100 watchers, flat out", FanOut(watchers(100, 10), Pace::FlatOut), 0.2),
    row("fan-out to 1,000 watchers, one by one", FanOut(watchers(1_000, 10), ONE_BY_ONE), 0.3),
    row("fan-out to 1,000 watchers, bursts of 20", FanOut(watchers(1_000, 10), BURSTS), 0.5),
    row("fan-out to 1,000 watchers, flat out", FanOut(watchers(1_000, 10), Pace::FlatOut), 0.2),
    row(
        "fan-out to 1,000 watchers, a connection each, one by one",
        FanOut(watchers(1_000, 1), ONE_BY_ONE),
        0.7,
    ),
    row("fan-out to 100 listeners, flat out", FanOut(listeners(100, 10), Pace::FlatOut), 0.2),
    row("fan-out to 1,000 listeners, one by one", FanOut(listeners(1_000, 10), ONE_BY_ONE), 0.3),
    row("fan-out to 1,000 listeners, bursts of 20", FanOut(listeners(1_000, 10), BURSTS), 0.5),
    row(
        "fan-out to 1,000 listeners, a connection each, one by one",
        FanOut(listeners(1_000, 1), ONE_BY_ONE),
        0.7,
    ),
    row("events posted and heard by nobody, one by one", Posted(ONE_BY_ONE), 0.0),
    row("events published and heard by nobody, one by one", Events(0, ONE_BY_ONE), 0.0),
    row("events published and heard by nobody, bursts of 20", Events(0, BURSTS), 0.0),
    row("events to 1 connection, one by one", Events(1, ONE_BY_ONE), 1.1),
    row("events to 1 connection, bursts of 20", Events(1, BURSTS), 1.0),
    row("events to 1 connection, flat out", Events(1, Pace::FlatOut), 1.1),
    row("events to 100 connections, one by one", Events(100, ONE_BY_ONE), 1.1),
    row("events to 100 connections, bursts of 20", Events(100, BURSTS), 1.0),
    row("events to 100 connections, flat out", Events(100, Pace::FlatOut), 1.1),
    row("events to 1,000 connections, one by one", Events(1_000, ONE_BY_ONE), 1.1),
    row("events to 1,000 connections, bursts of 20", Events(1_000, BURSTS), 1.0),
    row("events to 1,000 connections, flat out", Events(1_000, Pace::FlatOut), 1.1),
    row("a message in a batch of 64, beside a unary call of 64 callers", BatchBesideUnary, 0.1),
    row("a message in a batch of 64 whose id is remembered, beside one whose id is not", Ids, 1.15),
    row("drain EXPLICIT, an acknowledgement a batch, beside AUTOMATIC", Acknowledged, 1.2),
    row("a broadcast to 1,000,000 idle listeners, beside one to ten", Crowd, 2.0),
    row("1,000,000 EXPLICIT listeners with a backlog, 1 % of them rejecting", Rejecting, 50.0),
    row("registered listener, of 100,000", ListenerMemory, 1024.0),
    row("open Watch stream, 100 a connection", StreamMemory(Receivers::Watchers), 3.0 * 1024.0),
    row("open Listen stream, 100 a connection", StreamMemory(Receivers::Listeners), 3.0 * 1024.0),
    row("open stream of events, a connection each", EventsMemory, 8.0 * 1024.0),
    row("on disk: Publish by 8 publishers, a batch of 64 in flight each", OnDisk(Way::Batches(8)), 0.7),
    row("on disk: 256 Dispatches at once", OnDisk(Way::Calls(256)), 0.0),
    row("on disk: a Dispatch alone", OnDisk(Way::Calls(1)), 1.2),
    row("on disk: start over 1,000,000 messages", Recovery(false), 1e6),
    row("on disk: start over 1,000,000 messages whose ids are remembered", Recovery(true), 1e6),
    row("on disk: a backlog of 200,000 that is not in the cache, beside one that is", Behind, 0.0),
];

/// Runs the rows that were asked for. One that fails does not keep the others from being told.
pub(crate) async fn run(plan: &Plan) -> Outcome<Report> {
    let mut report = Report::default();
    let machine = Machine::now()?;
    for row in ROWS.iter().filter(|row| plan.wants(row.name)) {
        if !plan.quick {
            eprintln!("{} …", row.name);
        }
        if let Err(error) = row.run(plan, &mut report).await {
            report.failed.push((row.name.to_owned(), error.to_string()));
        }
    }
    report.percent_for_others = machine.percent_for_others()?;
    Ok(report)
}

impl Row {
    async fn run(&self, plan: &Plan, report: &mut Report) -> Outcome {
        match self.what {
            Unary(callers) => report.beside_bare.push(beside_bare::unary(plan, self, callers).await?),
            Publish => report.beside_bare.push(beside_bare::publish(plan, self).await?),
            Drain => report.beside_bare.push(beside_bare::drain(plan, self).await?),
            FanOut(audience, pace) => {
                report.beside_bare.push(beside_bare::fan_out(plan, self, audience, pace).await?);
            }
            Events(streams, pace) => report.events.push(events::fan_out(plan, self, streams, pace).await?),
            Posted(pace) => report.events.push(events::posted(plan, self, pace).await?),
            EventsMemory => report.memory.push(events::memory(plan, self).await?),
            BatchBesideUnary => report.beside_itself.push(beside_itself::batch(plan, self).await?),
            Ids => report.beside_itself.push(beside_itself::ids(plan, self).await?),
            Acknowledged => report.beside_itself.push(beside_itself::acknowledged(plan, self).await?),
            Rejecting => report.crowds.push(rejecting::crowd(plan, self).await?),
            Crowd => report.beside_itself.extend(beside_itself::crowd(plan, self).await?),
            ListenerMemory => report.memory.push(memory::listener(plan, self).await?),
            OnDisk(way) => report.on_disk.push(on_disk::kept(plan, self, way).await?),
            Recovery(ids) => report.recoveries.push(recovery::start(plan, self, ids).await?),
            Behind => report.behind.push(behind::drain(plan, self).await?),
            StreamMemory(receivers) => report.memory.push(memory::stream(plan, self, receivers).await?),
        }
        Ok(())
    }
}

/// Eric, or what stands in for it.
async fn eric(plan: &Plan, flags: &[&str]) -> Outcome<Server> {
    if plan.against_bare { Server::bare().await } else { Server::eric(flags).await }
}
