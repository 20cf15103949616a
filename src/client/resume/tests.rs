//! The cursor over streams that a test writes down.

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

/// A batch of an EXPLICIT listener, of which nothing failed before.
fn open_and_accept(cursor: &mut Cursor, incarnation: &str, batches: impl IntoIterator<Item = v1::Batch>) {
    open_explicit(cursor, incarnation);
    batches.into_iter().for_each(|batch| cursor.accept(batch));
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

#[tokio::test]
async fn an_explicit_stream_is_opened_with_the_token_that_reached_furthest() {
    let mut cursor = explicit();
    assert_eq!(cursor.opening_token(), "start");
    cursor.accept(batch(&[], &[1, 2], "two"));
    cursor.accept(batch(&[], &[3, 4], "four"));
    cursor.hand_out();
    assert_eq!(cursor.opening_token(), "four", "it tells nothing of what was handed out");
    assert_eq!(cursor.resume_token(), "start");
    // what comes again first reaches less far; that of a heartbeat is not known to
    open_and_accept(&mut cursor, "two", [batch(&[], &[1, 2], "two of two"), batch(&[], &[], "beat")]);
    assert_eq!(cursor.opening_token(), "four");
    cursor.accept(batch(&[], &[3, 4, 5], "five"));
    assert_eq!(cursor.opening_token(), "five");
}

#[tokio::test]
async fn what_comes_again_alone_moves_no_token() {
    let mut cursor = explicit();
    let repeats = vec![v1::Attempt { sequence: 9, attempt: 2 }];
    cursor.accept(v1::Batch { repeats, ..batch(&[], &[9], "zero") });
    assert_eq!(cursor.opening_token(), "start");
}

#[tokio::test]
async fn another_life_is_told_again_until_it_is_handed_out() {
    let mut cursor = explicit();
    cursor.accept(batch(&[], &[1, 2], "two"));
    rest(&mut cursor);
    let other = || {
        let mut other = batch(&[1], &[2, 3], "three of two");
        other.gaps[0].reason = v1::GapReason::OtherLife.into();
        other
    };
    open_and_accept(&mut cursor, "two", [other()]);
    assert_eq!(cursor.opening_token(), "two", "with that of this life nobody would tell of it");
    open_and_accept(&mut cursor, "two", [other()]);
    assert!(matches!(cursor.hand_out(), Some(Event::Gap(_))));
    assert_eq!(cursor.opening_token(), "three of two");
    assert_eq!(rest(&mut cursor), [2, 3]);
}
