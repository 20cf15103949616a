//! What operators do with a directory: count, check, export, import.

use super::*;
use std::io::{Read, Seek, SeekFrom, Write};

/// Two channels, a listener, a removal, ids, and messages that fill many pages.
fn filled(dir: &Path) -> Vec<Position> {
    let log = open(dir, &Options::default());
    log.append(Record::Start { incarnation: 7, started_at: 1 }).unwrap();
    let [one, two] = ["one", "two"].map(|id| channel(&log, id));
    let listener = listener(&log, one, "l");
    let until = Some(writer::now() + 600_000);
    let gone = log.append(record(one, None, "gone", until)).unwrap();
    let dispatch = log.append(record(one, Some(listener), "m", until)).unwrap();
    let positions = (0..2_000).map(|at| append(&log, two, &format!("m-{at}")));
    let positions = [dispatch].into_iter().chain(positions).collect();
    log.delete(&[gone]);
    log.save(&mut |_| {});
    positions
}

fn told(dir: &Path) -> Vec<String> {
    recovered(dir).0.iter().map(|found| format!("{found:?}")).collect()
}

#[test]
fn what_is_exported_is_imported_as_it_was() {
    let [from, to] = [dir(), dir()];
    filled(from.path());
    let mut lines = Vec::new();
    let exported = export(from.path(), &mut lines).unwrap();
    assert_eq!((exported.unreadable.len(), exported.lines), (0, 1 + 1 + 2 + 1 + 2_001 + 1 + 1));
    assert_eq!(import(to.path(), &mut &lines[..]).unwrap().lines, exported.lines);
    assert_eq!(told(from.path()), told(to.path()));
    let [from, to] = [&from, &to].map(|dir| recovered(dir.path()).1);
    assert_eq!((from.starts(), from.last(), from.bytes()), (to.starts(), to.last(), to.bytes()));
}

#[test]
fn an_import_takes_no_directory_that_has_a_log_and_leaves_nothing_half() {
    let dir = dir();
    let broken = import(dir.path(), &mut &b"{\"log\":{\"format\":1,\"last\":3}}\n{\"what\":1}\n"[..]);
    assert!(matches!(broken, Err(ImportError::Line { line: 2, .. })));
    assert!(!open::file(dir.path()).exists());
    filled(dir.path());
    assert!(matches!(import(dir.path(), &mut &b""[..]), Err(ImportError::NotEmpty(_))));
}

#[test]
fn an_import_takes_an_export_as_a_whole_or_not_at_all() {
    let [from, to] = [dir(), dir()];
    filled(from.path());
    let mut lines = Vec::new();
    export(from.path(), &mut lines).unwrap();
    let ends: Vec<_> = memchr::memchr_iter(b'\n', &lines).map(|end| end + 1).collect();
    let cut = import(to.path(), &mut &lines[..ends[ends.len() - 2]]);
    assert!(matches!(cut, Err(ImportError::NotWhole(what)) if what.contains("last")), "{cut:?}");
    let headless = import(to.path(), &mut &lines[ends[0]..]);
    assert!(matches!(headless, Err(ImportError::NotWhole(what)) if what.contains("first")), "{headless:?}");
    let nothing = import(to.path(), &mut &b""[..]);
    assert!(matches!(nothing, Err(ImportError::NotWhole(_))), "{nothing:?}");
    let twice = import(to.path(), &mut &lines.repeat(2)[..]);
    assert!(matches!(twice, Err(ImportError::Line { .. })), "{twice:?}");
    let newer = String::from_utf8(lines).unwrap().replacen("\"format\":2", "\"format\":3", 1);
    let newer = import(to.path(), &mut newer.as_bytes());
    assert!(matches!(newer, Err(ImportError::Newer(3))), "{newer:?}");
    assert!(!open::file(to.path()).exists());
}

/// An export that looks at the directory it is imported into when its last line is asked for.
struct Watched<'l> {
    lines: &'l [u8],
    last: usize,
    dir: &'l Path,
}

impl Read for Watched<'_> {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        unreachable!("lines are read as they are buffered")
    }
}

