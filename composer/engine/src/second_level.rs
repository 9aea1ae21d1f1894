//! Is an entity known to another composer?
//!
//! Composers that share a Redis fill from each other: what the cache of one lacks is looked for there,
//! all keys of a batch in one round trip, and what its service then has to be asked for is stored for
//! the others. Redis is never waited for longer than briefly, never relied on, and never believed: what
//! it says is checked, and a silence, an error or nonsense is a miss.
//!
//! Only what is declared shared goes there, which takes a [`SharedKey`], and there is none of what is
//! private to a caller.
//!
//! # An invalidation is not undone by what comes late
//!
//! Under each name lies either an entity or a *place*, which whoever looks for it and finds nothing
//! leaves there: a text like no other. An entity is stored only where there still lies what was seen
//! before the service was asked. To forget a key is to remove what lies there, so that whoever asked
//! before finds another place, or none. Besides, entity and place bear the generation of their lookup,
//! under which alone they are found; to forget a lookup is to remove that. It begins with the run of
//! the server: what a server was restored to, or another one took over, is void. An evicted key, a
//! flushed database and an expired place are invalidations too many, which do no harm.
//!
//! Here the generations of [`crate::generations`] begin anew before *and* after Redis is told: what was
//! read there in between is void. Where Redis could not be told, the lookup *owes* it: it is not read
//! again but by the very command that begins a new generation.
//!
//! # Nothing is used for longer than by a cache of one level
//!
//! The age that an entity had goes with it. How long it may lie there is said as a moment of the clock
//! of Redis, early rather than late, so that nothing is gained on the way; how long it is still good
//! for is counted from when it was asked for. No clocks of two machines are compared.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use composer_core::plan::{Cache, Lookup, Plan, Scope};
use composer_core::stored::Fingerprint;
pub(crate) use composer_core::stored::VALUE_BYTES_MAX;
use redis::{ConnectionInfo, RedisError};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::cache::Entry;
use crate::clock::Clock;
use crate::metrics::{Metrics, SharedMetrics};
use crate::scope::SharedKey;
use crate::spawn::spawn;

mod entity;
mod link;
mod write_back;

#[cfg(test)]
mod tests;

pub(crate) use entity::Seen;
use entity::{Moment, Names, Sighted};
use link::Link;

/// Questions that wait for an answer at once, of all lookups; past it Redis is passed over.
const FINDS_MAX: usize = 64;

/// A Redis where composers leave for each other what they fetched.
#[derive(Debug)]
pub struct SecondLevel {
    link: Arc<Link>,
    queue: write_back::Queue,
    finds: Semaphore,
    tasks: [JoinHandle<()>; 2],
}

/// The part of it that belongs to one lookup.
#[derive(Debug)]
pub(crate) struct Share {
    level: Arc<SecondLevel>,
    lookup: Arc<Lookup>,
    terms: Cache,
    names: Names,
    /// Invalidations that Redis was not told of.
    owed: AtomicU64,
    clock: Clock,
    metrics: SharedMetrics,
}

/// What there is of a key.
#[derive(Debug)]
pub(crate) enum Sighting {
    Known(Arc<Entry>),
    Unknown(Option<Seen>),
}

impl SecondLevel {
    /// Begins to connect; call it within a runtime. A question is given `timeout` to be answered.
    pub fn open(
        at: ConnectionInfo,
        timeout: Duration,
        metrics: &Metrics,
    ) -> Result<Arc<Self>, RedisError> {
        let link = Arc::new(Link::new(at, timeout, metrics.level())?);
        let (queue, writer) = write_back::queue();
        let keeping = Arc::clone(&link).keep();
        let writing = writer.run(Arc::clone(&link));
        Ok(Arc::new(Self {
            link,
            queue,
            finds: Semaphore::new(FINDS_MAX),
            tasks: [
                spawn("composer second level", keeping),
                spawn("composer write-back", writing),
            ],
        }))
    }

    /// Forgets what lies under these names. Whether it is gone for sure.
    pub(crate) async fn forget(&self, names: &[String]) -> bool {
        names.is_empty() || self.link.forget(names).await
    }
}

