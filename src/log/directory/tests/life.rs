//! What is kept over the end of a process.

use super::{super::rows::MAX_STARTS, *};
use crate::log::{AcceptedId, Change, DeadLetter, DeadLetterCause, RecoveredMessage};

fn state(whom: Whom, state: &str) -> Change {
    Change { whom, settings: None, state: Some(state.to_owned()) }
}

#[test]
fn everything_that_was_kept_is_told_in_order() {
    let dir = dir();
    let (gone, channel, listener, first, letter, start) = {
        let log = open(dir.path(), &Options::default());
        let start = log.append(Record::Start { incarnation: u64::MAX, started_at: 1 }).unwrap();
        let gone = self::channel(&log, "gone");
        let channel = self::channel(&log, "prices");
        let listener = self::listener(&log, channel, "desk");
        let first = log.append(record(channel, Some(listener), "m-1", Some(i64::MAX))).unwrap();
        let at = writer::now();
        let removal =
            Removal { whom: Whom::Channel(gone), channel: "gone".into(), listener: None, expired: true, at };
        log.append(Record::Removed(removal)).unwrap();
        let letter = dead_letter(&log, channel, listener);
        (gone, channel, listener, first, letter, start)
    };
    let (told, log) = recovered(dir.path());
    let [
        Recovered::Removed(removal),
        Recovered::Channel(found),
        Recovered::Listener(desk),
        Recovered::Message(one),
        Recovered::Message(two),
    ] = &told[..]
    else {
        panic!("other things were told: {told:?}");
    };
    assert_eq!((removal.whom, removal.expired), (Whom::Channel(gone), true));
    assert_eq!((found.birth, &*found.id, found.text.settings.as_str()), (channel, "prices", "{\"s\":1}"));
    assert_eq!((desk.birth, desk.channel, &*desk.id, desk.explicit), (listener, channel, "desk", true));
    assert_eq!(one, &expected(first, channel, listener));
    assert_eq!((two.position, two.dead_letter.as_deref()), (letter, Some(&facts())));
    let started = Start { position: start, incarnation: u64::MAX };
    assert_eq!((log.starts(), read(&log, &[first])), (vec![started], vec![(first, "m-1".into())]));
    assert_eq!(log.bytes(), 2 * crate::log::kept_bytes(&message("m-1", 100)));
}

fn expected(position: Position, channel: Position, listener: Position) -> RecoveredMessage {
    RecoveredMessage {
        position,
        channel,
        listener: Some(listener),
        bytes: message("m-1", 100).len() as u64,
        accepted_at: 9_000_000,
        expires_at: None,
        remembered: Some(("m-1".into(), i64::MAX)),
        dead_letter: None,
    }
}

fn facts() -> DeadLetter {
    let (cause, reason, listener) = (DeadLetterCause::FinalRejection, "\"no\"".into(), "desk".into());
    DeadLetter { cause, reason, listener, position: Position(9), attempts: 3, moved_at: 8 }
}

fn dead_letter(log: &Directory, channel: Position, listener: Position) -> Position {
    let (message, dead_letter) = (message("m-2", 100), Some(Arc::new(facts())));
    let listener = Some(listener);
    let record =
        Record::Message { channel, listener, accepted_at: 1, remember_until: None, message, dead_letter };
    log.append(record).expect("the log takes it")
}

