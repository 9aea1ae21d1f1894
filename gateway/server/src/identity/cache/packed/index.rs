//! Where is the record of a token?
//!
//! A token may stand in either of two buckets, which lie in a cache line each. A bucket has eight
//! places; a place has 32 bits of the digest and the number of the record. Whoever comes goes where
//! there is more room, so that nearly all places can be taken before anybody has to go.

use std::sync::atomic::{AtomicU64, Ordering};

pub(super) const PLACES: usize = 8;

pub(super) struct Index {
    buckets: Box<[Bucket]>,
}

#[derive(Default)]
#[repr(align(64))]
struct Bucket([AtomicU64; PLACES]);

/// How a token is looked for. `tag` is not kept with the record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub(super) tag: u32,
    first: u32,
    second: u32,
}

impl Way {
    pub(super) fn of(digest: &[u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = *digest;
        Self {
            tag: u32::from_be_bytes([a, b, c, d]),
            first: u32::from_be_bytes([e, f, g, h]),
            second: u32::from_be_bytes([i, j, k, l]),
        }
    }
}

impl Index {
    /// For so many records, with one place in eight left free.
    pub(super) fn new(records: usize) -> Self {
        let buckets = records.div_ceil(PLACES - 1).max(1);
        Self {
            buckets: (0..buckets).map(|_| Bucket::default()).collect(),
        }
    }

    pub(super) const fn bytes_of(records: u64) -> u64 {
        records.div_ceil(PLACES as u64 - 1) * size_of::<Bucket>() as u64
    }

    /// The records that may be the token's.
    pub(super) fn find(&self, way: Way) -> impl Iterator<Item = u32> + '_ {
        let places = self.pair(way).into_iter().flat_map(|bucket| &bucket.0);
        places.filter_map(move |place| {
            let (tag, record) = split(place.load(Ordering::Acquire))?;
            (tag == way.tag).then_some(record)
        })
    }

    /// All records that stand where the token would.
    pub(super) fn neighbours(&self, way: Way) -> impl Iterator<Item = u32> + '_ {
        let places = self.pair(way).into_iter().flat_map(|bucket| &bucket.0);
        places.filter_map(|place| Some(split(place.load(Ordering::Acquire))?.1))
    }

    /// False if there is no place left.
    pub(super) fn add(&self, way: Way, record: u32) -> bool {
        let room = |bucket: &&Bucket| bucket.0.iter().filter(|place| is_free(place)).count();
        let [first, second] = self.pair(way);
        let bucket = if room(&second) > room(&first) {
            second
        } else {
            first
        };
        let Some(place) = bucket.0.iter().find(|place| is_free(place)) else {
            return false;
        };
        place.store(join(way.tag, record), Ordering::Release);
        true
    }

    pub(super) fn remove(&self, way: Way, record: u32) {
        let mut places = self.pair(way).into_iter().flat_map(|bucket| &bucket.0);
        let is_of = |place: &&AtomicU64| {
            split(place.load(Ordering::Relaxed)).is_some_and(|(_, number)| number == record)
        };
        if let Some(place) = places.find(is_of) {
            place.store(0, Ordering::Release);
        }
    }

    fn pair(&self, way: Way) -> [&Bucket; 2] {
        let count = self.buckets.len() as u64;
        // The upper part of a product spreads a number over any count.
        let at = |hash: u32| usize::try_from((u64::from(hash) * count) >> 32).unwrap_or_default();
        let (first, second) = (at(way.first), at(way.second));
        [&self.buckets[first], &self.buckets[second]]
    }
}

fn is_free(place: &AtomicU64) -> bool {
    place.load(Ordering::Relaxed) == 0
}

/// Records are counted from one here, so that nothing is 0.
fn join(tag: u32, record: u32) -> u64 {
    u64::from(tag) << 32 | (u64::from(record) + 1)
}

fn split(place: u64) -> Option<(u32, u32)> {
    let tag = u32::try_from(place >> 32).unwrap_or_default();
    let record = u32::try_from(place & u64::from(u32::MAX)).unwrap_or_default();
    Some((tag, record.checked_sub(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(number: u32) -> Way {
        let digest = idp_token::digest::TokenDigest::of(&number.to_be_bytes());
        Way::of(digest.as_bytes())
    }

    #[test]
    fn nearly_all_find_a_place_and_are_found_there() {
        let index = Index::new(7000);
        let added: Vec<_> = (0..7000).filter(|at| index.add(way(*at), *at)).collect();
        assert!(added.len() > 6950, "{}", added.len());
        for at in &added {
            let found: Vec<_> = index.find(way(*at)).collect();
            assert!(found.contains(at), "{at}: {found:?}");
        }
        for at in &added {
            index.remove(way(*at), *at);
        }
        assert_eq!(
            (0..7000)
                .map(|at| index.find(way(at)).count())
                .sum::<usize>(),
            0
        );
        assert_eq!(
            (0..7000)
                .map(|at| index.neighbours(way(at)).count())
                .sum::<usize>(),
            0
        );
    }
}
