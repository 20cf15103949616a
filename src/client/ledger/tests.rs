//! The ledger over batches that a test writes down.

mod lives;

use super::*;

fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    assert_eq!(start(&mut ledger, "one", 0), None);
    ledger
}

fn start(ledger: &mut Ledger, incarnation: &str, generation: i64) -> Option<v1::Acknowledgement> {
    start_knowing(ledger, incarnation, generation, i64::MAX)
}

fn start_knowing(
    ledger: &mut Ledger,
    incarnation: &str,
    generation: i64,
    known_through: i64,
) -> Option<v1::Acknowledgement> {
    ledger.started(&incarnation.into(), 1, generation, known_through)
}

fn receive(ledger: &mut Ledger, generation: i64, sequences: impl IntoIterator<Item = i64>) {
    receive_again(ledger, generation, sequences, &[]);
}

fn receive_again(
    ledger: &mut Ledger,
    generation: i64,
    sequences: impl IntoIterator<Item = i64>,
    repeats: &[(i64, i32)],
) {
    let deliveries = sequences.into_iter().map(|sequence| v1::Delivery { sequence, ..Default::default() });
    let repeats: Vec<_> =
        repeats.iter().map(|&(sequence, attempt)| v1::Attempt { sequence, attempt }).collect();
    let batch = v1::Batch { deliveries: deliveries.collect(), generation, ..Default::default() };
    assert_eq!(ledger.received(&batch, &Attempts::new(&repeats)), None);
}

fn receive_gap(ledger: &mut Ledger, after_sequence: i64, through_sequence: i64) {
    let gap = v1::Gap { after_sequence, through_sequence, ..Default::default() };
    ledger.received(&v1::Batch { gaps: vec![gap], ..Default::default() }, &Attempts::default());
}

/// What comes first tells of another life; what is still to be said in the one before.
fn receive_another_life(ledger: &mut Ledger) -> Option<v1::Acknowledgement> {
    let gap = v1::Gap { reason: v1::GapReason::OtherLife.into(), ..Default::default() };
    ledger.received(&v1::Batch { gaps: vec![gap], ..Default::default() }, &Attempts::default())
}

/// The program handles all of these.
fn handle(ledger: &mut Ledger, generation: i64, sequences: impl IntoIterator<Item = i64>) {
    for sequence in sequences {
        assert!(ledger.admit(sequence, generation), "{sequence} is handed out");
        ledger.done(ledger.epoch(), sequence);
    }
}

/// The program is told of a gap.
fn tell(ledger: &mut Ledger, after: i64, through: i64) {
    let gap = Span { after, through };
    assert!(ledger.admit_gap(gap), "{gap:?} is told");
    ledger.told(ledger.epoch(), gap);
}

/// The server answers. Whether it is said again.
fn confirm(ledger: &mut Ledger, said: &v1::Acknowledgement, through_sequence: i64, generation: i64) -> bool {
    let answer = v1::Acknowledged { through_sequence, generation, covered_messages: 0 };
    ledger.confirmed(ledger.epoch(), said, &answer)
}

/// `through` of what is said next, and single ones, gaps by their ends, negative.
fn said(ledger: &mut Ledger) -> Option<(Option<i64>, Vec<i64>)> {
    ledger.take().map(|said| {
        let gaps = said.gaps.iter().map(|gap| -gap.through_sequence);
        (said.through_sequence, said.sequences.iter().copied().chain(gaps).collect())
    })
}

#[test]
fn what_is_done_in_order_is_said_by_its_last() {
    let mut ledger = ledger();
    receive(&mut ledger, 0, 1..=5);
    handle(&mut ledger, 0, 1..=3);
    assert_eq!(said(&mut ledger), Some((Some(3), vec![])));
    assert_eq!(said(&mut ledger), None, "it is said once");
}

#[test]
fn what_is_done_before_its_elders_is_said_singly() {
    let mut ledger = ledger();
    receive(&mut ledger, 0, 1..=4);
    assert!(ledger.admit(1, 0));
    handle(&mut ledger, 0, [2, 4]);
    assert_eq!(said(&mut ledger), Some((None, vec![2, 4])));
    ledger.done(1, 1);
    assert_eq!(said(&mut ledger), Some((Some(2), vec![])), "3 was not handed out yet");
}