#[test]
fn a_message_is_read_back_as_it_was() {
    let dir = dir();
    let ttl = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    let raw = v1::Message { r#type: "t".into(), ttl, ..v1::Message::default() }.encode_to_vec();
    let message = Message::parse(&raw, 1024, 7).unwrap();
    let sent = message.clone();
    let record = |channel| Record::Message {
        channel,
        listener: None,
        accepted_at: 5_000_000_000,
        remember_until: None,
        message,
        dead_letter: None,
    };
    let position = {
        let log = open(dir.path(), &Options::default());
        let channel = channel(&log, "c");
        log.append(record(channel)).unwrap()
    };
    let (told, log) = recovered(dir.path());
    let mut found = Vec::new();
    assert!(!log.read_at_hand(&[position], &mut found).unwrap());
    log.read(&[position], &mut found).unwrap();
    let [Entry { accepted_at: 5_000_000_000, kind: Kind::Broadcast, message, .. }] = &found[..] else {
        panic!("another was read: {found:?}");
    };
    assert_eq!((message.bytes(), message.id(), message.kind()), (sent.bytes(), sent.id(), "t"));
    assert_eq!((message.ttl(), message.id_given()), (sent.ttl(), false));
    let expires = told.iter().find_map(|found| match found {
        Recovered::Message(message) => message.expires_at,
        Recovered::Removed(_) | Recovered::Channel(_) | Recovered::Listener(_) | Recovered::Accepted(_) => {
            None
        }
    });
    assert_eq!(expires, Some(65_000));
}

#[test]
fn no_position_is_given_twice() {
    let dir = dir();
    let mut last = Position::ZERO;
    for round in 0..4 {
        let (_, log) = recovered(dir.path());
        assert!(log.last() >= last, "round {round}");
        let channel = channel(&log, "c");
        let positions: Vec<_> = (0..10).map(|_| append(&log, channel, "m")).collect();
        settle(&log);
        log.delete(&positions);
        log.save(&mut |_| {});
        let change = state(Whom::Channel(channel), "{}");
        last = log.append(Record::Changed(change)).unwrap();
    }
    assert!(recovered(dir.path()).1.last() >= last);
}

/// Also of a server that some supervisor starts again every few seconds, for years.
#[test]
fn the_oldest_of_very_many_starts_are_forgotten() {
    let dir = dir();
    drop(open(dir.path(), &Options::default()));
    let connection = open::writer(dir.path(), &Options::default()).unwrap();
    let many = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1)
        INSERT INTO start SELECT n, n, n FROM n";
    connection.execute(many, [MAX_STARTS]).unwrap();
    drop(connection);
    let log = recovered(dir.path()).1;
    let start = || log.append(Record::Start { incarnation: 7, started_at: 1 }).unwrap();
    let [_, newest] = [start(), start()];
    settle(&log);
    drop(log);
    let starts = recovered(dir.path()).1.starts();
    assert_eq!(starts.len(), MAX_STARTS as usize);
    let [first, last] = [starts.first(), starts.last()].map(|start| start.unwrap().position);
    assert_eq!((first, last), (Position(3), newest));
}

#[test]
fn what_is_deleted_goes_with_the_next_save_and_not_before() {
    let dir = dir();
    let log = open(dir.path(), &Options::default());
    let channel = channel(&log, "c");
    let [one, two] = ["a", "b"].map(|id| append(&log, channel, id));
    settle(&log);
    log.delete(&[one]);
    let bytes = log.bytes();
    let before = killed(dir.path());
    assert_eq!(messages(&recovered(before.path()).0), [one, two]);
    log.save(&mut |_| {});
    drop(log);
    let (told, log) = recovered(dir.path());
    assert_eq!((messages(&told), log.bytes()), (vec![two], bytes));
}

#[test]
fn what_goes_by_a_record_goes_in_its_commit() {
    let dir = dir();
    let log = open(dir.path(), &Options::default());
    let channel = channel(&log, "c");
    let until = now() + 60_000;
    let [one, two] = ["a", "b"].map(|id| log.append(record(channel, None, id, Some(until))).unwrap());
    let first = log.append_all(vec![record(channel, None, "letter", None)], &[one, one]).unwrap();
    settle(&log);
    let (told, log) = recovered(killed(dir.path()).path());
    assert_eq!(messages(&told), [two, first]);
    assert_eq!(read(&log, &[one, two]), [(two, "b".into())]);
    let remembered = |found: &Recovered| matches!(found, Recovered::Accepted(id) if id.position == one);
    assert!(told.iter().any(remembered), "its id outlives it");
}

#[test]
fn a_save_asks_for_changes_when_the_deletions_are_counted() {
    let dir = dir();
    let log = open(dir.path(), &Options::default());
    let channel = channel(&log, "c");
    let [one, two] = ["a", "b"].map(|id| append(&log, channel, id));
    log.delete(&[one]);
    // what is deleted while the changes are told rests on what is told later: it belongs to the next save
    log.save(&mut |change| {
        log.delete(&[two]);
        change(state(Whom::Channel(channel), "{\"n\":1}"));
    });
    drop(log);
    let told = recovered(dir.path()).0;
    assert_eq!(messages(&told), [two]);
    assert_eq!(states(&told), [(channel, "{\"s\":1}".into(), "{\"n\":1}".into())]);
}

