//! Deletions that are decided in one commit, and carried out over the next ones: no append waits for many.

use super::{
    delete::{delete, delete_some},
    runs::{Gathered, Run, Runs},
};
use rusqlite::{Connection, OptionalExtension, params};
use std::time::Instant;

/// A run that is as long has a row of its own.
const LONG: u64 = 64;
/// Positions of shorter runs share a row, so many of them: what is carried out at once.
const TOGETHER: usize = 256;

/// Notes that these messages are to go.
pub(super) fn doom(transaction: &Connection, gone: &Runs) -> rusqlite::Result<()> {
    let mut single: Vec<u64> = Vec::with_capacity(TOGETHER);
    for run in gone.iter() {
        if run.len() >= LONG {
            note(transaction, run, None)?;
            continue;
        }
        for position in run.first..=run.last {
            single.push(position);
            if single.len() == TOGETHER {
                note_single(transaction, &mut single)?;
            }
        }
    }
    note_single(transaction, &mut single)
}

fn note_single(transaction: &Connection, single: &mut Vec<u64>) -> rusqlite::Result<()> {
    let (Some(&first), Some(&last)) = (single.first(), single.last()) else { return Ok(()) };
    let offsets: Vec<_> = single.drain(..).map(|position| position - first).collect();
    let offsets = serde_json::to_string(&offsets).expect("numbers are JSON");
    note(transaction, Run { first, last }, Some(&offsets))
}

fn note(transaction: &Connection, run: Run, offsets: Option<&str>) -> rusqlite::Result<()> {
    let sql = "INSERT INTO doomed VALUES (?1, ?2, ?3)";
    let row = params![run.first.cast_signed(), run.last.cast_signed(), offsets];
    transaction.prepare_cached(sql)?.execute(row).map(drop)
}

/// Carries out what it can until then. False: nothing is left.
pub(super) fn carry_out(transaction: &Connection, until: Instant, now: i64) -> rusqlite::Result<bool> {
    while let Some((run, offsets)) = next(transaction)? {
        match offsets {
            Some(offsets) => single(transaction, run, &offsets, now)?,
            None => whole(transaction, run, until, now)?,
        }
        if Instant::now() >= until {
            return Ok(true);
        }
    }
    Ok(false)
}

fn next(transaction: &Connection) -> rusqlite::Result<Option<(Run, Option<String>)>> {
    let sql = "SELECT first, last, offsets FROM doomed ORDER BY first LIMIT 1";
    transaction.prepare_cached(sql)?.query_row([], read).optional()
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<(Run, Option<String>)> {
    let (first, last): (i64, i64) = (row.get(0)?, row.get(1)?);
    Ok((Run { first: first.cast_unsigned(), last: last.cast_unsigned() }, row.get(2)?))
}

fn single(transaction: &Connection, run: Run, offsets: &str, now: i64) -> rusqlite::Result<()> {
    for position in positions(run, offsets)? {
        delete(transaction, Run { first: position, last: position }, now)?;
    }
    done(transaction, run)
}

fn whole(transaction: &Connection, run: Run, until: Instant, now: i64) -> rusqlite::Result<()> {
    let mut left = run;
    while let Some(through) = delete_some(transaction, left, LONG as u32, now)? {
        left.first = through + 1;
        if left.first > left.last {
            break;
        }
        if Instant::now() >= until {
            let sql = "UPDATE doomed SET first = ?2 WHERE first = ?1";
            let cut = params![run.first.cast_signed(), left.first.cast_signed()];
            return transaction.prepare_cached(sql)?.execute(cut).map(drop);
        }
    }
    done(transaction, run)
}

fn done(transaction: &Connection, run: Run) -> rusqlite::Result<()> {
    let sql = "DELETE FROM doomed WHERE first = ?1";
    transaction.prepare_cached(sql)?.execute([run.first.cast_signed()]).map(drop)
}

fn positions(run: Run, offsets: &str) -> rusqlite::Result<Vec<u64>> {
    let offsets: Vec<u64> = serde_json::from_str(offsets).map_err(damaged)?;
    Ok(offsets.into_iter().map(|offset| run.first.saturating_add(offset)).collect())
}

fn damaged(error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, Box::new(error))
}

/// All that is to go, in rising order.
pub(super) fn load(connection: &Connection) -> rusqlite::Result<Runs> {
    let mut runs = Gathered::default();
    let mut doomed = connection.prepare("SELECT first, last, offsets FROM doomed")?;
    let mut rows = doomed.query([])?;
    while let Some(row) = rows.next()? {
        match read(row)? {
            (run, None) => runs.push_run(run),
            (run, Some(offsets)) => positions(run, &offsets)?.into_iter().for_each(|one| runs.push(one)),
        }
    }
    Ok(runs.sorted())
}
