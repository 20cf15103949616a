//! What the running log says of itself, without asking the disk: the writer looks now and then.

use super::{
    super::{Figures, LogState, Position},
    options::Sync,
    shared::Shared,
};
use rusqlite::{Connection, OptionalExtension as _};
use std::{fs, path::Path, sync::atomic::Ordering, time::Duration};

/// What it looks for.
pub(super) fn look(connection: &Connection, shared: &Shared) {
    look_for_free(connection, shared);
    if let Ok(at) = oldest(connection, shared) {
        shared.seen.oldest.store(at.unwrap_or_default(), Ordering::Relaxed);
    }
}

/// Looks how much of the file is free. What cannot be read is no matter here: whoever needs it says so.
pub(super) fn look_for_free(connection: &Connection, shared: &Shared) {
    if let Ok(bytes) = free_bytes(connection) {
        shared.seen.free_bytes.store(bytes.cast_unsigned(), Ordering::Relaxed);
    }
}

fn free_bytes(connection: &Connection) -> rusqlite::Result<i64> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    Ok(number("freelist_count")? * number("page_size")?)
}

fn oldest(connection: &Connection, shared: &Shared) -> rusqlite::Result<Option<i64>> {
    let Some((Position(position), at_hand)) = shared.lock().kept.oldest() else { return Ok(None) };
    if at_hand.is_some() {
        return Ok(at_hand);
    }
    let mut message = connection.prepare_cached("SELECT accepted_at FROM message WHERE position = ?1")?;
    message.query_row([position.cast_signed()], |row| row.get(0)).optional()
}

pub(super) fn figures(file: &Path, sync: Sync, shared: &Shared) -> Figures {
    let counts = shared.stats.counts();
    let size = |file: &Path| fs::metadata(file).map_or(0, |file| file.len());
    Figures {
        file_bytes: size(file),
        free_bytes: shared.seen.free_bytes.load(Ordering::Relaxed),
        wal_bytes: size(&file.with_extension("db-wal")),
        oldest: Some(shared.seen.oldest.load(Ordering::Relaxed)).filter(|at| *at != 0),
        commits: counts.commits,
        commits_per_second: counts.commits_per_second,
        records: counts.records,
        commit_p50: counts.within(0.5),
        commit_p99: counts.within(0.99),
        commit_max: counts.longest,
        sync_interval: match sync {
            Sync::Always => Duration::ZERO,
            Sync::Interval(interval) => interval,
        },
        state: standing(shared),
    }
}

fn standing(shared: &Shared) -> LogState {
    let state = shared.lock();
    if state.tight && state.standing == LogState::Writing { LogState::Stalled } else { state.standing }
}
