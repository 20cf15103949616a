//! What every log must do, as tests that each of them runs.

use super::{Change, Entry, Log, Position, Record, Start, Whom};
use crate::{message::Message, v1};
use prost::Message as _;

pub(crate) fn message(kind: &str) -> Message {
    let raw = v1::Message { r#type: kind.into(), ..v1::Message::default() }.encode_to_vec();
    Message::parse(&raw, 1024, 0).expect("a sound message")
}

pub(crate) fn record(kind: &str) -> Record {
    Record::Message {
        channel: Position(1),
        listener: Some(Position(2)),
        accepted_at: 7,
        remember_until: None,
        message: message(kind),
        dead_letter: None,
    }
}

fn change(log: &impl Log) -> Position {
    let change = Change { whom: Whom::Listener(Position(2)), settings: None, state: Some("{}".to_owned()) };
    log.append(Record::Changed(change)).expect("the log takes a change")
}

pub(crate) fn append(log: &impl Log, kind: &str) -> Position {
    log.append(record(kind)).expect("the log takes it")
}

fn read(log: &impl Log, positions: &[Position]) -> Vec<(Position, String)> {
    let mut found: Vec<Entry> = Vec::new();
    log.read(positions, &mut found).expect("the log reads");
    found.iter().map(|entry| (entry.position, entry.message.kind().to_owned())).collect()
}

/// Makes the suite's tests for a new log: the expression makes a pointer to it.
macro_rules! suite {
    ($log:expr) => {
        #[test]
        fn positions_rise_by_one_for_every_record() {
            $crate::log::contract::positions_rise_by_one(&*$log);
        }
        #[tokio::test]
        async fn the_watermark_reaches_what_was_appended() {
            $crate::log::contract::the_watermark_reaches_what_was_appended(&*$log).await;
        }
        #[test]
        fn messages_are_read_back_as_they_were_appended() {
            $crate::log::contract::messages_are_read_back(&*$log);
        }
        #[test]
        fn what_is_deleted_is_left_out_and_no_longer_counted() {
            $crate::log::contract::what_is_deleted_is_left_out(&*$log);
        }
        #[test]
        fn starts_are_on_record() {
            $crate::log::contract::starts_are_on_record(&*$log);
        }
        #[test]
        fn many_writers_share_one_order() {
            $crate::log::contract::many_writers_share_one_order(&*$log);
        }
        #[test]
        fn what_is_appended_together_has_positions_next_to_each_other() {
            $crate::log::contract::what_is_appended_together(&*$log);
        }
        #[tokio::test]
        async fn every_way_to_read_finds_the_same() {
            $crate::log::contract::every_way_to_read_finds_the_same(&*$log).await;
        }
        #[test]
        fn what_was_deleted_stays_so_when_it_is_saved() {
            $crate::log::contract::what_was_deleted_stays_so(&*$log);
        }
        #[test]
        fn a_new_log_recovers_nothing() {
            $crate::log::contract::a_new_log_recovers_nothing(&*$log);
        }
    };
}
pub(crate) use suite;

pub(crate) fn positions_rise_by_one(log: &impl Log) {
    let first = change(log);
    let second = append(log, "a");
    assert!(first > Position::ZERO);
    assert_eq!(second, Position(first.0 + 1));
}

pub(crate) async fn the_watermark_reaches_what_was_appended(log: &impl Log) {
    let position = append(log, "a");
    log.watermark().reached(position).await.expect("the log writes");
    assert!(log.watermark().position() >= position);
}

pub(crate) fn messages_are_read_back(log: &impl Log) {
    let first = append(log, "a");
    let change = change(log);
    let second = append(log, "b");
    let beyond = Position(second.0 + 1000);
    assert_eq!(read(log, &[first, change, second, beyond]), [(first, "a".into()), (second, "b".into())]);
}

pub(crate) fn what_is_deleted_is_left_out(log: &impl Log) {
    let empty = log.bytes();
    let first = append(log, "a");
    let with_one = log.bytes();
    let second = append(log, "b");
    log.delete(&[second, second]);
    assert_eq!(log.bytes(), with_one);
    assert_eq!(read(log, &[first, second]), [(first, "a".into())]);
    log.delete(&[first]);
    assert_eq!(log.bytes(), empty);
}

pub(crate) fn starts_are_on_record(log: &impl Log) {
    let before = log.starts().len();
    let first = log.append(Record::Start { incarnation: 7, started_at: 1 }).expect("the log takes a start");
    append(log, "a");
    let second = log.append(Record::Start { incarnation: 8, started_at: 2 }).expect("the log takes a start");
    let started = |position, incarnation| Start { position, incarnation };
    assert_eq!(log.starts()[before..], [started(first, 7), started(second, 8)]);
    assert!(log.check().is_ok());
}

pub(crate) fn many_writers_share_one_order(log: &impl Log) {
    let mut positions: Vec<_> = std::thread::scope(|scope| {
        let writers: Vec<_> =
            (0..4).map(|_| scope.spawn(|| (0..500).map(|_| append(log, "a")).collect::<Vec<_>>())).collect();
        writers.into_iter().flat_map(|writer| writer.join().expect("a writer ends")).collect()
    });
    positions.sort_unstable();
    assert!(positions.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1));
    assert_eq!(read(log, &positions).len(), 2000);
}

pub(crate) fn what_is_appended_together(log: &impl Log) {
    let before = append(log, "a");
    let bytes = log.bytes();
    let first = log.append_all(vec![record("b"), record("c")], &[before]).expect("the log takes them");
    assert_eq!(log.bytes(), 2 * bytes, "one of the three goes by that");
    let after = append(log, "d");
    assert_eq!((first.0, after.0), (before.0 + 1, before.0 + 3));
    let second = Position(first.0 + 1);
    assert_eq!(read(log, &[before, first, second]), [(first, "b".into()), (second, "c".into())]);
}

pub(crate) async fn every_way_to_read_finds_the_same(log: &impl Log) {
    let positions: Vec<_> = (0..100).map(|_| append(log, "a")).collect();
    log.delete(&positions[10..20]);
    let place = |entry: &Entry| (entry.position, entry.message.kind().to_owned());
    let fetched = log.fetch(&positions).await.expect("it is answered").expect("the log reads");
    let mut at_hand = Vec::new();
    if !log.read_at_hand(&positions, &mut at_hand).expect("the log reads") {
        assert_eq!(at_hand.len(), 0);
        at_hand.clone_from(&fetched);
    }
    let read = read(log, &positions);
    assert_eq!(read.len(), 90);
    assert_eq!(fetched.iter().map(place).collect::<Vec<_>>(), read);
    assert_eq!(at_hand.iter().map(place).collect::<Vec<_>>(), read);
}

pub(crate) fn what_was_deleted_stays_so(log: &impl Log) {
    let (first, second) = (append(log, "a"), append(log, "b"));
    log.delete(&[first]);
    let bytes = log.bytes();
    log.save(&mut |_| {});
    log.save(&mut |_| {});
    assert_eq!((read(log, &[first, second]), log.bytes()), (vec![(second, "b".into())], bytes));
}

pub(crate) fn a_new_log_recovers_nothing(log: &impl Log) {
    let mut told = 0;
    log.recover(&mut |_| told += 1).expect("there is nothing to read");
    assert_eq!((told, log.bytes(), log.starts().len()), (0, 0, 0));
    append(log, "a");
}
