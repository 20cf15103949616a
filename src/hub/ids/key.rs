//! Ids without their text: 128 bits that are hashed with a key of this start, so that nobody can make ids that meet.

use crate::log::Position;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::{BuildHasher, Hasher, RandomState};

/// An id, and whom its message was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) struct Key([u64; 2]);

/// The half of a key that is kept. Of the other half a place tells 8 bits, and where it stands some more. So one id is taken
/// for another once in 2^72 times that two of them meet in a bucket.
pub(super) type Check = u64;

impl Key {
    /// Where it stands.
    pub(super) fn hash(self) -> u32 {
        self.0[0] as u32
    }

    /// Some bits that tell nothing of the hash, nor of what is kept.
    pub(super) fn mark(self) -> u32 {
        (self.0[0] >> 32) as u32
    }

    /// What is kept.
    pub(super) fn check(self) -> Check {
        self.0[1]
    }
}

/// Makes keys, in one pass over an id.
#[derive(Debug)]
pub(in crate::hub) struct Keys(SipHasher13);

impl Default for Keys {
    fn default() -> Self {
        // std does not tell its own random key, but what is hashed with it is as good as random
        let random = RandomState::new();
        Self(SipHasher13::new_with_keys(random.hash_one(0), random.hash_one(1)))
    }
}

impl Keys {
    /// The key of an id for a listener, by its birth: under the same id another one may come. Without one, of a
    /// broadcast.
    pub(in crate::hub) fn key(&self, receiver: Option<Position>, id: &str) -> Key {
        let mut hasher = self.0;
        // no listener is born before the first record
        hasher.write_u64(receiver.unwrap_or(Position::ZERO).0);
        hasher.write(id.as_bytes());
        let hash = hasher.finish128();
        Key([hash.h1, hash.h2])
    }
}
