//! What is known already, for as long as it may be used: bounded in bytes, apart for each scope.

use std::sync::Arc;
use std::time::{Duration, Instant};

use composer_core::fill::may_replace;
use composer_core::freshness::{self, Control, Freshness, Reuse, Timing};
use composer_core::json::Json;
use composer_core::plan;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use quick_cache::sync::DefaultLifecycle;
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use crate::clock::Clock;
use crate::generations::{Generation, Generations};
use crate::random;
use crate::scope::{Scope, Slot, SlotRef};

/// What an entry takes besides its key and its value: the entry itself, what counts its owners, and
/// its places in the map, which may be half empty.
const OVERHEAD_BYTES: usize = size_of::<Entry>() + size_of::<Kept>() + 2 * 16 + 160;
/// Of a part of the map that has a lock of its own: large enough for the largest answer.
const PART_BYTES_MIN: usize = 10 * 1024 * 1024;
const PARTS_MAX: usize = 16;

/// One record, or one whole answer, with what may be done with it.
///
/// What is read whenever an entry is used stands together at its beginning.
#[derive(Debug, Clone)]
#[repr(C)]
pub(crate) struct Entry {
    /// Nothing where a good answer had no record of the key.
    pub(crate) record: Option<Json>,
    /// When it was known to be so.
    pub(crate) known: Instant,
    /// Nothing where it may not be kept at all.
    pub(crate) freshness: Option<Freshness>,
    /// What the service said of how it may be kept.
    pub(crate) control: Control,
    /// The fields that said so, where a later 304 is to be merged with them.
    pub(crate) headers: HeaderMap,
    /// Fields by which the service can tell that nothing changed.
    pub(crate) validators: Vec<(HeaderName, HeaderValue)>,
    pub(crate) version: Option<Arc<str>>,
    pub(crate) origin: Origin,
}

/// How an entry was learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Fetched,
    /// It was held before, and the service said that it is still so.
    Renewed,
    /// Another composer had fetched it.
    SecondLevel,
}

/// What may be done with an entry now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    Fresh,
    /// It may be used while it is asked for anew.
    Refreshable,
    /// It may be used where asking anew fails.
    Stale,
    /// It may only be asked about.
    Dead,
}

#[derive(Debug)]
pub(crate) struct Cache {
    entries: quick_cache::sync::Cache<Slot, Kept, Weights>,
    life: Duration,
    generations: Arc<Generations>,
}

#[derive(Debug, Clone)]
struct Kept {
    entry: Arc<Entry>,
    generation: Generation,
    /// With its key.
    bytes: u64,
}

#[derive(Debug, Clone)]
struct Weights;

impl Weighter<Slot, Kept> for Weights {
    fn weight(&self, _: &Slot, kept: &Kept) -> u64 {
        kept.bytes
    }
}

impl Cache {
    /// A cache of so many bytes. What is older than `life` is of no use to anybody.
    pub(crate) fn new(bytes_max: usize, life: Duration, generations: Arc<Generations>) -> Self {
        let parts = (bytes_max / PART_BYTES_MIN).clamp(1, PARTS_MAX);
        let options = OptionsBuilder::new()
            // It takes a power of two, and would otherwise round up.
            .shards(1 << parts.ilog2())
            .estimated_items_capacity(bytes_max / OVERHEAD_BYTES)
            .weight_capacity(bytes_max as u64)
            .build();
        let options = options.expect("invariant: both capacities are set");
        // The hash that the standard library has: clients choose keys, and entries stay for long.
        let (hashes, endings) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self {
            entries: quick_cache::sync::Cache::with_options(options, Weights, hashes, endings),
            life,
            generations,
        }
    }

    /// An entry that no invalidation made void, however old.
    pub(crate) fn find(&self, slot: &Slot) -> Option<Arc<Entry>> {
        self.find_key(&slot.scope, slot.key.as_bytes())
    }

    /// The same, of a key for which no slot was made.
    pub(crate) fn find_key(&self, scope: &Scope, key: &[u8]) -> Option<Arc<Entry>> {
        let kept = self.entries.get(&SlotRef { scope, key })?;
        let is_of_now = kept.generation == self.generations.of_bytes(key);
        is_of_now.then_some(kept.entry)
    }

