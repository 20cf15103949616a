//! Reading all back at the start, in one scan.

use super::{
    super::{
        AcceptedId, Position, Recovered, RecoveredChannel, RecoveredListener, RecoveredMessage, Removal,
        Text, Whom, kept_bytes_of,
    },
    checksum::{COLUMNS, Values, damaged},
    doomed,
    letter::from_json,
    runs::{Gathered, Run},
    sizes::{Rising, Sizes},
    sweep::told_since,
};
use crate::message::stored_id;
use rusqlite::{Connection, Row, types::ValueRef};
use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

const PROGRESS: Duration = Duration::from_secs(1);
/// The clock is looked at after so many rows.
const LOOK: u64 = 16_384;

/// What was found besides what was told.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) sizes: Sizes,
    pub(super) bytes: u64,
    pub(super) messages: u64,
    /// Messages that nobody will ever ask for.
    pub(super) orphans: Gathered,
}

type Told<'f> = &'f mut dyn FnMut(Recovered);

/// Tells all that is kept.
pub(super) fn recover(connection: &Connection, now: i64, told: Told<'_>) -> rusqlite::Result<Found> {
    let scan = connection.unchecked_transaction()?;
    removals(&scan, now, told)?;
    let alive = Alive { channels: channels(&scan, told)?, ..Alive::default() };
    let alive = Alive { listeners: listeners(&scan, &alive.channels, told)?, ..alive };
    accepted(&scan, now, &alive, told)?;
    messages(&scan, now, alive, told)
}

/// The births of those who are there.
#[derive(Default)]
struct Alive {
    channels: HashSet<u64>,
    listeners: HashSet<u64>,
    /// The one that was asked for last: it is mostly asked for again.
    last: Option<(u64, Option<u64>)>,
}

impl Alive {
    fn has(&self, channel: u64, listener: Option<u64>) -> bool {
        self.channels.contains(&channel) && listener.is_none_or(|listener| self.listeners.contains(&listener))
    }

    fn has_as_before(&mut self, channel: u64, listener: Option<u64>) -> bool {
        if self.last == Some((channel, listener)) {
            return true;
        }
        let alive = self.has(channel, listener);
        self.last = alive.then_some((channel, listener));
        alive
    }
}

fn each(
    connection: &Connection,
    sql: &str,
    mut row: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(next) = rows.next()? {
        row(next)?;
    }
    Ok(())
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get_ref(column)?.as_i64()?.cast_unsigned())
}

fn number_or_null(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    Ok(row.get_ref(column)?.as_i64_or_null()?.map(i64::cast_unsigned))
}

fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<Arc<str>> {
    Ok(row.get_ref(column)?.as_str()?.into())
}

fn removals(connection: &Connection, now: i64, told: Told<'_>) -> rusqlite::Result<()> {
    let sql = "SELECT birth, channel, listener, expired, at FROM removed ORDER BY position";
    each(connection, sql, |row| {
        let birth = Position(number(row, 0)?);
        let listener = row.get_ref(2)?.as_str_or_null()?.map(Arc::from);
        let whom = if listener.is_some() { Whom::Listener(birth) } else { Whom::Channel(birth) };
        let (channel, expired, at) = (text(row, 1)?, row.get(3)?, row.get(4)?);
        if at > told_since(now) {
            told(Recovered::Removed(Removal { whom, channel, listener, expired, at }));
        }
        Ok(())
    })
}

fn channels(connection: &Connection, told: Told<'_>) -> rusqlite::Result<HashSet<u64>> {
    let mut births = HashSet::new();
    let sql = "SELECT birth, id, created_at, settings, state FROM channel ORDER BY birth";
    each(connection, sql, |row| {
        let birth = number(row, 0)?;
        let text = Text { settings: row.get(3)?, state: row.get(4)? };
        births.insert(birth);
        let (birth, id, created_at) = (Position(birth), self::text(row, 1)?, row.get(2)?);
        told(Recovered::Channel(RecoveredChannel { birth, id, created_at, text }));
        Ok(())
    })?;
    Ok(births)
}

fn listeners(
    connection: &Connection,
    channels: &HashSet<u64>,
    told: Told<'_>,
) -> rusqlite::Result<HashSet<u64>> {
    let mut births = HashSet::new();
    let sql = "SELECT birth, channel, id, created_at, explicit, settings, state FROM listener ORDER BY birth";
    each(connection, sql, |row| {
        let (birth, channel) = (number(row, 0)?, number(row, 1)?);
        if !channels.contains(&channel) {
            return Ok(());
        }
        births.insert(birth);
        let text = Text { settings: row.get(5)?, state: row.get(6)? };
        let (id, created_at, explicit) = (self::text(row, 2)?, row.get(3)?, row.get(4)?);
        let (birth, channel) = (Position(birth), Position(channel));
        told(Recovered::Listener(RecoveredListener { birth, channel, id, created_at, explicit, text }));
        Ok(())
    })?;
    Ok(births)
}

