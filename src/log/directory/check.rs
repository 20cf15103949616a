//! Looks whether a file is as it was written.

use super::{
    export,
    line::Line,
    open::{self, OpenError},
};
use rusqlite::Connection;
use std::path::Path;

/// So many faults of its structure are told.
const FAULTS: usize = 100;

/// What a check has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Messages that can be read.
    pub messages: u64,
    /// Channels that can be read.
    pub channels: u64,
    /// Listeners that can be read.
    pub listeners: u64,
    /// What is not as it was written, one sentence each. None: the file is sound.
    pub faults: Vec<String>,
}

/// Reads everything in a directory, whether a server runs on it or not. `seen` is told how many rows were read so far.
///
/// # Errors
/// There is no log, it is not ours, or nothing in it can be read.
pub fn check(dir: &Path, seen: &mut dyn FnMut(u64)) -> Result<Checked, OpenError> {
    let connection = open::look(dir)?;
    let mut checked = Checked { faults: structure(&connection), ..Checked::default() };
    let mut rows = 0;
    let unreadable = export::read(&connection, &mut |line| {
        rows += 1;
        seen(rows);
        checked.count(line);
    });
    checked.faults.extend(unreadable);
    Ok(checked)
}

impl Checked {
    fn count(&mut self, line: &Line) {
        match line {
            Line::Channel(_) => self.channels += 1,
            Line::Listener(_) => self.listeners += 1,
            Line::Message(_) => self.messages += 1,
            Line::Log { .. }
            | Line::Start { .. }
            | Line::Accepted { .. }
            | Line::Removed(_)
            | Line::End { .. } => {}
        }
    }
}

/// What the store itself finds.
fn structure(connection: &Connection) -> Vec<String> {
    let lines = || -> rusqlite::Result<Vec<String>> {
        let mut check = connection.prepare(&format!("PRAGMA integrity_check({FAULTS})"))?;
        check.query_map([], |row| row.get(0))?.collect()
    };
    let lines = lines().unwrap_or_else(|error| vec![error.to_string()]);
    lines.into_iter().filter(|line| line != "ok").collect()
}