#[test]
fn a_repeat_of_what_is_in_the_programs_hands_is_not_handed_out() {
    let mut ledger = ledger();
    receive(&mut ledger, 0, [1]);
    assert!(ledger.admit(1, 0));
    start(&mut ledger, "one", 0);
    receive(&mut ledger, 0, [1]);
    assert!(!ledger.admit(1, 0));
    ledger.done(1, 1);
    assert_eq!(said(&mut ledger), Some((Some(1), vec![])));
}

#[test]
fn what_was_given_back_is_handed_out_when_it_comes_again() {
    let mut ledger = ledger();
    receive(&mut ledger, 0, [1, 2]);
    assert!(ledger.admit(1, 0));
    ledger.let_go(1, 1);
    handle(&mut ledger, 0, [2]);
    assert_eq!(said(&mut ledger), Some((None, vec![2])), "1 is not done with");
    start(&mut ledger, "one", 0);
    receive(&mut ledger, 0, [1]);
    assert!(ledger.admit(1, 0));
}

#[test]
fn a_lost_acknowledgement_is_said_again_and_its_message_not_handed_out_again() {
    let mut ledger = ledger();
    receive(&mut ledger, 0, 1..=4);
    handle(&mut ledger, 0, [1, 2]);
    assert!(ledger.admit(3, 0));
    handle(&mut ledger, 0, [4]);
    assert_eq!(said(&mut ledger), Some((Some(2), vec![4])));
    // nobody answers, the connection is cut, and another stream begins
    start(&mut ledger, "one", 0);
    receive(&mut ledger, 0, 1..=4);
    assert!([1, 2, 3, 4].map(|sequence| ledger.admit(sequence, 0)).iter().all(|admitted| !admitted));
    assert_eq!(said(&mut ledger), Some((Some(2), vec![4])));
}

#[test]
fn what_is_put_back_is_said_with_what_came_meanwhile() {
    let mut ledger = ledger();
    receive(&mut ledger, 0, 1..=5);
    handle(&mut ledger, 0, [1]);
    assert!(ledger.admit(2, 0));
    handle(&mut ledger, 0, [3]);
    let lost = ledger.take().unwrap();
    ledger.done(1, 2);
    ledger.put_back(1, &lost);
    assert_eq!(said(&mut ledger), Some((Some(3), vec![])));
    assert!(!ledger.has_unsent());
}

#[test]
fn after_a_rejection_what_is_held_of_the_older_generation_is_discarded() {
    let mut ledger = ledger();
    receive(&mut ledger, 0, 1..=5);
    handle(&mut ledger, 0, [1]);
    assert!(ledger.admit(2, 0));
    ledger.rejected(1, 2, 1, true);
    assert!(!ledger.admit(3, 0), "it comes again after 2");
    receive_again(&mut ledger, 1, 2..=5, &[(2, 2)]);
    assert_eq!(ledger.claim(1, 2).unwrap().attempt, 2);
    handle(&mut ledger, 1, 2..=5);
    let said = ledger.take().unwrap();
    assert_eq!((said.through_sequence, said.generation), (Some(5), Some(1)));
    assert_eq!(said.attempts, [v1::Attempt { sequence: 2, attempt: 2 }]);
}

#[test]
fn below_the_rewind_point_what_is_held_stays_outstanding() {
    let mut ledger = ledger();
    receive(&mut ledger, 0, 1..=4);
    assert!(ledger.admit(1, 0));
    // somebody else rejects 3
    receive(&mut ledger, 1, [3, 4]);
    assert_eq!(ledger.claim(1, 1).unwrap().generation, 1);
    handle(&mut ledger, 0, [2]);
    assert!(!ledger.admit(3, 0) && !ledger.admit(4, 0));
    ledger.done(1, 1);
    handle(&mut ledger, 1, [3]);
    assert_eq!(said(&mut ledger), Some((Some(3), vec![])));
}

