//! What a subscription has handed to its program, and so where it goes on after its stream was lost.

use super::{Delivery, Event, account::Account, ledger::Attempts};
use crate::v1;
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
    /// A gap that was handed out: the program has been told once it asks for what is next.
    telling: Option<(u64, i64)>,
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
            account.started(&self.incarnation, started.birth, started.generation);
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
                self.telling = Some((account.admit_gap(gap.through_sequence)?, gap.through_sequence));
                Some(Event::Gap(gap))
            }
        }
    }

    /// The program asks for what comes after it.
    fn pass_gap(&mut self) {
        let telling = self.telling.take();
        if let (Some((epoch, end)), Some(account)) = (telling, self.account()) {
            account.told(epoch, end);
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
mod tests {
    use super::*;

    fn batch(gaps: &[i64], deliveries: &[i64], token: &str) -> v1::Batch {
        v1::Batch {
            gaps: gaps
                .iter()
                .map(|&through_sequence| v1::Gap { through_sequence, ..Default::default() })
                .collect(),
            deliveries: deliveries
                .iter()
                .map(|&sequence| v1::Delivery { sequence, ..Default::default() })
                .collect(),
            resume_token: token.into(),
            ..Default::default()
        }
    }

    fn started(token: &str, mode: v1::AcknowledgementMode) -> v1::SubscriptionStarted {
        v1::SubscriptionStarted {
            resume_token: token.into(),
            acknowledgement_mode: mode.into(),
            ..Default::default()
        }
    }

    fn open(cursor: &mut Cursor, incarnation: &str, token: &str) {
        cursor.opened(incarnation);
        cursor.started(&started(token, v1::AcknowledgementMode::Automatic));
    }

    /// What is handed out until nothing waits: deliveries as they are, gaps by their end, negative.
    fn rest(cursor: &mut Cursor) -> Vec<i64> {
        std::iter::from_fn(|| cursor.hand_out())
            .map(|event| match event {
                Event::Delivery(delivery) => delivery.sequence,
                Event::Gap(gap) => -gap.through_sequence,
            })
            .collect()
    }

    #[test]
    fn gaps_come_before_the_deliveries_of_their_batch() {
        let mut cursor = Cursor::default();
        open(&mut cursor, "one", "start");
        cursor.accept(batch(&[3, 5], &[6, 7], "seven"));
        assert_eq!(rest(&mut cursor), [-3, -5, 6, 7]);
    }

    #[test]
    fn a_token_counts_once_its_last_delivery_is_handed_out() {
        let mut cursor = Cursor::default();
        open(&mut cursor, "one", "start");
        cursor.accept(batch(&[], &[1, 2], "two"));
        cursor.accept(batch(&[], &[3], "three"));
        assert_eq!(cursor.resume_token(), "start");
        cursor.hand_out();
        assert_eq!(cursor.resume_token(), "start");
        cursor.hand_out();
        assert_eq!(cursor.resume_token(), "two");
        assert_eq!(rest(&mut cursor), [3]);
        assert_eq!(cursor.resume_token(), "three");
    }

    #[test]
    fn a_heartbeat_moves_the_token_only_behind_what_waits() {
        let mut cursor = Cursor::default();
        open(&mut cursor, "one", "start");
        cursor.accept(batch(&[], &[1], "one"));
        cursor.accept(batch(&[], &[], "beat"));
        assert_eq!(cursor.resume_token(), "start");
        assert_eq!(rest(&mut cursor), [1]);
        assert_eq!(cursor.resume_token(), "beat");
    }

    #[test]
    fn a_batch_of_gaps_alone_passes_with_its_last() {
        let mut cursor = Cursor::default();
        open(&mut cursor, "one", "start");
        cursor.accept(batch(&[4], &[], "four"));
        assert_eq!(cursor.resume_token(), "start");
        assert_eq!(rest(&mut cursor), [-4]);
        assert_eq!(cursor.resume_token(), "four");
    }

    #[test]
    fn a_batch_handed_out_by_half_goes_on_in_its_middle() {
        let mut cursor = Cursor::default();
        open(&mut cursor, "one", "start");
        cursor.accept(batch(&[], &[1, 2, 3], "three"));
        cursor.hand_out();
        cursor.hand_out();

        open(&mut cursor, "one", "start");
        assert_eq!(cursor.resume_token(), "start");
        cursor.accept(batch(&[], &[1, 2, 3, 4], "four"));
        assert_eq!(rest(&mut cursor), [3, 4]);
        assert_eq!(cursor.resume_token(), "four");
    }

    #[test]
    fn sequences_of_another_incarnation_say_nothing() {
        let mut cursor = Cursor::default();
        open(&mut cursor, "one", "start");
        cursor.accept(batch(&[], &[7], "seven"));
        rest(&mut cursor);

        open(&mut cursor, "two", "start of two");
        assert_eq!(cursor.resume_token(), "seven", "the older token tells the server what is missing");
        cursor.accept(batch(&[1], &[2, 3], "three of two"));
        assert_eq!(rest(&mut cursor), [-1, 2, 3]);
    }

    #[test]
    fn a_stream_lost_before_its_first_batch_is_repeated_from_its_start() {
        let mut cursor = Cursor::new(String::new(), None);
        open(&mut cursor, "one", "start");
        assert_eq!(cursor.resume_token(), "start");
    }

    #[test]
    fn a_token_given_is_kept_until_something_is_passed() {
        let mut cursor = Cursor::new("given".into(), None);
        open(&mut cursor, "one", "start");
        assert_eq!(cursor.resume_token(), "given");
        cursor.accept(batch(&[], &[], "beat"));
        assert_eq!(cursor.resume_token(), "beat");
    }

    fn open_explicit(cursor: &mut Cursor, incarnation: &str) {
        cursor.opened(incarnation);
        cursor.started(&started("start", v1::AcknowledgementMode::Explicit));
    }

    fn explicit() -> Cursor {
        let client = crate::client::Client::connect("http://127.0.0.1:1").unwrap();
        let mut cursor = Cursor::new(String::new(), Some(Account::new(client, "c".into(), "l".into())));
        open_explicit(&mut cursor, "one");
        cursor
    }

    #[tokio::test]
    async fn what_the_program_dropped_without_a_word_comes_again() {
        let mut cursor = explicit();
        cursor.accept(batch(&[], &[1, 2], "two"));
        assert_eq!(rest(&mut cursor), [1, 2]);
        open_explicit(&mut cursor, "one");
        cursor.accept(batch(&[], &[1, 2], "two"));
        assert_eq!(rest(&mut cursor), [1, 2]);
    }

    #[tokio::test]
    async fn what_the_program_holds_or_is_done_with_is_not_handed_out_again() {
        let mut cursor = explicit();
        cursor.accept(batch(&[], &[1, 2, 3], "three"));
        let Some(Event::Delivery(held)) = cursor.hand_out() else { panic!("it waits") };
        let Some(Event::Delivery(done)) = cursor.hand_out() else { panic!("it waits") };
        drop(done.acknowledge());
        open_explicit(&mut cursor, "one");
        cursor.accept(batch(&[], &[1, 2, 3], "three"));
        assert_eq!((held.sequence, rest(&mut cursor)), (1, vec![3]));
    }

    #[tokio::test]
    async fn a_gap_is_told_once_the_program_asks_for_more() {
        let mut cursor = explicit();
        cursor.accept(batch(&[4], &[5], "five"));
        assert!(matches!(cursor.hand_out(), Some(Event::Gap(_))));
        assert!(cursor.account().unwrap().is_idle(), "the program may not have seen it");
        cursor.hand_out();
        assert!(!cursor.account().unwrap().is_idle());
    }

    #[test]
    fn the_last_sequence_is_the_last_one_handed_out() {
        let mut cursor = Cursor::default();
        open(&mut cursor, "one", "start");
        cursor.accept(batch(&[], &[1, 2], "two"));
        assert_eq!(cursor.sequence(), None);
        cursor.hand_out();
        assert_eq!(cursor.sequence(), Some(1));
    }
}
