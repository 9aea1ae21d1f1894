//! Which of several services takes this request?
//!
//! Each request is decided by itself, by a random number that comes in from outside: a share of 5 in
//! 100 is 5 % of the requests, not of the callers.

use std::sync::Arc;

/// Services with the weight that each has among them; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shares {
    shares: Vec<(Arc<str>, u32)>,
    total: u64,
}

impl Shares {
    /// Everything to one service.
    #[must_use]
    pub fn one(service: Arc<str>) -> Self {
        Self {
            shares: vec![(service, 1)],
            total: 1,
        }
    }

    /// `None` where no service has any weight.
    #[must_use]
    pub fn new(shares: Vec<(Arc<str>, u32)>) -> Option<Self> {
        let total = shares.iter().map(|(_, weight)| u64::from(*weight)).sum();
        (total > 0).then_some(Self { shares, total })
    }

    pub fn services(&self) -> impl Iterator<Item = &Arc<str>> {
        self.shares.iter().map(|(service, _)| service)
    }

    /// The place of the service that takes a request; `random` is any number, evenly drawn.
    #[must_use]
    pub fn pick(&self, random: u64) -> usize {
        // The upper half of the product is evenly spread below the total, without a division.
        let product = u128::from(random) * u128::from(self.total);
        let mut left = u64::try_from(product >> 64).unwrap_or(0);
        for (place, (_, weight)) in self.shares.iter().enumerate() {
            match left.checked_sub(u64::from(*weight)) {
                Some(rest) => left = rest,
                None => return place,
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(weights: &[u32]) -> Shares {
        let named = weights.iter().map(|weight| (Arc::from("s"), *weight));
        Shares::new(named.collect()).unwrap()
    }

    #[test]
    fn each_service_takes_its_share_of_all_numbers() {
        #[rustfmt::skip]
        let cases: [(&[u32], &[u64]); 5] = [
            (&[1],         &[1000]),
            (&[95, 5],     &[950, 50]),
            (&[1, 1],      &[500, 500]),
            (&[1, 999],    &[1, 999]),
            (&[0, 1, 0],   &[0, 1000, 0]),
        ];
        for (weights, expected) in cases {
            let shares = shares(weights);
            let mut found = vec![0; weights.len()];
            for step in 0..1000 {
                found[shares.pick(u64::MAX / 1000 * step + u64::MAX / 2000)] += 1;
            }
            assert_eq!(found, expected, "{weights:?}");
        }
    }

    #[test]
    fn the_least_and_the_greatest_number_pick_the_first_and_the_last() {
        let shares = shares(&[1000, 1, 1000]);
        assert_eq!((shares.pick(0), shares.pick(u64::MAX)), (0, 2));
    }

    #[test]
    fn without_weight_nothing_is_shared() {
        assert_eq!(Shares::new(Vec::new()), None);
        assert_eq!(Shares::new(vec![(Arc::from("s"), 0)]), None);
    }
}
