//! A log that outlives its hub, as one on disk does, for tests of what a start makes of it: what is appended is safe at
//! once, what is deleted and changed only with the next save.

use super::{
    AcceptedId, Change, Durability, Entry, Log, LogError, Memory, Position, Record, Recovered,
    RecoveredChannel, RecoveredListener, RecoveredMessage, Removal, Start, Watermark, Whom,
};
use crate::message::Message;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

#[derive(Default)]
pub(crate) struct Surviving {
    memory: Memory,
    kept: Mutex<Kept>,
    /// How many changes it was told.
    pub(crate) told: AtomicUsize,
}

#[derive(Clone, Default)]
struct Kept {
    removals: Vec<Removal>,
    channels: BTreeMap<Position, RecoveredChannel>,
    listeners: BTreeMap<Position, RecoveredListener>,
    accepted: BTreeMap<Position, AcceptedId>,
    messages: BTreeMap<Position, RecoveredMessage>,
    deleted: Vec<Position>,
}

impl Kept {
    fn put(&mut self, position: Position, record: Record) {
        match record {
            Record::Message { channel, listener, accepted_at, remember_until, message, dead_letter } => {
                let expires_at = if dead_letter.is_some() { None } else { expires_at(&message, accepted_at) };
                let bytes = message.len() as u64;
                let remembered = remember_until.map(|until| (message.id().into(), until));
                let kept = RecoveredMessage {
                    position,
                    channel,
                    listener,
                    bytes,
                    accepted_at,
                    expires_at,
                    remembered,
                    dead_letter,
                };
                self.messages.insert(position, kept);
            }
            Record::Channel { id, created_at, text } => {
                self.channels.insert(position, RecoveredChannel { birth: position, id, created_at, text });
            }
            Record::Listener { channel, id, created_at, explicit, text } => {
                let kept = RecoveredListener { birth: position, channel, id, created_at, explicit, text };
                self.listeners.insert(position, kept);
            }
            Record::Changed(change) => self.change(change),
            Record::Removed(removal) => self.remove(removal),
            Record::Start { .. } => {}
        }
    }

    fn change(&mut self, change: Change) {
        let text = match change.whom {
            Whom::Channel(birth) => self.channels.get_mut(&birth).map(|kept| &mut kept.text),
            Whom::Listener(birth) => self.listeners.get_mut(&birth).map(|kept| &mut kept.text),
        };
        let Some(text) = text else { return };
        text.settings = change.settings.unwrap_or_else(|| text.settings.clone());
        text.state = change.state.unwrap_or_else(|| text.state.clone());
    }

    fn remove(&mut self, removal: Removal) {
        match removal.whom {
            Whom::Channel(birth) => {
                self.channels.remove(&birth);
                self.listeners.retain(|_, listener| listener.channel != birth);
            }
            Whom::Listener(birth) => _ = self.listeners.remove(&birth),
        }
        self.removals.push(removal);
    }

    fn delete(&mut self, positions: &[Position]) {
        for position in positions {
            let Some(message) = self.messages.remove(position) else { continue };
            let RecoveredMessage { position, channel, listener, remembered, .. } = message;
            let accepted = |(id, until)| (position, AcceptedId { position, channel, listener, until, id });
            self.accepted.extend(remembered.map(accepted));
        }
    }
}

fn expires_at(message: &Message, accepted_at: i64) -> Option<i64> {
    let ttl = i64::try_from(message.ttl()?.as_millis()).unwrap_or(i64::MAX);
    Some((accepted_at / 1_000_000).saturating_add(ttl))
}

impl Surviving {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    /// The positions that hold a message.
    pub(crate) fn rows(&self) -> Vec<Position> {
        let kept = self.kept();
        kept.messages.keys().copied().filter(|position| !kept.deleted.contains(position)).collect()
    }

    /// What is left of it where its process ends now: what was deleted and is not saved is there again.
    pub(crate) fn left(&self) -> Arc<Self> {
        let kept = Kept { deleted: Vec::new(), ..self.kept().clone() };
        Arc::new(Self { memory: self.memory.copy(), kept: Mutex::new(kept), ..Self::default() })
    }
}

impl Log for Surviving {
    fn append(&self, record: Record) -> Result<Position, LogError> {
        self.append_all(vec![record], &[])
    }

    fn append_all(&self, records: Vec<Record>, gone: &[Position]) -> Result<Position, LogError> {
        let mut kept = self.kept();
        let first = self.memory.append_all(records.clone(), &[])?;
        (first.0..).zip(records).for_each(|(position, record)| kept.put(Position(position), record));
        kept.delete(gone);
        Ok(first)
    }

    fn watermark(&self) -> &Watermark {
        self.memory.watermark()
    }

    fn last(&self) -> Position {
        self.memory.last()
    }

    fn read(&self, positions: &[Position], found: &mut Vec<Entry>) -> Result<(), LogError> {
        let kept = self.kept();
        let there: Vec<_> = positions
            .iter()
            .copied()
            .filter(|position| kept.messages.contains_key(position) && !kept.deleted.contains(position))
            .collect();
        self.memory.read(&there, found)
    }

    /// The content stays, for those that are there again after the end of the process.
    fn delete(&self, positions: &[Position]) {
        self.kept().deleted.extend(positions);
    }

    fn save(&self, changes: &mut dyn FnMut(&mut dyn FnMut(Change))) {
        let deleted = std::mem::take(&mut self.kept().deleted);
        changes(&mut |change| {
            self.told.fetch_add(1, Ordering::SeqCst);
            self.kept().change(change);
        });
        self.kept().delete(&deleted);
    }

    fn recover(&self, found: &mut dyn FnMut(Recovered)) -> Result<(), LogError> {
        let kept = self.kept();
        kept.removals.iter().cloned().map(Recovered::Removed).for_each(&mut *found);
        kept.channels.values().cloned().map(Recovered::Channel).for_each(&mut *found);
        kept.listeners.values().cloned().map(Recovered::Listener).for_each(&mut *found);
        kept.accepted.values().cloned().map(Recovered::Accepted).for_each(&mut *found);
        kept.messages.values().cloned().map(Recovered::Message).for_each(&mut *found);
        Ok(())
    }

    fn starts(&self) -> Vec<Start> {
        self.memory.starts()
    }

    fn check(&self) -> Result<(), LogError> {
        Ok(())
    }

    fn bytes(&self) -> u64 {
        let kept = self.kept();
        let there = kept.messages.values().filter(|message| !kept.deleted.contains(&message.position));
        there.map(|message| super::kept_bytes_of(message.bytes)).sum()
    }

    fn durability(&self) -> Durability {
        Durability::Disk
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::log::contract::suite!(Box::new(Surviving::default()));
}
