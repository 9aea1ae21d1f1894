//! What is known already, for as long as it may be used: bounded in bytes, apart for each scope.

use std::sync::Arc;
use std::time::{Duration, Instant};

use composer_core::fill::may_replace;
use composer_core::freshness::{self, Control, Freshness, Reuse, Timing};
use composer_core::json::Json;
use composer_core::plan;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::clock::Clock;
use crate::generations::{Generation, Generations};
use crate::random;
use crate::scope::Slot;

/// What an entry takes besides its key and its value: the entry itself, its place in the map, in the
/// two queues of the map and in its sketch of what is popular.
const OVERHEAD_BYTES: usize = 400;

/// One record, or one whole answer, with what may be done with it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Nothing where a good answer had no record of the key.
    pub(crate) record: Option<Json>,
    pub(crate) version: Option<Arc<str>>,
    /// Fields by which the service can tell that nothing changed.
    pub(crate) validators: Vec<(HeaderName, HeaderValue)>,
    /// What the service said of how it may be kept, where a later 304 is to be merged with it.
    pub(crate) headers: HeaderMap,
    /// The same, read.
    pub(crate) control: Control,
    /// Nothing where it may not be kept at all.
    pub(crate) freshness: Option<Freshness>,
    /// Whether it was held before, and the service said that it is still so.
    pub(crate) is_renewed: bool,
    /// When it was known to be so.
    pub(crate) known: Instant,
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
    entries: moka::sync::Cache<Slot, Arc<Kept>>,
    generations: Arc<Generations>,
}

#[derive(Debug)]
struct Kept {
    entry: Arc<Entry>,
    generation: Generation,
}

impl Cache {
    /// A cache of so many bytes, of which none outlives `life`.
    pub(crate) fn new(bytes_max: usize, life: Duration, generations: Arc<Generations>) -> Self {
        let entries = moka::sync::Cache::builder()
            .max_capacity(bytes_max as u64)
            .weigher(|slot: &Slot, kept: &Arc<Kept>| weight(slot, &kept.entry))
            .time_to_live(life)
            .build();
        Self {
            entries,
            generations,
        }
    }

    /// An entry that no invalidation made void, however old.
    pub(crate) fn find(&self, slot: &Slot) -> Option<Arc<Entry>> {
        let kept = self.entries.get(slot)?;
        let is_of_now = kept.generation == self.generations.of(&slot.key);
        is_of_now.then(|| Arc::clone(&kept.entry))
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
        };
        self.entries.insert(slot.clone(), Arc::new(kept));
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.entries.weighted_size()
    }

    pub(crate) fn count(&self) -> u64 {
        self.entries.entry_count()
    }

    /// Does what the map puts off, so that its figures are those of now.
    pub(crate) fn settle(&self) {
        self.entries.run_pending_tasks();
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
        self.freshness.map_or(Reuse::NEVER, |freshness| {
            Reuse::of(&self.control, freshness.said.saturating_sub(age))
        })
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

fn weight(slot: &Slot, entry: &Entry) -> u32 {
    let record = entry
        .record
        .as_ref()
        .map_or(0, |record| record.bytes().len());
    let version = entry.version.as_ref().map_or(0, |version| version.len());
    let fields = entry.validators.iter();
    let fields: usize = fields
        .map(|(name, value)| name.as_str().len() + value.len() + 80)
        .sum();
    let kept = entry.headers.iter();
    let kept: usize = kept
        .map(|(name, value)| name.as_str().len() + value.len() + 80)
        .sum();
    let bytes = slot.bytes() + kept + record + version + fields + OVERHEAD_BYTES;
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
