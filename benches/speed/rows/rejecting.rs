//! Many listeners have something waiting, and some of them reject it again and again: what that costs, and how long it
//! keeps the streams of others waiting.

use super::{Row, eric};
use crate::{
    Outcome,
    args::Plan,
    client::{Connection, verb},
    load::{Audience, Receivers, Streams, stream_listener},
    messages::{Template, message},
    proc::{self, CpuTime},
    report::Crowd,
    setup,
};
use eric::v1::{
    BroadcastRequest, ListenRequest, RejectRequest, Rejection, Subscription, SubscriptionStarted,
    dispatcher_service_client::DispatcherServiceClient, reject_result::Outcome as Told,
};
use std::{
    collections::HashMap,
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::{
    runtime::Builder,
    task::{JoinSet, spawn_blocking},
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tonic::transport::Channel;

const CHANNEL: &str = "crowd";
/// What waits for each of them.
const BACKLOG: u64 = 10;
/// The rejecting ones, on so many streams.
const STREAMS: u64 = 10;
/// The others: in a channel of their own they see a broadcast each so often, and as often one in the crowd gets a dispatch.
const OTHERS: u64 = 100;
const OTHER_CHANNEL: &str = "others";
const PACE: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn crowd(plan: &Plan, row: &Row) -> Outcome<Crowd> {
    let server = eric(plan, &["--max-listeners", "2000000"]).await?;
    let connection = Connection::open(server.address).await?;
    setup::channel(&connection, CHANNEL, setup::patient()).await?;
    let mut watchers = Streams::none(&connection, OTHER_CHANNEL).await?;
    let audience = Audience { receivers: Receivers::Watchers, streams: OTHERS, per_connection: 10 };
    watchers.open(server.address, audience).await?;

    let (listeners, empty) = (plan.count(1_000_000), proc::resident_bytes(server.pid())?);
    setup::register_many_explicit(server.address, CHANNEL, listeners).await?;
    fill(server.address).await?;
    let mut neighbour = Streams::none_yet(CHANNEL);
    let audience = Audience { receivers: Receivers::Listeners, streams: 1, per_connection: 1 };
    neighbour.open(server.address, audience).await?;
    let others = Others { connection, watchers, neighbour };
    sleep(10 * plan.settle).await;
    let bytes_a_listener =
        proc::resident_bytes(server.pid())?.saturating_sub(empty) as f64 / listeners as f64;

    let longest_before = others.longest(plan.time).await?;
    let (each, until) = ((listeners / 100 / STREAMS).max(1), Instant::now() + plan.time + PACE);
    let cpu = CpuTime::of(server.pid())?;
    let (address, runtime) = (server.address, Builder::new_current_thread().enable_all().build()?);
    // on a thread of their own: what they have to do is not to keep the others' clients waiting
    let rejecting = spawn_blocking(move || runtime.block_on(reject_by_streams(address, each, until)));
    let longest = others.longest(plan.time).await?;
    let rejections = rejecting.await??;
    let cpu = CpuTime::of(server.pid())?.since(&cpu);
    Ok(Crowd {
        name: row.name.to_owned(),
        bytes_a_listener,
        cpu_micros: cpu.as_secs_f64() * 1e6 / rejections as f64,
        rejections,
        longest_before,
        longest,
        goal: row.goal,
    })
}

// The same for all, once.
async fn fill(address: SocketAddr) -> Outcome {
    let mut client = client(address).await?;
    for _ in 0..BACKLOG {
        let message = Some(eric::v1::Message { id: String::new(), ..message() });
        client.broadcast(BroadcastRequest { channel: CHANNEL.to_owned(), message }).await?;
    }
    Ok(())
}

async fn client(address: SocketAddr) -> Outcome<DispatcherServiceClient<Channel>> {
    let endpoint = Channel::from_shared(format!("http://{address}"))?;
    Ok(DispatcherServiceClient::new(endpoint.connect().await?))
}

struct Others {
    connection: Connection,
    watchers: Streams,
    neighbour: Streams,
}

impl Others {
    // The longest time that one took to any of them, in milliseconds.
    async fn longest(&self, time: Duration) -> Outcome<f64> {
        let Self { connection, watchers, neighbour } = self;
        let streams = [watchers, neighbour];
        streams.iter().for_each(|streams| drop(streams.record.take_latency()));
        let broadcast = Template::broadcast(OTHER_CHANNEL);
        let dispatch = Template::dispatch(CHANNEL, &stream_listener(0));
        let mut ticks = interval(PACE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = Instant::now() + time;
        while Instant::now() < end {
            ticks.tick().await;
            watchers.record.sent(1, watchers.len());
            connection.call(verb::BROADCAST, broadcast.stamp()).await?;
            neighbour.record.sent(1, neighbour.len());
            connection.call(verb::DISPATCH, dispatch.stamp()).await?;
        }
        let mut longest = 0;
        for streams in streams {
            streams.record.complete().await?;
            longest = longest.max(streams.record.take_latency().max());
        }
        Ok(longest as f64 / 1e6)
    }
}

async fn reject_by_streams(address: SocketAddr, each: u64, until: Instant) -> Outcome<u64> {
    let mut rejecting = JoinSet::new();
    for stream in 0..STREAMS {
        rejecting.spawn(reject_all(address, stream * each..(stream + 1) * each, until));
    }
    let mut rejections = 0;
    while let Some(done) = rejecting.join_next().await {
        rejections += done??;
    }
    Ok(rejections)
}

// Rejects the first of what comes, for each of these listeners, until the time is over.
async fn reject_all(address: SocketAddr, numbers: std::ops::Range<u64>, until: Instant) -> Outcome<u64> {
    let mut client = client(address).await?;
    let subscription = |number| Subscription {
        channel: CHANNEL.to_owned(),
        listener: setup::listener_of_many(number),
        ..Subscription::default()
    };
    let subscriptions: Vec<_> = numbers.map(subscription).collect();
    let request = ListenRequest { subscriptions, ..ListenRequest::default() };
    let mut stream = client.listen(request).await?.into_inner();
    let (mut started, mut rejections) = (HashMap::<i32, SubscriptionStarted>::new(), 0);
    while Instant::now() < until {
        let response = timeout(PATIENCE, stream.message()).await??.ok_or("the server ended the stream")?;
        started.extend(response.started.into_iter().map(|one| (one.subscription, one)));
        let first = |batch: &eric::v1::Batch| {
            let sequence = batch.deliveries.first()?.sequence;
            Some(rejection(started.get(&batch.subscription)?, batch.generation, sequence))
        };
        let items: Vec<_> = response.batches.iter().filter_map(first).collect();
        rejections += reject(&mut client, items).await?;
    }
    Ok(rejections)
}

fn rejection(one: &SubscriptionStarted, generation: i64, sequence: i64) -> Rejection {
    Rejection {
        channel: one.channel.clone(),
        listener: one.listener.clone(),
        generation: Some(generation),
        sequence,
        delay: Some(prost_types::Duration::default()),
        ..Rejection::default()
    }
}

async fn reject(client: &mut DispatcherServiceClient<Channel>, items: Vec<Rejection>) -> Outcome<u64> {
    let mut rejected = 0;
    for items in items.chunks(1024) {
        let answer = client.reject(RejectRequest { items: items.to_vec() }).await?.into_inner();
        for result in answer.results {
            match result.outcome {
                Some(Told::Rejected(_)) => rejected += 1,
                // what lay in the same response belongs to a generation that is over
                Some(Told::Error(status)) if status.code == tonic::Code::FailedPrecondition as i32 => {}
                other => return Err(format!("a rejection was answered with {other:?}").into()),
            }
        }
    }
    Ok(rejected)
}
