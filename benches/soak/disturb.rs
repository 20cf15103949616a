//! What happens to receivers: connections are cut and stall, listeners are stopped, started, purged and looked at.

use crate::{
    cast::{Habit, Who},
    event::Event,
    road::Wire,
    stage::Stage,
};
use eric::v1::{GetListenerRequest, PurgeListenerRequest, StartListenerRequest, StopListenerRequest};
use std::{rc::Rc, time::Duration};
use tokio::time::sleep;
use tonic::Status;

pub(crate) async fn connections(stage: Rc<Stage>) {
    let mut rng = stage.rng(90_001);
    while !stage.calm() {
        sleep(Duration::from_millis(rng.u64(20..300))).await;
        if rng.bool() {
            stage.books.lock().figures.cut += stage.roads.one(&mut rng).cut();
            continue;
        }
        let road = stage.roads.one(&mut rng);
        road.stall(true);
        stage.books.lock().figures.stalls += 1;
        sleep(Duration::from_millis(rng.u64(10..500))).await;
        // what is on its way is lost
        if rng.bool() {
            stage.books.lock().figures.cut += road.cut();
        }
        road.stall(false);
    }
}

pub(crate) async fn listeners(stage: Rc<Stage>, mut wire: Wire) {
    let mut rng = stage.rng(90_002);
    let those = stage.cast.those(|it| it.listens() && it.stays() && !it.fleeting());
    // one that is stopped misses nothing, with or without a token
    let forgetful = stage.cast.those(|it| it.habit == Habit::Forgets);
    while !stage.calm() {
        sleep(Duration::from_millis(rng.u64(5..60))).await;
        let those = if rng.u8(..4) == 0 { &forgetful } else { &those };
        let who = those[rng.usize(..those.len())];
        if let Err(status) = disturb(&stage, &mut wire, who, &mut rng).await
            && !stage.excuses(&status)
        {
            stage.books.lock().fault(format!("{}: {status:?}", stage.cast.receivers[who].name()));
        }
    }
}

async fn disturb(stage: &Stage, wire: &mut Wire, who: Who, rng: &mut fastrand::Rng) -> Result<(), Status> {
    let receiver = &stage.cast.receivers[who];
    let (channel, listener) = (receiver.channel.to_owned(), receiver.listener.to_owned());
    match rng.u8(..100) {
        0..20 => {
            wire.stop_listener(StopListenerRequest { channel, listener }).await?;
            stage.books.lock().figures.stops += 1;
        }
        20..30 => drop(wire.start_listener(StartListenerRequest { channel, listener }).await?),
        30..34 => {
            let request = PurgeListenerRequest { channel, listener, ..Default::default() };
            let through = wire.purge_listener(request).await?.into_inner().through_sequence;
            let mut books = stage.books.lock();
            books.figures.purges += 1;
            books.note(who, [Event::Purged { through }]);
        }
        _ => {
            wire.get_listener(GetListenerRequest { channel, listener }).await?;
            stage.books.lock().figures.looks += 1;
        }
    }
    Ok(())
}
