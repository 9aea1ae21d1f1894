//! What the journal holds, as it is read: a map in memory.
//!
//! Each value is kept with the version that wrote it, beside those before it, so that a reader of an
//! earlier moment goes on seeing what was there then. The writer alone writes. It is as large as what
//! goes into one half of the journal. Nearly all that is asked of it is single keys, so it is not kept
//! in their order; a walk sorts what it needs.

use std::collections::HashMap;
use std::collections::hash_map;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;
use idp_core::store::Version;

/// So many maps, one for each kind of record and one or the other for two of them: a walk is over one
/// kind, and most of what is here is of others.
const PARTS: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Recent([RwLock<Part>; PARTS]);

#[derive(Debug, Default)]
struct Part {
    slots: HashMap<Bytes, Slot>,
    /// What is here most often lies behind all that is filed, which a walk need not look for then.
    least: Option<Bytes>,
}

/// What lay under a key.
#[derive(Debug)]
struct Slot {
    newest: Written,
    /// The oldest in front.
    before: Vec<Written>,
}

#[derive(Debug, Clone)]
struct Written {
    version: Version,
    /// None if it was removed.
    value: Option<Bytes>,
}

impl Slot {
    fn at(&self, version: Version) -> Option<&Written> {
        if self.newest.version <= version {
            return Some(&self.newest);
        }
        let mut before = self.before.iter().rev();
        before.find(|it| it.version <= version)
    }
}

impl Recent {
    /// Nothing, with room for as many keys as there are in another one.
    pub(super) fn like(other: &Self) -> Self {
        let room = |part| Part {
            slots: HashMap::with_capacity(read(part).slots.len()),
            least: None,
        };
        Self(other.0.each_ref().map(|part| RwLock::new(room(part))))
    }

    fn part(&self, kind: Option<&u8>) -> &RwLock<Part> {
        let [first, ..] = &self.0;
        let at = kind.map_or(0, |kind| usize::from(*kind) % PARTS);
        self.0.get(at).unwrap_or(first)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|part| read(part).slots.is_empty())
    }

    /// Nobody who reads as of an earlier version sees it.
    pub(super) fn write(
        &self,
        version: Version,
        entries: impl IntoIterator<Item = (Bytes, Option<Bytes>)>,
    ) {
        for (key, value) in entries {
            let part = self.part(key.first()).write();
            let mut part = part.unwrap_or_else(PoisonError::into_inner);
            if part.least.as_ref().is_none_or(|least| key < *least) {
                part.least = Some(key.clone());
            }
            let written = Written { version, value };
            match part.slots.entry(key) {
                hash_map::Entry::Vacant(place) => {
                    place.insert(Slot {
                        newest: written,
                        before: Vec::new(),
                    });
                }
                hash_map::Entry::Occupied(mut known) => {
                    let slot = known.get_mut();
                    let before = std::mem::replace(&mut slot.newest, written);
                    // Within one version the last word counts.
                    if before.version != version {
                        slot.before.push(before);
                    }
                }
            }
        }
    }

    /// Takes back what came after a version, of which nobody was told.
    pub(super) fn take_back(&self, version: Version) {
        for part in &self.0 {
            let mut part = part.write().unwrap_or_else(PoisonError::into_inner);
            part.slots.retain(|_, slot| {
                while slot.newest.version > version {
                    let Some(before) = slot.before.pop() else {
                        return false;
                    };
                    slot.newest = before;
                }
                true
            });
        }
    }

    /// What lay under a key, which may be nothing; none if it was not written here by then.
    pub(super) fn find(&self, key: &[u8], version: Version) -> Option<Option<Bytes>> {
        let part = read(self.part(key.first()));
        let written = part.slots.get(key)?.at(version)?;
        Some(written.value.clone())
    }

    /// No key of a kind is less than this one; none if there is no key of it.
    pub(super) fn least(&self, kind: u8) -> Option<Bytes> {
        read(self.part(Some(&kind))).least.clone()
    }

    /// The first keys of a prefix that were written by then, in their order, and no more than so many.
    pub(super) fn range(
        &self,
        from: Bound<&[u8]>,
        prefix: &[u8],
        version: Version,
        most: usize,
    ) -> Vec<(Bytes, Option<Bytes>)> {
        let is_meant = |key: &Bytes| {
            let is_after = match from {
                Bound::Included(from) => key >= from,
                Bound::Excluded(from) => key > from,
                Bound::Unbounded => true,
            };
            is_after && key.starts_with(prefix)
        };
        let parts = match prefix.first() {
            kind @ Some(_) => std::slice::from_ref(self.part(kind)),
            None => &self.0,
        };
        let parts: Vec<_> = parts.iter().map(read).collect();
        let slots = parts.iter().flat_map(|part| part.slots.iter());
        let meant = slots.filter(|(key, _)| is_meant(key));
        let owned = sorted(meant, version, most).into_iter();
        owned
            .map(|(_, key, written)| (key.clone(), written.value.clone()))
            .collect()
    }

    /// Goes through all that was written by then, in the order of the keys. Nothing can be written
    /// meanwhile.
    pub(super) fn visit<E>(
        &self,
        version: Version,
        mut each: impl FnMut(&[u8], Option<&[u8]>) -> Result<(), E>,
    ) -> Result<(), E> {
        let parts: Vec<_> = self.0.iter().map(read).collect();
        let slots = parts.iter().flat_map(|part| part.slots.iter());
        let mut all = sorted(slots, version, usize::MAX).into_iter();
        all.try_for_each(|(_, key, written)| each(key, written.value.as_deref()))
    }
}

