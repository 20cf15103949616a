//! The highest position of anything in the file: none up to it is ever given again.

use super::salvage::salvage;
use crate::log::Position;
use rusqlite::Connection;

/// Where positions stand: tables and columns.
const PLACES: [(&str, &str); 8] = [
    ("mark", "last"),
    ("start", "position"),
    ("channel", "birth"),
    ("listener", "birth"),
    ("message", "position"),
    ("accepted", "position"),
    ("removed", "position"),
    ("doomed", "last"),
];

/// Of a file that is sound.
pub(super) fn last(connection: &Connection) -> rusqlite::Result<Position> {
    let all: rusqlite::Result<Vec<_>> = PLACES.iter().map(|place| last_of(connection, *place)).collect();
    Ok(highest(all?))
}

/// As far as it can be read.
pub(super) fn salvaged_last(connection: &Connection) -> Position {
    highest(PLACES.map(|place| last_of(connection, place).unwrap_or_else(|_| salvaged(connection, place))))
}

fn highest(all: impl IntoIterator<Item = i64>) -> Position {
    Position(all.into_iter().max().unwrap_or_default().cast_unsigned())
}

fn last_of(connection: &Connection, (table, column): (&str, &str)) -> rusqlite::Result<i64> {
    let sql = format!("SELECT ifnull(max({column}), 0) FROM {table}");
    connection.query_row(&sql, [], |row| row.get(0))
}

/// The highest of a damaged table that can be read.
fn salvaged(connection: &Connection, (table, column): (&str, &str)) -> i64 {
    let mut last = 0;
    salvage(connection, table, column, column, &mut |row| last = last.max(row.get(0).unwrap_or_default()));
    last
}
