//! Receivers that pull.

use crate::{
    cast::Who,
    event::Begins,
    hand::Hand,
    road::{Wire, broken, millis},
    stage::Stage,
};
use eric::v1::{Batch, Credit, PullRequest, PullResponse};
use std::{rc::Rc, time::Duration};
use tokio::time::sleep;
use tonic::Code;

pub(crate) async fn run(stage: Rc<Stage>, who: Who, number: u64) {
    let mut rng = stage.rng(number);
    while !stage.done() {
        let Ok(wire) = stage.roads.any(&mut rng).await else {
            sleep(Duration::from_millis(20)).await;
            continue;
        };
        let session = format!("pull-{number}-{}", rng.u32(..));
        // an error: the connection is broken
        let _ = pull_some(&stage, who, wire, &session, &mut rng).await;
        sleep(Duration::from_millis(rng.u64(..30))).await;
    }
}

async fn pull_some(
    stage: &Rc<Stage>,
    who: Who,
    mut wire: Wire,
    session: &str,
    rng: &mut fastrand::Rng,
) -> Result<(), ()> {
    // an answer that is lost ends the session: what it took is not known
    let mut begins = Begins::Afresh;
    for _ in 0..rng.usize(1..30) {
        let stream = {
            let mut books = stage.books.lock();
            books.figures.pulls += 1;
            books.open(who, begins)
        };
        let answer = match wire.pull(request(stage, who, session, rng)).await {
            Ok(answer) => answer.into_inner(),
            Err(status) => {
                if !broken(&status) && status.code() != Code::Aborted {
                    stage.books.lock().fault(format!("a pull was answered with {status:?}"));
                }
                return Err(());
            }
        };
        let PullResponse { started: Some(started), batch: Some(batch), incarnation } = answer else {
            stage.books.lock().fault(format!("a pull lacks something: {answer:?}"));
            return Err(());
        };
        stage.books.lock().deliver(who, stream, &batch);
        begins = goes_on(begins, &batch);
        let mut hand = Hand::new(stage, who, stream, &started, &incarnation);
        hand.take(&batch);
        hand.say(&mut wire, rng).await?;
        // what is left in hand now comes again in another session alone
        if hand.len() > 0 && rng.bool() {
            return Ok(());
        }
        hand.acknowledge_all(&mut wire).await?;
    }
    Ok(())
}

/// Where the next pull of a session stands. A rejection may let it begin earlier, and so does another client.
fn goes_on(begins: Begins, batch: &Batch) -> Begins {
    let delivered = batch.deliveries.iter().map(|delivery| delivery.sequence);
    let last = batch.gaps.iter().map(|gap| gap.through_sequence).chain(delivered).max();
    last.map_or(begins, Begins::Behind)
}

fn request(stage: &Stage, who: Who, session: &str, rng: &mut fastrand::Rng) -> PullRequest {
    let receiver = &stage.cast.receivers[who];
    PullRequest {
        channel: receiver.channel.to_owned(),
        listener: receiver.listener.to_owned(),
        max_messages: rng.i32(0..24),
        wait: Some(millis(rng.u64(..100))),
        credit: Some(Credit { max_unacknowledged_messages: 64, max_unacknowledged_bytes: 0 }),
        session: session.to_owned(),
        ..Default::default()
    }
}
