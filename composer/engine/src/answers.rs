//! Whole answers of single calls: asked for anew for every request, or kept for a while where the
//! step says so.

use std::sync::Arc;
use std::time::{Duration, Instant};

use composer_core::cause::Cause;
use composer_core::freshness::Control;
use composer_core::json::Json;
use composer_core::plan::{self, StepCache};
use gateway_upstream::Kind;
use http::header::{CACHE_CONTROL, EXPIRES, PRAGMA, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::time::timeout;

use crate::cache::{Age, Cache, Entry, Origin, jittered, judge, life, never_kept};
use crate::client::{Reply, Upstream, Wish};
use crate::clock::Clock;
use crate::generations::Generations;
use crate::metrics::SourceMetrics;
use crate::queue::{Asking, Batch, Bounds, Landed, Queue, Told, Wait, Weighed};
use crate::records::{ANSWER_BYTES_MAX, Errand, Found, failed, without};
use crate::scope::{Scope, Slot};
use crate::spawn::spawn;
use crate::validators;

const BOUNDS: Bounds = Bounds {
    keys_max: 1,
    bytes_max: usize::MAX,
    calls_max: 4_096,
    flights_max: 16_384,
    waiters_max: 4_096,
};

type Brought = Result<Arc<Entry>, Cause>;

/// The answers to one step of one endpoint.
#[derive(Debug)]
pub(crate) struct Answers {
    upstream: Arc<Upstream>,
    is_sent_credential: bool,
    timeout: Duration,
    kept: Option<Kept>,
    clock: Clock,
    metrics: SourceMetrics,
}

#[derive(Debug)]
struct Kept {
    terms: StepCache,
    cache: Cache,
    queue: Arc<Queue<Brought>>,
    generations: Arc<Generations>,
}

impl Answers {
    pub(crate) fn new(
        step: &plan::Step,
        (upstream, is_sent_credential): (Arc<Upstream>, bool),
        clock: Clock,
        metrics: SourceMetrics,
    ) -> Arc<Self> {
        let kept = step.cache.as_ref().map(|terms| {
            let generations = Arc::new(Generations::new());
            let of_cache = Arc::clone(&generations);
            Kept {
                terms: StepCache {
                    scope: terms.scope,
                    cache: terms.cache.clone(),
                },
                cache: Cache::new(terms.cache.bytes_max, life(&terms.cache), of_cache),
                queue: Queue::new(BOUNDS, Arc::clone(&generations)),
                generations,
            }
        });
        Arc::new(Self {
            upstream,
            is_sent_credential,
            timeout: step.timeout,
            kept,
            clock,
            metrics,
        })
    }

    pub(crate) fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    pub(crate) fn invalidate_all(&self) {
        if let Some(kept) = &self.kept {
            kept.generations.invalidate_all();
        }
    }

    /// The answer to this target.
    pub(crate) async fn find(self: &Arc<Self>, target: &str, errand: &Errand<'_>) -> Found {
        let Some(kept) = &self.kept else {
            return self.find_anew(target, errand).await;
        };
        let is_shared = kept.terms.scope == plan::Scope::Shared;
        let slot = Slot {
            scope: errand.asker.scope(is_shared),
            key: target.into(),
        };
        let held = kept.cache.find(&slot);
        let now = self.clock.now();
        match held.as_ref().map(|entry| (entry, entry.age(now))) {
            Some((entry, Age::Fresh)) => {
                self.metrics.hits.inc();
                Found::Known(Arc::clone(entry))
            }
            Some((entry, Age::Refreshable)) if self.upstream.service().may_refresh(now) => {
                self.metrics.hits.inc();
                let deadline = now + self.timeout;
                let (_, batches) = kept.queue.ask(
                    &self.asking(&slot.scope, errand, deadline),
                    [weighed(&slot)].into_iter(),
                );
                self.begin(batches);
                Found::Refreshing(Arc::clone(entry))
            }
            Some((_, Age::Refreshable | Age::Stale | Age::Dead)) | None => {
                self.metrics.misses.inc();
                if errand.allowance.take(1) == 0 {
                    return without(held.as_ref(), Cause::Calls, now);
                }
                match self.wait(kept, &slot, errand).await {
                    Ok(entry) => Found::Fetched(entry),
                    Err(cause) => without(held.as_ref(), cause, self.clock.now()),
                }
            }
        }
    }

    async fn find_anew(&self, target: &str, errand: &Errand<'_>) -> Found {
        if errand.allowance.take(1) == 0 {
            return Found::Failed(Cause::Calls);
        }
        let credential = errand.asker.credential();
        let asked = Asked {
            target,
            credential: credential.filter(|_| self.is_sent_credential),
            deadline: errand.deadline,
            held: None,
        };
        match self.fetch(&asked).await.value {
            Ok(entry) => Found::Fetched(entry),
            Err(cause) => Found::Failed(cause),
        }
    }

    fn asking<'a>(&self, scope: &Scope, errand: &Errand<'a>, deadline: Instant) -> Asking<'a> {
        let credential = errand.asker.credential();
        Asking {
            scope: scope.clone(),
            credential: credential.filter(|_| self.is_sent_credential),
            deadline,
        }
    }

    async fn wait(self: &Arc<Self>, kept: &Kept, slot: &Slot, errand: &Errand<'_>) -> Brought {
        let asking = self.asking(&slot.scope, errand, errand.deadline);
        let (waits, batches) = kept.queue.ask(&asking, [weighed(slot)].into_iter());
        self.begin(batches);
        let Some(Wait::Until(told)) = waits.into_iter().next() else {
            return Err(Cause::Unavailable);
        };
        let left = errand.deadline.saturating_duration_since(self.clock.now());
        match timeout(left, told).await {
            Ok(Ok(Told::Value(brought))) => brought,
            Ok(Ok(Told::NotShared)) => {
                let asked = Asked {
                    target: &slot.key,
                    credential: asking.credential,
                    deadline: errand.deadline,
                    held: None,
                };
                self.fetch(&asked).await.value
            }
            Ok(Err(_)) => Err(Cause::Internal),
            Err(_) => Err(Cause::Timeout),
        }
    }

    fn begin(self: &Arc<Self>, batches: Vec<Batch<Brought>>) {
        for batch in batches {
            let answers = Arc::clone(self);
            spawn(
                "composer call",
                async move { answers.carry_out(batch).await },
            );
        }
    }

    async fn carry_out(self: Arc<Self>, batch: Batch<Brought>) {
        let Some(kept) = &self.kept else { return };
        let Some(part) = batch.parts.first() else {
            return;
        };
        let asked = Asked {
            target: &part.slot.key,
            credential: batch.credential.as_ref(),
            deadline: batch.deadline,
            held: kept.cache.find(&part.slot),
        };
        let landed = self.fetch(&asked).await;
        let next = kept
            .queue
            .land(batch, vec![Some(landed)], |slot, generation, brought| {
                if let Ok(entry) = brought {
                    kept.cache.keep(slot, generation, entry);
                }
            });
        self.begin(next);
    }

    async fn fetch(&self, asked: &Asked<'_>) -> Landed<Brought> {
        let held = asked.held.as_ref();
        let validators = held.map_or(&[][..], |entry| entry.validators.as_slice());
        let wish = Wish {
            kind: Kind::Single,
            target: asked.target,
            credential: asked.credential,
            validators,
            timeout: self.timeout,
            deadline: asked.deadline,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        self.metrics.calls.inc();
        let reply = match self.upstream.call(&wish).await {
            Ok(reply) => reply,
            Err(miss) => return failed(miss.into()),
        };
        self.metrics.bytes.inc_by(reply.body.len() as u64);
        if let (StatusCode::NOT_MODIFIED, Some(held), false) =
            (reply.status, held, validators.is_empty())
        {
            self.metrics.unchanged.inc();
            let saved = held
                .record
                .as_ref()
                .map_or(0, |record| record.bytes().len());
            self.metrics.bytes_saved.inc_by(saved as u64);
            return self.renew(held, &reply);
        }
        if reply.status != StatusCode::OK {
            return failed(Cause::Status(reply.status));
        }
        let Ok(record) = Json::parse_rows(&reply.body) else {
            reply.blame(&self.clock);
            return failed(Cause::Unsound);
        };
        let validators = validators::of(&reply.headers);
        self.land(record, validators, &reply.headers, reply.asked)
    }

    /// The service says that nothing changed: what it says of its age counts, the body stays.
    fn renew(&self, held: &Entry, reply: &Reply) -> Landed<Brought> {
        let mut validators = validators::of(&reply.headers);
        if validators.is_empty() {
            validators.clone_from(&held.validators);
        }
        let mut headers = held.headers.clone();
        for name in reply.headers.keys() {
            headers.remove(name);
            for value in reply.headers.get_all(name) {
                headers.append(name.clone(), value.clone());
            }
        }
        let record = held.record.clone().unwrap_or_else(Json::null);
        let mut landed = self.land(record, validators, &headers, reply.asked);
        if let Ok(entry) = &mut landed.value {
            Arc::make_mut(entry).origin = Origin::Renewed;
        }
        landed
    }

    fn land(
        &self,
        record: Json,
        validators: Vec<(HeaderName, HeaderValue)>,
        headers: &HeaderMap,
        asked: Instant,
    ) -> Landed<Brought> {
        let known = self.clock.now();
        let (scope, terms) = match &self.kept {
            Some(kept) => (kept.terms.scope, jittered(&kept.terms.cache)),
            None => (plan::Scope::Caller, never_kept()),
        };
        let freshness = judge(&self.clock, headers, asked, (scope, &terms));
        let is_kept = self.kept.is_some();
        let entry = Entry {
            record: Some(record),
            version: None,
            validators: if is_kept { validators } else { Vec::new() },
            headers: if is_kept {
                kept_fields(headers)
            } else {
                HeaderMap::new()
            },
            control: Control::of(headers),
            freshness,
            origin: Origin::Fetched,
            known,
        };
        Landed {
            value: Ok(Arc::new(entry)),
            is_shareable: freshness.is_some(),
        }
    }
}

/// What is asked for, and what is held of it.
struct Asked<'a> {
    target: &'a str,
    credential: Option<&'a HeaderValue>,
    deadline: Instant,
    held: Option<Arc<Entry>>,
}

fn weighed(slot: &Slot) -> Weighed {
    Weighed {
        key: slot.key.clone(),
        bytes: slot.key.len(),
    }
}

/// The fields that say how long an answer may be kept, to be merged with those of a later 304.
fn kept_fields(headers: &HeaderMap) -> HeaderMap {
    let names = [CACHE_CONTROL, EXPIRES, VARY, PRAGMA];
    let mut kept = HeaderMap::new();
    for name in names {
        for value in headers.get_all(&name) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}
