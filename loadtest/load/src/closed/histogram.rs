//! Latencies in logarithmic buckets: percentiles within 1 %, in fixed memory.

use std::time::Duration;

/// Each power of two is cut into this many buckets, which bounds the error to 1/128.
const PARTS_BITS: u32 = 7;
const PARTS: u64 = 1 << PARTS_BITS;

/// Counts of durations, in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max_us: u64,
}

impl Histogram {
    pub fn record(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let bucket = bucket(us);
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.total += 1;
        self.max_us = self.max_us.max(us);
    }

    pub fn add(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.max_us = self.max_us.max(other.max_us);
    }

    pub fn count(&self) -> u64 {
        self.total
    }

    /// The latency that `permille` of 1,000 requests did not exceed; zero when nothing is counted.
    pub fn permille(&self, permille: u64) -> Duration {
        self.at_rank((self.total * permille).div_ceil(1000))
    }

    /// The latency that this share of the requests did not exceed, from 0 to 1.
    pub fn quantile(&self, share: f64) -> Duration {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank is between nothing and the number of requests"
        )]
        let rank = (self.total as f64 * share.clamp(0.0, 1.0)).ceil() as u64;
        self.at_rank(rank)
    }

    fn at_rank(&self, rank: u64) -> Duration {
        let rank = rank.max(1);
        let mut seen = 0;
        for (bucket, count) in (0_u64..).zip(&self.counts) {
            seen += count;
            if seen >= rank {
                return Duration::from_micros(bucket_end(bucket).min(self.max_us));
            }
        }
        Duration::ZERO
    }

    pub fn p50(&self) -> Duration {
        self.permille(500)
    }

    pub fn p90(&self) -> Duration {
        self.permille(900)
    }

    pub fn p99(&self) -> Duration {
        self.permille(990)
    }

    pub fn p999(&self) -> Duration {
        self.permille(999)
    }

    pub fn max(&self) -> Duration {
        Duration::from_micros(self.max_us)
    }
}

/// Values below [`PARTS`] have a bucket each; above, the top bits name the bucket.
fn bucket(us: u64) -> usize {
    let index = match us.checked_ilog2() {
        Some(exponent) if exponent >= PARTS_BITS => {
            let shift = exponent - PARTS_BITS;
            u64::from(shift + 1) * PARTS + ((us >> shift) & (PARTS - 1))
        }
        Some(_) | None => us,
    };
    usize::try_from(index).expect("invariant: at most 58 powers of two of 128 buckets each")
}

/// The largest value that falls into the bucket.
fn bucket_end(bucket: u64) -> u64 {
    if bucket < PARTS {
        return bucket;
    }
    let shift = bucket / PARTS - 1;
    let start = (PARTS + bucket % PARTS) << shift;
    start + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_a_bucket_less_than_a_hundredth_wide() {
        let powers = (0..63).map(|exponent| 1_u64 << exponent);
        for us in powers
            .flat_map(|power| [power, power + 1, power + power / 3])
            .chain([0, 127, 129])
        {
            let end = bucket_end(bucket(us) as u64);
            assert!(end >= us, "{us} ends at {end}");
            assert!(end - us <= us / 128, "{us} ends at {end}");
        }
    }

    #[test]
    fn percentiles_are_the_values_at_their_rank() {
        let mut histogram = Histogram::default();
        for us in 1..=1000 {
            histogram.record(Duration::from_micros(us));
        }
        let cases = [
            (1, 1),
            (500, 500),
            (900, 900),
            (990, 990),
            (999, 999),
            (1000, 1000),
        ];
        for (permille, exact) in cases {
            let got = histogram.permille(permille).as_micros();
            let most = exact + exact / 128;
            assert!((exact..=most).contains(&got), "{permille}: {got}");
            let same = histogram.quantile(permille as f64 / 1000.0).as_micros();
            assert_eq!(same, got, "{permille}");
        }
        assert_eq!(histogram.max(), Duration::from_micros(1000));
        assert_eq!(histogram.count(), 1000);
    }

    #[test]
    fn nothing_counted_is_zero_everywhere() {
        let histogram = Histogram::default();
        assert_eq!(histogram.p50(), Duration::ZERO);
        assert_eq!(histogram.max(), Duration::ZERO);
    }

    #[test]
    fn a_sum_is_what_one_histogram_would_have_counted() {
        let (mut left, mut right, mut both) = (
            Histogram::default(),
            Histogram::default(),
            Histogram::default(),
        );
        for us in [3, 70, 1_000_000] {
            left.record(Duration::from_micros(us));
            both.record(Duration::from_micros(us));
        }
        for us in [5, 5_000_000_000] {
            right.record(Duration::from_micros(us));
            both.record(Duration::from_micros(us));
        }
        left.add(&right);
        assert_eq!(left, both);
    }
}