type Entry<'s> = (u128, &'s Bytes, &'s Written);

fn sorted<'s>(
    slots: impl Iterator<Item = (&'s Bytes, &'s Slot)>,
    version: Version,
    most: usize,
) -> Vec<Entry<'s>> {
    let mut sorted: Vec<Entry<'_>> = slots
        .filter_map(|(key, slot)| Some((lead(key), key, slot.at(version)?)))
        .collect();
    // Of many only those that are asked for are sorted.
    if let Some(last) = most.checked_sub(1)
        && last < sorted.len()
    {
        sorted.select_nth_unstable_by_key(last, |(lead, key, _)| (*lead, *key));
        sorted.truncate(most);
    }
    sorted.sort_unstable_by_key(|(lead, key, _)| (*lead, *key));
    sorted
}

/// The first bytes of a key, which tell nearly all keys apart without a look at where they lie. They sort
/// as the keys do.
fn lead(key: &[u8]) -> u128 {
    let mut lead = [0; 16];
    for (place, byte) in lead.iter_mut().zip(key) {
        *place = *byte;
    }
    u128::from_be_bytes(lead)
}

fn read(part: &RwLock<Part>) -> RwLockReadGuard<'_, Part> {
    part.read().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    fn find(recent: &Recent, key: &str, version: u64) -> Option<Option<Bytes>> {
        recent.find(key.as_bytes(), Version(version))
    }

    fn keys(recent: &Recent, from: Bound<&[u8]>, prefix: &str, version: u64) -> Vec<Bytes> {
        let range = recent.range(from, prefix.as_bytes(), Version(version), usize::MAX);
        range.into_iter().map(|(key, _)| key).collect()
    }

    fn some() -> Recent {
        let recent = Recent::default();
        recent.write(Version(1), [(bytes("a"), Some(bytes("a1")))]);
        recent.write(Version(2), [(bytes("b"), Some(bytes("b2")))]);
        recent.write(Version(3), [(bytes("a"), None)]);
        recent
    }

    #[test]
    fn a_reader_sees_what_was_there_at_its_moment() {
        let recent = some();
        for (key, version, expected) in [
            ("a", 0, None),
            ("a", 1, Some(Some(bytes("a1")))),
            ("a", 2, Some(Some(bytes("a1")))),
            ("a", 3, Some(None)),
            ("a", 9, Some(None)),
            ("b", 1, None),
            ("b", 2, Some(Some(bytes("b2")))),
            ("c", 9, None),
        ] {
            assert_eq!(find(&recent, key, version), expected, "{key} at {version}");
        }
        let all = Bound::Unbounded;
        assert_eq!(keys(&recent, all, "", 1), ["a"]);
        assert_eq!(keys(&recent, all, "", 9), ["a", "b"]);
        assert_eq!(keys(&recent, all, "b", 9), ["b"]);
        assert_eq!(keys(&recent, Bound::Excluded(b"a"), "", 9), ["b"]);
        assert_eq!(keys(&recent, Bound::Included(b"b"), "", 9), ["b"]);
    }

    #[test]
    fn a_walk_begins_with_the_first_and_takes_no_more_than_it_asks_for() {
        let recent = Recent::default();
        for (at, key) in ["d", "b", "e", "a", "c"].into_iter().enumerate() {
            recent.write(Version(1 + at as u64), [(bytes(key), None)]);
        }
        let first = |most| {
            let range = recent.range(Bound::Excluded(b"a"), &[], Version(4), most);
            range.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert_eq!(first(1), ["b"]);
        assert_eq!(first(2), ["b", "d"]);
        assert_eq!(first(3), ["b", "d", "e"]);
        assert_eq!(first(4), ["b", "d", "e"]);
        assert_eq!(recent.least(b'a'), Some(bytes("a")));
        assert_eq!(recent.least(b'f'), None);
    }

    #[test]
    fn what_is_taken_back_was_never_there() {
        let recent = some();
        recent.write(Version(4), [(bytes("a"), Some(bytes("a4")))]);
        recent.write(Version(4), [(bytes("a"), Some(bytes("a5")))]);
        recent.write(Version(4), [(bytes("c"), Some(bytes("c4")))]);
        assert_eq!(find(&recent, "a", 4), Some(Some(bytes("a5"))));
        recent.take_back(Version(1));
        assert_eq!(find(&recent, "a", 9), Some(Some(bytes("a1"))));
        assert_eq!(keys(&recent, Bound::Unbounded, "", 9), ["a"]);
        recent.take_back(Version(0));
        assert!(recent.is_empty());
    }
}
