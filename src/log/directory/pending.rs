//! What waits to be written, in the order in which it came.

use super::{
    super::{Change, Position, Record, Whom},
    runs::Runs,
};
use std::collections::HashMap;

/// What one [`save`](crate::log::Log::save) keeps: all of it or nothing.
#[derive(Debug, Default)]
pub(super) struct Saved {
    pub(super) gone: Runs,
    pub(super) changes: HashMap<Whom, Change>,
}

/// What no commit parts.
#[derive(Debug)]
pub(super) enum Item {
    One(Position, Record),
    /// From this position on, and what goes by them.
    Whole(Position, Vec<Record>, Runs),
    Saved(Saved),
}

/// The queue in front of the writer.
#[derive(Debug)]
pub(super) struct Pending {
    /// The last position that was given.
    pub(super) last: Position,
    items: Vec<Item>,
    /// What is not durable yet takes so much; what the writer has taken counts until then.
    bytes: u64,
    limit: u64,
}

impl Pending {
    pub(super) fn after(last: Position, limit: u64) -> Self {
        Self { last, items: Vec::new(), bytes: 0, limit }
    }

    /// A message waits outside while too much waits here; changes are few, and the hub has made them already.
    pub(super) fn has_room(&self, record: &Record) -> bool {
        self.bytes < self.limit || !matches!(record, Record::Message { .. })
    }

    pub(super) fn push(&mut self, record: Record) {
        self.last = Position(self.last.0 + 1);
        self.bytes += weight(&record);
        self.items.push(Item::One(self.last, record));
    }

    pub(super) fn push_all(&mut self, records: Vec<Record>, gone: Runs) {
        let first = Position(self.last.0 + 1);
        self.last = Position(self.last.0 + records.len() as u64);
        self.bytes += records.iter().map(weight).sum::<u64>();
        self.items.push(Item::Whole(first, records, gone));
    }

    /// While nothing can be written, what is saved does not pile up.
    pub(super) fn push_saved(&mut self, saved: Saved) {
        let Some(Item::Saved(waiting)) = self.items.last_mut() else {
            return self.items.push(Item::Saved(saved));
        };
        waiting.gone.join(saved.gone);
        for (whom, change) in saved.changes {
            merge(waiting.changes.entry(whom).or_insert_with(|| nothing(whom)), change);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Hands over all that waits, and goes on with the memory of what was written.
    pub(super) fn take(&mut self, written: &mut Vec<Item>) {
        std::mem::swap(&mut self.items, written);
    }

    /// What waits to become durable.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// So much has become durable.
    pub(super) fn settle(&mut self, bytes: u64) {
        self.bytes -= bytes;
    }

    /// Nothing more will be written.
    pub(super) fn clear(&mut self) {
        self.items = Vec::new();
    }
}

impl Item {
    /// What it counts for while it waits.
    pub(super) fn weight(&self) -> u64 {
        match self {
            Self::One(_, record) => weight(record),
            Self::Whole(_, records, _) => records.iter().map(weight).sum(),
            Self::Saved(_) => 0,
        }
    }

    /// Its last position; `None`: it takes none.
    pub(super) fn last(&self) -> Option<Position> {
        match self {
            Self::One(position, _) => Some(*position),
            Self::Whole(first, records, _) => Some(Position(first.0 + records.len() as u64).before()),
            Self::Saved(_) => None,
        }
    }

    /// How many records it holds.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::One(..) => 1,
            Self::Whole(_, records, _) => records.len() as u64,
            Self::Saved(_) => 0,
        }
    }
}

fn weight(record: &Record) -> u64 {
    const BESIDE: u64 = 128;
    match record {
        Record::Message { message, .. } => BESIDE + message.len() as u64,
        Record::Channel { text, .. } | Record::Listener { text, .. } => {
            BESIDE + (text.settings.len() + text.state.len()) as u64
        }
        Record::Changed(_) | Record::Removed(_) | Record::Start { .. } => BESIDE,
    }
}

fn nothing(whom: Whom) -> Change {
    Change { whom, settings: None, state: None }
}

/// What the newer one does not say stays.
fn merge(older: &mut Change, newer: Change) {
    older.settings = newer.settings.or(older.settings.take());
    older.state = newer.state.or(older.state.take());
}
