//! How often did something happen in the last ten seconds?
//!
//! Ten buckets of a second each. A bucket is one number, the second it is of and the count, so that
//! adding is one compare-and-swap and no event is ever counted into the wrong second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A second each.
const BUCKETS: u64 = 10;
const COUNT_BITS: u32 = 32;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// The events of the second under way and of the nine before it.
#[derive(Debug)]
pub(crate) struct Window {
    began: Instant,
    buckets: [AtomicU64; 10],
}

impl Window {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            began: now,
            buckets: Default::default(),
        }
    }

    pub(crate) fn add(&self, now: Instant) {
        let second = self.second(now);
        let Some(bucket) = self.bucket(second) else {
            return;
        };
        // An event that is late by a whole window is not recent, and not added.
        let _ = bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            match held >> COUNT_BITS {
                of if of == second => (held & COUNT_MASK < COUNT_MASK).then(|| held + 1),
                of if of < second => Some(second << COUNT_BITS | 1),
                _ => None,
            }
        });
    }

    pub(crate) fn sum(&self, now: Instant) -> u64 {
        let second = self.second(now);
        let held = self.buckets.iter().map(|b| b.load(Ordering::Relaxed));
        let recent = held.filter(|held| {
            let age = second.checked_sub(held >> COUNT_BITS);
            age.is_none_or(|age| age < BUCKETS)
        });
        recent.map(|held| held & COUNT_MASK).sum()
    }

    pub(crate) fn clear(&self) {
        for bucket in &self.buckets {
            bucket.store(0, Ordering::Relaxed);
        }
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_secs() & COUNT_MASK
    }

    fn bucket(&self, second: u64) -> Option<&AtomicU64> {
        self.buckets.get(usize::try_from(second % BUCKETS).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant")]
    fn start() -> Instant {
        Instant::now()
    }

    proptest! {
        #[test]
        fn a_sum_is_of_the_seconds_that_are_recent(gaps in prop::collection::vec(0_u64..4000, 1..200)) {
            let began = start();
            let window = Window::new(began);
            let mut at = 0;
            let mut events = Vec::new();
            for gap in gaps {
                at += gap;
                events.push(at / 1000);
                window.add(began + Duration::from_millis(at));
                let recent = events.iter().filter(|second| at / 1000 - **second < BUCKETS);
                prop_assert_eq!(window.sum(began + Duration::from_millis(at)), recent.count() as u64);
            }
            window.clear();
            prop_assert_eq!(window.sum(began + Duration::from_millis(at)), 0);
        }
    }

    #[test]
    fn an_event_that_comes_late_is_counted_while_it_is_recent() {
        let began = start();
        let window = Window::new(began);
        window.add(began + Duration::from_secs(15));
        window.add(began + Duration::from_secs(7));
        window.add(began + Duration::from_secs(5));
        assert_eq!(window.sum(began + Duration::from_secs(15)), 2);
    }
}
