//! Deleting messages: their ids outlive them, as long as they are remembered.

use super::runs::Run;
use crate::message::stored_id;
use rusqlite::{Connection, params};

/// Deletes the messages from the first through the last.
pub(super) fn delete(transaction: &Connection, run: Run, now: i64) -> rusqlite::Result<()> {
    remember(transaction, run, now)?;
    let sql = "DELETE FROM message WHERE position BETWEEN ?1 AND ?2";
    transaction.prepare_cached(sql)?.execute(bounds(run)).map(drop)
}

/// Deletes at most so many of them, and tells up to where; `None`: none is left.
pub(super) fn delete_some(
    transaction: &Connection,
    run: Run,
    at_most: u32,
    now: i64,
) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT max(position) FROM
        (SELECT position FROM message WHERE position BETWEEN ?1 AND ?2 ORDER BY position LIMIT ?3)";
    let [first, last] = bounds(run);
    let through: Option<i64> =
        transaction.prepare_cached(sql)?.query_row(params![first, last, at_most], |row| row.get(0))?;
    let Some(through) = through.map(i64::cast_unsigned) else { return Ok(None) };
    delete(transaction, Run { last: through, ..run }, now)?;
    Ok(Some(through))
}

fn remember(transaction: &Connection, run: Run, now: i64) -> rusqlite::Result<()> {
    let mut remembered = transaction.prepare_cached(
        "SELECT position, channel, listener, remember_until, message FROM message
        WHERE position BETWEEN ?1 AND ?2 AND remember_until > ?3",
    )?;
    let [first, last] = bounds(run);
    let mut rows = remembered.query([first, last, now])?;
    while let Some(row) = rows.next()? {
        // one whose id cannot be read is damaged: nobody could ask for it
        let Some(id) = row.get_ref(4)?.as_blob().ok().and_then(stored_id) else { continue };
        let sql = "INSERT OR REPLACE INTO accepted VALUES (?1, ?2, ?3, ?4, ?5)";
        let (position, channel): (i64, i64) = (row.get(0)?, row.get(1)?);
        let (listener, until): (Option<i64>, i64) = (row.get(2)?, row.get(3)?);
        transaction.prepare_cached(sql)?.execute(params![position, channel, listener, until, id])?;
    }
    Ok(())
}

fn bounds(run: Run) -> [i64; 2] {
    [run.first, run.last].map(u64::cast_signed)
}
