//! Listeners that are removed and registered again, while everybody goes on.

use crate::{cast::Who, enter, road::Wire, stage::Stage};
use eric::v1::RemoveListenerRequest;
use std::{rc::Rc, time::Duration};
use tokio::time::sleep;
use tonic::Status;

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
    let (channel, listener) = (receiver.channel.to_owned(), receiver.listener.to_owned());
    wire.remove_listener(RemoveListenerRequest { channel, listener }).await?;
    sleep(away).await;
    let birth = enter::register(wire, receiver).await?;
    let mut books = stage.books.lock();
    books.figures.removals += 1;
    books.born(who, receiver, birth);
    Ok(())
}
