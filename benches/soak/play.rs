//! The whole play: a server, everybody at work for a while, then calm until everything has arrived.

use crate::{
    args::{Over, Run},
    books::Shelf,
    cast::{Cast, Habit, Mode, SCENES, Who},
    disturb, enter, guests,
    house::House,
    judge, lives, pull,
    receive::Client,
    remains,
    road::{Outcome, Roads, Wire},
    send::{Sender, Verb},
    stage::{Act, Stage},
};
use eric::v1::{GetListenerRequest, Listener};
use std::{cell::Cell, rc::Rc, time::Duration};
use tokio::{
    task::{JoinSet, LocalSet},
    time::{Instant, sleep, timeout},
};

/// Of what was accepted something arrives in this time once nobody disturbs it, on a slow machine too.
const PATIENCE: Duration = Duration::from_secs(20);

/// No more than about so many wait for a listener.
const CROWD: i64 = 150;

/// What has nothing to wait for is said in this time.
const QUIET: Duration = Duration::from_secs(8);

pub(crate) async fn play(run: &Run) -> Outcome<Rc<Stage>> {
    LocalSet::new().run_until(acts(run)).await
}

async fn acts(run: &Run) -> Outcome<Rc<Stage>> {
    let mut house = House::open(run.over).await?;
    let cast = Cast::new();
    let (books, roads) = (Shelf::new(cast.receivers.len()), Roads::to(house.address()).await?);
    let mut wire = roads.straight().await?;
    let births = enter::enter(&cast, &mut wire).await?;
    let crashes = Cell::new(matches!(run.over, Over::Crashes(_)).then_some(0));
    let (act, crowded) = (Cell::new(Act::Wild), Cell::new(false));
    let stage = Rc::new(Stage { cast, books, roads, seed: run.seed, act, crowded, crashes });
    stage.begin(births);

    let (mut senders, mut receivers) = (senders(&stage), receivers(&stage));
    disturbers(&stage, &mut senders, &wire);
    house.stand(run, &stage).await?;
    stage.act.set(Act::Calm);
    all_end(&mut senders, "a sender").await?;
    arrive(&stage, &mut wire).await?;
    stage.act.set(Act::Done);
    all_end(&mut receivers, "a receiver").await?;
    remains::look(&stage, &mut wire).await?;
    house.close().await?.into_iter().for_each(|fault| stage.books.lock().fault(fault));
    Ok(stage)
}

async fn all_end(those: &mut JoinSet<()>, who: &str) -> Outcome {
    while let Some(ended) = timeout(PATIENCE, those.join_next()).await.map_err(|_| format!("{who} hangs"))? {
        ended?;
    }
    Ok(())
}

/// All senders of all channels.
fn senders(stage: &Rc<Stage>) -> JoinSet<()> {
    let (mut all, mut number) = (JoinSet::new(), 0);
    for scene in &SCENES {
        for verb in [Verb::Dispatch, Verb::Broadcast, Verb::Publish] {
            number += 1;
            all.spawn_local(Sender::new(stage, number, scene.channel, verb).run());
        }
    }
    all
}

/// Those who are calm when the senders are.
fn disturbers(stage: &Rc<Stage>, all: &mut JoinSet<()>, wire: &Wire) {
    all.spawn_local(pace(Rc::clone(stage), wire.clone()));
    all.spawn_local(disturb::connections(Rc::clone(stage)));
    all.spawn_local(disturb::listeners(Rc::clone(stage), wire.clone()));
    for who in stage.cast.those(|it| it.fleeting()) {
        all.spawn_local(lives::of(Rc::clone(stage), wire.clone(), who));
    }
    for number in 0..3 {
        all.spawn_local(guests::of(Rc::clone(stage), wire.clone(), number));
    }
    let explicit = stage.cast.those(|it| it.mode == Mode::Explicit);
    for rival in 0..3 {
        all.spawn_local(Client::new(stage, explicit.clone(), 2000 + rival).disturb());
    }
    for who in stage.cast.those(|it| it.habit == Habit::FightsAndLeaves) {
        all.spawn_local(Client::new(stage, vec![who], 3000 + who as u64).fight());
    }
}

fn receivers(stage: &Rc<Stage>) -> JoinSet<()> {
    let mut all = JoinSet::new();
    let joint = stage.cast.those(|it| it.habit == Habit::Joint);
    let watchers = stage.cast.those(|it| it.mode == Mode::Watcher);
    let alone = stage.cast.those(|it| {
        it.mode != Mode::Watcher && it.stays() && !matches!(it.habit, Habit::Joint | Habit::Pulls)
    });
    let (mut clients, mut number) = (vec![joint, watchers], 1000);
    clients.extend(alone.into_iter().map(|who| vec![who]));
    for those in clients {
        number += 1;
        all.spawn_local(Client::new(stage, those, number).run());
    }
    for who in stage.cast.those(|it| it.habit == Habit::Pulls) {
        number += 1;
        all.spawn_local(pull::run(Rc::clone(stage), who, number));
    }
    all
}

/// A machine that is slow, or busy with something else, must not end with more than it can deliver in the calm.
async fn pace(stage: Rc<Stage>, mut wire: Wire) {
    while !stage.calm() {
        let mut most = 0;
        for who in stage.cast.those(|it| it.mode == Mode::Explicit && !it.fleeting()) {
            // who waits for an answer in vain is told by others
            let waiting = still_waits(&stage, &mut wire, who).await.ok().flatten();
            most = most.max(waiting.map_or(0, |listener| listener.backlog_messages));
        }
        stage.crowded.set(most > CROWD);
        sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until nothing waits for anybody, or until that goes on no more, which is a fault.
async fn arrive(stage: &Rc<Stage>, wire: &mut Wire) -> Outcome {
    let (begun, mut moved, mut left) = (Instant::now(), Instant::now(), i64::MAX);
    let mut waits;
    loop {
        waits = String::new();
        let mut all = 0;
        for who in stage.cast.those(|it| it.acknowledges()) {
            if let Some(listener) = still_waits(stage, wire, who).await? {
                all += listener.backlog_messages.max(listener.unacknowledged_messages);
                waits += &format!("{}: {listener:?}\n", stage.cast.receivers[who].name());
            }
        }
        if all < left {
            (left, moved) = (all, Instant::now());
        }
        if all == 0 || moved.elapsed() > PATIENCE || begun.elapsed() > PATIENCE * 6 {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    if !waits.is_empty() {
        stage.books.lock().fault(format!("in the calm there waits and waits: {waits}"));
    }
    // a gap stays to be said behind the last message; what is never settled is the judge's to tell
    let told = Instant::now() + QUIET;
    for who in 0..stage.cast.receivers.len() {
        while !judge::settled(&stage.cast, &stage.books.lock(), who) && Instant::now() < told {
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
