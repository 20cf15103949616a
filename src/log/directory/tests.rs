//! What the log on disk keeps over the end of its process, and what it does where it cannot.

mod commits;
mod disk;
mod faults;
mod life;
mod measure;
mod operators;
mod power;
mod wal;

use super::*;
use crate::log::{Kind, RecoveredChannel, RecoveredListener, Removal, Text, Whom, contract};
use crate::{message::Message, v1};
use prost::Message as _;
use std::{fs, ops::Deref};
use tempfile::TempDir;

/// A log in a directory that goes with it.
struct Temporary {
    log: Directory,
    _dir: TempDir,
}

impl Deref for Temporary {
    type Target = Directory;

    fn deref(&self) -> &Directory {
        &self.log
    }
}

fn dir() -> TempDir {
    tempfile::tempdir().expect("a directory for the time of a test")
}

fn temporary(options: &Options) -> Temporary {
    let dir = dir();
    Temporary { log: open(dir.path(), options), _dir: dir }
}

fn open(dir: &Path, options: &Options) -> Directory {
    Directory::open(dir, options).expect("nobody else has it")
}

/// Opens a log as a hub does: what was told, and the log.
fn recovered(dir: &Path) -> (Vec<Recovered>, Directory) {
    let (log, mut told) = (open(dir, &Options::default()), Vec::new());
    log.recover(&mut |found| told.push(found)).expect("the file is sound");
    (told, log)
}

mod always {
    use super::*;
    contract::suite!(temporary(&Options::default()));
}

mod at_an_interval {
    use super::*;
    use std::time::Duration;
    contract::suite!(temporary(&Options {
        sync: Sync::Interval(Duration::from_millis(5)),
        ..Options::default()
    }));
}

mod without_a_cache {
    use super::*;
    contract::suite!(temporary(&Options { cache_bytes: 0, ..Options::default() }));
}

/// Waits until everything that was appended is durable.
fn settle(log: &Directory) {
    let reached = log.watermark().reached(log.last());
    wait(reached).expect("the log writes");
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(future)
}

fn channel(log: &Directory, id: &str) -> Position {
    let text = Text { settings: "{\"s\":1}".into(), state: "{}".into() };
    log.append(Record::Channel { id: id.into(), created_at: 5, text }).expect("the log takes it")
}

fn listener(log: &Directory, channel: Position, id: &str) -> Position {
    let text = Text { settings: "{}".into(), state: "{\"passed\":0}".into() };
    let record = Record::Listener { channel, id: id.into(), created_at: 6, explicit: true, text };
    log.append(record).expect("the log takes it")
}

fn message(id: &str, payload: usize) -> Message {
    let payload = Some(v1::message::Payload::Binary(vec![7; payload].into()));
    let message = v1::Message { id: id.into(), r#type: "t".into(), payload, ..v1::Message::default() };
    Message::parse(&message.encode_to_vec(), 1 << 20, 0).expect("a sound message")
}

/// A message whose id is remembered until then.
fn record(channel: Position, listener: Option<Position>, id: &str, until: Option<i64>) -> Record {
    let (accepted_at, message) = (9_000_000, message(id, 100));
    Record::Message { channel, listener, accepted_at, remember_until: until, message, dead_letter: None }
}

fn append(log: &Directory, channel: Position, id: &str) -> Position {
    log.append(record(channel, None, id, None)).expect("the log takes it")
}

fn read(log: &Directory, positions: &[Position]) -> Vec<(Position, String)> {
    let mut found = Vec::new();
    log.read(positions, &mut found).expect("the log reads");
    found.iter().map(|entry| (entry.position, entry.message.id().to_owned())).collect()
}

fn states(told: &[Recovered]) -> Vec<(Position, String, String)> {
    let state = |found: &Recovered| match found {
        Recovered::Channel(RecoveredChannel { birth, text, .. })
        | Recovered::Listener(RecoveredListener { birth, text, .. }) => {
            Some((*birth, text.settings.clone(), text.state.clone()))
        }
        Recovered::Removed(_) | Recovered::Accepted(_) | Recovered::Message(_) => None,
    };
    told.iter().filter_map(state).collect()
}

fn messages(told: &[Recovered]) -> Vec<Position> {
    let position = |found: &Recovered| match found {
        Recovered::Message(message) => Some(message.position),
        Recovered::Removed(_) | Recovered::Channel(_) | Recovered::Listener(_) | Recovered::Accepted(_) => {
            None
        }
    };
    told.iter().filter_map(position).collect()
}

/// What a process leaves that ends here without a word.
fn killed(dir: &Path) -> TempDir {
    let copy = self::dir();
    for name in ["eric.db", "eric.db-wal"] {
        fs::copy(dir.join(name), copy.path().join(name)).expect("the file is there");
    }
    copy
}
