//! Which keys go into which call, and who waits for them?
//!
//! A key that nobody asks for yet goes out at once. One that is asked for while a call of the same
//! kind is under way goes with the next: no timer, and nobody who is alone waits. Calls are never
//! made for two scopes at once. A key is in at most one call; all who want it wait for that one,
//! and whoever asked first may leave without harm to the others.
//!
//! The state is changed under one lock and never waits. Whoever gets a [`Batch`] carries it out and
//! lands it; a batch that is dropped lands as failed, and whoever waited behind it fails too.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http::HeaderValue;
use smol_str::SmolStr;
use tokio::sync::oneshot;

use crate::generations::{Generation, Generations};
use crate::scope::{Scope, Slot};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Keys of one call.
    pub(crate) keys_max: usize,
    /// What the keys of one call may measure together.
    pub(crate) bytes_max: usize,
    /// Calls of one scope that are under way.
    pub(crate) calls_max: usize,
    /// Keys of all scopes that are asked for.
    pub(crate) flights_max: usize,
    /// Requests that wait for one key.
    pub(crate) waiters_max: usize,
}

/// What came of a key.
#[derive(Debug, Clone)]
pub(crate) struct Landed<V> {
    pub(crate) value: V,
    /// Whether those get it too who did not ask first.
    pub(crate) is_shareable: bool,
}

/// What a request has of a key it asked for.
#[derive(Debug)]
pub(crate) enum Wait<V> {
    /// It comes through here; nothing does when the call came to nothing.
    Until(oneshot::Receiver<Told<V>>),
    /// There is no room for another.
    Full,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told<V> {
    Value(V),
    /// What came is for whoever asked first. Anybody else asks alone.
    NotShared,
}

/// The keys of one call that is to be made now.
#[derive(Debug)]
pub(crate) struct Batch<V> {
    pub(crate) credential: Option<HeaderValue>,
    /// When the last of those who wait has no use for it any more.
    pub(crate) deadline: Instant,
    pub(crate) parts: Vec<Part>,
    scope: Scope,
    queue: Arc<Queue<V>>,
    is_landed: bool,
}

/// One key of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) slot: Slot,
    bytes: usize,
    flight: u64,
}

/// A key, and how much of a call it takes.
#[derive(Debug, Clone)]
pub(crate) struct Weighed {
    pub(crate) key: SmolStr,
    pub(crate) bytes: usize,
}

#[derive(Debug)]
pub(crate) struct Queue<V> {
    state: Mutex<State<V>>,
    bounds: Bounds,
    generations: Arc<Generations>,
}

#[derive(Debug)]
struct State<V> {
    /// The flight that whoever asks now joins.
    current: HashMap<Slot, u64>,
    flights: HashMap<u64, Flight<V>>,
    lanes: HashMap<Scope, Lane>,
    next_flight: u64,
}

/// A key that is asked for.
#[derive(Debug)]
struct Flight<V> {
    /// As it was before the request went out.
    generation: Generation,
    deadline: Instant,
    waiters: Vec<oneshot::Sender<Told<V>>>,
}

/// The calls of one scope.
#[derive(Debug, Default)]
struct Lane {
    under_way: usize,
    waiting: VecDeque<Part>,
    /// Of whoever asked last: the same rights, and the longest to live.
    credential: Option<HeaderValue>,
}

/// What a request asks for.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) scope: Scope,
    pub(crate) credential: Option<&'a HeaderValue>,
    pub(crate) deadline: Instant,
}

