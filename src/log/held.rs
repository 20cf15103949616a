//! A log whose watermark rises only when a test says so, as that of a slow disk does.

use super::{
    Change, Durability, Entry, Log, LogError, Memory, Position, Record, Recovered, Start, Watermark,
};

#[derive(Default)]
pub(crate) struct Held {
    inner: Memory,
    watermark: Watermark,
}

impl Held {
    /// Everything appended so far becomes safe.
    pub(crate) fn release(&self) {
        self.watermark.rise(self.inner.watermark().position());
    }

    /// The same, of which nobody is told yet.
    pub(crate) fn release_unheard(&self) {
        self.watermark.rise_at_append(self.inner.watermark().position());
    }
}

impl Log for Held {
    fn append(&self, record: Record) -> Result<Position, LogError> {
        let change = !matches!(record, Record::Message { .. });
        let position = self.inner.append(record)?;
        // a test that makes a channel should not have to wait for it; what was appended before it is never safe later
        if change && self.watermark.position() == position.before() {
            self.watermark.rise(position);
        }
        Ok(position)
    }

    fn append_all(&self, records: Vec<Record>, gone: &[Position]) -> Result<Position, LogError> {
        self.inner.append_all(records, gone)
    }

    fn watermark(&self) -> &Watermark {
        &self.watermark
    }

    fn last(&self) -> Position {
        self.inner.last()
    }

    fn read(&self, positions: &[Position], found: &mut Vec<Entry>) -> Result<(), LogError> {
        self.inner.read(positions, found)
    }

    fn delete(&self, positions: &[Position]) {
        self.inner.delete(positions);
    }

    fn save(&self, changes: &mut dyn FnMut(&mut dyn FnMut(Change))) {
        self.inner.save(changes);
    }

    fn recover(&self, found: &mut dyn FnMut(Recovered)) -> Result<(), LogError> {
        self.inner.recover(found)
    }

    fn starts(&self) -> Vec<Start> {
        self.inner.starts()
    }

    fn check(&self) -> Result<(), LogError> {
        self.inner.check()
    }

    fn bytes(&self) -> u64 {
        self.inner.bytes()
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }
}
