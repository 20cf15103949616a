//! The ledger over the starts of a server.

use super::*;

/// 1 and 2 are done with and said, 3 is in the program's hands, 4 waits.
fn busy() -> Ledger {
    let mut ledger = ledger();
    receive(&mut ledger, 0, 1..=4);
    handle(&mut ledger, 0, [1, 2]);
    assert_eq!(said(&mut ledger), Some((Some(2), vec![])));
    assert!(ledger.admit(3, 0));
    ledger
}

#[test]
fn a_start_that_has_what_the_one_before_had_goes_on() {
    let mut ledger = busy();
    assert_eq!(start(&mut ledger, "two", 0), None);
    // the crash took the acknowledgement
    receive(&mut ledger, 0, 1..=5);
    assert!([1, 2, 3].map(|sequence| ledger.admit(sequence, 0)).iter().all(|admitted| !admitted));
    assert_eq!(said(&mut ledger), Some((Some(2), vec![])));
    ledger.done(1, 3);
    handle(&mut ledger, 0, [4, 5]);
    let said = ledger.take().unwrap();
    assert_eq!((said.incarnation.as_str(), said.through_sequence), ("two", Some(5)));
}

#[test]
fn until_something_comes_what_is_said_is_said_of_the_start_before() {
    let mut ledger = busy();
    start(&mut ledger, "two", 0);
    assert_eq!(&*ledger.claim(1, 3).unwrap().incarnation, "one");
    ledger.done(1, 3);
    // a heartbeat tells nothing
    receive(&mut ledger, 0, []);
    assert_eq!(ledger.take().unwrap().incarnation, "one");
    // and another crash finds it as it was
    start(&mut ledger, "three", 0);
    receive(&mut ledger, 0, 1..=4);
    assert!(!ledger.admit(3, 0) && ledger.admit(4, 0));
    assert_eq!(ledger.take().unwrap().incarnation, "three");
}

#[test]
fn in_another_life_nothing_is_known() {
    let mut ledger = ledger();
    receive(&mut ledger, 0, [1, 2]);
    handle(&mut ledger, 0, [1]);
    assert!(ledger.admit(2, 0));
    assert_eq!(start(&mut ledger, "two", 0), None);
    let left = receive_another_life(&mut ledger).unwrap();
    assert_eq!((left.incarnation.as_str(), left.through_sequence), ("one", Some(1)));
    receive(&mut ledger, 0, [1, 2]);
    assert!(ledger.admit(1, 0), "it is another message");
    ledger.done(1, 2);
    assert_eq!((ledger.claim(1, 2), said(&mut ledger)), (None, None), "that was handed out in another life");
    ledger.put_back(1, &left);
    ledger.confirmed(1, &left, &v1::Acknowledged { through_sequence: 2, ..Default::default() });
    assert!(ledger.admit(2, 0));
}

#[test]
fn that_it_is_another_life_is_taken_to_heart_once() {
    let mut ledger = ledger();
    start(&mut ledger, "two", 0);
    receive_another_life(&mut ledger);
    receive(&mut ledger, 0, [1]);
    assert!(ledger.admit(1, 0));
    // the stream was cut before the program was told
    start(&mut ledger, "two", 0);
    assert_eq!(receive_another_life(&mut ledger), None);
    receive(&mut ledger, 0, [1]);
    assert!(!ledger.admit(1, 0), "the program has it");
}

#[test]
fn another_birth_is_another_life() {
    let mut ledger = ledger();
    receive(&mut ledger, 0, [5]);
    handle(&mut ledger, 0, [5]);
    assert!(ledger.started(&"one".into(), 7, 0, i64::MAX).is_some());
    receive(&mut ledger, 0, [5]);
    assert!(ledger.admit(5, 0));
}

#[test]
fn what_the_token_did_not_reach_may_be_another_message() {
    let mut ledger = busy();
    receive_gap(&mut ledger, 4, 6);
    tell(&mut ledger, 4, 6);
    // an operator acknowledged more than came
    let acknowledgement = ledger.take().unwrap();
    confirm(&mut ledger, &acknowledgement, 9, 0);
    start_knowing(&mut ledger, "two", 0, 3);
    receive(&mut ledger, 0, 3..=9);
    assert!(!ledger.admit(3, 0), "the token reached it");
    assert!((4..=9).all(|sequence| ledger.admit(sequence, 0)));
    receive_gap(&mut ledger, 4, 6);
    tell(&mut ledger, 4, 6);
    start_knowing(&mut ledger, "three", 0, 3);
    receive(&mut ledger, 0, 3..=9);
    assert_eq!(ledger.take().unwrap().gaps, [], "it may be another gap");
}

#[test]
fn a_generation_that_a_power_cut_took_back_is_forgotten() {
    let mut ledger = busy();
    ledger.rejected(1, 3, 1, true);
    receive_again(&mut ledger, 1, [3, 4], &[(3, 2)]);
    assert!(ledger.admit(3, 1));
    start(&mut ledger, "two", 0);
    receive(&mut ledger, 0, [3, 4]);
    assert_eq!(ledger.claim(1, 3).unwrap().generation, 0);
    ledger.done(1, 3);
    handle(&mut ledger, 0, [4]);
    let said = ledger.take().unwrap();
    assert_eq!((said.through_sequence, said.generation), (Some(4), Some(0)));
    // an answer that had told of one that was taken back
    let answer = v1::Acknowledged { through_sequence: 0, generation: 5, covered_messages: 0 };
    assert!(ledger.confirmed(1, &said, &answer));
    start(&mut ledger, "three", 1);
    assert_eq!(ledger.take().unwrap().generation, Some(1));
}
