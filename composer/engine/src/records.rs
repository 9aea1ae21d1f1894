//! Records by their keys: out of the cache where they are known, else in as few calls as there can be.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use composer_core::call::encoded_len;
use composer_core::cause::Cause;
use composer_core::freshness::Reuse;
use composer_core::keys::{ChunkMax, Key};
use composer_core::plan::{self, Lookup, LookupSource};
use composer_core::status::Tally;
use tokio::time::timeout;

use crate::cache::{Age, Cache, Entry};
use crate::client::Upstream;
use crate::clock::Clock;
use crate::generations::Generations;
use crate::metrics::LookupMetrics;
use crate::queue::{Asking, Bounds, Queue, Told, Wait, Weighed};
use crate::scope::{Asker, Scope, SharedKey, Slot};
use crate::second_level::Share;
use found::{Looking, record_of};

mod carry;
mod fetch;
mod found;

pub(crate) use fetch::{ANSWER_BYTES_MAX, failed};
pub(crate) use found::{Found, Looked, without};

/// Calls of one lookup in one scope that are under way at once.
const CALLS_MAX: usize = 32;
/// Keys of one lookup that are asked for at once.
const FLIGHTS_MAX: usize = 65_536;
/// Requests that wait for one key.
const WAITERS_MAX: usize = 4_096;

/// What a flight brings.
type Brought = Result<Arc<Entry>, Cause>;

/// A lookup whose records are fetched by key.
#[derive(Debug)]
pub(crate) struct Records {
    lookup: Arc<Lookup>,
    max: ChunkMax,
    /// How long records are kept, and where.
    kept: Option<(plan::Cache, Cache)>,
    queue: Arc<Queue<Brought>>,
    generations: Arc<Generations>,
    /// What other composers know, where records are shared with them.
    share: Option<Arc<Share>>,
    upstream: Arc<Upstream>,
    is_sent_credential: bool,
    clock: Clock,
    metrics: LookupMetrics,
}

/// On whose behalf something is looked up, and what it may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Errand<'a> {
    pub(crate) asker: &'a Asker,
    pub(crate) deadline: Instant,
    pub(crate) allowance: &'a Allowance,
}

/// The calls that a request may still cost.
#[derive(Debug)]
pub(crate) struct Allowance(AtomicUsize);

/// The keys that are to be asked for, with their places.
#[derive(Debug, Default)]
struct Sought {
    places: Vec<usize>,
    weighed: Vec<Weighed>,
}

impl Records {
    /// Nothing for a table.
    pub(crate) fn new(
        lookup: Arc<Lookup>,
        (upstream, is_sent_credential): (Arc<Upstream>, bool),
        share: Option<Arc<Share>>,
        clock: Clock,
        metrics: LookupMetrics,
    ) -> Option<Arc<Self>> {
        let LookupSource::Batch { max, cache } = &lookup.source else {
            return None;
        };
        let generations = Arc::new(Generations::new());
        let bounds = Bounds {
            keys_max: max.keys,
            bytes_max: max
                .url_bytes
                .saturating_sub(lookup.call.batch_target(&[]).len()),
            calls_max: CALLS_MAX,
            flights_max: FLIGHTS_MAX,
            waiters_max: WAITERS_MAX,
        };
        let kept = cache.as_ref().map(|terms| {
            let life = crate::cache::life(terms);
            let cache = Cache::new(terms.bytes_max, life, Arc::clone(&generations));
            (terms.clone(), cache)
        });
        Some(Arc::new(Self {
            max: ChunkMax {
                url_bytes: bounds.bytes_max,
                ..*max
            },
            kept,
            queue: Queue::new(bounds, Arc::clone(&generations)),
            generations,
            share,
            upstream,
            is_sent_credential,
            clock,
            metrics,
            lookup,
        }))
    }

    pub(crate) fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    pub(crate) fn cache(&self) -> Option<&Cache> {
        self.kept.as_ref().map(|(_, cache)| cache)
    }

    pub(crate) fn share(&self) -> Option<&Arc<Share>> {
        self.share.as_ref()
    }

    /// Under which a record is shared; nothing where records are private.
    pub(crate) fn shared_key(&self, key: &Key) -> Option<SharedKey> {
        let is_shared = self.lookup.scope == plan::Scope::Shared;
        let scope = is_shared.then_some(Scope::Shared)?;
        let key = key.as_str().into();
        Slot { scope, key }.shared()
    }

    pub(crate) fn invalidate(&self, key: &Key) {
        self.generations.invalidate(key.as_str());
    }

    pub(crate) fn invalidate_all(&self) {
        self.generations.invalidate_all();
    }

