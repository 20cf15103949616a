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

/// Makes the suite's tests for a log that the expression makes.
macro_rules! suite {
    ($log:expr) => {
        #[test]
        fn positions_rise_by_one_for_every_record() {
            $crate::log::contract::positions_rise_by_one(&$log);
        }
        #[tokio::test]
        async fn the_watermark_reaches_what_was_appended() {
            $crate::log::contract::the_watermark_reaches_what_was_appended(&$log).await;
        }
        #[test]
        fn messages_are_read_back_as_they_were_appended() {
            $crate::log::contract::messages_are_read_back(&$log);
        }
        #[test]
        fn what_is_deleted_is_left_out_and_no_longer_counted() {
            $crate::log::contract::what_is_deleted_is_left_out(&$log);
        }
        #[test]
        fn starts_are_on_record() {
            $crate::log::contract::starts_are_on_record(&$log);
        }
        #[test]
        fn many_writers_share_one_order() {
            $crate::log::contract::many_writers_share_one_order(&$log);
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
