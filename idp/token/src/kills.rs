//! Which sessions were ended lately, by their whole id?
//!
//! The fence says that an entry no longer holds, not why. For the sessions that were just killed
//! this spares the look-up: the answer is 401 at once. It is exact, because here a collision would
//! refuse somebody honest, and bounded, because forgetting costs no more than a look-up.

use std::collections::{HashSet, VecDeque};

use crate::session::SessionId;

#[derive(Debug, Clone)]
pub struct Kills {
    ids: HashSet<SessionId>,
    oldest_first: VecDeque<SessionId>,
    count_max: usize,
}

impl Kills {
    #[must_use]
    pub fn new(count_max: usize) -> Self {
        Self {
            ids: HashSet::new(),
            oldest_first: VecDeque::new(),
            count_max,
        }
    }

    /// Remembers one, and forgets the oldest if there are too many.
    pub fn add(&mut self, id: SessionId) {
        if !self.ids.insert(id) {
            return;
        }
        self.oldest_first.push_back(id);
        if self.oldest_first.len() > self.count_max
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    /// A session that was killed stays dead, so this needs no number to compare.
    #[must_use]
    pub fn has(&self, id: &SessionId) -> bool {
        self.ids.contains(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> SessionId {
        SessionId([number; 16])
    }

    #[test]
    fn the_newest_kills_are_remembered_and_no_more() {
        let mut kills = Kills::new(2);
        assert!(!kills.has(&id(1)));
        for number in [1, 2, 2, 1] {
            kills.add(id(number));
        }
        assert_eq!([1, 2, 3].map(|n| kills.has(&id(n))), [true, true, false]);
        kills.add(id(3));
        assert_eq!([1, 2, 3].map(|n| kills.has(&id(n))), [false, true, true]);
        assert_eq!((kills.ids.len(), kills.oldest_first.len()), (2, 2));
    }

    #[test]
    fn without_room_nothing_is_remembered() {
        let mut kills = Kills::new(0);
        kills.add(id(1));
        assert!(!kills.has(&id(1)));
    }
}
