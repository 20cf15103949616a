//! What is refused, and what happens where the file cannot be written.

use super::*;

fn refused(dir: &Path) -> String {
    Directory::open(dir, &Options::default()).expect_err("it may not be opened").to_string()
}

#[test]
fn one_process_holds_a_directory() {
    let dir = dir();
    let log = open(dir.path(), &Options::default());
    let said = refused(dir.path());
    assert!(said.contains(&dir.path().display().to_string()) && said.contains("another process"), "{said}");
    drop(log);
    open(dir.path(), &Options::default());
}

#[test]
fn a_later_format_is_refused_and_so_is_an_earlier_one() {
    let dir = dir();
    drop(open(dir.path(), &Options::default()));
    for (version, why) in [(3, "knows 2 and none later"), (1, "`eric log export` of the version")] {
        let connection = Connection::open(open::file(dir.path())).unwrap();
        connection.pragma_update(None, "user_version", version).unwrap();
        drop(connection);
        let said = refused(dir.path());
        assert!(said.contains(&format!("eric.db has format version {version};")), "{said}");
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_database_of_something_else_is_refused() {
    let dir = dir();
    let connection = Connection::open(open::file(dir.path())).unwrap();
    connection.execute_batch("CREATE TABLE t (a)").unwrap();
    drop(connection);
    assert!(refused(dir.path()).contains("not one of Eric's"));
}

#[test]
fn a_file_that_is_not_ours_is_left_as_it_is() {
    for (application, version) in [(1, 2), (0x6572_6963, 99)] {
        let dir = dir();
        let connection = Connection::open(open::file(dir.path())).unwrap();
        connection.execute_batch("PRAGMA auto_vacuum = FULL; CREATE TABLE t (a)").unwrap();
        connection.pragma_update(None, "application_id", application).unwrap();
        connection.pragma_update(None, "user_version", version).unwrap();
        drop(connection);
        let before = fs::read(open::file(dir.path())).unwrap();
        refused(dir.path());
        assert_eq!(fs::read(open::file(dir.path())).unwrap(), before);
    }
}

#[test]
fn what_is_no_database_is_refused_and_says_what_can_be_done() {
    let dir = dir();
    fs::write(open::file(dir.path()), vec![7; 8192]).unwrap();
    let said = refused(dir.path());
    assert!(said.contains("eric.db is damaged") && said.contains("eric log export"), "{said}");
}

#[test]
fn until_it_has_recovered_it_says_that_it_is_unavailable() {
    let dir = dir();
    let log = open(dir.path(), &Options::default());
    let position = channel(&log, "c");
    drop(log);
    let log = open(dir.path(), &Options::default());
    assert_eq!(log.check(), Err(LogError::Unavailable));
    assert_eq!(log.read(&[position], &mut Vec::new()), Err(LogError::Unavailable));
    log.recover(&mut |_| {}).unwrap();
    assert_eq!(log.check(), Ok(()));
}

fn reached(log: &Directory, position: Position) -> Result<(), LogError> {
    wait(log.watermark().reached(position))
}

#[test]
fn a_full_disk_refuses_what_comes_and_keeps_what_was_durable() {
    let dir = dir();
    let options = Options { max_pages: Some(64), ..Options::default() };
    let log = open(dir.path(), &options);
    let channel = channel(&log, "c");
    let mut durable = Vec::new();
    while let Ok(position) = log.append(record(channel, None, "m", None)) {
        if reached(&log, position).is_err() {
            break;
        }
        durable.push(position);
    }
    assert!(!durable.is_empty());
    assert_eq!((log.check(), read(&log, &durable).len()), (Err(LogError::Unavailable), durable.len()));
    drop(log);
    assert_eq!(messages(&recovered(dir.path()).0), durable);
}

#[test]
fn a_log_that_could_not_write_goes_on_by_itself() {
    let dir = dir();
    let log = open(dir.path(), &Options::default());
    let channel = channel(&log, "c");
    settle(&log);
    let other = Connection::open(open::file(dir.path())).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let position = append(&log, channel, "m");
    assert_eq!(reached(&log, position), Err(LogError::Unavailable));
    assert_eq!(log.append(record(channel, None, "m", None)), Err(LogError::Unavailable));
    other.execute_batch("ROLLBACK").unwrap();
    while log.check().is_err() {
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    assert_eq!((reached(&log, position), log.last()), (Ok(()), position));
    let next = append(&log, channel, "n");
    drop(log);
    assert_eq!(messages(&recovered(dir.path()).0), [position, next]);
}

/// More than ride on one commit, and the later ones lower.
#[test]
fn what_is_saved_while_nothing_can_be_written_is_deleted_once_it_can() {
    let dir = dir();
    let log = open(dir.path(), &Options::default());
    let channel = channel(&log, "c");
    let positions: Vec<_> = (0..10_000).map(|_| append(&log, channel, "m")).collect();
    settle(&log);
    let other = Connection::open(open::file(dir.path())).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    append(&log, channel, "waits");
    let (lower, upper) = positions.split_at(5_000);
    for half in [upper, lower] {
        log.delete(&half.iter().copied().step_by(2).collect::<Vec<_>>());
        log.save(&mut |_| {});
    }
    other.execute_batch("ROLLBACK").unwrap();
    while log.check().is_err() {
        std::thread::park_timeout(std::time::Duration::from_millis(20));
    }
    drop(log);
    let left: Vec<_> = positions.iter().copied().skip(1).step_by(2).collect();
    assert_eq!(messages(&recovered(dir.path()).0)[..5_000], left);
}

/// A thread that panics must not leave anybody waiting for what it was to do.
#[test]
fn a_log_one_of_whose_threads_panics_has_failed() {
    let log = temporary(&Options::default());
    let channel = channel(&log, "c");
    settle(&log);
    let thread = threads::spawn("log-test", &log.shared, || panic!("as a test wants it"));
    assert!(thread.join().is_err());
    assert_eq!(log.figures().unwrap().state, LogState::Failed);
    assert_eq!(reached(&log, Position(channel.0 + 1)), Err(LogError::Unavailable));
    assert_eq!(log.append(record(channel, None, "m", None)), Err(LogError::Unavailable));
}

#[test]
fn who_waits_for_a_read_that_panics_is_told_so() {
    let fetches = fetches::Fetches::default();
    let [first, second, third] = [(); 3].map(|()| oneshot::channel());
    fetches.push(vec![], first.0);
    fetches.push(vec![], second.0);
    let run = || fetches.run(|_| panic!("as a test wants it"));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
    fetches.push(vec![], third.0);
    for answer in [first.1, second.1, third.1] {
        assert!(wait(answer).is_err());
    }
}

#[test]
fn a_log_that_has_failed_writes_nothing_more_and_still_reads() {
    let dir = dir();
    let options = Options { cache_bytes: 0, ..Options::default() };
    let log = open(dir.path(), &options);
    let channel = channel(&log, "c");
    let kept = append(&log, channel, "kept");
    settle(&log);
    let other = Connection::open(open::file(dir.path())).unwrap();
    other
        .execute_batch("CREATE TRIGGER no BEFORE INSERT ON message BEGIN SELECT RAISE(ABORT, 'no'); END")
        .unwrap();
    let position = append(&log, channel, "lost");
    assert_eq!(reached(&log, position), Err(LogError::Unavailable));
    while log.check().is_ok() {
        std::thread::yield_now();
    }
    other.execute_batch("DROP TRIGGER no").unwrap();
    assert_eq!(log.append(record(channel, None, "m", None)), Err(LogError::Unavailable));
    assert_eq!(read(&log, &[kept]), [(kept, "kept".into())]);
    drop(log);
    assert_eq!(messages(&recovered(dir.path()).0), [kept]);
}

#[test]
fn too_much_that_waits_refuses_messages_and_takes_changes() {
    let dir = dir();
    let options = Options { pending_bytes: 10_000, ..Options::default() };
    let log = open(dir.path(), &options);
    let channel = channel(&log, "c");
    settle(&log);
    let other = Connection::open(open::file(dir.path())).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // the writer waits for the other one, at least for a moment
    let taken = (0..1_000).take_while(|_| log.append(record(channel, None, "m", None)).is_ok()).count();
    assert!(taken < 100, "{taken}");
    other.execute_batch("ROLLBACK").unwrap();
}
