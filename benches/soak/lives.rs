//! Listeners that are removed and registered again, while everybody goes on.

use crate::{
    cast::{Receiver, Who},
    enter,
    insist::insist,
    road::Wire,
    stage::Stage,
};
use eric::v1::RemoveListenerRequest;
use std::{rc::Rc, time::Duration};
use tokio::time::sleep;
use tonic::{Code, Status};

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
    let birth = insist(stage, async |again| enter::register(wire, receiver, again).await).await?;
    let mut books = stage.books.lock();
    books.figures.removals += 1;
    books.born(who, receiver, birth);
    Ok(())
}

/// Until it is known that it is gone.
async fn remove(stage: &Stage, wire: &mut Wire, receiver: &Receiver) -> Result<(), Status> {
    let (channel, listener) = (receiver.channel.to_owned(), receiver.listener.to_owned());
    let request = RemoveListenerRequest { channel, listener };
    insist(stage, async |again| gone(wire.remove_listener(request.clone()).await, again)).await
}

/// A removal that was asked for before may have been heard.
pub(crate) fn gone<T>(answer: Result<T, Status>, again: bool) -> Result<(), Status> {
    match answer {
        Err(status) if again && status.code() == Code::NotFound => Ok(()),
        answer => answer.map(drop),
    }
}
