//! What the journal holds, as it is read: a map in memory.
//!
//! Each value is kept with the version that wrote it, beside those before it, so that a reader of an
//! earlier moment goes on seeing what was there then. The writer alone writes. It is as large as what
//! goes into one half of the journal. Nearly all that is asked of it is single keys, so it is not kept
//! in their order; a walk sorts what it needs.
//!
//! Slots lie in the order in which their keys first came, and a table of small numbers leads to them:
//! of what is written, which is all new most of the time, only the table is not written front to back.

use std::hash::BuildHasher as _;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;
use foldhash::quality::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;
use idp_core::store::Version;

/// So many maps, one for each kind of record and one or the other for two of them: a walk is over one
/// kind, and most of what is here is of others.
const PARTS: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Recent([RwLock<Part>; PARTS]);

#[derive(Debug, Default)]
struct Part {
    /// In the order in which they were first written to.
    slots: Vec<Slot>,
    /// Where the slot of a key is.
    places: HashTable<u32>,
    hasher: RandomState,
    /// What is here most often lies behind all that is filed, which a walk need not look for then.
    least: Option<Bytes>,
}

/// What lay under a key.
#[derive(Debug)]
struct Slot {
    key: Bytes,
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

    fn write(&mut self, written: Written) {
        let before = std::mem::replace(&mut self.newest, written);
        // Within one version the last word counts.
        if before.version != self.newest.version {
            self.before.push(before);
        }
    }

    /// What is newer as a whole stays as it is.
    fn take_back(&mut self, version: Version) {
        while self.newest.version > version
            && let Some(before) = self.before.pop()
        {
            self.newest = before;
        }
    }
}

impl Part {
    fn with_room_of(other: &Self) -> Self {
        Self {
            slots: Vec::with_capacity(other.slots.len()),
            places: HashTable::with_capacity(other.places.len()),
            ..Self::default()
        }
    }

    fn find(&self, key: &[u8]) -> Option<&Slot> {
        let hash = self.hasher.hash_one(key);
        let is_it = |at: &u32| slot(&self.slots, *at).is_some_and(|slot| slot.key == key);
        slot(&self.slots, *self.places.find(hash, is_it)?)
    }

    fn write(&mut self, key: Bytes, written: Written) {
        if self.least.as_ref().is_none_or(|least| key < *least) {
            self.least = Some(key.clone());
        }
        let Self {
            slots,
            places,
            hasher,
            ..
        } = self;
        let hash_of = |key: &Bytes| hasher.hash_one(&**key);
        let is_it = |at: &u32| slot(slots, *at).is_some_and(|slot| slot.key == key);
        let again = |at: &u32| slot(slots, *at).map_or(0, |slot| hash_of(&slot.key));
        match places.entry(hash_of(&key), is_it, again) {
            Place::Vacant(place) => {
                let at = u32::try_from(slots.len());
                place.insert(at.expect("invariant: what the journal holds can be counted"));
                slots.push(Slot {
                    key,
                    newest: written,
                    before: Vec::new(),
                });
            }
            Place::Occupied(place) => {
                let at = usize::try_from(*place.get()).unwrap_or(usize::MAX);
                if let Some(known) = slots.get_mut(at) {
                    known.write(written);
                }
            }
        }
    }

    fn take_back(&mut self, version: Version) {
        for slot in &mut self.slots {
            slot.take_back(version);
        }
        // Versions only ever grow, so what is newer as a whole lies behind all else.
        let kept = self
            .slots
            .partition_point(|slot| slot.newest.version <= version);
        self.slots.truncate(kept);
        self.places
            .retain(|at| usize::try_from(*at).is_ok_and(|at| at < kept));
    }
}

fn slot(slots: &[Slot], at: u32) -> Option<&Slot> {
    slots.get(usize::try_from(at).ok()?)
}

impl Recent {
    /// Nothing, with room for as many keys as there are in another one.
    pub(super) fn like(other: &Self) -> Self {
        let room = |part| RwLock::new(Part::with_room_of(&read(part)));
        Self(other.0.each_ref().map(room))
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
            part.write(key, Written { version, value });
        }
    }

    /// Takes back what came after a version, of which nobody was told.
    pub(super) fn take_back(&self, version: Version) {
        for part in &self.0 {
            let mut part = part.write().unwrap_or_else(PoisonError::into_inner);
            part.take_back(version);
        }
    }

    /// What lay under a key, which may be nothing; none if it was not written here by then.
    pub(super) fn find(&self, key: &[u8], version: Version) -> Option<Option<Bytes>> {
        let part = read(self.part(key.first()));
        let written = part.find(key)?.at(version)?;
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
        let meant = slots.filter(|slot| is_meant(&slot.key));
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
    slots: impl Iterator<Item = &'s Slot>,
    version: Version,
    most: usize,
) -> Vec<Entry<'s>> {
    let mut sorted: Vec<Entry<'_>> = slots
        .filter_map(|slot| Some((lead(&slot.key), &slot.key, slot.at(version)?)))
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
    fn many_keys_are_found_each_and_as_many_are_taken_back() {
        let key = |at: u32| Bytes::copy_from_slice(&at.to_be_bytes());
        let recent = Recent::default();
        let other = Recent::like(&recent);
        for at in 0..3_000 {
            let entry = (key(at), Some(key(!at)));
            recent.write(Version(1 + u64::from(at)), [entry]);
        }
        other.write(Version(1), [(key(1), None)]);
        let found = |at| recent.find(&key(at), Version(u64::MAX));
        assert!((0..3_000).all(|at| found(at) == Some(Some(key(!at)))));
        recent.take_back(Version(1_000));
        assert!((0..1_000).all(|at| found(at).is_some()));
        assert!((1_000..3_000).all(|at| found(at).is_none()));
        assert_eq!(other.find(&key(1), Version(1)), Some(None));
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
        recent.write(Version(2), [(bytes("d"), None)]);
        recent.write(Version(3), [(bytes("c"), Some(bytes("c3")))]);
        assert_eq!(find(&recent, "c", 9), Some(Some(bytes("c3"))));
        assert_eq!(keys(&recent, Bound::Unbounded, "", 9), ["a", "c", "d"]);
        recent.take_back(Version(0));
        assert!(recent.is_empty());
    }
}
