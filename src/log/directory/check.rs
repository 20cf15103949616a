//! Looks whether a file is as it was written.

use super::{
    open::{self, OpenError},
    runs::Run,
    salvage::salvage,
};
use crate::message::Message;
use rusqlite::Connection;
use std::path::Path;

/// So many faults are told.
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
    /// What is not as it was written, one sentence each; at most a hundred of a kind. None: the file is sound.
    pub faults: Vec<String>,
}

/// Reads everything in a directory, whether a server runs on it or not.
///
/// # Errors
/// There is no log, it is not ours, or nothing in it can be read.
pub fn check(dir: &Path) -> Result<Checked, OpenError> {
    let file = open::file(dir);
    let connection = open::reader(dir).map_err(|error| OpenError::store(&file, error))?;
    open::identify(&connection, &file)?;
    let mut checked = Checked { faults: structure(&connection), ..Checked::default() };
    checked.channels = rows(&connection, "channel", &mut checked.faults);
    checked.listeners = rows(&connection, "listener", &mut checked.faults);
    checked.messages = messages(&connection, &mut checked.faults);
    Ok(checked)
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

fn rows(connection: &Connection, table: &str, faults: &mut Vec<String>) -> u64 {
    let mut rows = 0;
    let lost = salvage(connection, table, "birth", "*", &mut |_| rows += 1);
    tell(table, &lost, faults);
    rows
}

fn messages(connection: &Connection, faults: &mut Vec<String>) -> u64 {
    let (mut rows, mut damaged) = (0, Vec::new());
    let lost = salvage(connection, "message", "position", "message", &mut |row| {
        let message = row.get_ref(1).ok().and_then(|message| message.as_blob().ok());
        match message.and_then(|bytes| Message::stored(bytes, false)) {
            Some(_) => rows += 1,
            None if damaged.len() < FAULTS => damaged.push(row.get::<_, i64>(0).unwrap_or_default()),
            None => {}
        }
    });
    tell("message", &lost, faults);
    faults.extend(damaged.iter().map(|position| format!("message: {position} holds no message")));
    rows
}

fn tell(table: &str, lost: &[Run], faults: &mut Vec<String>) {
    let lost = lost.iter().take(FAULTS);
    faults.extend(lost.map(|run| format!("{table}: nothing from {} through {}", run.first, run.last)));
}