    /// Keeps an entry, unless what is held is of a newer version. Whoever calls this makes sure that
    /// nobody else does so at the same time for the same slot.
    pub(crate) fn keep(&self, slot: &Slot, generation: Generation, entry: &Arc<Entry>) {
        if let Some(held) = self.find(slot)
            && !may_replace(held.version.as_deref(), entry.version.as_deref())
        {
            return;
        }
        let kept = Kept {
            entry: Arc::clone(entry),
            generation,
            bytes: weight(slot, entry),
        };
        self.entries.insert(slot.clone(), kept);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.entries.weight()
    }

    pub(crate) fn count(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Gives up what is of no use to anybody any more.
    pub(crate) fn settle(&self, now: Instant) {
        self.entries
            .retain(|_, kept| now.saturating_duration_since(kept.entry.known) < self.life);
    }
}

impl Entry {
    pub(crate) fn age(&self, now: Instant) -> Age {
        let age = now.saturating_duration_since(self.known);
        let Some(Freshness {
            fresh,
            stale_while_revalidate,
            stale_if_error,
            ..
        }) = self.freshness
        else {
            return Age::Dead;
        };
        match age.checked_sub(fresh) {
            None => Age::Fresh,
            Some(past) if past < stale_while_revalidate => Age::Refreshable,
            Some(past) if past < stale_if_error => Age::Stale,
            Some(_) => Age::Dead,
        }
    }

    /// What it means for whoever keeps what is made of it.
    pub(crate) fn reuse(&self, now: Instant) -> Reuse {
        let age = now.saturating_duration_since(self.known);
        self.freshness
            .map_or(Reuse::NEVER, |freshness| self.reuse_at(age, freshness))
    }

    /// The same where it is fresh, and nothing where it is not.
    pub(crate) fn reuse_while_fresh(&self, now: Instant) -> Option<Reuse> {
        let freshness = self.freshness?;
        let age = now.saturating_duration_since(self.known);
        (age < freshness.fresh).then(|| self.reuse_at(age, freshness))
    }

    fn reuse_at(&self, age: Duration, freshness: Freshness) -> Reuse {
        Reuse::of(&self.control, freshness.said.saturating_sub(age))
    }
}

/// How long an entry can be of any use.
pub(crate) fn life(terms: &plan::Cache) -> Duration {
    let stale = terms.stale_while_revalidate.max(terms.stale_if_error);
    terms.ttl.max(terms.missing) * 2 + stale
}

/// The terms for one entry: what began together does not end together.
pub(crate) fn jittered(terms: &plan::Cache) -> plan::Cache {
    plan::Cache {
        ttl: random::about(terms.ttl),
        missing: random::about(terms.missing),
        ..terms.clone()
    }
}

/// The terms of what is fetched again for every request: it may be shared by those who wait for it.
pub(crate) fn never_kept() -> plan::Cache {
    plan::Cache {
        ttl: Duration::ZERO,
        missing: Duration::ZERO,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        bytes_max: 0,
    }
}

/// How long an answer of 200 may be used that was asked for then and came now.
pub(crate) fn judge(
    clock: &Clock,
    headers: &HeaderMap,
    asked: Instant,
    (scope, terms): (plan::Scope, &plan::Cache),
) -> Option<Freshness> {
    let answered = clock.wall();
    let on_the_way = clock.now().saturating_duration_since(asked);
    let timing = Timing {
        requested: answered.checked_sub(on_the_way).unwrap_or(answered),
        answered,
    };
    freshness::judge(StatusCode::OK, headers, timing, scope, terms).ok()
}

fn weight(slot: &Slot, entry: &Entry) -> u64 {
    let record = entry.record.as_ref().map_or(0, Json::memory);
    let version = entry.version.as_ref().map_or(0, |version| version.len());
    let fields = entry.validators.iter();
    let fields: usize = fields
        .map(|(name, value)| name.as_str().len() + value.len() + 80)
        .sum();
    let kept = entry.headers.iter();
    let kept: usize = kept
        .map(|(name, value)| name.as_str().len() + value.len() + 80)
        .sum();
    (slot.bytes() + kept + record + version + fields + OVERHEAD_BYTES) as u64
}

#[cfg(test)]
mod tests;
