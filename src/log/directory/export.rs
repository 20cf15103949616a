//! Writes what a file holds as JSON lines, as far as it can be read.

use super::{
    checksum::{COLUMNS, Values, damaged},
    doomed,
    last::salvaged_last,
    line::{Channel, Line, Listener, Removed, Row as Message},
    open::{self, OpenError},
    runs::{Run, Runs},
    salvage::salvage,
    schema::FORMAT,
    writer::now,
};
use crate::message::stored_id;
use rusqlite::{Connection, Row};
use serde_json::value::RawValue;
use std::{
    io::{self, Write},
    path::Path,
};

/// What an export has written, and what it could not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Lines that were written.
    pub lines: u64,
    /// What could not be read, one sentence each.
    pub unreadable: Vec<String>,
}

/// Why nothing more was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The one who takes the lines.
    #[error("cannot write what was read: {0}")]
    Write(#[from] io::Error),
}

/// Writes what stands in the directory: starts, channels, listeners, messages, ids that are remembered, removals. A file
/// that is damaged is read as far as it can be. The last line says that it is the last.
///
/// # Errors
/// Nothing can be read at all, or `to` takes nothing.
pub fn export(dir: &Path, to: &mut dyn Write) -> Result<Exported, ExportError> {
    let connection = open::look(dir)?;
    let (mut lines, mut failed) = (0, None);
    let mut write = |line: &Line| {
        let json = serde_json::to_string(line).expect("a line is JSON");
        match failed.is_none().then(|| writeln!(to, "{json}")) {
            Some(Ok(())) => lines += 1,
            Some(Err(error)) => failed = Some(error),
            None => {}
        }
    };
    let unreadable = read(&connection, &mut write);
    write(&Line::End { unreadable: unreadable.clone() });
    failed.map_or(Ok(Exported { lines, unreadable }), |error| Err(error.into()))
}

/// Hands over all that can be read, but for the end, and tells what cannot, one sentence each.
pub(super) fn read(connection: &Connection, found: &mut dyn FnMut(&Line)) -> Vec<String> {
    let mut reading = Reading { connection, found, unreadable: Vec::new() };
    // one state of the file, whatever is written meanwhile
    let snapshot = connection.unchecked_transaction();
    reading.all();
    drop(snapshot);
    reading.unreadable
}

struct Reading<'r> {
    connection: &'r Connection,
    found: &'r mut dyn FnMut(&Line),
    unreadable: Vec<String>,
}

impl Reading<'_> {
    fn all(&mut self) {
        let last = salvaged_last(self.connection).0;
        (self.found)(&Line::Log { format: FORMAT, last });
        self.table("start", "position", "incarnation, started_at", start);
        self.table("channel", "birth", "id, created_at, settings, state", channel);
        self.table("listener", "birth", "channel, id, created_at, explicit, settings, state", listener);
        self.messages();
        self.table("accepted", "position", "channel, listener, until, id", accepted);
        self.table("removed", "position", "birth, channel, listener, expired, at", removed);
    }

    fn messages(&mut self) {
        let doomed = doomed::load(self.connection).unwrap_or_else(|error| {
            self.unreadable.push(format!("what is to be deleted: {error}: it is kept"));
            Runs::default()
        });
        let (doomed, now): (Vec<_>, _) = (doomed.iter().collect(), now());
        self.table("message", "position", COLUMNS, |row| {
            let position = number(row, 0)?;
            if is_in(&doomed, position) {
                Ok(outliving(position, row, now))
            } else {
                message(position, row).map(Some)
            }
        });
    }

    fn table<L: Into<Option<Line>>>(
        &mut self,
        table: &str,
        key: &str,
        columns: &str,
        line: impl Fn(&Row<'_>) -> rusqlite::Result<L>,
    ) {
        let lost = salvage(self.connection, table, key, columns, &mut |row| match line(row) {
            Ok(line) => line.into().iter().for_each(&mut self.found),
            Err(error) => self.unreadable.push(unreadable(table, row, &error)),
        });
        for Run { first, last } in lost {
            self.unreadable.push(format!("{table}: nothing from {first} through {last}"));
        }
    }
}

fn unreadable(table: &str, row: &Row<'_>, error: &rusqlite::Error) -> String {
    format!("{table}: {}: {error}", number(row, 0).unwrap_or_default())
}

fn is_in(runs: &[Run], position: u64) -> bool {
    let next = runs.partition_point(|run| run.last < position);
    runs.get(next).is_some_and(|run| run.first <= position)
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

fn number_or_null(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(i64::cast_unsigned))
}

fn json(row: &Row<'_>, column: usize) -> rusqlite::Result<Box<RawValue>> {
    RawValue::from_string(row.get(column)?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

fn start(row: &Row<'_>) -> rusqlite::Result<Line> {
    let (position, incarnation) = (number(row, 0)?, number(row, 1)?);
    Ok(Line::Start { position, incarnation, started_at: row.get(2)? })
}

fn channel(row: &Row<'_>) -> rusqlite::Result<Line> {
    let (birth, id, created_at) = (number(row, 0)?, row.get(1)?, row.get(2)?);
    Ok(Line::Channel(Channel { birth, id, created_at, settings: json(row, 3)?, state: json(row, 4)? }))
}

fn listener(row: &Row<'_>) -> rusqlite::Result<Line> {
    Ok(Line::Listener(Listener {
        birth: number(row, 0)?,
        channel: number(row, 1)?,
        id: row.get(2)?,
        created_at: row.get(3)?,
        explicit: row.get(4)?,
        settings: json(row, 5)?,
        state: json(row, 6)?,
    }))
}

fn message(position: u64, row: &Row<'_>) -> rusqlite::Result<Line> {
    let values = Values::of(row)?;
    let line = Message {
        position,
        channel: values.channel.cast_unsigned(),
        listener: values.listener.map(i64::cast_unsigned),
        accepted_at: values.accepted_at,
        remember_until: values.remember_until,
        dead_letter: values.dead_letter.map(|_| json(row, 6)).transpose()?,
        id: String::new(),
        kind: String::new(),
        message: String::new(),
    };
    let line = line.with(values.message).ok_or_else(|| damaged(8))?;
    Ok(Line::Message(Box::new(line)))
}

/// The id of a message that is about to go, where it is still remembered.
fn outliving(position: u64, row: &Row<'_>, now: i64) -> Option<Line> {
    let values = Values::of(row).ok()?;
    let until = values.remember_until.filter(|until| *until > now)?;
    let id = stored_id(values.message)?.to_owned();
    let (channel, listener) = (values.channel.cast_unsigned(), values.listener.map(i64::cast_unsigned));
    Some(Line::Accepted { position, channel, listener, until, id })
}

fn accepted(row: &Row<'_>) -> rusqlite::Result<Line> {
    let (position, channel, listener) = (number(row, 0)?, number(row, 1)?, number_or_null(row, 2)?);
    Ok(Line::Accepted { position, channel, listener, until: row.get(3)?, id: row.get(4)? })
}

fn removed(row: &Row<'_>) -> rusqlite::Result<Line> {
    let (position, birth) = (number(row, 0)?, number(row, 1)?);
    let (channel, listener, expired, at) = (row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?);
    Ok(Line::Removed(Removed { position, birth, channel, listener, expired, at }))
}
