//! Which positions hold a message that is kept, and how large it is: four bytes for each, so that deletions count at
//! once and nobody asks the file for what is gone.

use super::super::kept_bytes_of;
use std::collections::BTreeMap;

/// Positions next to each other share an allocation of this many places.
const BLOCK: u64 = 64;

/// 0: no message.
type Places = Box<[u32; BLOCK as usize]>;

/// How many places are taken, and they.
type Block = (u32, Places);

#[derive(Debug, Default)]
pub(super) struct Sizes {
    blocks: BTreeMap<u64, Block>,
}

fn empty() -> Block {
    (0, Box::new([0; BLOCK as usize]))
}

/// A message has a type, so its size is never 0; what is larger than 4 GiB no limit lets in.
fn put((kept, places): &mut Block, place: usize, len: u64) {
    *kept += 1;
    places[place] = u32::try_from(len).unwrap_or(u32::MAX);
}

fn place(position: u64) -> (u64, usize) {
    (position / BLOCK, (position % BLOCK) as usize)
}

impl Sizes {
    pub(super) fn put(&mut self, position: u64, len: u64) {
        let (block, place) = place(position);
        put(self.blocks.entry(block).or_insert_with(empty), place, len);
    }

    /// Forgets the message, and tells what it counted for.
    pub(super) fn take(&mut self, position: u64) -> Option<u64> {
        let (block, place) = place(position);
        let (kept, places) = self.blocks.get_mut(&block)?;
        let len = std::mem::take(&mut places[place]);
        if len == 0 {
            return None;
        }
        *kept -= 1;
        if *kept == 0 {
            self.blocks.remove(&block);
        }
        Some(kept_bytes_of(u64::from(len)))
    }

    /// The first position that holds a message.
    pub(super) fn first(&self) -> Option<u64> {
        let (block, (_, places)) = self.blocks.first_key_value()?;
        Some(block * BLOCK + places.iter().position(|len| *len > 0)? as u64)
    }

    pub(super) fn has(&self, position: u64) -> bool {
        let (block, place) = place(position);
        self.blocks.get(&block).is_some_and(|(_, places)| places[place] > 0)
    }
}

/// Takes them in rising order: a block is looked for once for all that stand in it.
#[derive(Debug)]
pub(super) struct Rising {
    before: Sizes,
    number: u64,
    block: Block,
}

impl Default for Rising {
    fn default() -> Self {
        Self { before: Sizes::default(), number: 0, block: empty() }
    }
}

impl Rising {
    pub(super) fn put(&mut self, position: u64, len: u64) {
        let (block, place) = place(position);
        if block != self.number {
            self.close(block);
        }
        put(&mut self.block, place, len);
    }

    fn close(&mut self, next: u64) {
        let block = std::mem::replace(&mut self.block, empty());
        let number = std::mem::replace(&mut self.number, next);
        if block.0 > 0 {
            self.before.blocks.insert(number, block);
        }
    }

    pub(super) fn sizes(mut self) -> Sizes {
        self.close(0);
        self.before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_in_rising_order_is_what_was_put_one_by_one() {
        let (mut rising, mut sizes) = (Rising::default(), Sizes::default());
        for position in [1, 63, 64, 65, 640, 10_000] {
            rising.put(position, position + 1);
            sizes.put(position, position + 1);
        }
        assert_eq!(rising.sizes().blocks, sizes.blocks);
        assert!(Rising::default().sizes().blocks.is_empty());
    }

    #[test]
    fn a_message_is_forgotten_once_and_gives_its_memory_back() {
        let mut sizes = Sizes::default();
        sizes.put(63, 10);
        sizes.put(64, 20);
        assert!(sizes.has(63) && !sizes.has(62) && sizes.first() == Some(63));
        assert_eq!((sizes.take(63), sizes.take(63)), (Some(kept_bytes_of(10)), None));
        assert_eq!((sizes.take(64), sizes.blocks.len()), (Some(kept_bytes_of(20)), 0));
    }
}
