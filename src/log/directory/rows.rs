//! What waits, turned into rows.

use super::{
    super::{Change, DeadLetter, Position, Record, Removal, Text, Whom},
    checksum::Values,
    delete::delete,
    doomed::doom,
    letter::to_json,
    pending::{Item, Saved},
    runs::Runs,
};
use crate::message::Message;
use rusqlite::{CachedStatement, Connection, params};

/// So many deletions ride on the commit that decides them; more are carried out later.
const AT_ONCE: u64 = 4_096;

/// At so many starts the oldest are forgotten: what still bears the tag of one is answered as another life's.
pub(super) const MAX_STARTS: u32 = 65_536;

/// What a transaction leaves to others.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Left {
    /// Deletions that are to be carried out.
    pub(super) doomed: bool,
    /// Listeners of a channel that went.
    pub(super) orphans: bool,
    /// No row tells any longer how far positions were given.
    pub(super) unmarked: bool,
}

/// Writes rows within a transaction.
pub(super) struct Rows<'t> {
    transaction: &'t Connection,
    message: CachedStatement<'t>,
    now: i64,
    left: Left,
}

impl<'t> Rows<'t> {
    pub(super) fn new(transaction: &'t Connection, now: i64) -> rusqlite::Result<Self> {
        let message =
            transaction.prepare_cached("INSERT INTO message VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
        Ok(Self { transaction, message, now, left: Left::default() })
    }

    pub(super) fn put(&mut self, item: &Item) -> rusqlite::Result<()> {
        match item {
            Item::One(position, record) => self.record(position.0, record),
            Item::Whole(first, records, gone) => {
                (first.0..).zip(records).try_for_each(|(position, record)| self.record(position, record))?;
                self.delete(gone)
            }
            Item::Saved(saved) => self.save(saved),
        }
    }

    pub(super) fn finish(self) -> Left {
        self.left
    }

    fn record(&mut self, position: u64, record: &Record) -> rusqlite::Result<()> {
        let position = position.cast_signed();
        match record {
            Record::Message { channel, listener, accepted_at, remember_until, message, dead_letter } => {
                let letter = dead_letter.as_deref().map(to_json);
                let values = Values {
                    position,
                    channel: channel.to_i64(),
                    listener: listener.map(Position::to_i64),
                    accepted_at: *accepted_at,
                    expires_at: expires_at(*accepted_at, message, dead_letter.as_deref()),
                    remember_until: *remember_until,
                    dead_letter: letter.as_deref(),
                    message: message.bytes(),
                };
                self.message(&values)
            }
            Record::Channel { id, created_at, text } => self.channel(position, id, *created_at, text),
            Record::Listener { channel, id, created_at, explicit, text } => {
                let Text { settings, state } = text;
                let channel = channel.to_i64();
                let row = params![position, channel, &**id, created_at, explicit, settings, state];
                self.execute("INSERT INTO listener VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)", row)
            }
            Record::Changed(change) => self.change(change),
            Record::Removed(removal) => self.removal(position, removal),
            Record::Start { incarnation, started_at } => {
                let row = params![position, incarnation.cast_signed(), started_at];
                self.execute("INSERT INTO start VALUES (?1, ?2, ?3)", row)?;
                self.forget_starts()
            }
        }
    }

    fn message(&mut self, values: &Values<'_>) -> rusqlite::Result<()> {
        let row = params![
            values.position,
            values.channel,
            values.listener,
            values.accepted_at,
            values.expires_at,
            values.remember_until,
            values.dead_letter,
            values.checksum(),
            values.message
        ];
        self.message.execute(row).map(drop)
    }

    fn execute(&self, sql: &str, row: &[&dyn rusqlite::ToSql]) -> rusqlite::Result<()> {
        self.transaction.prepare_cached(sql)?.execute(row).map(drop)
    }

    fn channel(&self, birth: i64, id: &str, created_at: i64, text: &Text) -> rusqlite::Result<()> {
        let row = params![birth, id, created_at, text.settings, text.state];
        self.execute("INSERT INTO channel VALUES (?1, ?2, ?3, ?4, ?5)", row)
    }

    fn forget_starts(&self) -> rusqlite::Result<()> {
        let sql = "DELETE FROM start WHERE position <=
            (SELECT position FROM start ORDER BY position DESC LIMIT 1 OFFSET ?1)";
        self.execute(sql, params![MAX_STARTS])
    }

    /// It has no row of its own.
    fn change(&mut self, change: &Change) -> rusqlite::Result<()> {
        self.left.unmarked = true;
        let (sql, birth) = match change.whom {
            Whom::Channel(birth) => (
                "UPDATE channel SET settings = ifnull(?2, settings), state = ifnull(?3, state) WHERE birth = ?1",
                birth,
            ),
            Whom::Listener(birth) => (
                "UPDATE listener SET settings = ifnull(?2, settings), state = ifnull(?3, state) WHERE birth = ?1",
                birth,
            ),
        };
        self.execute(sql, params![birth.to_i64(), change.settings, change.state])
    }

    /// A channel may have a million listeners: they go later, and count as gone with it.
    fn removal(&mut self, position: i64, removal: &Removal) -> rusqlite::Result<()> {
        let (sql, birth) = match removal.whom {
            Whom::Channel(birth) => ("DELETE FROM channel WHERE birth = ?1", birth),
            Whom::Listener(birth) => ("DELETE FROM listener WHERE birth = ?1", birth),
        };
        self.left.orphans |= matches!(removal.whom, Whom::Channel(_));
        self.execute(sql, params![birth.to_i64()])?;
        let Removal { channel, listener, expired, at, .. } = removal;
        let row = params![position, birth.to_i64(), &**channel, listener.as_deref(), expired, at];
        self.execute("INSERT INTO removed VALUES (?1, ?2, ?3, ?4, ?5, ?6)", row)
    }

    fn save(&mut self, saved: &Saved) -> rusqlite::Result<()> {
        self.delete(&saved.gone)?;
        saved.changes.values().try_for_each(|change| self.change(change))
    }

    fn delete(&mut self, gone: &Runs) -> rusqlite::Result<()> {
        self.left.unmarked |= !gone.is_empty();
        if gone.len() > AT_ONCE {
            self.left.doomed = true;
            return doom(self.transaction, gone);
        }
        gone.iter().try_for_each(|run| delete(self.transaction, run, self.now))
    }
}

/// As the hub counts it: from acceptance, and not where it is a dead letter.
fn expires_at(accepted_at: i64, message: &Message, letter: Option<&DeadLetter>) -> Option<i64> {
    let ttl = message.ttl().filter(|_| letter.is_none())?;
    let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
    Some((accepted_at / 1_000_000).saturating_add_unsigned(ttl))
}

/// Notes how far positions were given, for when no row tells it.
pub(super) fn mark(transaction: &Connection, last: Position, now: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE mark SET last = max(last, ?1), at = max(at + 1, ?2)";
    transaction.prepare_cached(sql)?.execute([last.to_i64(), now]).map(drop)
}