impl Drop for SecondLevel {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Share {
    /// The part of a lookup that may have one: one that is kept, for everybody.
    pub(crate) fn new(
        level: &Arc<SecondLevel>,
        (plan, lookup): (&Plan, Arc<Lookup>),
        clock: Clock,
        metrics: SharedMetrics,
    ) -> Option<Arc<Self>> {
        let terms = lookup.cache().cloned()?;
        let may_be_shared = lookup.is_in_second_level && lookup.scope == Scope::Shared;
        may_be_shared.then(|| {
            Arc::new(Self {
                level: Arc::clone(level),
                names: Names::new(Fingerprint::of(plan, &lookup)),
                lookup,
                terms,
                owed: AtomicU64::new(0),
                clock,
                metrics,
            })
        })
    }

    pub(crate) fn level(&self) -> &Arc<SecondLevel> {
        &self.level
    }

    /// What is known of these keys, each with when what is held here was learned; in their order.
    pub(crate) async fn find(
        &self,
        keys: &[(SharedKey, Option<Instant>)],
        deadline: Instant,
    ) -> Vec<Sighting> {
        let owed = self.owed.load(Ordering::SeqCst);
        let names = keys.iter().map(|(key, _)| self.names.entity(key));
        let names: Vec<_> = [self.names.generation.clone()]
            .into_iter()
            .chain(names)
            .collect();
        let sent = self.clock.now();
        let left = deadline.saturating_duration_since(sent);
        let asked = match self.level.finds.try_acquire() {
            Ok(_permit) => self.level.link.find(&names, owed > 0, left).await,
            Err(_) => None,
        };
        let Some(reply) = asked.filter(|reply| reply.held.len() == keys.len()) else {
            self.metrics.passed.inc_by(keys.len() as u64);
            return keys.iter().map(|_| Sighting::Unknown(None)).collect();
        };
        if owed > 0 {
            // What was owed since then is owed still.
            let _ = self
                .owed
                .compare_exchange(owed, 0, Ordering::SeqCst, Ordering::SeqCst);
        }
        let moment = Moment {
            sent,
            answered: self.clock.now(),
            at: reply.at,
        };
        let parts = keys.iter().zip(reply.held);
        let sighted = parts.map(|((key, held), found)| {
            let of = (&*self.lookup, &self.terms);
            self.note(self.names.read(of, (key, *held), found, moment))
        });
        sighted.collect()
    }

    /// Stores what was fetched for others, each in the place of what was seen before. Nobody waits.
    pub(crate) fn store(
        &self,
        fetched: Vec<(SharedKey, Arc<Entry>)>,
        mut seen: HashMap<SharedKey, Seen>,
    ) {
        let writings = fetched.into_iter().filter_map(|(key, entry)| {
            let seen = seen.remove(&key)?;
            self.names.write(&key, seen, &entry)
        });
        self.level.queue.put(writings.collect(), &self.metrics);
    }

    /// Where a record lies, or what all records of this lookup depend on.
    pub(crate) fn name(&self, key: Option<&SharedKey>) -> String {
        key.map_or_else(
            || self.names.generation.clone(),
            |key| self.names.entity(key),
        )
    }

    /// Redis could not be told of an invalidation.
    pub(crate) fn owe(&self) {
        self.owed.fetch_add(1, Ordering::SeqCst);
    }

    /// What another share, which this one follows, owes, this one does.
    pub(crate) fn inherit(&self, before: &Self) {
        let owed = before.owed.load(Ordering::SeqCst);
        self.owed.fetch_add(owed, Ordering::SeqCst);
    }

    fn note(&self, sighted: Sighted) -> Sighting {
        match sighted {
            Sighted::Known(entry) => {
                self.metrics.hits.inc();
                Sighting::Known(entry)
            }
            Sighted::Unknown(seen) => {
                self.metrics.misses.inc();
                Sighting::Unknown(seen)
            }
            Sighted::Wrong(seen, why) => {
                self.metrics.wrong.inc();
                let why = why.map(|why| why.to_string());
                tracing::debug!(lookup = &*self.lookup.name, why, "not what was stored");
                Sighting::Unknown(seen)
            }
        }
    }
}