impl<V: Clone> Queue<V> {
    pub(crate) fn new(bounds: Bounds, generations: Arc<Generations>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                current: HashMap::new(),
                flights: HashMap::new(),
                lanes: HashMap::new(),
                next_flight: 0,
            }),
            bounds,
            generations,
        })
    }

    /// Asks for keys: what to wait for, in their order, and the calls that are to be made now.
    pub(crate) fn ask(
        self: &Arc<Self>,
        asking: &Asking<'_>,
        keys: impl Iterator<Item = Weighed>,
    ) -> (Vec<Wait<V>>, Vec<Batch<V>>) {
        let mut state = self.lock();
        let is_idle = state.is_idle(&asking.scope);
        let waits = keys.map(|key| self.join(&mut state, key, asking)).collect();
        let batches = self.launch(&mut state, &asking.scope, is_idle);
        (waits, batches)
    }

    /// Ends a batch: what came is shown to `keep` where others may have it and it is of now, then handed to those who
    /// wait. What is to be asked for next comes back.
    pub(crate) fn land(
        self: &Arc<Self>,
        mut batch: Batch<V>,
        landed: Vec<Option<Landed<V>>>,
        mut keep: impl FnMut(&Slot, Generation, &V),
    ) -> Vec<Batch<V>> {
        batch.is_landed = true;
        let mut told = Vec::new();
        let batches = {
            let mut state = self.lock();
            for (part, landed) in batch.parts.iter().zip(landed) {
                let Some(flight) = state.take(part) else {
                    continue;
                };
                let is_of_now = flight.generation == self.generations.of(&part.slot.key);
                if let Some(landed) = landed.as_ref().filter(|it| it.is_shareable && is_of_now) {
                    keep(&part.slot, flight.generation, &landed.value);
                }
                told.push((flight.waiters, landed));
            }
            state.leave(&batch.scope);
            self.launch(&mut state, &batch.scope, true)
        };
        for (waiters, landed) in told {
            if let Some(landed) = landed {
                tell(waiters, &landed);
            }
        }
        batches
    }

    fn join(&self, state: &mut State<V>, wanted: Weighed, asking: &Asking<'_>) -> Wait<V> {
        let Weighed { key, bytes } = wanted;
        let scope = asking.scope.clone();
        let slot = Slot { scope, key };
        let generation = self.generations.of(&slot.key);
        let (sender, receiver) = oneshot::channel();
        let known = state.current.get(&slot).copied();
        let known = known.and_then(|flight| state.flights.get_mut(&flight));
        // What is under way since before an invalidation is not for those who ask after it.
        if let Some(flight) = known.filter(|flight| flight.generation == generation) {
            if flight.waiters.len() >= self.bounds.waiters_max {
                return Wait::Full;
            }
            flight.deadline = flight.deadline.max(asking.deadline);
            flight.waiters.push(sender);
            return Wait::Until(receiver);
        }
        if state.flights.len() >= self.bounds.flights_max {
            return Wait::Full;
        }
        let flight = state.next_flight;
        state.next_flight += 1;
        state.flights.insert(
            flight,
            Flight {
                generation,
                deadline: asking.deadline,
                waiters: vec![sender],
            },
        );
        state.current.insert(slot.clone(), flight);
        let lane = state.lanes.entry(slot.scope.clone()).or_default();
        lane.credential = asking.credential.cloned();
        lane.waiting.push_back(Part {
            slot,
            bytes,
            flight,
        });
        Wait::Until(receiver)
    }

    /// Full calls go out in any case, the rest once there is nothing to wait for.
    fn launch(
        self: &Arc<Self>,
        state: &mut State<V>,
        scope: &Scope,
        is_free: bool,
    ) -> Vec<Batch<V>> {
        let mut batches = Vec::new();
        while let Some(lane) = state.lanes.get_mut(scope) {
            let is_full = lane.waiting.len() >= self.bounds.keys_max;
            let may_go = (is_free || is_full) && lane.under_way < self.bounds.calls_max;
            if lane.waiting.is_empty() || !may_go {
                break;
            }
            let count = fitting(&lane.waiting, self.bounds);
            let parts: Vec<_> = lane.waiting.drain(..count).collect();
            lane.under_way += 1;
            let credential = lane.credential.clone();
            let flights = parts
                .iter()
                .filter_map(|part| state.flights.get(&part.flight));
            let Some(deadline) = flights.map(|flight| flight.deadline).max() else {
                break;
            };
            batches.push(Batch {
                credential,
                deadline,
                parts,
                scope: scope.clone(),
                queue: Arc::clone(self),
                is_landed: false,
            });
        }
        batches
    }
}

impl<V> Queue<V> {
    /// A batch that nobody will land: who waits for it, or behind it with nothing else under way,
    /// learns that nothing comes.
    fn abandon(&self, parts: &[Part], scope: &Scope) {
        let mut state = self.lock();
        for part in parts {
            state.take(part);
        }
        if let Some(lane) = state.lanes.get_mut(scope)
            && lane.under_way <= 1
        {
            for part in std::mem::take(&mut lane.waiting) {
                state.take(&part);
            }
        }
        state.leave(scope);
    }

    fn lock(&self) -> MutexGuard<'_, State<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        let state = self.lock();
        state.flights.is_empty() && state.lanes.is_empty() && state.current.is_empty()
    }
}

impl<V> State<V> {
    fn is_idle(&self, scope: &Scope) -> bool {
        self.lanes.get(scope).is_none_or(|lane| lane.under_way == 0)
    }

    fn leave(&mut self, scope: &Scope) {
        if let Some(lane) = self.lanes.get_mut(scope) {
            lane.under_way = lane.under_way.saturating_sub(1);
            if lane.under_way == 0 && lane.waiting.is_empty() {
                self.lanes.remove(scope);
            }
        }
    }

    fn take(&mut self, part: &Part) -> Option<Flight<V>> {
        if self.current.get(&part.slot) == Some(&part.flight) {
            self.current.remove(&part.slot);
        }
        self.flights.remove(&part.flight)
    }
}

impl<V> Drop for Batch<V> {
    fn drop(&mut self) {
        if !self.is_landed {
            self.queue.abandon(&self.parts, &self.scope);
        }
    }
}

/// How many of these keys go into one call; at least one.
fn fitting(waiting: &VecDeque<Part>, bounds: Bounds) -> usize {
    let mut bytes = 0;
    let fits = |part: &&Part| {
        bytes += part.bytes;
        bytes <= bounds.bytes_max
    };
    let count = waiting.iter().take(bounds.keys_max).take_while(fits);
    count.count().max(1)
}

fn tell<V: Clone>(waiters: Vec<oneshot::Sender<Told<V>>>, landed: &Landed<V>) {
    for (place, waiter) in waiters.into_iter().enumerate() {
        let told = if place == 0 || landed.is_shareable {
            Told::Value(landed.value.clone())
        } else {
            Told::NotShared
        };
        // Whoever left does not want it any more.
        let _ = waiter.send(told);
    }
}

#[cfg(test)]
mod tests;
