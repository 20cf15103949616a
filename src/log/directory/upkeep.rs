//! What is done a little at a time beside the commits: carrying out deletions, forgetting what is over, and giving
//! space back.

use super::{doomed::carry_out, rows::Left, sweep::Sweep};
use rusqlite::Connection;
use std::time::{Duration, Instant};

/// So long a commit may take for what nobody waits for.
const AT_MOST: Duration = Duration::from_millis(2);
/// How often it is looked whether space should be given back.
const LOOK: Duration = Duration::from_secs(1);
/// Pages that are given back before it is looked at the clock again.
const PAGES: u32 = 32;
/// With fewer free pages nothing is given back: the next messages take them.
const FEW: i64 = 1_024;

#[derive(Debug)]
pub(super) struct Upkeep {
    doomed: bool,
    orphans: Sweep,
    sweeps: [Sweep; 2],
    /// Space is being given back.
    shrinking: bool,
    look_at: Instant,
}

impl Upkeep {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        let sweeps = [Sweep::accepted(now), Sweep::removed(now)];
        Self { doomed: true, orphans: Sweep::orphans(now), sweeps, shrinking: false, look_at: now }
    }

    /// What a commit has left to do.
    pub(super) fn take(&mut self, left: Left) {
        self.doomed |= left.doomed;
        if left.orphans {
            self.orphans.begin(Instant::now());
        }
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Instant {
        if self.doomed || self.shrinking {
            return Instant::now();
        }
        let sweeps = self.sweeps.iter().map(Sweep::due).min();
        sweeps.unwrap_or(self.look_at).min(self.orphans.due()).min(self.look_at)
    }

    /// Does a little of what is due. True: something was deleted, or given back.
    pub(super) fn step(&mut self, transaction: &Connection, now: i64) -> rusqlite::Result<bool> {
        let (began, before) = (Instant::now(), transaction.total_changes());
        let until = began + AT_MOST;
        if self.doomed {
            self.doomed = carry_out(transaction, until, now)?;
        }
        for sweep in self.sweeps.iter_mut().chain([&mut self.orphans]) {
            if sweep.due() <= began && Instant::now() < until {
                sweep.step(transaction, now)?;
            }
        }
        let looks = !self.doomed && (self.shrinking || self.look_at <= began);
        let gave_back = looks && self.shrink(transaction, until)?;
        Ok(gave_back || transaction.total_changes() > before)
    }

    /// What was done did not last: begins anew.
    pub(super) fn failed(&mut self) {
        self.doomed = true;
        self.orphans.begin(Instant::now());
    }

    /// Where a good part of the file is free, the file shrinks until little of it is. True: by some pages, now.
    fn shrink(&mut self, transaction: &Connection, until: Instant) -> rusqlite::Result<bool> {
        let count = |pragma| transaction.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        let (free, pages) = (count("freelist_count")?, count("page_count")?);
        let enough = if self.shrinking { FEW } else { (2 * FEW).max(pages / 4) };
        self.shrinking = free > enough;
        let shrinks = self.shrinking;
        self.look_at = Instant::now() + LOOK;
        while self.shrinking && Instant::now() < until {
            let mut vacuum = transaction.prepare_cached(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
            let mut freed = vacuum.query([])?;
            while freed.next()?.is_some() {}
            drop(freed);
            drop(vacuum);
            self.shrinking = count("freelist_count")? > FEW;
        }
        Ok(shrinks)
    }
}
