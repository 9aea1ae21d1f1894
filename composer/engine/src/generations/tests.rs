//! A model check: every order in which fetches, fills, invalidations and writes at the source can meet.
//!
//! What is run is the queue, the cache and the generations themselves, in each order from the start.
//! What must hold after every step: once a write was followed by an invalidation, nobody finds in the
//! cache what was there before, and nobody who asks from then on is told it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use composer_core::Json;
use composer_core::freshness::{Control, Freshness};
use http::HeaderMap;
use tokio::sync::oneshot;

use super::Generations;
use crate::cache::{Cache, Entry, Origin};
use crate::orders::{self, search};
use crate::queue::{Asking, Batch, Bounds, Landed, Queue, Told, Wait, Weighed};
use crate::scope::{Scope, Slot};

const KEY: &str = "7";
const BOUNDS: Bounds = Bounds {
    keys_max: 1,
    bytes_max: 100,
    calls_max: 2,
    flights_max: 100,
    waiters_max: 100,
};

/// What is done with generations: as it is, or one thing about it broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variant {
    AsItIs,
    /// Whoever asks joins a call that is older than the last invalidation.
    QueueHearsOfNone,
    /// The cache shows what is older than the last invalidation.
    CacheHearsOfNone,
    /// What comes back bears the generation of that moment, not that of the request.
    TakenLate,
}

/// How often each thing happens at most.
#[derive(Debug, Clone, Copy)]
struct Limits {
    asks: usize,
    writes: u8,
    invalidations: u8,
    drops: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Ask,
    /// The source is read for the call at this place.
    Read(usize),
    /// What was read comes back.
    Land(usize),
    /// The call ends without any answer.
    Drop(usize),
    Write,
    Invalidate,
}

/// One key, its source and its cache, and those who ask.
struct World {
    variant: Variant,
    limits: Limits,
    generations: Arc<Generations>,
    cache: Cache,
    queue: Arc<Queue<Value>>,
    /// What the source holds: how often it was written.
    source: u8,
    /// Writes that were followed by an invalidation.
    invalidated: u8,
    calls: Vec<Call>,
    /// Who waits, and the least that they may be told.
    waiting: Vec<(oneshot::Receiver<Told<Value>>, u8)>,
}

type Value = (u8, Arc<Entry>);

enum Call {
    Sent(Batch<Value>),
    Read(Batch<Value>, u8),
    Over,
}

#[expect(clippy::disallowed_methods, reason = "a test needs some instant")]
fn start() -> Instant {
    Instant::now()
}

fn slot() -> Slot {
    Slot {
        scope: Scope::Shared,
        key: KEY.into(),
    }
}

fn entry(value: u8) -> Arc<Entry> {
    let record = Json::parse(&Bytes::from(value.to_string()));
    Arc::new(Entry {
        record: Some(record.unwrap()),
        version: None,
        validators: Vec::new(),
        headers: HeaderMap::new(),
        control: Control::default(),
        freshness: Some(Freshness {
            fresh: Duration::from_secs(10),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            said: Duration::ZERO,
        }),
        origin: Origin::Fetched,
        known: start(),
    })
}

impl World {
    fn new(variant: Variant, limits: Limits) -> Self {
        let generations = Arc::new(Generations::new());
        let deaf = || Arc::new(Generations::new());
        let of_queue = match variant {
            Variant::QueueHearsOfNone => deaf(),
            Variant::AsItIs | Variant::CacheHearsOfNone | Variant::TakenLate => {
                Arc::clone(&generations)
            }
        };
        let of_cache = match variant {
            Variant::CacheHearsOfNone => deaf(),
            Variant::AsItIs | Variant::QueueHearsOfNone | Variant::TakenLate => {
                Arc::clone(&generations)
            }
        };
        Self {
            variant,
            limits,
            cache: Cache::new(1 << 16, Duration::from_secs(60), of_cache),
            queue: Queue::new(BOUNDS, of_queue),
            generations,
            source: 0,
            invalidated: 0,
            calls: Vec::new(),
            waiting: Vec::new(),
        }
    }

    fn take(&mut self, place: usize) -> Call {
        std::mem::replace(&mut self.calls[place], Call::Over)
    }

