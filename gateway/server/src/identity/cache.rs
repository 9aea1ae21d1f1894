//! What is remembered of tokens that were found good, by their digests.
//!
//! Every request with a token reads here, on all threads at once, so a read takes no lock and writes
//! nothing that others read. What is remembered is bounded in bytes; losing an entry costs a look-up
//! and nothing else.
//!
//! There are two forms of it. Every session that can be is *packed*, so that a million of them fit into
//! 150 MiB. In the room that these leave entries lie *spelled* out as they are used, which spares
//! the unpacking. Where there is little room that is few of them, and the others cost a little more.

use std::sync::Arc;

use idp_token::digest::TokenDigest;
use idp_token::fence::Fence;
use idp_token::time::BootTime;

use super::entry::Entry;
use packed::Packed;
use spelled::{Borrowed, Spelled};

mod packed;
mod spelled;

/// Whatever is packed, so much is left for entries that cannot be, or one part in so many of it all.
const SPELLED_BYTES_MIN: u64 = 2 << 20;
const SPELLED_PARTS: u64 = 16;

pub(crate) struct Cache {
    spelled: Spelled,
    packed: Packed,
    bytes_max: u64,
    spelled_bytes_min: u64,
}

/// An entry that is being used. Whoever waits for something keeps none: each thread has few places for
/// what it borrows, and past these it would have to count.
#[derive(Debug)]
pub(crate) enum Found {
    Borrowed(Borrowed),
    Unpacked(Arc<Entry>),
}

impl Cache {
    pub(crate) fn new(bytes_max: u64) -> Self {
        let spelled_bytes_min = SPELLED_BYTES_MIN.min(bytes_max / SPELLED_PARTS);
        let packed = Packed::new(bytes_max - spelled_bytes_min);
        Self {
            spelled: Spelled::new(bytes_max.saturating_sub(packed.bytes())),
            packed,
            bytes_max,
            spelled_bytes_min,
        }
    }

    /// What is remembered of a token.
    pub(crate) fn find(&self, digest: &TokenDigest, fence: &Fence) -> Option<Found> {
        let borrowed = self.spelled.find(digest).map(Found::Borrowed);
        borrowed.or_else(|| {
            let unpacked = self.packed.find(digest, fence)?;
            Some(Found::Unpacked(Arc::new(unpacked)))
        })
    }

    /// Remembers an entry in place of what was known of its token.
    pub(crate) fn insert(&self, entry: Arc<Entry>) {
        let before = self.packed.bytes();
        self.packed.insert(&entry);
        let after = self.packed.bytes();
        if after > before {
            let left = self.bytes_max.saturating_sub(after);
            self.spelled.set_bytes_max(left.max(self.spelled_bytes_min));
        }
        self.spelled.insert(entry);
    }

    /// Forgets a token.
    pub(crate) fn remove(&self, digest: &TokenDigest) {
        self.packed.remove(digest);
        self.spelled.remove(digest);
    }

    /// Others were told of a use.
    pub(crate) fn note_told(&self, entry: &Entry, now: BootTime) {
        entry.note_told(now);
        self.packed.note_told(&entry.digest, now);
    }

    /// Whether somebody is to get the next value token: true for one who asks, until it is there or
    /// `note_not_renewed` was said.
    pub(crate) fn begin_renewal(&self, entry: &Entry) -> bool {
        entry.begin_renewal() && self.packed.begin_renewal(&entry.digest)
    }

    pub(crate) fn note_not_renewed(&self, digest: &TokenDigest) {
        if let Some(borrowed) = self.spelled.find(digest)
            && let Some(entry) = borrowed.as_ref()
        {
            entry.note_not_renewed();
        }
        self.packed.note_not_renewed(digest);
    }

    /// Bytes of all that is remembered, what it is kept in included.
    pub(crate) fn bytes(&self) -> u64 {
        self.spelled.bytes() + self.packed.bytes()
    }
}

impl Found {
    pub(crate) fn entry(&self) -> &Arc<Entry> {
        match self {
            Self::Borrowed(borrowed) => {
                let entry = borrowed.as_ref();
                entry.expect("invariant: what is found is an entry")
            }
            Self::Unpacked(entry) => entry,
        }
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache")
            .field("bytes", &self.bytes())
            .field("bytes_max", &self.bytes_max)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
