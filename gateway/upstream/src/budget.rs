//! May something be tried again?
//!
//! When a service fails, retries are what turns a stumble into a fall. So all retries to a service
//! draw on one budget: a tenth of its recent requests, and a few for services that have hardly any.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::window::Window;

/// Requests that earn one retry.
pub const REQUESTS_PER_RETRY: u64 = 10;
/// Retries in a window that need not be earned.
pub const RETRIES_FREE: u64 = 3;

#[derive(Debug)]
pub struct Budget {
    requests: Window,
    retries: Mutex<Window>,
}

impl Budget {
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            requests: Window::new(now),
            retries: Mutex::new(Window::new(now)),
        }
    }

    /// A first attempt, which earns a part of a retry.
    pub fn earn(&self, now: Instant) {
        self.requests.add(now);
    }

    /// Takes one retry, if there is one.
    #[must_use]
    pub fn spend(&self, now: Instant) -> bool {
        // Locked, so that two do not take the last one.
        let retries = self.retries.lock().unwrap_or_else(PoisonError::into_inner);
        let may_spend =
            retries.sum(now) < RETRIES_FREE + self.requests.sum(now) / REQUESTS_PER_RETRY;
        if may_spend {
            retries.add(now);
        }
        may_spend
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

    #[test]
    fn a_quiet_service_has_a_few_and_a_busy_one_a_tenth() {
        for (requests, expected) in [(0, 3), (1, 3), (9, 3), (10, 4), (1000, 103)] {
            let now = start();
            let budget = Budget::new(now);
            (0..requests).for_each(|_| budget.earn(now));
            let spent = (0..1000).filter(|_| budget.spend(now)).count();
            assert_eq!(spent, expected, "{requests}");
            let later = now + Duration::from_secs(10);
            assert!(budget.spend(later));
        }
    }

    proptest! {
        /// Whatever the order: a tenth of all requests, and the free ones of each window begun.
        #[test]
        fn retries_never_exceed_their_bound(
            events in prop::collection::vec((any::<bool>(), 0_u64..500), 1..2000)
        ) {
            let began = start();
            let budget = Budget::new(began);
            let (mut at, mut requests, mut retries) = (0, 0, 0);
            for (is_request, gap) in events {
                at += gap;
                let now = began + Duration::from_millis(at);
                if is_request {
                    budget.earn(now);
                    requests += 1;
                } else if budget.spend(now) {
                    retries += 1;
                }
                let windows = at / 10_000 + 1;
                prop_assert!(retries <= requests / REQUESTS_PER_RETRY + RETRIES_FREE * windows);
            }
        }
    }
}
