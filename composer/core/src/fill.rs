//! May what was fetched be kept, although somebody may have said in the meantime that it is void?
//!
//! A fetch takes a [`Ticket`] before its request leaves. What comes back is kept only under a ticket
//! that is still good: an invalidation takes the flight away from the key, so that it is good no more
//! and the next who asks begins anew. Somebody who waits for a flight that was taken away still gets
//! its answer, since they asked before. This is state without a lock: whoever owns it has one.

use std::collections::HashMap;
use std::hash::Hash;

#[cfg(test)]
mod tests;

/// The flights of one cache. It holds nothing of keys that are not under way.
#[derive(Debug)]
pub struct Flights<K> {
    /// Grows with every invalidation and every flight, and so names each flight.
    generation: u64,
    under_way: HashMap<K, u64>,
}

/// The right to keep what a flight brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a flight that is never ended stays under way"]
pub struct Ticket {
    generation: u64,
}

/// What whoever wants a key should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Send the request.
    Lead(Ticket),
    /// Wait for the flight of this ticket.
    Follow(Ticket),
}

impl<K> Default for Flights<K> {
    fn default() -> Self {
        Self {
            generation: 0,
            under_way: HashMap::new(),
        }
    }
}

impl<K: Eq + Hash + Clone> Flights<K> {
    /// Joins the flight of a key or begins one. Call it before the request is sent.
    pub fn begin(&mut self, key: &K) -> Turn {
        if let Some(&generation) = self.under_way.get(key) {
            return Turn::Follow(Ticket { generation });
        }
        self.generation += 1;
        let generation = self.generation;
        self.under_way.insert(key.clone(), generation);
        Turn::Lead(Ticket { generation })
    }

    /// Ends a flight, whether or not it brought anything. Whether what it brought may be kept: if so,
    /// write it to the cache under the same lock, before anything else happens to the flights.
    #[must_use = "what came under a void ticket must not be kept"]
    pub fn end(&mut self, key: &K, ticket: Ticket) -> bool {
        let is_good = self.under_way.get(key) == Some(&ticket.generation);
        if is_good {
            self.under_way.remove(key);
        }
        is_good
    }

    /// Makes void what is under way for a key. Remove the entry from the cache in the same step.
    pub fn invalidate(&mut self, key: &K) {
        self.under_way.remove(key);
    }

    /// Makes void everything that is under way.
    pub fn invalidate_all(&mut self) {
        self.under_way.clear();
    }

    /// Makes void what is under way for some keys.
    pub fn invalidate_where(&mut self, is_meant: impl Fn(&K) -> bool) {
        self.under_way.retain(|key, _| !is_meant(key));
    }

    pub fn len(&self) -> usize {
        self.under_way.len()
    }

    pub fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }
}

/// Whether a record may take the place of another of the same key.
///
/// Versions that are whole numbers grow. Of versions that are anything else nothing is known but
/// whether they are equal, so the later answer counts.
pub fn may_replace(held: Option<&str>, brought: Option<&str>) -> bool {
    let (Some(held), Some(brought)) = (held, brought) else {
        return true;
    };
    match (number(held), number(brought)) {
        (Some(held), Some(brought)) => brought >= held,
        (_, _) => true,
    }
}

/// A whole number of any length, as something that compares as numbers do.
fn number(text: &str) -> Option<(usize, &str)> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let digits = text.trim_start_matches('0');
    is_number.then_some((digits.len(), digits))
}
