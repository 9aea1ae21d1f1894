//! Entries as they are used, for as many tokens as there is room for.
//!
//! A read takes no lock and writes to no line that others read: a set of seven places lies in one
//! cache line, a byte of the digest beside each place tells which of them is worth a look, and an
//! entry is borrowed, not counted. Only its first use since the hand of the clock came by marks it.
//!
//! Where there are too many bytes, those entries go that nobody used since the hand was there last.
//!
//! Memory that is free again is of use to others only where much of it lies together, and entries go in
//! no order: of the last few thousand of them each would hold a piece that once held dozens. So whenever
//! there is much less room than before, the place is *tidied*: bit by bit every entry goes, or moves if
//! it is in use.

use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwapOption, Guard};
use idp_token::digest::TokenDigest;

use super::super::entry::Entry;

const PLACES: usize = 7;
/// Writers of sets that share a lock wait for each other.
const LOCKS: usize = 64;
/// What an ordinary entry takes, and a little less, so that sets are seldom full before the rest.
const ENTRY_BYTES: u64 = 800;
/// It is tidied when one part in so many of the room is gone.
const ROOM_PARTS: u64 = 8;
/// So many sets with every entry that comes.
const TIDIED_AT_ONCE: usize = 32;

pub(super) struct Spelled {
    sets: Box<[Set]>,
    locks: Box<[Mutex<()>]>,
    bytes: AtomicU64,
    bytes_max: AtomicU64,
    /// The set that the hand of the clock points at.
    hand: AtomicUsize,
    /// The room that there was when it was last tidied.
    tidied_for: AtomicU64,
    /// Sets that are yet to be tidied, from the first on.
    untidy: AtomicUsize,
    /// What comes from now on is of this one, and what is of another is to go.
    generation: AtomicU8,
}

/// One cache line.
#[repr(align(64))]
#[derive(Default)]
struct Set {
    /// A byte of the digest for each place.
    hints: AtomicU64,
    places: [ArcSwapOption<Entry>; PLACES],
}

/// An entry that is borrowed.
pub(super) type Borrowed = Guard<Option<Arc<Entry>>>;

impl Spelled {
    pub(super) fn new(bytes_max: u64) -> Self {
        let set_bytes = size_of::<Set>() as u64;
        let of_places = PLACES as u64 * ENTRY_BYTES + set_bytes;
        let sets = usize::try_from(bytes_max / of_places).unwrap_or(usize::MAX);
        let sets = sets.max(1);
        Self {
            sets: (0..sets).map(|_| Set::default()).collect(),
            locks: (0..LOCKS).map(|_| Mutex::default()).collect(),
            bytes: AtomicU64::new(set_bytes * sets as u64),
            bytes_max: AtomicU64::new(bytes_max),
            hand: AtomicUsize::new(0),
            tidied_for: AtomicU64::new(bytes_max),
            untidy: AtomicUsize::new(0),
            generation: AtomicU8::new(0),
        }
    }

    /// What is remembered of a token.
    pub(super) fn find(&self, digest: &TokenDigest) -> Option<Borrowed> {
        let (at, hint) = self.place(digest);
        let set = self.sets.get(at)?;
        let hints = set.hints.load(Ordering::Acquire).to_le_bytes();
        for (place, known) in set.places.iter().zip(hints) {
            if known != hint {
                continue;
            }
            let found = place.load();
            if let Some(entry) = found.as_ref()
                && entry.digest == *digest
            {
                entry.note_recent();
                return Some(found);
            }
        }
        None
    }