    /// Finds the records of distinct keys.
    pub(crate) async fn find(self: &Arc<Self>, keys: &[Key], errand: &Errand<'_>) -> Looked {
        let scope = errand.asker.scope(self.lookup.scope == plan::Scope::Shared);
        let now = self.clock.now();
        if let Some(known) = self.known(keys, &scope, now) {
            self.metrics.source.hits.inc_by(known.tally.hits);
            return known;
        }
        let slots = keys.iter().map(|key| Slot {
            scope: scope.clone(),
            key: key.as_str().into(),
        });
        let slots: Vec<_> = slots.collect();
        let held: Vec<_> = slots.iter().map(|slot| self.held(slot)).collect();
        let mut looking = Looking::default();
        let mut sought = Sought::default();
        let mut refreshed = Sought::default();
        for (place, (slot, held)) in slots.iter().zip(&held).enumerate() {
            let age = held.as_ref().map(|entry| (entry, entry.age(now)));
            let found = match age {
                Some((entry, Age::Fresh)) => Found::Known(Arc::clone(entry)),
                Some((entry, Age::Refreshable)) => {
                    refreshed.add(place, self.weigh(slot, Some(entry)));
                    Found::Refreshing(Arc::clone(entry))
                }
                Some((_, Age::Stale | Age::Dead)) | None => {
                    sought.add(place, self.weigh(slot, held.as_ref()));
                    without(held.as_ref(), Cause::Calls, now)
                }
            };
            looking.found.push(found);
        }
        self.metrics
            .source
            .hits
            .inc_by((keys.len() - sought.places.len()) as u64);
        if !refreshed.places.is_empty() {
            self.refresh(&scope, &mut sought, refreshed, errand);
        }
        if !sought.places.is_empty() {
            self.metrics
                .source
                .misses
                .inc_by(sought.places.len() as u64);
            sought.refuse_oversized(self.max.url_bytes, &mut looking.found);
            sought.afford(self.max, errand.allowance);
            let asking = self.asking(&scope, errand);
            self.seek((&slots, &held), sought, &asking, &mut looking)
                .await;
        }
        looking.end(self.clock.now())
    }

    /// All of it, where all is known and fresh: no slot is made of any key then.
    fn known(&self, keys: &[Key], scope: &Scope, now: Instant) -> Option<Looked> {
        let cache = self.cache()?;
        let mut found = Vec::with_capacity(keys.len());
        let mut reuse = Reuse::default();
        for key in keys {
            let entry = cache.find_key(scope, key.as_bytes())?;
            reuse = reuse.with(entry.reuse_while_fresh(now)?);
            found.push(record_of(&entry));
        }
        let tally = Tally {
            hits: keys.len() as u64,
            ..Tally::default()
        };
        Some(Looked {
            found,
            reuse,
            tally,
        })
    }

    fn held(&self, slot: &Slot) -> Option<Arc<Entry>> {
        self.cache()?.find(slot)
    }

    fn weigh(&self, slot: &Slot, held: Option<&Arc<Entry>>) -> Weighed {
        let mut bytes = encoded_len(&slot.key) + 1;
        if self.lookup.call.asks_for_versions() {
            let version = held.and_then(|entry| entry.version.as_deref());
            bytes += encoded_len(version.unwrap_or_default()) + 1;
        }
        Weighed {
            key: slot.key.clone(),
            bytes,
        }
    }

