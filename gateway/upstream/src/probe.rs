//! Is an endpoint well enough to be sent requests, going by what probes found?
//!
//! Three probes in a row that fail take an endpoint out, two that pass take it back in. An endpoint
//! nobody has probed yet is believed to be well.

use std::time::Duration;

use crate::pace::part_of;

/// Failed probes in a row that take an endpoint out.
pub const FAILED_MAX: u32 = 3;
/// Passed probes in a row that take it back in.
pub const PASSED_MIN: u32 = 2;
/// No probe waits longer for its answer.
const DEADLINE_MAX: Duration = Duration::from_secs(5);

/// What probes found of an endpoint so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    is_healthy: bool,
    /// Probes in a row that speak against it being so.
    against: u32,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            is_healthy: true,
            against: 0,
        }
    }
}

impl Health {
    #[must_use]
    pub fn is_healthy(self) -> bool {
        self.is_healthy
    }

    /// Takes note of a probe; whether it changed what is thought of the endpoint.
    pub fn note(&mut self, has_passed: bool) -> bool {
        if has_passed == self.is_healthy {
            self.against = 0;
            return false;
        }
        self.against += 1;
        let needed = if self.is_healthy {
            FAILED_MAX
        } else {
            PASSED_MIN
        };
        let is_turn = self.against >= needed;
        if is_turn {
            self.is_healthy = has_passed;
            self.against = 0;
        }
        is_turn
    }
}

/// Until the first probe: any part of the time between two, so that endpoints take turns.
#[must_use]
pub fn first_pause(every: Duration, random: u64) -> Duration {
    part_of(every, random)
}

/// Until the next probe: nine to eleven tenths of what is configured, so that gateways that were
/// started together do not probe together.
#[must_use]
pub fn pause(every: Duration, random: u64) -> Duration {
    every - every / 10 + part_of(every / 5, random)
}

/// How long a probe may take: it is over before the next one begins.
#[must_use]
pub fn deadline(every: Duration) -> Duration {
    (every - every / 10).min(DEADLINE_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_endpoint_turns_after_enough_probes_in_a_row() {
        #[rustfmt::skip]
        let cases = [
            // Probes that pass and fail, and whether the endpoint is healthy after each.
            ("++",        "++"),
            ("---",       "++-"),
            ("--+--+---", "++++++++-"),
            ("---+-++",   "++----+"),
            ("---++---",  "++--+++-"),
        ];
        for (probes, expected) in cases {
            let mut health = Health::default();
            let mut before = true;
            let found: String = probes
                .chars()
                .map(|probe| {
                    let has_turned = health.note(probe == '+');
                    assert_eq!(has_turned, before != health.is_healthy(), "{probes}");
                    before = health.is_healthy();
                    if before { '+' } else { '-' }
                })
                .collect();
            assert_eq!(found, expected, "{probes}");
        }
    }

    proptest! {
        #[test]
        fn a_pause_is_about_what_is_configured(millis in 10_u64..3_600_000, random: u64) {
            let every = Duration::from_millis(millis);
            let pause = pause(every, random);
            prop_assert!(pause >= every * 9 / 10 - Duration::from_nanos(10) && pause <= every * 11 / 10);
            prop_assert!(deadline(every) <= pause);
        }
    }
}
