//! Acknowledges what programs are done with: one call carries what waits, for any number of listeners.

use super::{
    Client, Error,
    account::{Account, Said},
    acknowledge,
};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::time::sleep;

/// The most items of a call.
const MAX_ITEMS: usize = 1_024;
/// A call says no more single sequences than about these: they are a few bytes each.
const MAX_SEQUENCES: usize = 100_000;

/// What waits to be acknowledged. While anything does, a task carries it, and ends with it.
#[derive(Debug, Default)]
pub(super) struct Acknowledger(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Arc<Account>>,
    carried: bool,
}

type Items = Vec<(Arc<Account>, Said)>;

impl Acknowledger {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().expect("nobody panics while holding it")
    }

    fn push(&self, account: Arc<Account>) {
        self.queue().waiting.push_back(account);
    }

    /// Whether a task has to be begun.
    fn begin(&self) -> bool {
        let mut queue = self.queue();
        !queue.waiting.is_empty() && !std::mem::replace(&mut queue.carried, true)
    }

    /// What one call says; nothing where nothing waits, and then the task ends.
    fn gather(&self) -> Option<Items> {
        let (mut items, mut sequences) = (Items::new(), 0);
        while items.len() < MAX_ITEMS && sequences < MAX_SEQUENCES {
            let Some(account) = self.next(items.is_empty()) else { break };
            if let Some(said) = account.take() {
                sequences += said.acknowledgement.sequences.len();
                items.push((account, said));
            }
        }
        (!items.is_empty()).then_some(items)
    }

    fn next(&self, or_end: bool) -> Option<Arc<Account>> {
        let mut queue = self.queue();
        let next = queue.waiting.pop_front();
        if next.is_none() && or_end {
            queue.carried = false;
        }
        next
    }
}

impl Client {
    /// Has an account say what it has to say: at once where nothing is on its way.
    pub(super) fn settle(&self, account: Arc<Account>) {
        self.acknowledger.push(account);
        self.carry();
    }

    /// Has what waits be said, where nobody does: the runtime of who did may have ended.
    pub(super) fn carry(&self) {
        if !self.acknowledger.begin() {
            return;
        }
        // dropped with its runtime, it leaves what waits to the next one
        let carrier =
            Carrier { client: self.repeating_for(Duration::ZERO), saying: Items::new(), ended: false };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(carrier.run())),
            Err(_) => tracing::warn!("outside of a runtime nothing is acknowledged"),
        }
    }
}

/// The task.
struct Carrier {
    client: Client,
    /// What is on its way.
    saying: Items,
    /// Another may have begun since.
    ended: bool,
}

impl Carrier {
    async fn run(mut self) {
        let mut failures = 0;
        while let Some(items) = self.client.acknowledger.gather() {
            self.saying = items;
            match self.say().await {
                true => failures = 0,
                false => {
                    sleep(self.client.policy.backoff.delay(failures)).await;
                    failures = failures.saturating_add(1);
                }
            }
        }
        self.ended = true;
    }

    /// Whether it is worth to go on at once.
    async fn say(&mut self) -> bool {
        let said = self.saying.iter().map(|(_, said)| said.acknowledgement.clone()).collect();
        let outcomes = acknowledge::call(&self.client, said).await;
        let items = std::mem::take(&mut self.saying);
        match outcomes {
            Ok(outcomes) => {
                let mut refused = false;
                for ((account, said), outcome) in items.into_iter().zip(outcomes) {
                    refused |= outcome.as_ref().is_err_and(Error::retryable);
                    self.again_if(account.answered(said, &outcome), &account);
                }
                !refused
            }
            Err(error) => {
                tracing::debug!(%error, "acknowledging failed");
                for (account, said) in items {
                    self.again_if(account.failed(said, &error), &account);
                }
                false
            }
        }
    }

    fn again_if(&self, again: bool, account: &Arc<Account>) {
        if again {
            self.client.acknowledger.push(account.clone());
        }
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        for (account, said) in std::mem::take(&mut self.saying) {
            self.again_if(account.unanswered(said), &account);
        }
        self.client.acknowledger.queue().carried = false;
    }
}

#[cfg(test)]
mod tests;
