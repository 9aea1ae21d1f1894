//! Which endpoints are left alone for a while, because requests to them go wrong?
//!
//! An endpoint that fails five times in a row is ejected: for a second, and for twice as long each
//! time it is ejected again, up to a minute. Coming back it is on probation, where a single failure
//! ejects it again and a success ends it. A minute without ejection forgets the past. Never more
//! than half of the endpoints are out: what fails everywhere is not the fault of an endpoint, and
//! the rest could not bear the load.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::pace::doubling;

/// Failures in a row that eject an endpoint.
pub const FAILURES_MAX: u32 = 5;
pub const EJECTED_FIRST: Duration = Duration::from_secs(1);
pub const EJECTED_MAX: Duration = Duration::from_secs(60);
/// How long an endpoint must hold out for its past to be forgotten.
pub const GOOD_SPELL: Duration = Duration::from_secs(60);

/// The endpoints of one service, by their places.
#[derive(Debug)]
pub struct Ejection {
    /// Whether there is anything to know of an endpoint; nearly always not, and then no lock is
    /// taken.
    has_record: Box<[AtomicBool]>,
    records: Mutex<Vec<Record>>,
    ejections: AtomicU64,
}

#[derive(Debug, Clone, Default)]
struct Record {
    failures_in_row: u32,
    ejections_in_row: u32,
    ejected_until: Option<Instant>,
}

impl Ejection {
    #[must_use]
    pub fn new(endpoints: usize) -> Self {
        Self {
            has_record: (0..endpoints).map(|_| AtomicBool::new(false)).collect(),
            records: Mutex::new(vec![Record::default(); endpoints]),
            ejections: AtomicU64::new(0),
        }
    }

    #[must_use]
    pub fn is_ejected(&self, place: usize, now: Instant) -> bool {
        self.has_record(place)
            && self
                .records()
                .get(place)
                .is_some_and(|record| record.is_ejected(now))
    }

    /// How many times any endpoint was ejected.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.ejections.load(Ordering::Relaxed)
    }

    /// Takes note of a failure; how long the endpoint is ejected, if that was one too many.
    pub fn fail(&self, place: usize, now: Instant) -> Option<Duration> {
        let mut records = self.records();
        let out = records.iter().filter(|record| record.is_ejected(now));
        let is_room = out.count() < records.len() / 2;
        let record = records.get_mut(place)?;
        // What fails now was begun before the ejection, which has taken it into account.
        if record.is_ejected(now) {
            return None;
        }
        if record.is_long_past(now) {
            *record = Record::default();
        }
        record.failures_in_row = record.failures_in_row.saturating_add(1);
        self.set_record(place, true);
        if record.failures_in_row < FAILURES_MAX || !is_room {
            return None;
        }
        self.ejections.fetch_add(1, Ordering::Relaxed);
        Some(record.eject(now))
    }

    pub fn succeed(&self, place: usize, now: Instant) {
        if !self.has_record(place) {
            return;
        }
        let mut records = self.records();
        let Some(record) = records.get_mut(place) else {
            return;
        };
        if record.is_ejected(now) {
            return;
        }
        record.failures_in_row = 0;
        if record.is_long_past(now) {
            *record = Record::default();
            self.set_record(place, false);
        }
    }

    fn records(&self) -> MutexGuard<'_, Vec<Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_record(&self, place: usize) -> bool {
        self.has_record
            .get(place)
            .is_some_and(|has| has.load(Ordering::Relaxed))
    }

    fn set_record(&self, place: usize, has: bool) {
        if let Some(known) = self.has_record.get(place) {
            known.store(has, Ordering::Relaxed);
        }
    }
}

impl Record {
    fn is_ejected(&self, now: Instant) -> bool {
        self.ejected_until.is_some_and(|until| now < until)
    }

    /// Whether nothing that happened before matters any more.
    fn is_long_past(&self, now: Instant) -> bool {
        self.ejected_until
            .is_none_or(|until| now.saturating_duration_since(until) >= GOOD_SPELL)
            && (self.ejected_until.is_some() || self.failures_in_row == 0)
    }

    fn eject(&mut self, now: Instant) -> Duration {
        let lasts = doubling(EJECTED_FIRST, self.ejections_in_row, EJECTED_MAX);
        self.ejected_until = Some(now + lasts);
        self.ejections_in_row = self.ejections_in_row.saturating_add(1);
        self.failures_in_row = FAILURES_MAX - 1;
        lasts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant")]
    fn start() -> Instant {
        Instant::now()
    }

    fn fail(ejection: &Ejection, times: u32, now: Instant) {
        for _ in 0..times {
            ejection.fail(0, now);
        }
    }

    #[test]
    fn five_failures_in_a_row_eject_and_four_do_not() {
        let now = start();
        let ejection = Ejection::new(2);
        fail(&ejection, 4, now);
        ejection.succeed(0, now);
        fail(&ejection, 4, now);
        assert!(!ejection.is_ejected(0, now));
        fail(&ejection, 1, now);
        assert!(ejection.is_ejected(0, now));
        assert!(!ejection.is_ejected(1, now));
        assert!(!ejection.is_ejected(0, now + EJECTED_FIRST));
        assert_eq!(ejection.total(), 1);
    }

    #[test]
    fn the_time_out_doubles_up_to_a_minute_and_a_good_spell_forgets() {
        let mut now = start();
        let ejection = Ejection::new(2);
        fail(&ejection, 5, now);
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            let until = now + Duration::from_secs(seconds);
            assert!(
                ejection.is_ejected(0, until - Duration::from_millis(1)),
                "{seconds}"
            );
            assert!(!ejection.is_ejected(0, until), "{seconds}");
            // On probation.
            now = until;
            assert!(ejection.fail(0, now).is_some());
        }
        now += EJECTED_MAX;
        ejection.succeed(0, now);
        fail(&ejection, 4, now);
        assert!(!ejection.is_ejected(0, now));
        now += GOOD_SPELL;
        fail(&ejection, 4, now);
        assert!(!ejection.is_ejected(0, now));
        fail(&ejection, 1, now);
        assert!(ejection.is_ejected(0, now));
        assert!(!ejection.is_ejected(0, now + EJECTED_FIRST));
    }

    #[test]
    fn a_good_spell_ends_with_nothing_left_to_look_up() {
        let now = start();
        let ejection = Ejection::new(2);
        fail(&ejection, 5, now);
        let back = now + EJECTED_FIRST;
        ejection.succeed(0, back);
        assert!(ejection.has_record(0));
        ejection.succeed(0, back + GOOD_SPELL);
        assert!(!ejection.has_record(0));

        fail(&ejection, 1, now);
        ejection.succeed(0, now);
        assert!(!ejection.has_record(0));
    }

    #[test]
    fn a_single_endpoint_is_never_ejected() {
        let now = start();
        let ejection = Ejection::new(1);
        fail(&ejection, 50, now);
        assert!(!ejection.is_ejected(0, now));
    }

    proptest! {
        #[test]
        fn never_more_than_half_are_out(
            endpoints in 1_usize..9,
            events in prop::collection::vec((0_usize..9, 0_u8..8, 0_u64..400), 1..400),
        ) {
            let mut now = start();
            let ejection = Ejection::new(endpoints);
            for (place, kind, gap) in events {
                now += Duration::from_millis(gap);
                match kind {
                    0 => ejection.succeed(place % endpoints, now),
                    _ => drop(ejection.fail(place % endpoints, now)),
                }
                let out = (0..endpoints).filter(|place| ejection.is_ejected(*place, now));
                prop_assert!(out.count() <= endpoints / 2);
            }
        }
    }
}