    fn asking<'a>(&self, scope: &Scope, errand: &Errand<'a>) -> Asking<'a> {
        let credential = errand.asker.credential();
        Asking {
            scope: scope.clone(),
            credential: credential.filter(|_| self.is_sent_credential),
            deadline: errand.deadline,
        }
    }

    /// Asks for old records without waiting for them, where the service can bear it; where it cannot
    /// they are waited for like any other.
    fn refresh(
        self: &Arc<Self>,
        scope: &Scope,
        sought: &mut Sought,
        refreshed: Sought,
        errand: &Errand<'_>,
    ) {
        let now = self.clock.now();
        if !self.upstream.service().may_refresh(now) {
            sought.places.extend(refreshed.places);
            sought.weighed.extend(refreshed.weighed);
            return;
        }
        let asking = Asking {
            // It has a deadline of its own.
            deadline: now + self.lookup.timeout,
            ..self.asking(scope, errand)
        };
        let (_, batches) = self.queue.ask(&asking, refreshed.weighed.into_iter());
        self.begin(batches, &None);
    }

    async fn seek(
        self: &Arc<Self>,
        (slots, held): (&[Slot], &[Option<Arc<Entry>>]),
        sought: Sought,
        asking: &Asking<'_>,
        looking: &mut Looking,
    ) {
        let (waits, batches) = self.queue.ask(asking, sought.weighed.into_iter());
        let launched = batches.len();
        // What another composer knows costs no call, which shows only later.
        let made: carry::Made = self.share.as_ref().map(|_| Arc::default());
        self.begin(batches, &made);
        let mut alone = Vec::new();
        let left = asking.deadline.saturating_duration_since(self.clock.now());
        let mut told = Vec::with_capacity(waits.len());
        let all_told = async {
            for wait in waits {
                told.push(hear(wait).await);
            }
        };
        // Who is not told in time is told nothing.
        let _ = timeout(left, all_told).await;
        told.resize(sought.places.len(), Err(Cause::Timeout));
        looking.calls += made.map_or(launched, |made| made.load(Ordering::Relaxed));
        for (place, told) in sought.places.into_iter().zip(told) {
            let brought = match told {
                Ok(Told::Value(brought)) => brought,
                Ok(Told::NotShared) => {
                    alone.push(place);
                    continue;
                }
                Err(cause) => Err(cause),
            };
            looking.put(place, brought, held, self.clock.now());
        }
        if !alone.is_empty() {
            self.seek_alone(asking, &alone, (slots, held), looking)
                .await;
        }
    }

    /// Asks for what others may not share, and shares it with nobody.
    async fn seek_alone(
        &self,
        asking: &Asking<'_>,
        places: &[usize],
        (slots, held): (&[Slot], &[Option<Arc<Entry>>]),
        looking: &mut Looking,
    ) {
        let own: Vec<_> = places
            .iter()
            .filter_map(|place| slots.get(*place))
            .collect();
        let weighed = own.iter().map(|slot| self.weigh(slot, None).bytes);
        let mut start = 0;
        for count in chunks(&weighed.collect::<Vec<_>>(), self.max) {
            let part = own.get(start..start + count).unwrap_or_default();
            looking.calls += 1;
            let brought = self.fetch(part, asking.credential, asking.deadline).await;
            let own_places = places.get(start..start + count).unwrap_or_default();
            for (place, brought) in own_places.iter().zip(brought) {
                looking.put(*place, brought.value, held, self.clock.now());
            }
            start += count;
        }
    }
}

impl Sought {
    fn add(&mut self, place: usize, weighed: Weighed) {
        self.places.push(place);
        self.weighed.push(weighed);
    }

    /// Takes out keys that fit into no call.
    fn refuse_oversized(&mut self, bytes_max: usize, found: &mut [Found]) {
        let places = std::mem::take(&mut self.places);
        let weighed = std::mem::take(&mut self.weighed);
        for (place, weighed) in places.into_iter().zip(weighed) {
            if weighed.bytes <= bytes_max {
                self.add(place, weighed);
            } else if let Some(found) = found.get_mut(place) {
                *found = Found::Failed(Cause::Key);
            }
        }
    }

    /// Keeps what the calls that are left can bring.
    fn afford(&mut self, max: ChunkMax, allowance: &Allowance) {
        let bytes: Vec<_> = self.weighed.iter().map(|weighed| weighed.bytes).collect();
        let chunks = chunks(&bytes, max);
        let calls = allowance.take(chunks.len());
        let count = chunks.iter().take(calls).sum();
        self.places.truncate(count);
        self.weighed.truncate(count);
    }
}

impl Allowance {
    pub(crate) fn new(calls: usize) -> Self {
        Self(AtomicUsize::new(calls))
    }

    /// As many of these calls as there are left.
    pub(crate) fn take(&self, wanted: usize) -> usize {
        let spend = |left: usize| Some(left - left.min(wanted));
        let before = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend);
        before.map_or(0, |left| left.min(wanted))
    }
}

/// How many keys of these sizes go into each call.
fn chunks(bytes: &[usize], max: ChunkMax) -> Vec<usize> {
    let mut chunks = Vec::new();
    let (mut count, mut sum) = (0, 0);
    for bytes in bytes {
        if count > 0 && (count == max.keys || sum + bytes > max.url_bytes) {
            chunks.push(std::mem::take(&mut count));
            sum = 0;
        }
        count += 1;
        sum += bytes;
    }
    if count > 0 {
        chunks.push(count);
    }
    chunks
}

/// What came of a flight; one that was dropped came to nothing.
async fn hear(wait: Wait<Brought>) -> Result<Told<Brought>, Cause> {
    match wait {
        Wait::Until(told) => told.await.map_err(|_| Cause::Internal),
        Wait::Full => Err(Cause::Unavailable),
    }
}
