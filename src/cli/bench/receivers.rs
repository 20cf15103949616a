//! The listeners and watchers of a bench.

use super::{
    AT_ONCE, Bench,
    board::{Board, histogram, lock},
    listener_id,
    load::name_of,
};
use crate::{
    cli::{context::Context, exit::Fault},
    client::{Client, Delivery, Event, Interruption, Payload, Subscription},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use hdrhistogram::Histogram;
use std::sync::{Arc, Mutex};
use tokio::{sync::oneshot, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// The receivers of one thread.
pub(super) struct Receivers {
    pub(super) bench: Bench,
    pub(super) thread: u32,
    pub(super) channel: String,
    pub(super) board: Arc<Board>,
    pub(super) stop: CancellationToken,
}

impl Receivers {
    /// Opens the streams, says that they are open, and receives until it is stopped.
    pub(super) async fn run(self, context: &Context, ready: oneshot::Sender<()>) -> Result<(), Fault> {
        let subscriptions = self.open(context).await?;
        // who waits for it may have been interrupted
        let _ = ready.send(());
        let times = Arc::new(Mutex::new(histogram()));
        // a task each: within one, the first would spend the time of all
        let mut receiving = JoinSet::new();
        for subscription in subscriptions {
            receiving.spawn(receive(subscription, self.board.clone(), times.clone()));
        }
        self.stop.cancelled().await;
        receiving.shutdown().await;
        lock(&self.board.delivery).add(&*lock(&times)).expect("both have the same bounds");
        Ok(())
    }

    async fn open(&self, context: &Context) -> Result<Vec<Subscription>, Fault> {
        let numbers: Vec<_> = self.numbers().collect();
        let mut subscriptions = Vec::with_capacity(numbers.len());
        for numbers in numbers.chunks(self.bench.streams_per_connection as usize) {
            let client = context.client()?;
            let opening = numbers.iter().map(|&number| self.subscribe(&client, number));
            let opening = stream::iter(opening).buffered(AT_ONCE);
            subscriptions.extend(opening.try_collect::<Vec<_>>().await?);
        }
        Ok(subscriptions)
    }

    /// Listeners first, then watchers; each thread has every so-manieth.
    fn numbers(&self) -> impl Iterator<Item = u32> {
        let all = self.bench.listeners() + self.bench.watchers;
        (self.thread..all).step_by(self.bench.threads as usize)
    }

    async fn subscribe(&self, client: &Client, number: u32) -> Result<Subscription, Fault> {
        let board = self.board.clone();
        let count = move |interruption| match interruption {
            Interruption::Lost { .. } => board.reconnect(),
            Interruption::Over => {}
        };
        let subscription = match number < self.bench.listeners() {
            true => client.listen(&self.channel, listener_id(number)).on_interruption(count).await,
            false => client.watch(&self.channel).on_interruption(count).await,
        };
        Ok(subscription?)
    }
}

/// Counts what comes. The times are those of one thread: nobody waits for their lock.
async fn receive(mut subscription: Subscription, board: Arc<Board>, times: Arc<Mutex<Histogram<u64>>>) {
    while let Some(event) = subscription.next().await {
        match event {
            Ok(Event::Delivery(delivery)) => deliver(&delivery, &board, &times),
            Ok(Event::Gap(gap)) => board.gap(gap.count),
            Err(error) => board.error(&name_of(&error)),
        }
    }
}

fn deliver(delivery: &Delivery, board: &Board, times: &Mutex<Histogram<u64>>) {
    let now = board.now();
    board.deliver(now);
    if let Some(sent) = sent(delivery) {
        lock(times).saturating_record(now.saturating_sub(sent));
    }
}

fn sent(delivery: &Delivery) -> Option<u64> {
    let Payload::Binary(bytes) = delivery.message.payload() else { return None };
    Some(u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?))
}
