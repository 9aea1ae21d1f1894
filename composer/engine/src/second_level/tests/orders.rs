//! A model check: every order in which two composers, their Redis, a write and an invalidation can meet.
//!
//! What is run is the queues, the caches, the generations and what is made of replies themselves; Redis
//! is the model that the scripts are held against. One composer is told of the invalidation, the other
//! never is. What must hold after every step: once the invalidation is done, the first finds and tells
//! nothing that was there before the write, wherever it would come from.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use composer_core::Json;
use composer_core::declaration::{self, Declaration, LookupSource, Service, Text};
use composer_core::freshness::{Control, Freshness};
use composer_core::keys::ChunkMax;
use composer_core::plan::{Cache as Terms, Lookup, Scope as Sharing};
use composer_core::stored::Fingerprint;
use http::HeaderMap;
use tokio::sync::oneshot;

use super::super::entity::{Moment, Names, Seen, Sighted, Writing};
use super::model::{Model, Variant};
use crate::cache::{Cache, Entry, Origin};
use crate::generations::Generations;
use crate::orders::{self, follow, search};
use crate::queue::{Asking, Batch, Bounds, Landed, Queue, Told, Wait, Weighed};
use crate::random;
use crate::scope::{Scope, SharedKey, Slot};

const KEY: &str = "7";
const BOUNDS: Bounds = Bounds {
    keys_max: 1,
    bytes_max: 100,
    calls_max: 3,
    flights_max: 100,
    waiters_max: 100,
};

/// What is broken, if anything is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    Nothing,
    Redis(Variant),
    /// Generations here begin anew only before Redis is told.
    BumpedBeforeOnly,
    /// A lookup that owes Redis an invalidation is read as if it did not.
    OwesNothing,
}

/// What is forgotten, and whether Redis can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Order {
    is_of_key: bool,
    is_heard: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Ask(usize),
    /// Redis is asked, the source is read, what came lands, it is stored: the next for this call.
    Go(usize, usize),
    /// The source is written, and the first composer begins to forget.
    Write,
    Tell,
    Done,
    Flush,
}

pub(super) struct Site {
    broken: Broken,
    order: Order,
    pub(super) lookup: Lookup,
    pub(super) terms: Terms,
    pub(super) names: Names,
    pub(super) now: Instant,
}

struct World<'s> {
    site: &'s Site,
    redis: Model,
    composers: [Composer; 2],
    asks: [usize; 2],
    invalidations: usize,
    flushes: usize,
    /// Makes places and generations like no other.
    drawn: u64,
    source: u8,
    forgetting: Forgetting,
    /// What the first composer may not show any more is older than this.
    invalidated: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forgetting {
    Nothing,
    Begun,
    Told,
}

struct Composer {
    generations: Arc<Generations>,
    cache: Cache,
    queue: Arc<Queue<Value>>,
    owes: bool,
    calls: Vec<Call>,
    /// Who waits, and the least that they may be told.
    waiting: Vec<(oneshot::Receiver<Told<Value>>, u8)>,
}

type Value = (u8, Arc<Entry>);

enum Call {
    Sent(Batch<Value>),
    Known(Batch<Value>, Arc<Entry>),
    Unknown(Batch<Value>, Option<Seen>),
    Read(Batch<Value>, Option<Seen>, u8),
    Storing(Writing),
    Over,
}

fn slot() -> Slot {
    Slot {
        scope: Scope::Shared,
        key: KEY.into(),
    }
}

pub(super) fn key() -> SharedKey {
    slot().shared().unwrap()
}

fn value_of(entry: &Entry) -> u8 {
    let record = entry.record.as_ref().unwrap();
    let text = std::str::from_utf8(record.bytes()).unwrap();
    let (_, value) = text.rsplit_once(':').unwrap();
    value.trim_end_matches('}').parse().unwrap()
}

impl Site {
    pub(super) fn sound() -> Self {
        let [order, ..] = ORDERS;
        Self::new(Broken::Nothing, order)
    }

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant")]
    fn new(broken: Broken, order: Order) -> Self {
        let text = |text: &str| Text::from(text);
        let terms = Terms {
            ttl: Duration::from_secs(10),
            missing: Duration::ZERO,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            bytes_max: 1 << 16,
        };
        let declaration = Declaration {
            services: vec![Service {
                name: "members".to_owned(),
                is_sent_credential: false,
                timeout: Duration::from_secs(1),
                http2_place: None,
            }],
            lookups: vec![declaration::Lookup {
                name: text("member"),
                call: text("GET members /members?ids={keys}"),
                source: LookupSource::Batch {
                    max: ChunkMax {
                        keys: 1,
                        url_bytes: 100,
                    },
                    cache: Some(terms.clone()),
                },
                key: Some(text("id")),
                items: None,
                version: None,
                scope: Sharing::Shared,
                shared_place: None,
                is_shared_despite_auth: false,
                second_level_place: Some(declaration::Place::default()),
            }],
            endpoints: Vec::new(),
        };
        let plan = composer_core::compile(&declaration).unwrap();
        let names = Names::new(Fingerprint::of(&plan, &plan.lookups[0]));
        Self {
            broken,
            order,
            lookup: plan.lookups.into_iter().next().unwrap(),
            terms,
            names,
            now: Instant::now(),
        }
    }