#[test]
fn what_was_done_before_a_rewind_is_said_again_when_it_comes_again() {
    let mut ledger = ledger();
    receive(&mut ledger, 0, 1..=3);
    assert!(ledger.admit(1, 0));
    handle(&mut ledger, 0, [2, 3]);
    assert_eq!(said(&mut ledger), Some((None, vec![2, 3])));
    ledger.rejected(1, 1, 1, true);
    // the rejection was faster: the acknowledgement covered nothing
    receive(&mut ledger, 1, [1, 2]);
    assert!(!ledger.admit(2, 1));
    assert_eq!(said(&mut ledger), Some((None, vec![2])));
    handle(&mut ledger, 1, [1]);
    assert_eq!(said(&mut ledger), Some((Some(3), vec![])));
    receive(&mut ledger, 1, [3]);
    assert!(!ledger.admit(3, 1));
    assert_eq!(said(&mut ledger), Some((Some(3), vec![])));
}

#[test]
fn a_handler_that_is_slower_than_its_deadline_is_not_given_the_message_again() {
    let mut ledger = ledger();
    receive(&mut ledger, 0, [1, 2]);
    assert!(ledger.admit(1, 0));
    receive_again(&mut ledger, 1, [1, 2], &[(1, 2)]);
    ledger.done(1, 1);
    assert!(!ledger.admit(2, 0) && !ledger.admit(1, 1));
    let said = ledger.take().unwrap();
    assert_eq!((said.generation, said.through_sequence), (Some(1), Some(1)));
    assert!(ledger.admit(2, 1));
}

#[test]
fn what_comes_again_alone_is_named_by_its_attempt() {
    let mut ledger = ledger();
    receive(&mut ledger, 0, 1..=3);
    assert!(ledger.admit(1, 0));
    // in a channel whose redelivery is OVERTAKING there are no generations
    ledger.rejected(1, 1, 0, true);
    handle(&mut ledger, 0, [2, 3]);
    assert_eq!(said(&mut ledger), Some((None, vec![2, 3])));
    receive_again(&mut ledger, 0, [1], &[(1, 2)]);
    assert_eq!(ledger.claim(1, 1).unwrap().attempt, 2);
    handle(&mut ledger, 0, [1]);
    let said = ledger.take().unwrap();
    assert_eq!(said.attempts, [v1::Attempt { sequence: 1, attempt: 2 }]);
}

#[test]
fn what_was_rejected_for_good_blocks_nothing() {
    let mut ledger = ledger();
    receive(&mut ledger, 0, 1..=3);
    assert!(ledger.admit(1, 0));
    ledger.rejected(1, 1, 1, false);
    receive(&mut ledger, 1, [2, 3]);
    handle(&mut ledger, 1, [2, 3]);
    assert_eq!(said(&mut ledger), Some((Some(3), vec![])));
}

#[test]
fn a_gap_is_acknowledged_by_its_end_once_it_is_told() {
    let mut ledger = ledger();
    receive(&mut ledger, 0, [1]);
    receive_gap(&mut ledger, 1, 9);
    handle(&mut ledger, 0, [1]);
    assert_eq!(said(&mut ledger), Some((Some(1), vec![])));
    tell(&mut ledger, 1, 9);
    assert_eq!(said(&mut ledger), Some((Some(1), vec![-9])));
    receive_gap(&mut ledger, 1, 9);
    assert!(!ledger.admit_gap(Span { after: 1, through: 9 }), "it is told once");
    assert_eq!(said(&mut ledger), Some((None, vec![-9])));
}

#[test]
fn a_gap_that_the_server_has_passed_is_told_all_the_same() {
    let mut ledger = ledger();
    receive(&mut ledger, 0, 1..=3);
    handle(&mut ledger, 0, [1]);
    assert!(ledger.admit(2, 0));
    ledger.rejected(1, 2, 1, false);
    let acknowledgement = ledger.take().unwrap();
    confirm(&mut ledger, &acknowledgement, 2, 1);
    let gap = v1::Gap { after_sequence: 1, through_sequence: 2, ..Default::default() };
    let batch = v1::Batch { gaps: vec![gap], generation: 1, ..Default::default() };
    ledger.received(&batch, &Attempts::default());
    tell(&mut ledger, 1, 2);
    assert_eq!(said(&mut ledger), Some((Some(2), vec![-2])));
}

