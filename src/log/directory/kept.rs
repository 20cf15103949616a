//! What is kept, as memory knows it: sizes of all messages, the newest of them, starts, and what is to be saved next.

use super::{
    super::{Change, Entry, Kind, Position, Record, Start},
    cache::Cache,
    pending::Saved,
    runs::{Gathered, Runs},
    sizes::Sizes,
};
use crate::log::kept_bytes_of;
use std::collections::HashMap;

#[derive(Debug)]
pub(super) struct Kept {
    pub(super) starts: Vec<Start>,
    pub(super) cache: Cache,
    sizes: Sizes,
    bytes: u64,
    /// Deleted since the last save began.
    noted: Gathered,
    /// The save that is being collected.
    open: Option<Saved>,
}

/// Where the messages are that somebody asks for: the newest are at hand.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) on_disk: Vec<Position>,
    pub(super) at_hand: Vec<Entry>,
}

impl Kept {
    pub(super) fn new(starts: Vec<Start>, cache: Cache) -> Self {
        let (sizes, noted) = (Sizes::default(), Gathered::default());
        Self { starts, cache, sizes, bytes: 0, noted, open: None }
    }

    /// What the messages count for.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes what stood in the file when it was opened.
    pub(super) fn recover(&mut self, sizes: Sizes, bytes: u64) {
        (self.sizes, self.bytes) = (sizes, bytes);
    }

    /// Takes the record that has the next position.
    pub(super) fn enter(&mut self, position: Position, record: &Record) {
        let entry = entry(position, record);
        if let Some(entry) = &entry {
            let len = entry.message.len() as u64;
            self.sizes.put(position.0, len);
            self.bytes += kept_bytes_of(len);
        }
        self.cache.push(entry);
        match record {
            Record::Start { incarnation, .. } => {
                self.starts.push(Start { position, incarnation: *incarnation });
            }
            Record::Changed(change) => self.overtake(change),
            Record::Message { .. }
            | Record::Channel { .. }
            | Record::Listener { .. }
            | Record::Removed(_) => {}
        }
    }

    /// What a save has collected of the same is older.
    fn overtake(&mut self, newer: &Change) {
        let Some(change) = self.open.as_mut().and_then(|open| open.changes.get_mut(&newer.whom)) else {
            return;
        };
        change.settings.take_if(|_| newer.settings.is_some());
        change.state.take_if(|_| newer.state.is_some());
    }

    /// They are gone with the next save.
    pub(super) fn delete(&mut self, positions: &[Position]) {
        let mut noted = std::mem::take(&mut self.noted);
        self.take(positions, &mut noted);
        self.noted = noted;
    }

    /// They are gone now; tells which there were.
    pub(super) fn forget(&mut self, positions: &[Position]) -> Runs {
        let mut gone = Gathered::default();
        self.take(positions, &mut gone);
        gone.sorted()
    }

    fn take(&mut self, positions: &[Position], gone: &mut Gathered) {
        for &Position(position) in positions {
            let Some(bytes) = self.sizes.take(position) else { continue };
            self.bytes -= bytes;
            self.cache.forget(position);
            gone.push(position);
        }
    }

    /// Begins to collect a save: what is deleted from now on belongs to the next.
    pub(super) fn open(&mut self) {
        let gone = std::mem::take(&mut self.noted).sorted();
        self.open = Some(Saved { gone, changes: HashMap::new() });
    }

    pub(super) fn collect(&mut self, change: Change) {
        if let Some(open) = &mut self.open {
            open.changes.insert(change.whom, change);
        }
    }

    /// What was collected; `None`: there is nothing to save.
    pub(super) fn close(&mut self) -> Option<Saved> {
        let mut saved = self.open.take()?;
        saved.changes.retain(|_, change| change.settings.is_some() || change.state.is_some());
        (!saved.gone.is_empty() || !saved.changes.is_empty()).then_some(saved)
    }

    /// Where these rising positions are to be had. What is on disk is older than what is at hand.
    pub(super) fn find(&self, positions: &[Position]) -> Places {
        let newer = positions.partition_point(|&position| self.cache.is_past(position));
        let (past, newer) = positions.split_at(newer);
        let on_disk = past.iter().copied().filter(|position| self.sizes.has(position.0)).collect();
        let at_hand = newer.iter().filter_map(|&position| self.cache.get(position)).cloned().collect();
        Places { on_disk, at_hand }
    }

    /// As [`Kept::find`], where all are at hand; false: some are not, and nothing was found.
    pub(super) fn find_at_hand(&self, positions: &[Position], found: &mut Vec<Entry>) -> bool {
        let newer = positions.partition_point(|&position| self.cache.is_past(position));
        if positions[..newer].iter().any(|position| self.sizes.has(position.0)) {
            return false;
        }
        found.extend(positions[newer..].iter().filter_map(|&position| self.cache.get(position)).cloned());
        true
    }

    /// The oldest message, and when it was accepted, where memory knows it.
    pub(super) fn oldest(&self) -> Option<(Position, Option<i64>)> {
        let position = Position(self.sizes.first()?);
        Some((position, self.cache.get(position).map(|entry| entry.accepted_at)))
    }

    pub(super) fn has(&self, position: Position) -> bool {
        self.sizes.has(position.0)
    }
}

fn entry(position: Position, record: &Record) -> Option<Entry> {
    let Record::Message { listener, accepted_at, message, dead_letter, .. } = record else { return None };
    let (kind, message) = (Kind::of(*listener), message.clone());
    Some(Entry { position, accepted_at: *accepted_at, kind, message, dead_letter: dead_letter.clone() })
}