    /// Whoever finds nothing in the cache asks.
    fn ask(&mut self) {
        self.limits.asks -= 1;
        if self.cache.find(&slot()).is_some() {
            return;
        }
        let asking = Asking {
            scope: Scope::Shared,
            credential: None,
            deadline: start() + Duration::from_secs(1),
        };
        let weighed = Weighed {
            key: KEY.into(),
            bytes: 1,
        };
        let (waits, batches) = self.queue.ask(&asking, [weighed].into_iter());
        for wait in waits {
            match wait {
                Wait::Until(told) => self.waiting.push((told, self.invalidated)),
                Wait::Full => panic!("there is room"),
            }
        }
        self.calls.extend(batches.into_iter().map(Call::Sent));
    }

    fn land(&mut self, batch: Batch<Value>, value: u8) {
        let landed = Landed {
            value: (value, entry(value)),
            is_shareable: true,
        };
        let next = self
            .queue
            .land(batch, vec![Some(landed)], |slot, generation, (_, entry)| {
                self.cache.keep(slot, generation, entry);
            });
        if self.variant == Variant::TakenLate {
            let now = self.generations.of(KEY);
            self.cache.keep(&slot(), now, &entry(value));
        }
        self.calls.extend(next.into_iter().map(Call::Sent));
    }
}

impl orders::World for World {
    type Action = Action;

    fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.limits.asks > 0 {
            actions.push(Action::Ask);
        }
        if self.limits.writes > 0 {
            actions.push(Action::Write);
        }
        if self.limits.invalidations > 0 && self.invalidated < self.source {
            actions.push(Action::Invalidate);
        }
        for (place, call) in self.calls.iter().enumerate() {
            match call {
                Call::Sent(_) => actions.push(Action::Read(place)),
                Call::Read(..) => actions.push(Action::Land(place)),
                Call::Over => continue,
            }
            if self.limits.drops > 0 {
                actions.push(Action::Drop(place));
            }
        }
        actions
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Ask => self.ask(),
            Action::Read(place) => {
                if let Call::Sent(batch) = self.take(place) {
                    self.calls[place] = Call::Read(batch, self.source);
                }
            }
            Action::Land(place) => {
                if let Call::Read(batch, value) = self.take(place) {
                    self.land(batch, value);
                }
            }
            Action::Drop(place) => {
                self.limits.drops -= 1;
                drop(self.take(place));
            }
            Action::Write => {
                self.limits.writes -= 1;
                self.source += 1;
            }
            Action::Invalidate => {
                self.limits.invalidations -= 1;
                self.generations.invalidate(KEY);
                self.invalidated = self.source;
            }
        }
    }

    /// What was made void is neither found nor told.
    fn is_sound(&mut self) -> bool {
        let held = self.cache.find(&slot());
        let held = held.and_then(|entry| entry.record.clone());
        let held = held.and_then(|json| std::str::from_utf8(json.bytes()).ok()?.parse::<u8>().ok());
        let is_found_well = held.is_none_or(|held| held >= self.invalidated);
        let is_told_well = self.waiting.iter_mut().all(|(told, least)| {
            match told.try_recv() {
                Ok(Told::Value((value, _))) => value >= *least,
                Ok(Told::NotShared) => false,
                // Nothing yet, or nothing any more.
                Err(_) => true,
            }
        });
        is_found_well && is_told_well
    }
}

const FEW: Limits = Limits {
    asks: 2,
    writes: 1,
    invalidations: 1,
    drops: 0,
};

#[test]
fn what_was_made_void_is_neither_found_nor_told_in_any_order() {
    for limits in [
        Limits {
            writes: 2,
            invalidations: 2,
            ..FEW
        },
        Limits { asks: 3, ..FEW },
        Limits { drops: 1, ..FEW },
    ] {
        let (orders, wrong) = search(|| World::new(Variant::AsItIs, limits));
        assert_eq!(wrong, None, "{limits:?}");
        assert!(orders > 100, "{orders} orders of {limits:?}");
    }
}

#[test]
fn without_the_generation_there_is_an_order_that_shows_it() {
    for variant in [
        Variant::QueueHearsOfNone,
        Variant::CacheHearsOfNone,
        Variant::TakenLate,
    ] {
        let (_, wrong) = search(|| World::new(variant, FEW));
        assert!(wrong.is_some(), "{variant:?} is found out by nothing");
    }
}