#[test]
fn a_newer_change_wins_over_a_save_that_is_open() {
    let dir = dir();
    let log = open(dir.path(), &Options::default());
    let channel = channel(&log, "c");
    let listener = listener(&log, channel, "l");
    let newer = |whom, settings: Option<&str>, state: Option<&str>| {
        let change = Change { whom, settings: settings.map(Into::into), state: state.map(Into::into) };
        log.append(Record::Changed(change)).unwrap()
    };
    log.save(&mut |change| {
        change(state(Whom::Channel(channel), "{\"old\":1}"));
        newer(Whom::Channel(channel), None, Some("{\"new\":1}"));
        // of settings alone: the state that was saved still counts
        change(state(Whom::Listener(listener), "{\"saved\":1}"));
        newer(Whom::Listener(listener), Some("{\"set\":2}"), None);
    });
    drop(log);
    let expected = [
        (channel, "{\"s\":1}".to_owned(), "{\"new\":1}".to_owned()),
        (listener, "{\"set\":2}".to_owned(), "{\"saved\":1}".to_owned()),
    ];
    assert_eq!(states(&recovered(dir.path()).0), expected);
}

#[test]
fn an_id_outlives_its_message_as_long_as_it_is_remembered() {
    let dir = dir();
    let log = open(dir.path(), &Options::default());
    let channel = channel(&log, "c");
    let until = writer::now() + 60_000;
    let remembered = log.append(record(channel, None, "once", Some(until))).unwrap();
    let over = log.append(record(channel, None, "over", Some(1))).unwrap();
    log.delete(&[remembered, over]);
    log.save(&mut |_| {});
    drop(log);
    let told = recovered(dir.path()).0;
    let [Recovered::Channel(_), Recovered::Accepted(found)] = &told[..] else {
        panic!("other things were told: {told:?}");
    };
    let (position, id) = (remembered, "once".into());
    assert_eq!(found, &AcceptedId { position, channel, listener: None, until, id });
}

/// A file in which the deletion of many messages is decided and none of it carried out, and their ids; that of one is over.
fn doomed(dir: &Path) -> Vec<AcceptedId> {
    let log = open(dir, &Options::default());
    let channel = channel(&log, "c");
    let (listener, until) = (Some(listener(&log, channel, "l")), writer::now() + 600_000);
    let put = |at: i64| {
        let (id, until) = (format!("m-{at}"), if at == 7 { 1 } else { until });
        let position = log.append(record(channel, listener, &id, Some(until))).unwrap();
        AcceptedId { position, channel, listener, until, id: id.into() }
    };
    let mut ids: Vec<_> = (0..200).map(put).collect();
    append(&log, channel, "kept");
    drop(log);
    let connection = Connection::open(open::file(dir)).unwrap();
    let all = [ids[0].position, ids[199].position].map(Position::to_i64);
    connection.execute("INSERT INTO doomed VALUES (?1, ?2, NULL)", all).unwrap();
    ids.remove(7);
    ids
}

fn accepted(told: &[Recovered]) -> Vec<AcceptedId> {
    let accepted = |found: &Recovered| match found {
        Recovered::Accepted(id) => Some(id.clone()),
        Recovered::Removed(_) | Recovered::Channel(_) | Recovered::Listener(_) | Recovered::Message(_) => {
            None
        }
    };
    told.iter().filter_map(accepted).collect()
}

#[test]
fn an_id_outlives_its_message_also_where_the_deletion_is_only_decided() {
    let dir = dir();
    let ids = doomed(dir.path());
    let (connection, mut told) = (open::reader(dir.path()).unwrap(), Vec::new());
    recover::recover(&connection, writer::now(), &mut |found| told.push(found)).unwrap();
    assert_eq!((accepted(&told), messages(&told).len()), (ids, 1));
}

#[test]
fn an_id_is_exported_also_where_the_deletion_of_its_message_is_only_decided() {
    let [from, to] = [dir(), dir()];
    let ids = doomed(from.path());
    let mut lines = Vec::new();
    export(from.path(), &mut lines).unwrap();
    import(to.path(), &mut &lines[..]).unwrap();
    let told = recovered(to.path()).0;
    assert_eq!((accepted(&told), messages(&told).len()), (ids, 1));
}

