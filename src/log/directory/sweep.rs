//! Walks a table a piece at a time, deletes what is over, and rests before it begins again.

use rusqlite::{Connection, params};
use std::time::{Duration, Instant};

/// Rows of a piece.
const PIECE: u32 = 1_024;
/// How long what has been removed is told.
const REMOVED_MILLIS: i64 = 10 * 60 * 1000;
const DAY: Duration = Duration::from_secs(86_400);

#[derive(Debug)]
pub(super) struct Sweep {
    next: &'static str,
    delete: &'static str,
    rest: Duration,
    /// It has walked up to here.
    at: i64,
    due: Instant,
}

impl Sweep {
    /// Ids whose time is over.
    pub(super) fn accepted(due: Instant) -> Self {
        Self {
            next: "SELECT max(position) FROM
                (SELECT position FROM accepted WHERE position > ?1 ORDER BY position LIMIT ?2)",
            delete: "DELETE FROM accepted WHERE position > ?1 AND position <= ?2 AND until <= ?3",
            rest: Duration::from_secs(10),
            at: 0,
            due,
        }
    }

    /// Removals that are no longer told.
    pub(super) fn removed(due: Instant) -> Self {
        Self {
            next: "SELECT max(position) FROM
                (SELECT position FROM removed WHERE position > ?1 ORDER BY position LIMIT ?2)",
            delete: "DELETE FROM removed WHERE position > ?1 AND position <= ?2 AND at <= ?3 - 600000",
            rest: Duration::from_secs(60),
            at: 0,
            due,
        }
    }

    /// Listeners whose channel went.
    pub(super) fn orphans(due: Instant) -> Self {
        Self {
            next: "SELECT max(birth) FROM
                (SELECT birth FROM listener WHERE birth > ?1 ORDER BY birth LIMIT ?2)",
            delete: "DELETE FROM listener WHERE birth > ?1 AND birth <= ?2 AND ?3 = ?3
                AND channel NOT IN (SELECT birth FROM channel)",
            rest: DAY,
            at: 0,
            due,
        }
    }

    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Begins from the first row, now.
    pub(super) fn begin(&mut self, now: Instant) {
        (self.at, self.due) = (0, now);
    }

    /// Walks over one piece.
    pub(super) fn step(&mut self, transaction: &Connection, now: i64) -> rusqlite::Result<()> {
        let piece = params![self.at, PIECE];
        let through: Option<i64> =
            transaction.prepare_cached(self.next)?.query_row(piece, |row| row.get(0))?;
        let Some(through) = through else {
            self.begin(Instant::now() + self.rest);
            return Ok(());
        };
        transaction.prepare_cached(self.delete)?.execute([self.at, through, now])?;
        self.at = through;
        Ok(())
    }
}

/// Since when a removal is told, at this time.
pub(super) fn told_since(now: i64) -> i64 {
    now - REMOVED_MILLIS
}
