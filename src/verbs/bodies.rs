//! What bodies of requests hold together, while they come.

use super::RequestLimits;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// So many requests of the largest size may come at once. Beyond it those that are not small are sent away.
const LARGEST_AT_ONCE: usize = 32;
/// What a body may hold that nobody counts, so that whoever sends much keeps nobody from sending little.
const UNCOUNTED_BYTES: usize = 16 * 1024;

/// The bytes that are held of bodies which have not been read to their ends.
#[derive(Clone, Debug)]
pub(crate) struct Bodies(Arc<Counted>);

#[derive(Debug)]
struct Counted {
    bytes: AtomicUsize,
    most: usize,
}

impl Bodies {
    pub(crate) fn new(limits: &RequestLimits) -> Self {
        Self::of(limits.max_body_bytes().saturating_mul(LARGEST_AT_ONCE))
    }

    fn of(most: usize) -> Self {
        Self(Arc::new(Counted { bytes: AtomicUsize::new(0), most }))
    }

    /// The part of a body of which nothing has come.
    pub(crate) fn part(&self) -> Part {
        Part { bodies: self.clone(), come: 0 }
    }
}

/// What one body holds, until it is dropped.
#[derive(Debug)]
pub(crate) struct Part {
    bodies: Bodies,
    come: usize,
}

impl Part {
    /// More of it has come. False, and not counted, where all of them would hold too much.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        let come = self.come + bytes;
        let Counted { bytes: all, most } = &*self.bodies.0;
        let more = counted(come) - counted(self.come);
        if more > 0 && all.fetch_add(more, Ordering::Relaxed) + more > *most {
            all.fetch_sub(more, Ordering::Relaxed);
            return false;
        }
        self.come = come;
        true
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.bodies.0.bytes.fetch_sub(counted(self.come), Ordering::Relaxed);
    }
}

fn counted(come: usize) -> usize {
    come.saturating_sub(UNCOUNTED_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_small_is_not_counted_and_what_is_dropped_is_given_back() {
        let bodies = Bodies::of(100);
        let (mut one, mut other) = (bodies.part(), bodies.part());
        assert!(one.grow(UNCOUNTED_BYTES) && one.grow(60));
        assert!(other.grow(UNCOUNTED_BYTES + 40), "just as much as there may be");
        assert!(!other.grow(1) && !other.grow(1000));
        assert!(bodies.part().grow(UNCOUNTED_BYTES));
        drop(one);
        assert!(other.grow(60) && !other.grow(1));
        drop(other);
        assert_eq!(bodies.0.bytes.load(Ordering::Relaxed), 0);
    }
}
