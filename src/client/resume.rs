//! What a subscription has handed to its program, and so where it goes on after its stream was lost.

mod furthest;

use super::{
    Delivery, Event,
    account::Account,
    gap::GapReason,
    ledger::{Attempts, NOWHERE, Span},
};
use crate::v1;
use furthest::Furthest;
use std::{collections::VecDeque, sync::Arc};

/// The bookkeeping of one subscription over all its streams. It knows no clock and no network.
///
/// A token counts only once everything before it was handed out: what was received and not handed out is
/// lost with the stream, and must come again.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    resume_token: String,
    /// The start of the server whose sequences the open stream carries.
    incarnation: Arc<str>,
    /// The last delivery that was handed out.
    handed: Option<Position>,
    /// On the open stream, what is not above this was handed out before.
    floor: Option<i64>,
    waiting: VecDeque<Step>,
    account: Option<Open>,
    /// The listener is EXPLICIT.
    explicit: bool,
    /// By which another life is told to it.
    furthest: Furthest,
    /// A gap that was handed out: the program has been told once it asks for what is next.
    telling: Option<(u64, Span)>,
}

/// The account of a listener, while its subscription lives.
#[derive(Debug)]
struct Open(Arc<Account>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Position {
    incarnation: Arc<str>,
    sequence: i64,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every step is a delivery: a box would cost each one")]
enum Step {
    /// In which generation it came.
    HandOut(Event, i64),
    /// Everything before it is handed out: resume from here.
    Pass(String),
}

impl Cursor {
    /// Of a listener with its account; of a watcher without.
    pub(super) fn new(resume_token: String, account: Option<Arc<Account>>) -> Self {
        Self { resume_token, account: account.map(Open), ..Default::default() }
    }

    /// What acknowledges, where the listener is EXPLICIT.
    pub(super) fn account(&self) -> Option<&Arc<Account>> {
        self.account.as_ref().map(|open| &open.0).filter(|_| self.explicit)
    }

    /// Where to resume, by what was handed out so far; empty: where the listener stands.
    pub(super) fn resume_token(&self) -> &str {
        &self.resume_token
    }

    /// What the next stream is opened with, and how far it is known to reach. What an EXPLICIT listener is given does not
    /// depend on it: it tells whether what was received, handed out or not, is known to the server.
    fn opening(&self) -> (&str, i64) {
        match self.furthest.token().filter(|_| self.explicit) {
            Some(furthest) => furthest,
            None => (&self.resume_token, NOWHERE),
        }
    }

    /// What the next stream is opened with.
    pub(super) fn opening_token(&self) -> &str {
        self.opening().0
    }

    /// The last sequence handed out.
    pub(super) fn sequence(&self) -> Option<i64> {
        self.handed.as_ref().map(|handed| handed.sequence)
    }

    /// A stream begins. Sequences of another incarnation may be those of other messages.
    pub(super) fn opened(&mut self, incarnation: &str) {
        self.waiting.clear();
        self.incarnation = incarnation.into();
        let handed = self.handed.as_ref().filter(|handed| handed.incarnation == self.incarnation);
        self.floor = handed.map(|handed| handed.sequence);
    }

    /// The subscription begins on it.
    pub(super) fn started(&mut self, started: &v1::SubscriptionStarted) {
        // a token of ours is older and tells the server what we miss; without one, this one repeats the
        // stream, should it be lost before its first batch is handed out
        if self.resume_token.is_empty() {
            started.resume_token.clone_into(&mut self.resume_token);
        }
        self.explicit = started.acknowledgement_mode() == v1::AcknowledgementMode::Explicit;
        if let Some(account) = self.account() {
            let (_, known_through) = self.opening();
            account.started(&self.incarnation, started.birth, started.generation, known_through);
            // what is not acknowledged comes again; its ledger knows what was handed out
            self.floor = None;
        }
    }

    /// A batch arrived: what is missing before it, what it brings, and where to resume after it.
    pub(super) fn accept(&mut self, batch: v1::Batch) {
        let (floor, generation) = (self.floor.unwrap_or(i64::MIN), batch.generation);
        let attempts = Attempts::new(&batch.repeats);
        if let Some(account) = self.account() {
            account.received(&batch, &attempts);
            self.furthest.received(&batch, &attempts);
        }
        let gaps = batch.gaps.into_iter().filter(|gap| gap.through_sequence > floor);
        self.waiting.extend(gaps.map(|gap| Step::HandOut(Event::Gap(gap.into()), generation)));
        let deliveries = batch.deliveries.into_iter().filter(|delivery| delivery.sequence > floor);
        self.waiting.extend(deliveries.map(|delivery| {
            let attempt = attempts.of(delivery.sequence);
            Step::HandOut(Event::Delivery(Delivery { attempt, ..delivery.into() }), generation)
        }));
        if !batch.resume_token.is_empty() {
            self.waiting.push_back(Step::Pass(batch.resume_token));
        }
        self.pass();
    }

    /// Hands out what is next.
    pub(super) fn hand_out(&mut self) -> Option<Event> {
        self.pass_gap();
        loop {
            let Some(Step::HandOut(event, generation)) = self.waiting.pop_front() else { return None };
            if matches!(&event, Event::Gap(gap) if gap.reason == GapReason::OtherLife) {
                self.furthest.told();
            }
            let admitted = self.admitted(event, generation);
            if let Some(Event::Delivery(delivery)) = &admitted {
                self.handed = Some(self.position(delivery));
            }
            self.pass();
            if admitted.is_some() {
                return admitted;
            }
        }
    }

    /// An EXPLICIT listener's program is not given what it has, nor what comes again.
    fn admitted(&mut self, event: Event, generation: i64) -> Option<Event> {
        let Some(account) = self.account() else { return Some(event) };
        match event {
            Event::Delivery(delivery) => {
                let hold = account.admit(delivery.sequence, generation)?;
                Some(Event::Delivery(Delivery { hold: Some(hold).into(), ..delivery }))
            }
            Event::Gap(gap) => {
                let span = Span::of_told(&gap);
                self.telling = Some((account.admit_gap(span)?, span));
                Some(Event::Gap(gap))
            }
        }
    }

    /// The program asks for what comes after it.
    fn pass_gap(&mut self) {
        let telling = self.telling.take();
        if let (Some((epoch, gap)), Some(account)) = (telling, self.account()) {
            account.told(epoch, gap);
        }
    }

    /// The program is given no more: what still waits was not handed out.
    pub(super) fn close(&mut self) {
        self.waiting.clear();
    }

    fn position(&self, delivery: &Delivery) -> Position {
        Position { incarnation: self.incarnation.clone(), sequence: delivery.sequence }
    }

    /// Takes the tokens that have nothing before them any more.
    fn pass(&mut self) {
        while let Some(Step::Pass(token)) = self.waiting.front_mut() {
            self.resume_token = std::mem::take(token);
            self.waiting.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
