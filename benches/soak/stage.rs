//! The whole play: a server, everybody at work for a while, then calm until everything has arrived.

use crate::{
    Outcome,
    args::Plan,
    books::Shelf,
    cast::{Cast, Mode, Who, channels},
    disturb, pull,
    receive::Client,
    road::{Roads, Wire},
    send::{Sender, Verb},
};
use eric::{
    config::Config,
    server::Server,
    v1::{GetListenerRequest, Listener},
};
use std::{cell::Cell, rc::Rc, time::Duration};
use tokio::{
    task::{JoinSet, LocalSet},
    time::{Instant, sleep, timeout},
};

/// What is accepted arrives in this time once nobody disturbs it, on a slow machine too.
const PATIENCE: Duration = Duration::from_secs(20);

/// What has nothing to wait for is said in this time.
const QUIET: Duration = Duration::from_secs(8);

#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Act {
    Wild,
    /// Nothing is sent, cut, rejected or left any more.
    Calm,
    Done,
}

pub(crate) struct Stage {
    pub(crate) cast: Cast,
    pub(crate) books: Shelf,
    pub(crate) roads: Roads,
    seed: u64,
    act: Cell<Act>,
}

impl Stage {
    pub(crate) fn calm(&self) -> bool {
        self.act.get() >= Act::Calm
    }

    pub(crate) fn done(&self) -> bool {
        self.act.get() >= Act::Done
    }

    /// The chances of one of those who take part.
    pub(crate) fn rng(&self, number: u64) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number)
    }
}

pub(crate) async fn play(plan: &Plan) -> Outcome<Rc<Stage>> {
    LocalSet::new().run_until(acts(plan)).await
}

async fn acts(plan: &Plan) -> Outcome<Rc<Stage>> {
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        workers: 2,
        // an id must not be forgotten before its sender has asked again
        max_idempotency_bytes: 1 << 30,
        drain_deadline: Duration::from_secs(5),
        ..Config::default()
    };
    let server = Server::start(&config)?;
    let cast = Cast::new();
    let books = Shelf::new(cast.receivers.len());
    let roads = Roads::to(server.address()).await?;
    let mut wire = roads.straight().await?;
    cast.enter(wire.clone()).await?;
    let stage = Rc::new(Stage { cast, books, roads, seed: plan.seed, act: Cell::new(Act::Wild) });

    let (mut senders, mut receivers) = (senders(&stage), receivers(&stage));
    senders.spawn_local(disturb::connections(Rc::clone(&stage)));
    senders.spawn_local(disturb::listeners(Rc::clone(&stage), roads_to(&stage).await?));
    sleep(plan.time).await;
    stage.act.set(Act::Calm);
    all_end(&mut senders, "a sender").await?;
    arrive(&stage, &mut wire).await?;
    stage.act.set(Act::Done);
    all_end(&mut receivers, "a receiver").await?;
    server.stopper().cut();
    // a server must not be joined on a runtime
    tokio::task::spawn_blocking(move || server.join()).await?;
    Ok(stage)
}

async fn all_end(those: &mut JoinSet<()>, who: &str) -> Outcome {
    while let Some(ended) = timeout(PATIENCE, those.join_next()).await.map_err(|_| format!("{who} hangs"))? {
        ended?;
    }
    Ok(())
}

async fn roads_to(stage: &Stage) -> Outcome<Wire> {
    stage.roads.straight().await
}

/// All senders of all channels.
fn senders(stage: &Rc<Stage>) -> JoinSet<()> {
    let (mut all, mut number) = (JoinSet::new(), 0);
    for channel in channels() {
        for verb in [Verb::Dispatch, Verb::Broadcast, Verb::Publish] {
            number += 1;
            all.spawn_local(Sender::new(stage, number, channel.id, verb).run());
        }
    }
    // they are calm when the senders are
    let explicit = stage.cast.those(|it| it.mode == Mode::Explicit);
    for rival in 0..3 {
        all.spawn_local(Client::new(stage, explicit.clone(), 2000 + rival).disturb(explicit.clone()));
    }
    all
}

fn receivers(stage: &Rc<Stage>) -> JoinSet<()> {
    let mut all = JoinSet::new();
    let joint = stage.cast.those(|it| it.listener.starts_with("joint"));
    let watchers = stage.cast.those(|it| it.mode == Mode::Watcher);
    let pulled = stage.cast.those(|it| it.listener == "pulled");
    let alone = stage.cast.those(|it| matches!(it.listener, "steady" | "typed" | "plain" | "dead"));
    let (mut clients, mut number) = (vec![joint, watchers], 1000);
    clients.extend(alone.into_iter().map(|who| vec![who]));
    for those in clients {
        number += 1;
        all.spawn_local(Client::new(stage, those, number).run());
    }
    for who in pulled {
        number += 1;
        all.spawn_local(pull::run(Rc::clone(stage), who, number));
    }
    all
}

/// Waits until nothing waits for anybody, or until that takes too long, which is a fault.
async fn arrive(stage: &Rc<Stage>, wire: &mut Wire) -> Outcome {
    let deadline = Instant::now() + PATIENCE;
    let mut waits = String::new();
    for who in stage.cast.those(|it| it.acknowledges()) {
        while let Some(listener) = still_waits(stage, wire, who).await? {
            if Instant::now() > deadline {
                waits += &format!("{}: {listener:?}\n", stage.cast.receivers[who].name());
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
    if !waits.is_empty() {
        stage.books.lock().fault(format!("after {PATIENCE:?} of calm there still waits: {waits}"));
    }
    // a gap stays to be said behind the last message; what is never settled is the judge's to tell
    let told = Instant::now() + QUIET;
    for who in 0..stage.cast.receivers.len() {
        while !stage.books.lock().settled(who, &stage.cast.receivers[who]) && Instant::now() < told {
            sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

async fn still_waits(stage: &Stage, wire: &mut Wire, who: Who) -> Outcome<Option<Listener>> {
    let receiver = &stage.cast.receivers[who];
    let (channel, listener) = (receiver.channel.to_owned(), receiver.listener.to_owned());
    let told = wire.get_listener(GetListenerRequest { channel, listener }).await?.into_inner();
    let told = told.listener.ok_or("a listener was asked for")?;
    stage.books.lock().lost.insert(who, told.lost_messages);
    Ok((told.backlog_messages > 0 || told.unacknowledged_messages > 0).then_some(told))
}