#[test]
fn many_deletions_are_carried_out_later_and_count_at_once() {
    let dir = dir();
    let log = open(dir.path(), &Options::default());
    let channel = channel(&log, "c");
    let positions: Vec<_> = (0..12_000).map(|_| append(&log, channel, "m")).collect();
    settle(&log);
    // long runs, and single ones
    let (gone, kept): (Vec<_>, Vec<_>) =
        positions.iter().enumerate().partition(|(at, _)| *at < 3_000 || *at >= 6_000 || at % 3 == 0);
    let [gone, kept] = [gone, kept].map(|some| some.into_iter().map(|(_, at)| *at).collect::<Vec<_>>());
    log.delete(&gone);
    log.save(&mut |_| {});
    // a later commit is durable, so the save is
    append(&log, channel, "last");
    settle(&log);
    let killed = killed(dir.path());
    let told = recovered(killed.path()).0;
    assert_eq!(messages(&told)[..kept.len()], kept);
    assert_eq!(messages(&told).len(), kept.len() + 1);
    assert_eq!(read(&log, &positions).len(), kept.len());
}

#[test]
fn a_channel_takes_its_listeners_and_messages_along() {
    let dir = dir();
    let (stays, kept) = {
        let log = open(dir.path(), &Options::default());
        let [goes, stays] = ["goes", "stays"].map(|id| channel(&log, id));
        let with_it = listener(&log, goes, "l");
        append(&log, goes, "m");
        log.append(record(goes, Some(with_it), "m", None)).unwrap();
        let kept = append(&log, stays, "m");
        // of a listener that is not there
        log.append(record(stays, Some(with_it), "m", None)).unwrap();
        let whom = Whom::Channel(goes);
        let removal = Removal { whom, channel: "goes".into(), listener: None, expired: false, at: 0 };
        log.append(Record::Removed(removal)).unwrap();
        (stays, kept)
    };
    let (told, log) = recovered(dir.path());
    assert!(matches!(&told[..], [Recovered::Channel(channel), Recovered::Message(message)]
        if channel.birth == stays && message.position == kept));
    drop(log);
    let (_, log) = recovered(dir.path());
    drop(log);
    let connection = Connection::open(open::file(dir.path())).unwrap();
    let left = "SELECT (SELECT count(*) FROM listener), (SELECT count(*) FROM message)";
    let left: (i64, i64) = connection.query_row(left, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(left, (0, 1));
}

#[test]
fn what_left_the_cache_is_read_from_the_file() {
    let options = Options { cache_bytes: 4096, ..Options::default() };
    let log = temporary(&options);
    let channel = channel(&log, "c");
    let positions: Vec<_> = (0..2_000).map(|at| append(&log, channel, &format!("m-{at}"))).collect();
    settle(&log);
    let gone: Vec<_> = positions.iter().copied().step_by(7).collect();
    log.delete(&gone);
    let kept: Vec<_> = positions.iter().copied().filter(|at| !gone.contains(at)).collect();
    let mut found = Vec::new();
    assert!(!log.read_at_hand(&positions, &mut found).unwrap() && found.is_empty());
    let found = wait(log.fetch(&positions)).unwrap().unwrap();
    assert_eq!(found.iter().map(|entry| entry.position).collect::<Vec<_>>(), kept);
    assert_eq!(found.last().map(|entry| entry.message.id().to_owned()), Some("m-1999".to_owned()));
    // far from each other
    let far: Vec<_> = kept.iter().copied().step_by(50).collect();
    assert_eq!(read(&log, &far).iter().map(|(at, _)| *at).collect::<Vec<_>>(), far);
}

#[test]
fn space_is_given_back() {
    let dir = dir();
    let log = open(dir.path(), &Options::default());
    let channel = channel(&log, "c");
    let big = |_| {
        let message = message("m", 10_000);
        let (accepted_at, listener) = (1, None);
        let record = Record::Message {
            channel,
            listener,
            accepted_at,
            remember_until: None,
            message,
            dead_letter: None,
        };
        log.append(record).unwrap()
    };
    let positions: Vec<_> = (0..6_000).map(big).collect();
    settle(&log);
    log.delete(&positions);
    log.save(&mut |_| {});
    let reader = open::reader(dir.path()).unwrap();
    let pages = || reader.pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0)).unwrap();
    let bytes = || std::fs::metadata(open::file(dir.path())).unwrap().len();
    // it took 15,000 pages, and is cut when that is brought over; a bounded wait that only ends early
    let shrunk = (0..600).any(|_| {
        std::thread::park_timeout(std::time::Duration::from_millis(50));
        pages() < 2_048 && bytes() < 8 << 20
    });
    assert!(shrunk, "{} pages are left, {} bytes", pages(), bytes());
}