    /// Remembers a entry in place of what was known of its token.
    pub(super) fn insert(&self, entry: Arc<Entry>) {
        let (at, hint) = self.place(&entry.digest);
        let Some(set) = self.sets.get(at) else {
            return;
        };
        let bytes = entry.bytes();
        if bytes > self.bytes_max() {
            return;
        }
        entry.note_generation(self.generation.load(Ordering::Relaxed));
        {
            let _writing = self.lock(at);
            let place = set.choose(&entry.digest);
            self.swap(set, place, (hint, Some(entry)));
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.tidy();
        self.shrink();
    }

    /// Forgets a token.
    pub(super) fn remove(&self, digest: &TokenDigest) {
        let (at, _) = self.place(digest);
        let Some(set) = self.sets.get(at) else {
            return;
        };
        let _writing = self.lock(at);
        if let Some(place) = set.place_of(digest) {
            self.swap(set, place, (0, None));
        }
    }

    /// Bytes of all that is remembered, the table itself included.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Others need the room, or do not need it any more.
    pub(super) fn set_bytes_max(&self, bytes_max: u64) {
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
        let tidied_for = self.tidied_for.load(Ordering::Relaxed);
        if bytes_max < tidied_for - tidied_for / ROOM_PARTS {
            self.tidied_for.store(bytes_max, Ordering::Relaxed);
            self.generation.fetch_add(1, Ordering::Relaxed);
            self.untidy.store(self.sets.len(), Ordering::Relaxed);
        }
        self.shrink();
    }

    fn bytes_max(&self) -> u64 {
        self.bytes_max.load(Ordering::Relaxed)
    }

    fn place(&self, digest: &TokenDigest) -> (usize, u8) {
        let [a, b, c, d, e, f, g, h, hint, ..] = *digest.as_bytes();
        let hash = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let at = hash % self.sets.len() as u64;
        (usize::try_from(at).unwrap_or_default(), hint)
    }

    fn lock(&self, at: usize) -> Option<std::sync::MutexGuard<'_, ()>> {
        let lock = self.locks.get(at % LOCKS)?;
        Some(lock.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts something into a place. A reader that comes between the two steps finds what it did
    /// not look for and takes it for nothing.
    fn swap(&self, set: &Set, place: usize, (hint, entry): (u8, Option<Arc<Entry>>)) {
        let mut hints = set.hints.load(Ordering::Relaxed).to_le_bytes();
        if let (Some(known), Some(place)) = (hints.get_mut(place), set.places.get(place)) {
            *known = hint;
            let before = place.swap(entry);
            set.hints
                .store(u64::from_le_bytes(hints), Ordering::Release);
            let freed = before.map_or(0, |before| before.bytes());
            self.bytes.fetch_sub(freed, Ordering::Relaxed);
        }
    }

    /// Tidies some sets, if that is under way.
    fn tidy(&self) {
        let order = Ordering::Relaxed;
        let claim = |untidy: usize| (untidy > 0).then(|| untidy.saturating_sub(TIDIED_AT_ONCE));
        let Ok(end) = self.untidy.fetch_update(order, order, claim) else {
            return;
        };
        let generation = self.generation.load(order);
        for at in end.saturating_sub(TIDIED_AT_ONCE)..end {
            let Some(set) = self.sets.get(at) else {
                return;
            };
            let _writing = self.lock(at);
            for place in 0..PLACES {
                self.tidy_place(set, place, generation);
            }
        }
    }

    fn tidy_place(&self, set: &Set, place: usize, generation: u8) {
        let entry = set.places.get(place).map(ArcSwapOption::load);
        let Some(entry) = entry.as_ref().and_then(|entry| entry.as_ref()) else {
            return;
        };
        if entry.generation() == generation {
            return;
        }
        if !entry.take_recent() {
            return self.swap(set, place, (0, None));
        }
        let (_, hint) = self.place(&entry.digest);
        let moved = entry.moved();
        moved.note_generation(generation);
        self.bytes.fetch_add(moved.bytes(), Ordering::Relaxed);
        self.swap(set, place, (hint, Some(Arc::new(moved))));
    }

    /// Forgets what was not used lately, until the rest has room. Twice around is enough, since
    /// what was marked in the first round is not in the second.
    fn shrink(&self) {
        for _ in 0..self.sets.len() * 2 {
            if self.bytes() <= self.bytes_max() {
                return;
            }
            let at = self.hand.fetch_add(1, Ordering::Relaxed) % self.sets.len();
            let Some(set) = self.sets.get(at) else {
                return;
            };
            let _writing = self.lock(at);
            for place in 0..PLACES {
                if self.bytes() > self.bytes_max() && set.is_stale(place) {
                    self.swap(set, place, (0, None));
                }
            }
        }
    }
}

impl Set {
    fn place_of(&self, digest: &TokenDigest) -> Option<usize> {
        let is_of = |place: &ArcSwapOption<Entry>| {
            let entry = place.load();
            entry.as_ref().is_some_and(|it| it.digest == *digest)
        };
        self.places.iter().position(is_of)
    }

    /// The place for a token: its own, an empty one, or one whose entry was not used lately.
    fn choose(&self, digest: &TokenDigest) -> usize {
        let is_empty = |place: &ArcSwapOption<Entry>| place.load().is_none();
        let own = self.place_of(digest);
        let empty = || self.places.iter().position(is_empty);
        let stale = || (0..PLACES).find(|place| self.is_stale(*place));
        let [.., any] = *digest.as_bytes();
        own.or_else(empty)
            .or_else(stale)
            .unwrap_or(usize::from(any) % PLACES)
    }

    /// Whether a entry was not used since this was asked last.
    fn is_stale(&self, place: usize) -> bool {
        let entry = self.places.get(place).map(ArcSwapOption::load);
        let entry = entry.as_ref().and_then(|entry| entry.as_ref());
        entry.is_some_and(|entry| !entry.take_recent())
    }
}

impl std::fmt::Debug for Spelled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spelled")
            .field("bytes", &self.bytes)
            .field("bytes_max", &self.bytes_max)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
