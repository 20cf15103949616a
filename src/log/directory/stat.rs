//! What stands in a directory, counted: for operators, whether a server runs on it or not.

use super::{
    super::{Position, kept_bytes_of},
    last::last,
    open::{self, OpenError},
};
use rusqlite::{Connection, OptionalExtension};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A directory, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The file.
    pub file: PathBuf,
    /// Its size.
    pub file_bytes: u64,
    /// The size of the write-ahead log beside it, which is taken up anew again and again.
    pub wal_bytes: u64,
    /// The part of the file that is free.
    pub free_bytes: u64,
    /// The last position of anything in it.
    pub last: Position,
    /// The oldest message: its position, and when it was accepted, in nanoseconds since 1970-01-01 UTC.
    pub oldest: Option<(Position, i64)>,
    /// How often a server has started on it.
    pub starts: u64,
    /// Its channels, by birth.
    pub channels: Vec<ChannelStat>,
}

/// A channel, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelStat {
    /// The position of its creation.
    pub birth: Position,
    /// Its id.
    pub id: String,
    /// Its listeners.
    pub listeners: u64,
    /// Its messages that are in the file.
    pub messages: u64,
    /// What they count for in `max_log_bytes`.
    pub bytes: u64,
}

/// Counts what stands in a directory. It reads all of it.
///
/// # Errors
/// There is no log, it is not ours, or it is damaged.
pub fn stat(dir: &Path) -> Result<Stat, OpenError> {
    let file = open::file(dir);
    count(&open::look(dir)?, &file).map_err(|error| OpenError::store(&file, error))
}

fn count(connection: &Connection, file: &Path) -> rusqlite::Result<Stat> {
    let snapshot = connection.unchecked_transaction()?;
    let pragma = |name| snapshot.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let number = |sql| snapshot.query_row(sql, [], |row| row.get::<_, i64>(0));
    let free = pragma("freelist_count")? * pragma("page_size")?;
    Ok(Stat {
        file: file.to_owned(),
        file_bytes: size(file),
        wal_bytes: size(&file.with_extension("db-wal")),
        free_bytes: free.cast_unsigned(),
        last: last(&snapshot)?,
        oldest: oldest(&snapshot)?,
        starts: number("SELECT count(*) FROM start")?.cast_unsigned(),
        channels: channels(&snapshot)?,
    })
}

fn size(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |file| file.len())
}

fn oldest(connection: &Connection) -> rusqlite::Result<Option<(Position, i64)>> {
    let sql = "SELECT position, accepted_at FROM message ORDER BY position LIMIT 1";
    let oldest = connection.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?))).optional()?;
    Ok(oldest.map(|(position, at)| (Position(position.cast_unsigned()), at)))
}

fn channels(connection: &Connection) -> rusqlite::Result<Vec<ChannelStat>> {
    let mut channels = connection.prepare(
        "SELECT birth, id, ifnull(l.n, 0), ifnull(m.n, 0), ifnull(m.bytes, 0) FROM channel
        LEFT JOIN (SELECT channel, count(*) AS n FROM listener GROUP BY channel) l ON l.channel = birth
        LEFT JOIN (SELECT channel, count(*) AS n, sum(length(message)) AS bytes FROM message GROUP BY channel) m
            ON m.channel = birth
        ORDER BY birth",
    )?;
    let stat = |row: &rusqlite::Row<'_>| {
        let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
        let (birth, messages) = (Position(number(0)?), number(3)?);
        let bytes = number(4)? + messages * kept_bytes_of(0);
        Ok(ChannelStat { birth, id: row.get(1)?, listeners: number(2)?, messages, bytes })
    };
    channels.query_map([], stat)?.collect()
}
