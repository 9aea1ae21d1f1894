//! A small table in which each mark has a place of its own, until there are none left.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::epoch::Seq;

/// How far from its first place a mark is looked for.
const PROBES_MAX: usize = 16;

/// Places are taken as marks come and never given back, so a mark has a place from its first change
/// on, or never gets one. Those that do not share `rest`.
pub(super) struct Places {
    places: Box<[Place]>,
    rest: AtomicU64,
}

#[derive(Default)]
struct Place {
    /// 0 where nobody is yet.
    mark: AtomicU64,
    epoch: AtomicU64,
}

impl Places {
    pub(super) fn new(count: usize) -> Self {
        Self {
            places: (0..count.max(1)).map(|_| Place::default()).collect(),
            rest: AtomicU64::new(0),
        }
    }

    pub(super) fn find(&self, mark: u64) -> u64 {
        let mark = mark.max(1);
        for place in self.probe(mark) {
            match place.mark.load(Ordering::Acquire) {
                0 => return 0,
                taken if taken == mark => return place.epoch.load(Ordering::Acquire),
                _ => {}
            }
        }
        self.rest.load(Ordering::Acquire)
    }

    pub(super) fn raise(&self, mark: u64, seq: Seq) {
        let mark = mark.max(1);
        let own = self.probe(mark).find(|place| place.take(mark));
        let epoch = own.map_or(&self.rest, |place| &place.epoch);
        epoch.fetch_max(seq.0, Ordering::AcqRel);
    }

    fn probe(&self, mark: u64) -> impl Iterator<Item = &Place> {
        let count = self.places.len() as u64;
        let first = usize::try_from(mark % count).unwrap_or_default();
        let (before, from) = self.places.split_at(first);
        from.iter().chain(before).take(PROBES_MAX)
    }
}

impl Place {
    /// Whether this is the mark's place now.
    fn take(&self, mark: u64) -> bool {
        let taken = self
            .mark
            .compare_exchange(0, mark, Ordering::AcqRel, Ordering::Acquire);
        taken.is_ok() || taken == Err(mark)
    }
}
