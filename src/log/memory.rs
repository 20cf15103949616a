//! The log that ends with its process.

use super::{
    Change, Durability, Entry, Kind, Log, LogError, Position, Record, Recovered, Start, Watermark, kept_bytes,
};
use std::{
    collections::BTreeMap,
    hint::black_box,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Messages that stand next to each other share an allocation of this many places. A single message that is kept
/// for long holds one such block, and not more.
const BLOCK: u64 = 64;

/// So many are touched before they go.
const AT_ONCE: usize = 64;

/// Keeps messages in memory, by position. Accepted means: it survives its sender.
#[derive(Debug, Default)]
pub struct Memory {
    kept: Mutex<Kept>,
    bytes: AtomicU64,
    watermark: Watermark,
}

#[derive(Clone, Debug, Default)]
struct Kept {
    last: Position,
    blocks: BTreeMap<u64, Block>,
    starts: Vec<Start>,
}

#[derive(Clone, Debug)]
struct Block {
    messages: usize,
    places: Box<[Option<Entry>]>,
}

impl Block {
    fn new() -> Self {
        Self { messages: 0, places: (0..BLOCK).map(|_| None).collect() }
    }
}

fn place(position: Position) -> (u64, usize) {
    (position.0 / BLOCK, (position.0 % BLOCK) as usize)
}

impl Kept {
    fn next(&mut self) -> Position {
        self.last = Position(self.last.0 + 1);
        self.last
    }

    fn put(&mut self, entry: Entry) {
        let (block, place) = place(entry.position);
        let block = self.blocks.entry(block).or_insert_with(Block::new);
        block.messages += 1;
        block.places[place] = Some(entry);
    }

    fn take(&mut self, position: Position) -> Option<Entry> {
        let (number, place) = place(position);
        let block = self.blocks.get_mut(&number)?;
        let taken = block.places[place].take()?;
        block.messages -= 1;
        if block.messages == 0 {
            self.blocks.remove(&number);
        }
        Some(taken)
    }

    /// Those of these that are kept. Rising positions mostly lie in the block of the one before.
    fn at(&self, positions: &[Position]) -> impl Iterator<Item = &Entry> {
        let mut block = None;
        positions.iter().filter_map(move |&position| {
            let (number, place) = place(position);
            if !matches!(block, Some((at, _)) if at == number) {
                block = self.blocks.get(&number).map(|block| (number, block));
            }
            block.and_then(|(_, block)| block.places[place].as_ref())
        })
    }

    /// Touches the messages: of those that have lain for long each would wait for memory, and so they wait together.
    fn bring_near(&self, positions: &[Position]) {
        let shared = self.at(positions).fold(0, |sum, entry| sum ^ entry.message.shared_by());
        // so that it is done
        black_box(shared);
    }
}

impl Memory {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        // no section below can panic half way
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another one, that keeps the same.
    #[cfg(test)]
    pub(super) fn copy(&self) -> Self {
        let kept = self.kept().clone();
        let (watermark, bytes) = (Watermark::default(), AtomicU64::new(self.bytes()));
        watermark.rise_at_append(kept.last);
        Self { kept: Mutex::new(kept), bytes, watermark }
    }

    fn put(&self, kept: &mut Kept, record: Record) -> Position {
        let position = kept.next();
        match record {
            Record::Message { listener, accepted_at, message, dead_letter, .. } => {
                self.bytes.fetch_add(kept_bytes(&message), Ordering::Relaxed);
                kept.put(Entry { position, accepted_at, kind: Kind::of(listener), message, dead_letter });
            }
            Record::Start { incarnation, .. } => kept.starts.push(Start { position, incarnation }),
            Record::Channel { .. } | Record::Listener { .. } | Record::Changed(_) | Record::Removed(_) => {}
        }
        self.watermark.rise_at_append(position);
        position
    }

    fn take(&self, kept: &mut Kept, positions: &[Position]) {
        for positions in positions.chunks(AT_ONCE) {
            kept.bring_near(positions);
            for entry in positions.iter().filter_map(|&position| kept.take(position)) {
                self.bytes.fetch_sub(kept_bytes(&entry.message), Ordering::Relaxed);
            }
        }
    }
}

impl Log for Memory {
    fn append(&self, record: Record) -> Result<Position, LogError> {
        Ok(self.put(&mut self.kept(), record))
    }

    fn append_all(&self, records: Vec<Record>, gone: &[Position]) -> Result<Position, LogError> {
        let mut kept = self.kept();
        let first = Position(kept.last.0 + 1);
        records.into_iter().for_each(|record| _ = self.put(&mut kept, record));
        self.take(&mut kept, gone);
        Ok(first)
    }

    fn watermark(&self) -> &Watermark {
        &self.watermark
    }

    fn last(&self) -> Position {
        self.kept().last
    }

    fn read(&self, positions: &[Position], found: &mut Vec<Entry>) -> Result<(), LogError> {
        found.extend(self.kept().at(positions).cloned());
        Ok(())
    }

    fn delete(&self, positions: &[Position]) {
        self.take(&mut self.kept(), positions);
    }

    /// It ends with its process.
    fn save(&self, _: &mut dyn FnMut(&mut dyn FnMut(Change))) {}

    fn recover(&self, _: &mut dyn FnMut(Recovered)) -> Result<(), LogError> {
        Ok(())
    }

    fn starts(&self) -> Vec<Start> {
        self.kept().starts.clone()
    }

    fn check(&self) -> Result<(), LogError> {
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn durability(&self) -> Durability {
        Durability::Memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::log::contract::suite!(Box::new(Memory::default()));

    #[test]
    fn what_is_deleted_gives_its_memory_back() {
        let log = Memory::default();
        let positions: Vec<_> = (0..1000).map(|_| crate::log::contract::append(&log, "m")).collect();
        log.delete(&positions);
        assert_eq!((log.bytes(), log.kept().blocks.len()), (0, 0));
    }
}