    /// Fresh for ten seconds from `now` on.
    pub(super) fn entry(&self, value: u8) -> Arc<Entry> {
        let record = format!("{{\"id\":{KEY},\"value\":{value}}}");
        Arc::new(Entry {
            record: Some(Json::parse(&Bytes::from(record)).unwrap()),
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
            known: self.now,
        })
    }
}

impl Composer {
    fn new() -> Self {
        let generations = Arc::new(Generations::new());
        let of_cache = Arc::clone(&generations);
        Self {
            cache: Cache::new(1 << 16, Duration::from_secs(60), of_cache),
            queue: Queue::new(BOUNDS, Arc::clone(&generations)),
            generations,
            owes: false,
            calls: Vec::new(),
            waiting: Vec::new(),
        }
    }

    fn forget(&self, order: Order) {
        match order.is_of_key {
            true => self.generations.invalidate(KEY),
            false => self.generations.invalidate_all(),
        }
    }
}

impl<'s> World<'s> {
    fn new(site: &'s Site, asks: [usize; 2], invalidations: usize, flushes: usize) -> Self {
        let variant = match site.broken {
            Broken::Redis(variant) => variant,
            Broken::Nothing | Broken::BumpedBeforeOnly | Broken::OwesNothing => Variant::AsItIs,
        };
        Self {
            site,
            redis: Model::new(variant),
            composers: [Composer::new(), Composer::new()],
            asks,
            invalidations,
            flushes,
            drawn: 0,
            source: 0,
            forgetting: Forgetting::Nothing,
            invalidated: 0,
        }
    }

    fn ask(&mut self, who: usize) {
        self.asks[who] -= 1;
        let composer = &mut self.composers[who];
        if composer.cache.find(&slot()).is_some() {
            return;
        }
        let asking = Asking {
            scope: Scope::Shared,
            credential: None,
            deadline: self.site.now + Duration::from_secs(1),
        };
        let weighed = Weighed {
            key: KEY.into(),
            bytes: 1,
        };
        let (waits, batches) = composer.queue.ask(&asking, [weighed].into_iter());
        let least = if who == 0 { self.invalidated } else { 0 };
        for wait in waits {
            match wait {
                Wait::Until(told) => composer.waiting.push((told, least)),
                Wait::Full => panic!("there is room"),
            }
        }
        composer.calls.extend(batches.into_iter().map(Call::Sent));
    }

    fn go(&mut self, who: usize, call: Call) -> Call {
        match call {
            Call::Sent(batch) => match self.look(who) {
                Sighted::Known(entry) => Call::Known(batch, entry),
                Sighted::Unknown(seen) => Call::Unknown(batch, seen),
                Sighted::Wrong(..) => panic!("nobody puts anything wrong there"),
            },
            Call::Unknown(batch, seen) => Call::Read(batch, seen, self.source),
            Call::Known(batch, entry) => {
                let value = value_of(&entry);
                self.land(who, batch, (value, entry));
                Call::Over
            }
            Call::Read(batch, seen, value) => {
                let entry = self.site.entry(value);
                let is_of_now = self.land(who, batch, (value, Arc::clone(&entry)));
                let seen = seen.filter(|_| is_of_now);
                let writing = seen.and_then(|seen| self.site.names.write(&key(), seen, &entry));
                writing.map_or(Call::Over, Call::Storing)
            }
            Call::Storing(writing) => {
                self.redis.store(&[writing]);
                Call::Over
            }
            Call::Over => Call::Over,
        }
    }

    fn look(&mut self, who: usize) -> Sighted {
        let names = &self.site.names;
        self.drawn += 1;
        let fresh = format!("{:016x}", self.drawn);
        let owes = std::mem::take(&mut self.composers[who].owes);
        let asked = [names.generation.clone(), names.entity(&key())];
        let mut reply = self.redis.find(&asked, &fresh, owes);
        let moment = Moment {
            sent: self.site.now,
            answered: self.site.now,
            at: 0,
        };
        let of = (&self.site.lookup, &self.site.terms);
        names.read(of, (&key(), None), reply.held.remove(0), moment)
    }

    /// Whether it is of now.
    fn land(&mut self, who: usize, batch: Batch<Value>, value: Value) -> bool {
        let composer = &mut self.composers[who];
        let landed = Landed {
            value,
            is_shareable: true,
        };
        let mut is_of_now = false;
        let keep = |slot: &Slot, generation, (_, entry): &Value| {
            is_of_now = true;
            composer.cache.keep(slot, generation, entry);
        };
        let next = composer.queue.land(batch, vec![Some(landed)], keep);
        composer.calls.extend(next.into_iter().map(Call::Sent));
        is_of_now
    }
}