impl std::io::BufRead for Watched<'_> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.lines.len() == self.last {
            assert!(
                matches!(stat(self.dir), Err(OpenError::Missing { .. })),
                "whoever is killed here leaves no log"
            );
        }
        let some = self.lines.len().saturating_sub(self.last);
        Ok(if some > 0 { &self.lines[..some] } else { self.lines })
    }

    fn consume(&mut self, amount: usize) {
        self.lines = &self.lines[amount..];
    }
}

#[test]
fn there_is_no_log_until_an_import_has_all() {
    let [from, to] = [dir(), dir()];
    filled(from.path());
    let log = recovered(from.path()).1;
    // more than are committed together
    (0..5_000).for_each(|_| _ = append(&log, Position(2), "m"));
    drop(log);
    let mut lines = Vec::new();
    export(from.path(), &mut lines).unwrap();
    // what another left that was killed
    fs::create_dir(to.path().join("eric.import")).unwrap();
    fs::write(to.path().join("eric.import/eric.db"), "half").unwrap();
    let last = lines.len() - 1 - memchr::memrchr(b'\n', &lines[..lines.len() - 1]).unwrap();
    import(to.path(), &mut Watched { lines: &lines, last, dir: to.path() }).unwrap();
    assert_eq!(told(from.path()), told(to.path()));
    assert!(!to.path().join("eric.import").exists());
}

#[test]
fn an_import_takes_no_directory_where_a_write_ahead_log_has_lost_its_file() {
    let dir = dir();
    fs::write(dir.path().join("eric.db-wal"), "somebody's").unwrap();
    assert!(matches!(import(dir.path(), &mut &b""[..]), Err(ImportError::NotEmpty(_))));
}

#[test]
fn a_directory_without_a_log_is_told_from_one_that_is_damaged() {
    let dir = dir();
    let missing = |error| matches!(error, OpenError::Missing { .. });
    assert!(stat(dir.path()).is_err_and(missing));
    assert!(check(dir.path(), &mut |_| {}).is_err_and(missing));
    let export = export(dir.path(), &mut Vec::new());
    assert!(export.is_err_and(|error| matches!(error, ExportError::Open(OpenError::Missing { .. }))));
}

#[test]
fn a_directory_is_counted_and_checked_while_a_log_is_open() {
    let dir = dir();
    let positions = filled(dir.path());
    let (_, log) = recovered(dir.path());
    let stat = stat(dir.path()).unwrap();
    let by_channel: Vec<_> =
        stat.channels.iter().map(|found| (found.id.as_str(), found.listeners, found.messages)).collect();
    assert_eq!(by_channel, [("one", 1, 1), ("two", 0, 2_000)]);
    assert_eq!(stat.channels.iter().map(|channel| channel.bytes).sum::<u64>(), log.bytes());
    assert_eq!((stat.starts, stat.last, stat.oldest), (1, log.last(), Some((positions[0], 9_000_000))));
    let checked = check(dir.path(), &mut |_| {}).unwrap();
    assert_eq!((checked.channels, checked.listeners, checked.messages), (2, 1, 2_001));
    assert_eq!(checked.faults, [""; 0]);
}

const PAGE: u64 = 4096;

/// Overwrites a page in the middle of the file.
fn damage(dir: &Path, page: u64) {
    let mut file = fs::File::options().read(true).write(true).open(open::file(dir)).unwrap();
    file.seek(SeekFrom::Start(page * PAGE)).unwrap();
    file.write_all(&[0xa5; PAGE as usize]).unwrap();
}

#[test]
fn a_row_that_the_hub_could_not_read_is_told() {
    let dir = dir();
    filled(dir.path());
    let connection = Connection::open(open::file(dir.path())).unwrap();
    connection.execute("UPDATE channel SET state = '{' WHERE id = 'one'", []).unwrap();
    drop(connection);
    let checked = check(dir.path(), &mut |_| {}).unwrap();
    assert_eq!((checked.channels, checked.listeners, checked.faults.len()), (1, 1, 1), "{checked:?}");
    assert_eq!(export(dir.path(), &mut Vec::new()).unwrap().unreadable, checked.faults);
}

