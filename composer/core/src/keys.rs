//! Which records are wanted, under which spelling, and in how many calls?
//!
//! A key is text: `7` and `"7"` are the same, `"007"` is another, and an id of forty digits stays
//! what it is. What is asked for twice is asked once.

use std::borrow::Cow;
use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::call::{Call, encoded_len};
use crate::json::{Kind, Value};
use crate::same::are_same;

pub use key::Key;

mod key;

#[cfg(test)]
mod tests;

/// Past this a key is a mistake, not a name.
pub const KEY_BYTES_MAX: usize = 256;

/// Why a value cannot be a key: no number or string, empty, too long, or with a comma in it, which
/// a list of keys in a query could not tell from two keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this cannot be a key")]
pub struct NoKey;

/// A key to be fetched, with the version that is already there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub key: Key,
    pub version: Option<Arc<str>>,
}

/// How much goes into one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkMax {
    pub keys: usize,
    /// Of the request target.
    pub url_bytes: usize,
}

/// Keys in calls of bounded size.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Chunks {
    pub chunks: Vec<Vec<Wanted>>,
    /// Keys that do not fit into a call even alone.
    pub too_long: Vec<Key>,
}

/// Distinct keys in the order in which they were first seen.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    in_order: Vec<Key>,
    places: HashTable<usize>,
    /// Others choose the keys, so it has a seed that they do not know.
    hashes: RandomState,
}

/// The text of a value in the place of a key; none for `null`.
pub(crate) fn text_of(value: Value<'_>) -> Result<Option<Cow<'_, str>>, NoKey> {
    match value.kind() {
        Kind::Null => Ok(None),
        Kind::String | Kind::Number => value.text().map(Some).ok_or(NoKey),
        Kind::Bool | Kind::Object | Kind::Array => Err(NoKey),
    }
}

impl Keys {
    /// The place of a key, which is its old one where it was seen before.
    pub(crate) fn add(&mut self, text: &str) -> Result<usize, NoKey> {
        let hash = self.hash(text.as_bytes());
        match self.find(text.as_bytes(), hash) {
            Some(place) => Ok(place),
            None => Ok(self.add_new(Key::parse(text)?, hash)),
        }
    }

    /// The same of a value, where its key is what is written there; nothing where that is not seen at once.
    pub(crate) fn add_plain(&mut self, value: Value<'_>) -> Option<usize> {
        let key = Key::of_plain(value.plain()?)?;
        let hash = self.hash(key.as_bytes());
        let known = self.find(key.as_bytes(), hash);
        Some(known.unwrap_or_else(|| self.add_new(key, hash)))
    }

    fn add_new(&mut self, key: Key, hash: u64) -> usize {
        let place = self.in_order.len();
        self.in_order.push(key);
        let Self {
            in_order,
            places,
            hashes,
        } = self;
        places.insert_unique(hash, place, |place| {
            let known = in_order.get(*place);
            known.map_or(0, |known| hashes.hash_one(known.as_bytes()))
        });
        place
    }

    /// The place of a key, which is probably this one.
    pub(crate) fn place_of(&self, key: &Key, guess: usize) -> Option<usize> {
        if self.in_order.get(guess) == Some(key) {
            return Some(guess);
        }
        self.find(key.as_bytes(), self.hash(key.as_bytes()))
    }

    fn find(&self, text: &[u8], hash: u64) -> Option<usize> {
        let is_it = |place: &usize| {
            let known = self.in_order.get(*place);
            known.is_some_and(|known| are_same(known.as_bytes(), text))
        };
        self.places.find(hash, is_it).copied()
    }

    fn hash(&self, text: &[u8]) -> u64 {
        self.hashes.hash_one(text)
    }

    /// Makes room for so many more.
    pub(crate) fn reserve(&mut self, count: usize) {
        self.in_order.reserve(count);
        let (in_order, hashes) = (&self.in_order, &self.hashes);
        self.places.reserve(count, |place| {
            let known = in_order.get(*place);
            known.map_or(0, |known| hashes.hash_one(known.as_bytes()))
        });
    }

    /// The keys that were added after the first `count`.
    pub(crate) fn after(&self, count: usize) -> &[Key] {
        self.in_order.get(count..).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.in_order.len()
    }
}

/// Splits keys by count and by the bytes of the target, in their order.
pub fn chunks(call: &Call, wanted: impl IntoIterator<Item = Wanted>, max: ChunkMax) -> Chunks {
    let mut split = Chunks::default();
    let (empty, is_versioned) = (call.batch_target(&[]).len(), call.asks_for_versions());
    let mut chunk: Vec<Wanted> = Vec::new();
    let mut bytes = empty;
    for want in wanted {
        let version = want.version.as_deref().unwrap_or_default();
        let separators = if chunk.is_empty() {
            0
        } else {
            1 + usize::from(is_versioned)
        };
        let own = encoded_len(want.key.as_str())
            + if is_versioned {
                encoded_len(version)
            } else {
                0
            };
        if empty + own > max.url_bytes {
            split.too_long.push(want.key);
            continue;
        }
        if chunk.len() >= max.keys || bytes + separators + own > max.url_bytes {
            split.chunks.push(std::mem::take(&mut chunk));
            bytes = empty + own;
        } else {
            bytes += separators + own;
        }
        chunk.push(want);
    }
    if !chunk.is_empty() {
        split.chunks.push(chunk);
    }
    split
}

impl From<Key> for Wanted {
    fn from(key: Key) -> Self {
        Self { key, version: None }
    }
}
