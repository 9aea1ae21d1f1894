//! Is what was learned of a key older than its last invalidation?
//!
//! Each key has a generation, taken before a call goes out and kept with what comes of it. An
//! invalidation begins the next one, and whatever bears an older one is void wherever it is met: in
//! the cache, and in a call that is still under way. So an invalidation neither has to find entries
//! nor to wait for calls, and nothing that is published late brings an old state back.
//!
//! Keys share generations by their hash: an invalidation may void a few entries too many, and it
//! costs no memory that grows.

use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;

const PLACES: usize = 4096;

/// When something was learned, as invalidations count time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generation {
    of_all: u64,
    of_key: u64,
}

#[derive(Debug)]
pub(crate) struct Generations {
    of_all: AtomicU64,
    of_keys: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Generations {
    pub(crate) fn new() -> Self {
        Self {
            of_all: AtomicU64::new(0),
            of_keys: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::default(),
        }
    }

    pub(crate) fn of(&self, key: &str) -> Generation {
        self.of_bytes(key.as_bytes())
    }

    pub(crate) fn of_bytes(&self, key: &[u8]) -> Generation {
        Generation {
            of_all: self.of_all.load(Ordering::SeqCst),
            of_key: self.place(key).map_or(0, |of| of.load(Ordering::SeqCst)),
        }
    }

    /// Voids what was learned of a key so far, for whomever it was learned.
    pub(crate) fn invalidate(&self, key: &str) {
        if let Some(place) = self.place(key.as_bytes()) {
            place.fetch_add(1, Ordering::SeqCst);
        }
    }

    pub(crate) fn invalidate_all(&self) {
        self.of_all.fetch_add(1, Ordering::SeqCst);
    }

    fn place(&self, key: &[u8]) -> Option<&AtomicU64> {
        let hash = self.hasher.hash_one(key) % PLACES as u64;
        self.of_keys.get(usize::try_from(hash).ok()?)
    }
}

#[cfg(test)]
mod tests;