#[test]
fn what_is_said_stays_below_a_gap_that_is_not_told() {
    let mut ledger = ledger();
    receive(&mut ledger, 0, 1..=3);
    handle(&mut ledger, 0, [1]);
    assert!(ledger.admit(2, 0));
    handle(&mut ledger, 0, [3]);
    ledger.take();
    ledger.rejected(1, 2, 1, false);
    receive_gap(&mut ledger, 1, 2);
    assert_eq!(said(&mut ledger), Some((Some(1), vec![])), "through 3 would pass it");
    tell(&mut ledger, 1, 2);
    assert_eq!(said(&mut ledger), Some((Some(3), vec![-2])));
}

#[test]
fn what_was_said_in_an_older_generation_is_said_again_in_the_one_that_has_begun() {
    let mut ledger = ledger();
    receive(&mut ledger, 0, 1..=4);
    handle(&mut ledger, 0, [1]);
    assert!(ledger.admit(2, 0));
    handle(&mut ledger, 0, [3]);
    let acknowledgement = ledger.take().unwrap();
    // the deadline of 1 had passed
    assert!(confirm(&mut ledger, &acknowledgement, 0, 1));
    let again = ledger.take().unwrap();
    assert_eq!((again.generation, again.through_sequence, again.sequences), (Some(1), Some(1), vec![3]));
}

#[test]
fn a_gap_behind_what_is_held_is_passed_before_it() {
    let mut ledger = ledger();
    receive(&mut ledger, 0, [1]);
    assert!(ledger.admit(1, 0));
    receive_gap(&mut ledger, 1, 9);
    tell(&mut ledger, 1, 9);
    assert_eq!(said(&mut ledger), Some((None, vec![-9])));
    ledger.done(1, 1);
    assert_eq!(said(&mut ledger), Some((Some(1), vec![])));
}

#[test]
fn what_a_gap_covers_blocks_nothing() {
    let mut ledger = ledger();
    receive(&mut ledger, 0, 1..=3);
    handle(&mut ledger, 0, [1]);
    // the stream was cut; 2 and 3 were purged meanwhile
    start(&mut ledger, "one", 0);
    receive_gap(&mut ledger, 1, 3);
    receive(&mut ledger, 0, [4]);
    tell(&mut ledger, 1, 3);
    handle(&mut ledger, 0, [4]);
    assert_eq!(said(&mut ledger), Some((Some(4), vec![-3])));
}

#[test]
fn two_gaps_that_end_at_one_place_are_both_told() {
    let mut ledger = ledger();
    receive(&mut ledger, 0, 1..=5);
    receive_gap(&mut ledger, 4, 5);
    tell(&mut ledger, 4, 5);
    assert_eq!(ledger.take().unwrap().gaps.len(), 1);
    // an operator purges, and the first was passed
    receive_gap(&mut ledger, 0, 5);
    assert_eq!(ledger.take(), None, "nobody was told");
    tell(&mut ledger, 0, 5);
    let said = ledger.take().unwrap().gaps;
    assert_eq!((said[0].after_sequence, said[0].through_sequence, said.len()), (0, 5, 1));
}

#[test]
fn what_the_server_confirmed_is_forgotten() {
    let mut ledger = ledger();
    receive(&mut ledger, 0, 1..=65_536);
    assert!(ledger.admit(1, 0));
    handle(&mut ledger, 0, 2..=65_536);
    assert_eq!(ledger.remembered(), 65_536);
    // an operator acknowledged the first
    let acknowledgement = ledger.take().unwrap();
    confirm(&mut ledger, &acknowledgement, 65_536, 0);
    assert_eq!(ledger.remembered(), 0);
    ledger.done(1, 1);
    assert!(!ledger.has_unsent() || ledger.take().unwrap().sequences.is_empty());
}

#[test]
fn a_heartbeat_moves_no_rewind_point() {
    let mut ledger = ledger();
    receive(&mut ledger, 0, [1, 2]);
    receive(&mut ledger, 1, []);
    assert!(ledger.admit(1, 0));
    receive(&mut ledger, 1, [2]);
    assert!(!ledger.admit(2, 0) && ledger.admit(2, 1));
    assert_eq!(ledger.claim(1, 1).unwrap().generation, 1);
}

#[test]
fn what_was_pulled_is_said_singly() {
    let mut ledger = Ledger::singly();
    start(&mut ledger, "one", 0);
    receive(&mut ledger, 0, [1, 2]);
    handle(&mut ledger, 0, [1, 2]);
    assert_eq!(said(&mut ledger), Some((None, vec![1, 2])));
}