#[test]
fn a_damaged_page_is_told_and_the_rest_is_exported() {
    let [dir, to] = [dir(), dir()];
    let positions = filled(dir.path());
    let mut file = Vec::new();
    fs::File::open(open::file(dir.path())).unwrap().read_to_end(&mut file).unwrap();
    // the page that holds a message in the middle
    let at = file.windows(8).position(|bytes| bytes == b"\x0a\x06m-1000");
    damage(dir.path(), at.expect("the message is in the file") as u64 / PAGE);
    let checked = check(dir.path(), &mut |_| {}).unwrap();
    assert!(checked.faults.len() > 1 && checked.messages < 2_001 && checked.messages > 1_900, "{checked:?}");
    let mut lines = Vec::new();
    let exported = export(dir.path(), &mut lines).unwrap();
    assert!(!exported.unreadable.is_empty());
    let imported = import(to.path(), &mut &lines[..]).unwrap();
    assert_eq!(imported, Imported { lines: exported.lines, unreadable: exported.unreadable });
    let found = messages(&recovered(to.path()).0);
    assert_eq!(
        (found.len() as u64, found.first(), found.last()),
        (checked.messages, positions.first(), positions.last())
    );
    let log = Directory::open(dir.path(), &Options::default());
    let refused = log.map(|log| log.recover(&mut |_| {}));
    assert!(!matches!(refused, Ok(Ok(()))), "it must not be taken as sound");
}

#[test]
fn a_single_bit_of_a_message_that_is_another_is_told_and_never_handed_over() {
    let dir = dir();
    let positions = filled(dir.path());
    let path = open::file(dir.path());
    let mut file = fs::read(&path).unwrap();
    let id = file.windows(8).position(|bytes| bytes == b"\x0a\x06m-1000").expect("it is in the file");
    // far behind its id, within its payload
    file[id + 60] ^= 4;
    fs::write(&path, file).unwrap();
    let checked = check(dir.path(), &mut |_| {}).unwrap();
    assert_eq!((checked.messages, checked.faults.len()), (2_000, 1), "{checked:?}");
    assert_eq!(export(dir.path(), &mut Vec::new()).unwrap().unreadable, checked.faults);
    let (_, log) = recovered(dir.path());
    let mut found = Vec::new();
    let damaged = positions[1_001];
    assert_eq!(log.read(&[damaged], &mut found), Err(LogError::Corrupt));
    assert_eq!(read(&log, &[positions[1_000], positions[1_002]]).len(), 2);
}

#[test]
fn a_message_whose_channel_reads_as_one_that_is_not_there_is_damaged_and_not_deleted() {
    let dir = dir();
    filled(dir.path());
    let connection = Connection::open(open::file(dir.path())).unwrap();
    connection.execute("UPDATE message SET channel = 1000000 WHERE position % 100 = 0", []).unwrap();
    drop(connection);
    let faults = check(dir.path(), &mut |_| {}).unwrap().faults;
    assert!(!faults.is_empty());
    let log = open(dir.path(), &Options::default());
    assert_eq!(log.recover(&mut |_| {}), Err(LogError::Corrupt));
    drop(log);
    assert_eq!(check(dir.path(), &mut |_| {}).unwrap().faults, faults);
}

#[test]
fn what_is_exported_of_a_damaged_file_still_says_how_far_positions_were_given() {
    for table in ["removed", "start"] {
        let [dir, to] = [dir(), dir()];
        filled(dir.path());
        let log = recovered(dir.path()).1;
        // what had the last position is gone: it is only marked
        let last = append(&log, Position(2), "last");
        log.delete(&[last]);
        log.save(&mut |_| {});
        drop(log);
        let connection = open::reader(dir.path()).unwrap();
        let page = "SELECT rootpage - 1 FROM sqlite_schema WHERE name = ?1";
        let page: i64 = connection.query_row(page, [table], |row| row.get(0)).unwrap();
        drop(connection);
        damage(dir.path(), page.cast_unsigned());
        let mut lines = Vec::new();
        export(dir.path(), &mut lines).unwrap();
        import(to.path(), &mut &lines[..]).unwrap();
        assert!(stat(to.path()).unwrap().last >= last, "{table}: {:?}", stat(to.path()).unwrap());
    }
}
