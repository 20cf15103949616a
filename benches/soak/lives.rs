//! Listeners that are removed and registered again, while everybody goes on.

use crate::{
    cast::{Receiver, Who},
    enter,
    road::Wire,
    stage::Stage,
};
use eric::v1::RemoveListenerRequest;
use std::{rc::Rc, time::Duration};
use tokio::time::sleep;
use tonic::{Code, Status};

/// Nobody is there to answer.
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) async fn of(stage: Rc<Stage>, mut wire: Wire, who: Who) {
    let mut rng = stage.rng(91_000 + who as u64);
    while !stage.calm() {
        sleep(Duration::from_millis(rng.u64(100..900))).await;
        let away = Duration::from_millis(rng.u64(..60));
        if let Err(status) = another(&stage, &mut wire, who, away).await {
            stage.books.lock().fault(format!("{}: {status:?}", stage.cast.receivers[who].name()));
        }
    }
}

async fn another(stage: &Stage, wire: &mut Wire, who: Who, away: Duration) -> Result<(), Status> {
    let receiver = &stage.cast.receivers[who];
    remove(stage, wire, receiver).await?;
    sleep(away).await;
    let birth = register(stage, wire, receiver).await?;
    let mut books = stage.books.lock();
    books.figures.removals += 1;
    books.born(who, receiver, birth);
    Ok(())
}

/// Until it is known that it is gone.
async fn remove(stage: &Stage, wire: &mut Wire, receiver: &Receiver) -> Result<(), Status> {
    let (channel, listener) = (receiver.channel.to_owned(), receiver.listener.to_owned());
    let request = RemoveListenerRequest { channel, listener };
    let mut again = false;
    while let Err(status) = wire.remove_listener(request.clone()).await {
        if again && status.code() == Code::NotFound {
            return Ok(());
        }
        if !stage.excuses(&status) {
            return Err(status);
        }
        again = true;
        sleep(PAUSE).await;
    }
    Ok(())
}

/// Until it is known that it is there.
async fn register(stage: &Stage, wire: &mut Wire, receiver: &Receiver) -> Result<i64, Status> {
    let mut again = false;
    loop {
        match enter::register(wire, receiver, again).await {
            Err(status) if stage.excuses(&status) => again = true,
            told => return told,
        }
        sleep(PAUSE).await;
    }
}
