//! When is the next request due? Nothing that a server does has a part in it.

use std::time::Duration;

use crate::dice::Dice;

/// How requests arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrivals {
    /// At equal distances.
    Even,
    /// Each whenever it likes, as those of many clients that know nothing of each other.
    Poisson,
}

/// How many requests arrive, over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Requests per second at the beginning and at the end; it changes evenly in between.
    pub from: f64,
    pub to: f64,
    pub lasts: Duration,
}

impl Rate {
    #[must_use]
    pub fn constant(per_second: f64, lasts: Duration) -> Self {
        Self {
            from: per_second,
            to: per_second,
            lasts,
        }
    }

    /// The requests that are due in all.
    #[must_use]
    pub fn total(&self) -> f64 {
        f64::midpoint(self.from, self.to) * self.lasts.as_secs_f64()
    }

    /// When so many requests have come due: the area under the rate, solved for time.
    fn at(&self, count: f64) -> Option<Duration> {
        let lasts = self.lasts.as_secs_f64();
        let slope = (self.to - self.from) / lasts;
        let seconds = if slope.abs() < f64::EPSILON {
            count / self.from
        } else {
            let root = self.from.mul_add(self.from, 2.0 * slope * count);
            if root < 0.0 {
                return None;
            }
            (root.sqrt() - self.from) / slope
        };
        let is_in_time = seconds.is_finite() && (0.0..lasts).contains(&seconds);
        is_in_time.then(|| Duration::from_secs_f64(seconds))
    }
}

/// The moments of one of several workers, which take turns.
#[derive(Debug)]
pub(crate) struct Schedule {
    rate: Rate,
    arrivals: Arrivals,
    dice: Dice,
    /// What has come due so far, in requests.
    count: f64,
    /// How much comes due between two requests of this worker.
    stride: f64,
}

impl Schedule {
    pub(crate) fn new(
        (rate, arrivals): (Rate, Arrivals),
        (worker, workers): (usize, usize),
        seed: u64,
    ) -> Self {
        let dice = Dice::of(seed, &["arrivals", &worker.to_string()]);
        let stride = workers.max(1) as f64;
        let mut schedule = Self {
            rate,
            arrivals,
            dice,
            count: worker as f64,
            stride,
        };
        if arrivals == Arrivals::Poisson {
            schedule.count = schedule.step();
        }
        schedule
    }

    fn step(&mut self) -> f64 {
        match self.arrivals {
            Arrivals::Even => self.stride,
            Arrivals::Poisson => -self.dice.fraction().ln() * self.stride,
        }
    }
}

impl Iterator for Schedule {
    /// Since the beginning.
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let due = self.rate.at(self.count)?;
        self.count += self.step();
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(rate: Rate, arrivals: Arrivals) -> Vec<f64> {
        let schedule = Schedule::new((rate, arrivals), (0, 1), 1);
        schedule.map(|due| due.as_secs_f64()).collect()
    }

    #[test]
    fn even_arrivals_keep_their_distance() {
        let due = schedule(Rate::constant(4.0, Duration::from_secs(1)), Arrivals::Even);
        assert_eq!(due, [0.0, 0.25, 0.5, 0.75]);
    }

    #[test]
    fn workers_share_what_is_due() {
        let rate = Rate::constant(10.0, Duration::from_secs(1));
        let of = |worker| Schedule::new((rate, Arrivals::Even), (worker, 3), 1);
        let mut all: Vec<_> = (0..3).flat_map(of).collect();
        all.sort_unstable();
        let whole: Vec<_> = Schedule::new((rate, Arrivals::Even), (0, 1), 1).collect();
        assert_eq!(all, whole);
    }

    #[test]
    fn a_ramp_has_the_requests_of_its_area() {
        let rate = Rate {
            from: 0.0,
            to: 100.0,
            lasts: Duration::from_secs(10),
        };
        let due = schedule(rate, Arrivals::Even);
        assert_eq!(due.len(), 500);
        let first_half = due.iter().filter(|at| **at < 5.0).count();
        assert_eq!(first_half, 125);
    }

    #[test]
    fn a_ramp_may_fall() {
        let rate = Rate {
            from: 100.0,
            to: 0.0,
            lasts: Duration::from_secs(10),
        };
        let due = schedule(rate, Arrivals::Even);
        assert_eq!(due.len(), 500);
        assert!(due.is_sorted());
    }

    #[test]
    fn poisson_arrivals_have_the_rate_and_the_spread_of_chance() {
        let rate = Rate::constant(1000.0, Duration::from_secs(20));
        let due = schedule(rate, Arrivals::Poisson);
        let count = due.len() as f64;
        assert!((19_400.0..20_600.0).contains(&count), "{count}");
        let gaps: Vec<_> = due.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // Of an exponential distribution, deviation and mean are the same.
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.05);
    }
}
