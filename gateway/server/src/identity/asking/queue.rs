//! Which questions go into one call, and when is a call made?
//!
//! A question that finds a call to spare goes out at once, so that somebody who asks alone waits
//! for nobody. While all calls are under way what comes in gathers, and goes out together when the
//! first of them is done. A call goes on taking as long as there is something to take.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// Questions of one key are one question, with several who wait for its answer.
#[derive(Debug)]
pub(super) struct Group<K, T> {
    #[cfg_attr(not(test), expect(dead_code, reason = "only tests ask whose they are"))]
    pub(super) key: K,
    pub(super) waiting: Vec<T>,
}

#[derive(Debug, Clone)]
pub(super) struct Queue<K, T> {
    waiting: VecDeque<(K, T)>,
    calls: usize,
    limits: Limits,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Calls under way at once.
    pub(super) calls_max: usize,
    /// Different keys of one call.
    pub(super) keys_max: usize,
    /// Who wait for a call to be made.
    pub(super) waiting_max: usize,
}

/// What whoever joined has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joined {
    /// A call is to be made: `take`, until there is nothing to take.
    Call,
    /// One that is under way will take it.
    Wait,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("as many questions wait as may")]
pub(super) struct Full;

impl<K: Hash + Eq + Copy, T> Queue<K, T> {
    pub(super) const fn new(limits: Limits) -> Self {
        Self {
            waiting: VecDeque::new(),
            calls: 0,
            limits,
        }
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn join(&mut self, key: K, item: T) -> Result<Joined, Full> {
        if self.waiting.len() >= self.limits.waiting_max {
            return Err(Full);
        }
        self.waiting.push_back((key, item));
        if self.calls >= self.limits.calls_max {
            return Ok(Joined::Wait);
        }
        self.calls += 1;
        Ok(Joined::Call)
    }

    /// What the call asks next; nothing ends the call. Those who gave up are left out.
    pub(super) fn take(&mut self, is_waiting: impl Fn(&T) -> bool) -> Vec<Group<K, T>> {
        let mut groups: Vec<Group<K, T>> = Vec::new();
        let mut places: HashMap<K, usize> = HashMap::new();
        while let Some((key, item)) = self.waiting.pop_front() {
            if !is_waiting(&item) {
                continue;
            }
            let known = places.get(&key).and_then(|place| groups.get_mut(*place));
            if let Some(group) = known {
                group.waiting.push(item);
            } else if groups.len() < self.limits.keys_max {
                places.insert(key, groups.len());
                let waiting = vec![item];
                groups.push(Group { key, waiting });
            } else {
                self.waiting.push_front((key, item));
                break;
            }
        }
        if groups.is_empty() {
            self.end_call();
        }
        groups
    }

    /// A call broke off. Those whom no other call will take are sent away.
    #[must_use]
    pub(super) fn abandon(&mut self) -> VecDeque<(K, T)> {
        self.end_call();
        if self.calls > 0 {
            return VecDeque::new();
        }
        std::mem::take(&mut self.waiting)
    }

    /// Nobody is going to be told anything. Calls that are under way find nothing to take.
    #[must_use]
    pub(super) fn send_away(&mut self) -> VecDeque<(K, T)> {
        std::mem::take(&mut self.waiting)
    }

    const fn end_call(&mut self) {
        self.calls = self.calls.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests;