impl orders::World for World<'_> {
    type Action = Action;

    fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        for (who, composer) in self.composers.iter().enumerate() {
            if self.asks[who] > 0 {
                actions.push(Action::Ask(who));
            }
            for (place, call) in composer.calls.iter().enumerate() {
                if !matches!(call, Call::Over) {
                    actions.push(Action::Go(who, place));
                }
            }
        }
        match self.forgetting {
            Forgetting::Nothing if self.invalidations > 0 => actions.push(Action::Write),
            Forgetting::Nothing => {}
            Forgetting::Begun => actions.push(Action::Tell),
            Forgetting::Told => actions.push(Action::Done),
        }
        if self.flushes > 0 {
            actions.push(Action::Flush);
        }
        actions
    }

    fn act(&mut self, action: Action) {
        let order = self.site.order;
        match action {
            Action::Ask(who) => self.ask(who),
            Action::Go(who, place) => {
                let call = std::mem::replace(&mut self.composers[who].calls[place], Call::Over);
                let next = self.go(who, call);
                self.composers[who].calls[place] = next;
            }
            Action::Write => {
                self.invalidations -= 1;
                self.source += 1;
                self.composers[0].forget(order);
                self.forgetting = Forgetting::Begun;
            }
            Action::Tell => {
                match (order.is_heard, order.is_of_key) {
                    (true, true) => self.redis.forget(&self.site.names.entity(&key())),
                    (true, false) => self.redis.forget(&self.site.names.generation),
                    (false, _) => {
                        self.composers[0].owes = self.site.broken != Broken::OwesNothing;
                    }
                }
                self.forgetting = Forgetting::Told;
            }
            Action::Done => {
                if self.site.broken != Broken::BumpedBeforeOnly {
                    self.composers[0].forget(order);
                }
                self.invalidated = self.source;
                self.forgetting = Forgetting::Nothing;
            }
            Action::Flush => {
                self.flushes -= 1;
                self.redis.held.clear();
            }
        }
    }

    /// Whoever finds nothing in the cache asks.
    /// What was made void is neither found nor told.
    fn is_sound(&mut self) -> bool {
        let least = self.invalidated;
        let composer = &mut self.composers[0];
        let held = composer.cache.find(&slot());
        let is_found_well = held.is_none_or(|entry| value_of(&entry) >= least);
        let is_told_well = composer.waiting.iter_mut().all(|(told, least)| {
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

/// A world in which Redis is asked at once: that anything comes in between is left to drawn orders.
struct AtOnce<'s>(World<'s>);

impl orders::World for AtOnce<'_> {
    type Action = Action;

    fn actions(&self) -> Vec<Action> {
        self.0.actions()
    }

    fn act(&mut self, action: Action) {
        self.0.act(action);
        if let Action::Ask(who) = action
            && let Some(place) = self.0.composers[who].calls.len().checked_sub(1)
            && matches!(self.0.composers[who].calls[place], Call::Sent(_))
        {
            self.0.act(Action::Go(who, place));
        }
    }

    fn is_sound(&mut self) -> bool {
        self.0.is_sound()
    }
}

/// The first of so many drawn orders in which something is wrong.
fn draw(broken: Broken, order: Order, orders: usize) -> Option<Vec<Action>> {
    let site = Site::new(broken, order);
    let mut drawn = (0..orders).map(|_| {
        let world = World::new(&site, [4, 3], 3, 1);
        follow(world, |_, count| {
            usize::try_from(random::next_u64() >> 33).unwrap() % count
        })
    });
    drawn.find_map(|wrong| wrong)
}

const ORDERS: [Order; 4] = [
    Order {
        is_of_key: true,
        is_heard: true,
    },
    Order {
        is_of_key: true,
        is_heard: false,
    },
    Order {
        is_of_key: false,
        is_heard: true,
    },
    Order {
        is_of_key: false,
        is_heard: false,
    },
];

#[test]
fn an_invalidation_is_not_undone_by_what_another_composer_stores_in_any_order() {
    let [key, key_unheard, lookup, _] = ORDERS;
    for (order, asks) in [(key, [1, 1]), (lookup, [1, 1]), (key_unheard, [2, 0])] {
        let site = Site::new(Broken::Nothing, order);
        let (orders, wrong) = search(|| AtOnce(World::new(&site, asks, 1, 0)));
        assert_eq!(wrong, None, "{order:?}");
        assert!(orders > 100, "{orders} orders of {order:?}");
    }
}

#[test]
fn an_invalidation_is_not_undone_in_any_of_many_drawn_orders_of_more() {
    for order in ORDERS {
        assert_eq!(draw(Broken::Nothing, order, 1_500), None, "{order:?}");
    }
}

#[test]
fn without_its_generation_there_is_an_order_that_shows_it() {
    let [key, key_unheard, lookup, _] = ORDERS;
    for (broken, order) in [
        (Broken::Redis(Variant::StoredBlindly), key),
        (Broken::Redis(Variant::GenerationsAreAlike), lookup),
        (Broken::BumpedBeforeOnly, key),
        (Broken::OwesNothing, key_unheard),
    ] {
        let found = draw(broken, order, 30_000);
        assert!(found.is_some(), "{broken:?} is found out by nothing");
    }
}
