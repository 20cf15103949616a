//! Reading the rows of a table around what is damaged.

use super::runs::Run;
use rusqlite::{Connection, Row};

/// A damaged page hides a few rows, or, where it leads to others, many: so many places are tried.
const TRIES: u32 = 200_000;

/// Where a scan ended.
enum Scan {
    Whole,
    /// Nothing could be read from here on.
    Broken(i64),
}

/// Hands over every row that can be read, in rising order of its key, which is the first column. What is
/// returned could not be read.
pub(super) fn salvage(
    connection: &Connection,
    table: &str,
    key: &str,
    columns: &str,
    row: &mut dyn FnMut(&Row<'_>),
) -> Vec<Run> {
    let sql = format!("SELECT {key}, {columns} FROM {table} WHERE {key} BETWEEN ?1 AND ?2 ORDER BY {key}");
    let (mut left, mut lost) = (vec![(0, i64::MAX)], Vec::new());
    let mut tries = 0;
    while let Some((first, last)) = left.pop() {
        let Scan::Broken(at) = scan(connection, &sql, first, last, row) else { continue };
        tries += 1;
        if at == last || tries > TRIES {
            lose(&mut lost, at, last);
            continue;
        }
        // the half that is whole is read at once; the other is parted again
        let middle = at + (last - at) / 2;
        left.extend([(middle + 1, last), (at, middle)]);
    }
    lost
}

fn scan(connection: &Connection, sql: &str, first: i64, last: i64, row: &mut dyn FnMut(&Row<'_>)) -> Scan {
    let mut at = first;
    match read(connection, sql, (first, last), &mut at, row) {
        Ok(()) => Scan::Whole,
        Err(_) => Scan::Broken(at.min(last)),
    }
}

fn read(
    connection: &Connection,
    sql: &str,
    range: (i64, i64),
    at: &mut i64,
    row: &mut dyn FnMut(&Row<'_>),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([range.0, range.1])?;
    while let Some(next) = rows.next()? {
        *at = next.get::<_, i64>(0)?.saturating_add(1);
        row(next);
    }
    Ok(())
}

fn lose(lost: &mut Vec<Run>, first: i64, last: i64) {
    let (first, last) = (first.cast_unsigned(), last.cast_unsigned());
    match lost.last_mut() {
        Some(run) if run.last + 1 == first => run.last = last,
        _ => lost.push(Run { first, last }),
    }
}
