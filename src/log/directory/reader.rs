//! Reading back what is no longer in memory.

use super::{
    super::{Entry, Kind, LogError, Position},
    checksum::{COLUMNS, Values, damaged},
    letter::from_json,
    trouble,
};
use crate::message::Message;
use rusqlite::{Connection, Row};
use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// A few rows that nobody asked for are passed faster than the next one is looked up.
const GAP: u64 = 8;
/// A transaction reads no more than so many: a checkpoint waits for none that is long.
const AT_ONCE: usize = 256;

/// A connection that many share.
#[derive(Debug)]
pub(super) struct Reader {
    connection: Mutex<Connection>,
    file: PathBuf,
}

impl Reader {
    pub(super) fn new(connection: Connection, file: PathBuf) -> Self {
        Self { connection: Mutex::new(connection), file }
    }

    /// Appends the messages at these rising positions, as far as there are any.
    pub(super) fn read(&self, positions: &[Position], found: &mut Vec<Entry>) -> Result<(), LogError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        for some in positions.chunks(AT_ONCE) {
            let read = read_some(&connection, some, found);
            read.map_err(|error| trouble::of_reading(&self.file, &error))?;
        }
        Ok(())
    }
}

fn read_some(
    connection: &Connection,
    positions: &[Position],
    found: &mut Vec<Entry>,
) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    positions.chunk_by(|one, next| next.0 - one.0 <= GAP).try_for_each(|near| scan(&transaction, near, found))
}

fn scan(connection: &Connection, positions: &[Position], found: &mut Vec<Entry>) -> rusqlite::Result<()> {
    let (Some(first), Some(last)) = (positions.first(), positions.last()) else { return Ok(()) };
    let sql = format!("SELECT position, {COLUMNS} FROM message WHERE position BETWEEN ?1 AND ?2");
    let mut range = connection.prepare_cached(&sql)?;
    let mut rows = range.query([first.to_i64(), last.to_i64()])?;
    let mut wanted = positions.iter().peekable();
    while let Some(row) = rows.next()? {
        let position = Position(row.get::<_, i64>(0)?.cast_unsigned());
        while wanted.next_if(|&&next| next < position).is_some() {}
        if wanted.next_if_eq(&&position).is_some() {
            found.push(entry(position, row)?);
        }
    }
    Ok(())
}

fn entry(position: Position, row: &Row<'_>) -> rusqlite::Result<Entry> {
    let Values { listener, accepted_at, remember_until, dead_letter, message, .. } = Values::of(row)?;
    let kind = if listener.is_none() { Kind::Broadcast } else { Kind::Dispatch };
    let message = Message::stored(message, remember_until.is_some()).ok_or_else(|| damaged(8))?;
    let dead_letter = dead_letter.map(|json| from_json(json).ok_or_else(|| damaged(6))).transpose()?;
    Ok(Entry { position, accepted_at, kind, message, dead_letter })
}
