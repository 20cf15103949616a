//! The ledger of one listener, shared by its subscription, by what it handed out, and by who acknowledges.

use super::{
    Acknowledged, Client, Code, Error, Result,
    ledger::{Attempts, Claim, Ledger, Span},
    reason,
};
use crate::v1;
use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, timeout},
};

/// Who waits to hear what became of an acknowledgement.
pub(super) type Waiter = oneshot::Sender<Result<Acknowledged>>;

#[derive(Debug)]
pub(super) struct Account {
    pub(super) client: Client,
    pub(super) channel: String,
    pub(super) listener: String,
    state: Mutex<State>,
    /// Rung when nothing is left to be said.
    idle: Notify,
}

#[derive(Debug, Default)]
struct State {
    ledger: Ledger,
    waiters: Vec<Waiter>,
    /// What was still to be said of earlier lives.
    former: Vec<Said>,
    /// Its turn to be said is near: it stands in the client's queue.
    queued: bool,
    in_flight: bool,
    /// Since when its subscription is gone.
    closed: Option<Instant>,
    /// Acknowledging makes no sense here.
    fault: Option<Error>,
}

impl State {
    fn has_work(&self) -> bool {
        self.ledger.has_unsent() || !self.waiters.is_empty() || !self.former.is_empty()
    }
}

/// What is said in one go, of which life, and who waits for the answer.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) acknowledgement: v1::Acknowledgement,
    epoch: u64,
    waiters: Vec<Waiter>,
}

impl Account {
    pub(super) fn new(client: Client, channel: String, listener: String) -> Arc<Self> {
        Arc::new(Self { client, channel, listener, state: Mutex::default(), idle: Notify::new() })
    }

    /// For one pull, which says nothing of the pulls before: nobody subscribes to it.
    pub(super) fn of_pull(client: Client, channel: String, listener: String) -> Arc<Self> {
        let state = State { ledger: Ledger::singly(), closed: Some(Instant::now()), ..Default::default() };
        let (state, idle) = (Mutex::new(state), Notify::new());
        Arc::new(Self { client, channel, listener, state, idle })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }

    /// A stream begins; see [`Ledger::started`].
    pub(super) fn started(
        self: &Arc<Self>,
        incarnation: &Arc<str>,
        birth: i64,
        generation: i64,
        known_through: i64,
    ) {
        self.tell(|ledger| ledger.started(incarnation, birth, generation, known_through));
    }

    pub(super) fn received(self: &Arc<Self>, batch: &v1::Batch, attempts: &Attempts) {
        self.tell(|ledger| ledger.received(batch, attempts));
    }

    /// Tells the ledger; what is left of a life that has ended by that is said of that life.
    fn tell(self: &Arc<Self>, told: impl FnOnce(&mut Ledger) -> Option<v1::Acknowledgement>) {
        let mut state = self.state();
        let epoch = state.ledger.epoch();
        if let Some(left) = told(&mut state.ledger) {
            let said = self.said(&mut state, epoch, left);
            state.former.push(said);
        }
        // a repeat of what is done with is said at once
        self.submit(state);
    }

    /// The program is given what came at this place, unless it had it or it comes again.
    pub(super) fn admit(self: &Arc<Self>, sequence: i64, generation: i64) -> Option<Hold> {
        let mut state = self.state();
        let admitted = state.ledger.admit(sequence, generation);
        admitted.then(|| Hold { account: self.clone(), epoch: state.ledger.epoch(), sequence })
    }

    /// Resolves once it is said and answered.
    pub(super) fn done(
        self: &Arc<Self>,
        epoch: u64,
        sequence: i64,
    ) -> oneshot::Receiver<Result<Acknowledged>> {
        let (waiter, answer) = oneshot::channel();
        let mut state = self.state();
        if epoch != state.ledger.epoch() {
            let _ = waiter.send(Err(other_life()));
            return answer;
        }
        state.ledger.done(epoch, sequence);
        // who still has something to say is not gone yet
        if let Some(closed) = &mut state.closed {
            *closed = Instant::now();
        }
        state.waiters.push(waiter);
        self.submit(state);
        answer
    }

    /// The program is told of a gap, unless it was before.
    pub(super) fn admit_gap(&self, gap: Span) -> Option<u64> {
        let mut state = self.state();
        state.ledger.admit_gap(gap).then(|| state.ledger.epoch())
    }

    /// The program has been told of a gap.
    pub(super) fn told(self: &Arc<Self>, epoch: u64, gap: Span) {
        let mut state = self.state();
        state.ledger.told(epoch, gap);
        self.submit(state);
    }

    pub(super) fn claim(&self, epoch: u64, sequence: i64) -> Result<Claim> {
        let state = self.state();
        match state.ledger.claim(epoch, sequence) {
            Some(claim) => Ok(claim),
            None if epoch != state.ledger.epoch() => Err(other_life()),
            None => Err(not_outstanding()),
        }
    }

    pub(super) fn rejected(self: &Arc<Self>, epoch: u64, sequence: i64, generation: i64, comes_again: bool) {
        let mut state = self.state();
        state.ledger.rejected(epoch, sequence, generation, comes_again);
        self.submit(state);
    }

    /// The server does not count it as outstanding.
    pub(super) fn gone(self: &Arc<Self>, epoch: u64, sequence: i64) {
        let mut state = self.state();
        state.ledger.gone(epoch, sequence);
        self.submit(state);
    }

    fn let_go(&self, epoch: u64, sequence: i64) {
        self.state().ledger.let_go(epoch, sequence);
    }

