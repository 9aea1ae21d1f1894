//! Are the figures those of the server, or of the generator itself?

use serde::{Deserialize, Serialize};

use super::{Figures, us};
use crate::open::run::Ran;

/// A generator that used more of its cores was near its limit.
const BUSY: f64 = 0.85;
/// One that was kept from its cores for more of the time shared them with others.
const CROWDED: f64 = 0.05;
/// One that is late by more than this share of what it measured has measured itself.
const LATE: f64 = 0.2;

/// What the generator says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Generator {
    /// CPU time over the time that its threads had.
    pub share: f64,
    /// Time that they were kept from a CPU, over the same.
    pub kept_waiting: f64,
    /// By how much requests were late that a connection was free for.
    pub late_p99: u64,
    /// Requests that waited for a free connection.
    pub waited: u64,
    pub connects: u64,
    /// Why the figures may be the generator's own.
    pub doubts: Vec<String>,
}

impl Generator {
    pub(super) fn of(ran: &Ran, all: &Figures) -> Self {
        let late_p99 = us(ran.record.lateness.p99());
        let mut doubts = Vec::new();
        if ran.generator_share > BUSY {
            doubts.push(format!(
                "its threads used {:.0} % of the time they had: give it more, or a smaller rate",
                ran.generator_share * 100.0
            ));
        }
        if ran.generator_kept_waiting > CROWDED {
            doubts.push(format!(
                "its threads had no CPU for {:.0} % of the time, though they were ready: others use \
                 this machine",
                ran.generator_kept_waiting * 100.0
            ));
        }
        if late_p99 as f64 > all.latency.p99 as f64 * LATE {
            doubts.push(format!(
                "it sent a request in a hundred late by {late_p99} µs or more, though a connection was free"
            ));
        }
        if ran.record.waited * 10 > all.answered && all.failed * 10 < all.answered {
            doubts.push(format!(
                "{} requests waited for a free connection: more connections would tell whether the \
                 server was slow or there were too few",
                ran.record.waited
            ));
        }
        Self {
            share: ran.generator_share,
            kept_waiting: ran.generator_kept_waiting,
            late_p99,
            waited: ran.record.waited,
            connects: ran.record.connects,
            doubts,
        }
    }

    /// Whether the figures are those of the server.
    #[must_use]
    pub fn verdict(&self) -> String {
        let what = if self.doubts.is_empty() {
            "it was not the limit"
        } else {
            "it may have been the limit itself, and the figures its own"
        };
        format!(
            "{what}: {:.0} % of its time in use, {:.0} % without a CPU, late by {} µs at 99 %",
            self.share * 100.0,
            self.kept_waiting * 100.0,
            self.late_p99
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ANSWERED: u32 = 100;
    const TOOK: Duration = Duration::from_millis(10);

    fn doubts(change: impl FnOnce(&mut Ran)) -> Vec<String> {
        let mut ran = Ran::made_up(ANSWERED, TOOK);
        change(&mut ran);
        let all = Figures::of("all", &ran.record.sum(), 1.0);
        Generator::of(&ran, &all).doubts
    }

    #[test]
    fn a_generator_that_had_time_is_not_doubted() {
        assert_eq!(doubts(|_| ()), Vec::<String>::new());
        // At each limit, and not past it.
        let at = doubts(|ran| {
            ran.generator_share = BUSY;
            ran.generator_kept_waiting = CROWDED;
            ran.record.waited = u64::from(ANSWERED) / 10;
            ran.record.lateness.record(TOOK.mul_f64(LATE * 0.97));
        });
        assert_eq!(at, Vec::<String>::new());
    }

    #[test]
    fn each_reason_to_doubt_the_generator_is_told() {
        type Change = fn(&mut Ran);
        let cases: [(Change, &str); 4] = [
            (|ran| ran.generator_share = BUSY + 0.01, "used 86 %"),
            (
                |ran| ran.generator_kept_waiting = CROWDED + 0.01,
                "no CPU for 6 %",
            ),
            (
                |ran| ran.record.lateness.record(TOOK.mul_f64(LATE * 1.03)),
                "late by",
            ),
            (
                |ran| ran.record.waited = u64::from(ANSWERED) / 10 + 1,
                "11 requests waited",
            ),
        ];
        for (change, text) in cases {
            let told = doubts(change);
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].contains(text), "{told:?}");
        }
    }
}
