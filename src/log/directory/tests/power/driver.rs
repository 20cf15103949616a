//! Drives a log until its power is cut, and says what was accepted.

use super::{
    super::*,
    sending::{LISTENERS, Places, VERY_MANY},
};
use crate::log::Change;
use std::{
    collections::HashMap,
    env,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

#[test]
#[ignore = "a process of its own, which the lives begin"]
fn driver() {
    let dir = env::var("POWER_DIR").expect("the test says where");
    let Ok(log) = Directory::open(Path::new(&dir), &options()) else {
        return;
    };
    let mut told = Vec::new();
    log.recover(&mut |found| told.push(found)).expect("the file is sound");
    let Some(places) = places(&log, Places::found(&told)) else { return };
    let earlier = earlier(&log, &told);
    let life = env::var("ERIC_POWER_LIFE").expect("the test numbers lives");
    Driver { log, places, life, changed: Mutex::default() }.run(&earlier);
}

fn options() -> Options {
    let lax = env::var("ERIC_POWER_LAX").is_ok();
    let sync = if lax { Sync::Interval(Duration::from_secs(3_600)) } else { Sync::Always };
    // in a life the write-ahead log is brought over, and begins anew, many times
    Options { sync, cache_bytes: 10_000, wal_bytes: 256 << 10, ..Options::default() }
}

/// Makes those who are missing.
fn places(log: &Directory, found: Places) -> Option<Places> {
    let text = || Text { settings: "{}".into(), state: "{\"through\":0}".into() };
    let create = || log.append(Record::Channel { id: "c".into(), created_at: 1, text: text() });
    let channel = found.channel.or_else(|| durable(log, create))?;
    let mut places = Places { channel: Some(channel), ..found };
    for (listener, id) in places.listeners.iter_mut().zip(LISTENERS) {
        let (created_at, explicit) = (1, true);
        let register =
            || log.append(Record::Listener { channel, id: id.into(), created_at, explicit, text: text() });
        *listener = Some(listener.or_else(|| durable(log, register))?);
    }
    Some(places)
}

/// What an earlier life came not to delete, or to move.
fn earlier(log: &Directory, told: &[Recovered]) -> Vec<(Position, String)> {
    let letter = |found: &Recovered| match found {
        Recovered::Message(message) => message.dead_letter.as_ref().map(|_| message.position),
        Recovered::Removed(_) | Recovered::Channel(_) | Recovered::Listener(_) | Recovered::Accepted(_) => {
            None
        }
    };
    let letters: Vec<_> = told.iter().filter_map(letter).collect();
    let mut earlier = read(log, &messages(told));
    earlier.retain(|(position, id)| id.starts_with(['b', 'd', 'm']) && !letters.contains(position));
    earlier
}

/// Waits until it is on disk; `None`: it will not come there.
fn durable(log: &Directory, append: impl Fn() -> Result<Position, LogError>) -> Option<Position> {
    let again = || thread::park_timeout(Duration::from_millis(20));
    let fails = || log.shared.standing() == LogState::Failed;
    let appended = loop {
        match append() {
            Ok(position) => break position,
            Err(_) if fails() => return None,
            Err(_) => again(),
        }
    };
    while wait(log.watermark().reached(appended)).is_err() {
        if fails() {
            return None;
        }
        again();
    }
    Some(appended)
}

struct Driver {
    log: Directory,
    places: Places,
    life: String,
    /// Where those are of whom something was deleted. Every save tells it of all: a save of one takes along what
    /// was deleted of another.
    changed: Mutex<HashMap<Whom, Position>>,
}

impl Driver {
    fn run(&self, earlier: &[(Position, String)]) {
        let of = |kind: char| {
            let some = earlier.iter().filter(move |(_, id)| id.starts_with(kind));
            some.map(|(position, _)| *position).collect::<Vec<_>>()
        };
        let (mut few, mut many) = (of('d'), of('b'));
        let unmoved = earlier.iter().filter(|(_, id)| id.starts_with('m')).cloned().collect();
        let left = AtomicU64::new(2_000);
        let going = || left.fetch_sub(1, Ordering::Relaxed) > 10;
        let turns = || (0..).take_while(|_| going());
        let channel = Whom::Channel(self.places.channel.expect("it was made"));
        let bulk = Whom::Listener(self.places.listeners[2].expect("it was registered"));
        let life = &self.life;
        thread::scope(|scope| {
            for kind in ["a", "r"] {
                scope.spawn(move || turns().all(|n| self.one(&format!("{kind}-{life}-{n}")).is_some()));
            }
            scope.spawn(move || turns().all(|n| self.together(&format!("w{n}-{life}"), 3).is_some()));
            scope
                .spawn(move || turns().all(|n| self.deleting(channel, &mut few, &format!("d{n}-{life}"), 5)));
            scope.spawn(move || {
                (0..2).all(|n| self.deleting(bulk, &mut many, &format!("b{n}-{life}"), VERY_MANY))
            });
            scope.spawn(move || {
                self.moves(unmoved) && turns().all(|n| self.moving(&format!("m{n}-{life}-0")))
            });
        });
    }

    fn one(&self, id: &str) -> Option<Position> {
        let position = durable(&self.log, || self.log.append(self.places.record(id)));
        position.inspect(|position| println!("\n@{position} {id}"))
    }

    /// Accepts as many as a whole; their positions.
    fn together(&self, series: &str, count: u64) -> Option<Vec<Position>> {
        let ids: Vec<_> = (0..count).map(|k| format!("{series}-{k}")).collect();
        let records = || ids.iter().map(|id| self.places.record(id)).collect();
        let first = durable(&self.log, || self.log.append_all(records(), &[]))?;
        // the last of them is as safe as the first
        let positions: Vec<_> = (first.0..first.0 + count).map(Position).collect();
        let said: Vec<_> = positions.iter().zip(&ids).map(|(at, id)| format!("@{at} {id}\n")).collect();
        println!("\n{}", said.concat());
        Some(positions)
    }

    /// Accepts some, and deletes them, and those that are left of an earlier life, with the place that says so.
    fn deleting(&self, whom: Whom, accepted: &mut Vec<Position>, series: &str, count: u64) -> bool {
        let Some(positions) = self.together(series, count) else { return false };
        accepted.extend(positions);
        let last = *accepted.last().expect("some were accepted");
        {
            let mut changed = self.changed();
            changed.insert(whom, last);
            self.log.delete(accepted);
        }
        accepted.clear();
        self.save();
        true
    }

    fn changed(&self) -> MutexGuard<'_, HashMap<Whom, Position>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place and the deletions that it tells of are one.
    fn save(&self) {
        let changed = self.changed();
        self.log.save(&mut |change| changed.iter().for_each(|(&whom, &through)| change(at(whom, through))));
    }

    fn moving(&self, id: &str) -> bool {
        self.one(id).is_some_and(|position| self.moves(vec![(position, id.to_owned())]))
    }

    /// As a rejection does: the letter, the place of its origin and what goes there are kept together.
    fn moves(&self, some: Vec<(Position, String)>) -> bool {
        let whom = Whom::Listener(self.places.listeners[0].expect("it was registered"));
        some.into_iter().all(|(from, id)| {
            let records = || vec![self.places.letter(&id, from), Record::Changed(at(whom, from))];
            let to = durable(&self.log, || self.log.append_all(records(), &[from]));
            to.inspect(|to| println!("\n>{from} {to}")).is_some()
        })
    }
}

/// Everything up to here is deleted, or moved.
fn at(whom: Whom, through: Position) -> Change {
    Change { whom, settings: None, state: Some(format!("{{\"through\":{through}}}")) }
}