    /// Its subscription is gone: what is said from now on is said for a bounded time only.
    pub(super) fn close(&self) {
        self.state().closed.get_or_insert_with(Instant::now);
    }

    /// Why acknowledging makes no sense here.
    pub(super) fn fault(&self) -> Option<Error> {
        self.state().fault.clone()
    }

    pub(super) fn is_idle(&self) -> bool {
        let state = self.state();
        !(state.queued || state.in_flight)
    }

    /// Waits until all that is done with has been said and answered, but not for longer than this.
    pub(super) async fn flushed(&self, limit: Duration) {
        let idle = async {
            loop {
                let rung = self.idle.notified();
                tokio::pin!(rung);
                rung.as_mut().enable();
                if self.is_idle() {
                    return;
                }
                rung.await;
            }
        };
        if timeout(limit, idle).await.is_err() {
            tracing::warn!(self.channel, self.listener, "acknowledgements were not answered in time");
        }
    }

    /// Lets it be said, if there is anything to say.
    fn submit(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if !state.has_work() {
            return;
        }
        // in flight, it is queued again by who carries it
        let waits = std::mem::replace(&mut state.queued, true) || state.in_flight;
        drop(state);
        if waits {
            self.client.carry();
        } else {
            self.client.settle(self.clone());
        }
    }

    /// What to say now.
    pub(super) fn take(&self) -> Option<Said> {
        let mut state = self.state();
        state.queued = false;
        let said = match state.former.pop() {
            Some(former) => Some(former),
            None => {
                let epoch = state.ledger.epoch();
                state.ledger.take().map(|acknowledgement| self.said(&mut state, epoch, acknowledgement))
            }
        };
        state.in_flight = said.is_some();
        if said.is_none() {
            self.nothing_to_say(state);
        }
        said
    }

    fn said(&self, state: &mut State, epoch: u64, acknowledgement: v1::Acknowledgement) -> Said {
        let (channel, listener) = (self.channel.clone(), self.listener.clone());
        let acknowledgement = v1::Acknowledgement { channel, listener, ..acknowledgement };
        Said { acknowledgement, epoch, waiters: std::mem::take(&mut state.waiters) }
    }

    /// Who waits, waits for what was said before, or for what comes again and is said then.
    fn nothing_to_say(&self, mut state: MutexGuard<'_, State>) {
        let known = state.ledger.known();
        for waiter in state.waiters.drain(..) {
            let _ = waiter.send(Ok(known));
        }
        drop(state);
        self.idle.notify_waiters();
    }

    /// The server answered. Whether there is more to say.
    pub(super) fn answered(&self, said: Said, outcome: &Result<Acknowledged>) -> bool {
        let mut state = self.state();
        match outcome {
            Ok(answer) => {
                if state.ledger.confirmed(said.epoch, &said.acknowledgement, answer) {
                    state.waiters.extend(said.waiters);
                    return self.go_on(state);
                }
            }
            Err(error) if error.retryable() => return self.put_back(state, said, error),
            Err(error) => {
                tracing::warn!(self.channel, self.listener, %error, "an acknowledgement was refused");
            }
        }
        said.waiters.into_iter().for_each(|waiter| drop(waiter.send(outcome.clone())));
        self.go_on(state)
    }

    /// The call failed. Whether it is to be tried again.
    pub(super) fn failed(&self, said: Said, error: &Error) -> bool {
        let mut state = self.state();
        if error.retryable() || error.outcome_unknown() {
            return self.put_back(state, said, error);
        }
        state.fault = Some(error.clone());
        said.waiters.into_iter().for_each(|waiter| drop(waiter.send(Err(error.clone()))));
        self.go_on(state)
    }

    fn put_back(&self, mut state: MutexGuard<'_, State>, said: Said, error: &Error) -> bool {
        let patience = self.client.policy.timeout;
        if state.closed.is_some_and(|closed| closed.elapsed() >= patience) {
            tracing::warn!(self.channel, self.listener, %error, "acknowledgements were given up");
            state.waiters.extend(said.waiters);
            state.waiters.drain(..).for_each(|waiter| drop(waiter.send(Err(error.clone()))));
            state.former.clear();
            state.ledger.say_nothing();
            return self.go_on(state);
        }
        self.say_again(state, said)
    }

    /// Nobody waits for the answer any more: the runtime of who did has ended. Whether it is to be tried again.
    pub(super) fn unanswered(&self, said: Said) -> bool {
        self.say_again(self.state(), said)
    }

    fn say_again(&self, mut state: MutexGuard<'_, State>, said: Said) -> bool {
        if said.epoch == state.ledger.epoch() {
            state.ledger.put_back(said.epoch, &said.acknowledgement);
            state.waiters.extend(said.waiters);
        } else {
            state.former.push(said);
        }
        self.go_on(state)
    }

    fn go_on(&self, mut state: MutexGuard<'_, State>) -> bool {
        state.in_flight = false;
        let has_work = state.has_work();
        state.queued = has_work;
        if !has_work {
            drop(state);
            self.idle.notify_waiters();
        }
        has_work
    }
}

/// A delivery in the program's hands. What is dropped without a word is handed out again when it comes again.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) account: Arc<Account>,
    pub(super) epoch: u64,
    pub(super) sequence: i64,
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.account.let_go(self.epoch, self.sequence);
    }
}

fn other_life() -> Error {
    let told = "the delivery is of another life of its listener or of its server";
    Error::refused(Code::FailedPrecondition, reason::OTHER_LIFE, told)
}

fn not_outstanding() -> Error {
    let told = "the delivery is acknowledged already, or gone";
    Error::refused(Code::FailedPrecondition, reason::NOT_OUTSTANDING, told)
}
