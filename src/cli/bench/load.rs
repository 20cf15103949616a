//! The publishers of a bench.

use super::{Bench, Mode, board::Board, listener_id, panicked};
use crate::{
    cli::{context::Context, exit::Fault},
    client::{Client, Error, Failure, Message, Pending, Publication, Publisher, PublisherOptions},
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

/// What a message costs besides its payload, at least: enough to bound how many are in flight.
const ENVELOPE: u32 = 256;
/// Timers are a millisecond coarse: who is later than this is late because the server is.
const LATE: Duration = Duration::from_millis(3);

/// All publishers, on one thread.
pub(super) struct Load {
    pub(super) bench: Bench,
    pub(super) channel: String,
    pub(super) board: Arc<Board>,
    pub(super) stop: CancellationToken,
}

impl Load {
    /// Publishes until it is stopped, and waits for the receipts.
    pub(super) async fn run(self, context: &Context) -> Result<(), Fault> {
        let load = Arc::new(self);
        // a task each: within one, the first would spend the time of all
        let mut publishers = JoinSet::new();
        for number in 0..load.bench.publishers {
            publishers.spawn(load.clone().publish(number, context.client()?));
        }
        while let Some(ended) = publishers.join_next().await {
            ended.map_err(panicked)??;
        }
        Ok(())
    }

    async fn publish(self: Arc<Self>, number: u32, client: Client) -> Result<(), Fault> {
        let publisher = client.publish_with(self.options());
        let (sent, receipts) = mpsc::channel(self.bench.in_flight as usize);
        let collecting = tokio::spawn(collect(receipts, self.board.clone()));
        let outcome = self.send(number, &publisher, sent).await;
        collecting.await.map_err(panicked)?;
        Ok(outcome?)
    }

    fn options(&self) -> PublisherOptions {
        let message = u32::try_from(self.bench.size).unwrap_or(u32::MAX).saturating_add(ENVELOPE);
        PublisherOptions {
            max_in_flight_bytes: message.saturating_mul(self.bench.in_flight),
            max_batch_messages: self.bench.batch as usize,
            ..Default::default()
        }
    }

    async fn send(
        &self,
        number: u32,
        publisher: &Publisher,
        sent: mpsc::Sender<(u64, Pending)>,
    ) -> Result<(), Error> {
        for turn in 0.. {
            let due = self.due(number, turn);
            // only here: what was sent must also be counted
            if self.stop.run_until_cancelled(self.wait_for(due)).await.is_none() {
                break;
            }
            let time = self.time(due);
            let pending = publisher.send(self.publication(number, turn, time)).await?;
            // the receipts are read as long as this runs
            let _ = sent.send((time, pending)).await;
        }
        Ok(())
    }

    /// When a turn is due, in nanoseconds; none: as soon as there is room. Publishers take turns.
    fn due(&self, number: u32, turn: u64) -> Option<u64> {
        let turns = turn * u64::from(self.bench.publishers) + u64::from(number);
        self.bench.rate.map(|rate| (u128::from(turns) * 1_000_000_000 / u128::from(rate)) as u64)
    }

    async fn wait_for(&self, due: Option<u64>) {
        let early = due.map(|due| due.saturating_sub(self.board.now())).unwrap_or_default();
        if early > 0 {
            sleep(Duration::from_nanos(early)).await;
        }
    }

    /// The time that a message carries. One that a slow server held back is as old as it should have been: a
    /// bench that waits along with the server would not see it wait.
    fn time(&self, due: Option<u64>) -> u64 {
        let now = self.board.now();
        due.filter(|due| due + (LATE.as_nanos() as u64) < now).unwrap_or(now)
    }

    fn publication(&self, number: u32, turn: u64, time: u64) -> Publication {
        let mut payload = vec![0; usize::try_from(self.bench.size).unwrap_or_default()];
        payload[..8].copy_from_slice(&time.to_le_bytes());
        let message = Message::new("bench").with_binary(payload);
        match self.bench.mode {
            Mode::Broadcast => Publication::broadcast(&self.channel, message),
            Mode::Dispatch => {
                let turns = turn * u64::from(self.bench.publishers) + u64::from(number);
                let listener = (turns % u64::from(self.bench.listeners())) as u32;
                Publication::dispatch(&self.channel, listener_id(listener), message)
            }
        }
    }
}

/// Counts receipts, until the last message that was sent has its own.
async fn collect(mut receipts: mpsc::Receiver<(u64, Pending)>, board: Arc<Board>) {
    while let Some((time, pending)) = receipts.recv().await {
        match pending.await {
            Ok(_) => board.accept(time),
            Err(error) => board.refuse(&name_of(&error)),
        }
    }
}

/// What an error is counted under.
pub(super) fn name_of(error: &Error) -> String {
    let code = || error.failure().map(Failure::code_name);
    error.reason().map(str::to_owned).or_else(code).unwrap_or_else(|| error.to_string())
}