fn accepted(connection: &Connection, now: i64, alive: &Alive, told: Told<'_>) -> rusqlite::Result<()> {
    let sql = "SELECT position, channel, listener, until, id FROM accepted ORDER BY position";
    each(connection, sql, |row| {
        let (channel, listener, until) = (number(row, 1)?, number_or_null(row, 2)?, row.get(3)?);
        if until > now && alive.has(channel, listener) {
            let (position, channel) = (Position(number(row, 0)?), Position(channel));
            let (listener, id) = (listener.map(Position), text(row, 4)?);
            told(Recovered::Accepted(AcceptedId { position, channel, listener, until, id }));
        }
        Ok(())
    })
}

/// Contents are not read, apart from those whose id is still remembered: they come in place of their length.
fn messages(connection: &Connection, now: i64, mut alive: Alive, told: Told<'_>) -> rusqlite::Result<Found> {
    let doomed = doomed::load(connection)?;
    let mut doomed = Passing { runs: doomed.iter().collect(), at: 0 };
    let (mut found, mut sizes, mut progress) = (Found::default(), Rising::default(), Progress::new());
    let sql = format!(
        "SELECT position, channel, listener, expires_at, remember_until, dead_letter,
            CASE WHEN remember_until > {now} THEN message ELSE length(message) END, accepted_at
        FROM message ORDER BY position"
    );
    each(connection, &sql, |row| {
        let position = number(row, 0)?;
        progress.row(found.messages);
        let doomed = doomed.has(position);
        let (channel, listener) = (number(row, 1)?, number_or_null(row, 2)?);
        let alive = alive.has_as_before(channel, listener);
        if doomed {
            let id = if alive { outliving(position, channel, listener, row)? } else { None };
            id.into_iter().for_each(|id| told(Recovered::Accepted(id)));
            return Ok(());
        }
        if !alive {
            // it is about to be deleted: whose it is must be true
            sound(connection, position)?;
            found.orphans.push(position);
            return Ok(());
        }
        let message = message(position, channel, listener, row)?;
        sizes.put(position, message.bytes);
        found.bytes += kept_bytes_of(message.bytes);
        found.messages += 1;
        told(Recovered::Message(message));
        Ok(())
    })?;
    Ok(Found { sizes: sizes.sizes(), ..found })
}

/// Whether a row is as it was written.
fn sound(connection: &Connection, position: u64) -> rusqlite::Result<()> {
    let sql = format!("SELECT position, {COLUMNS} FROM message WHERE position = ?1");
    let mut row = connection.prepare_cached(&sql)?;
    row.query_row([position.cast_signed()], |row| Values::of(row).map(drop))
}

/// The id of a message that is about to go, where it is still remembered: memory is not told when it goes.
fn outliving(
    position: u64,
    channel: u64,
    listener: Option<u64>,
    row: &Row<'_>,
) -> rusqlite::Result<Option<AcceptedId>> {
    // one that cannot be read is not remembered when its message goes either
    let ValueRef::Blob(message) = row.get_ref(6)? else { return Ok(None) };
    let Some(id) = stored_id(message) else { return Ok(None) };
    let (position, channel, listener) = (Position(position), Position(channel), listener.map(Position));
    Ok(Some(AcceptedId { position, channel, listener, until: row.get(4)?, id: id.into() }))
}

fn message(
    position: u64,
    channel: u64,
    listener: Option<u64>,
    row: &Row<'_>,
) -> rusqlite::Result<RecoveredMessage> {
    let content = row.get_ref(6)?;
    let (bytes, remembered) = if let ValueRef::Blob(message) = content {
        let id = stored_id(message).ok_or_else(|| damaged(6))?;
        (message.len() as u64, Some((id.into(), row.get(4)?)))
    } else {
        (content.as_i64()?.cast_unsigned(), None)
    };
    let letter = row.get_ref(5)?.as_str_or_null()?;
    Ok(RecoveredMessage {
        position: Position(position),
        channel: Position(channel),
        listener: listener.map(Position),
        bytes,
        accepted_at: row.get_ref(7)?.as_i64()?,
        expires_at: row.get_ref(3)?.as_i64_or_null()?,
        remembered,
        dead_letter: letter.map(|json| from_json(json).ok_or_else(|| damaged(5))).transpose()?,
    })
}

/// Rising positions are looked for in rising runs.
struct Passing {
    runs: Vec<Run>,
    at: usize,
}

impl Passing {
    fn has(&mut self, position: u64) -> bool {
        while self.runs.get(self.at).is_some_and(|run| run.last < position) {
            self.at += 1;
        }
        self.runs.get(self.at).is_some_and(|run| run.first <= position)
    }
}

/// Says now and then how far it is.
struct Progress {
    rows: u64,
    said: Instant,
}

impl Progress {
    fn new() -> Self {
        Self { rows: 0, said: Instant::now() }
    }

    fn row(&mut self, messages: u64) {
        self.rows += 1;
        if self.rows.is_multiple_of(LOOK) && self.said.elapsed() >= PROGRESS {
            self.said = Instant::now();
            tracing::info!(messages, "reading the log");
        }
    }
}
