//! Medians, spreads and paired ratios.

use serde::{Deserialize, Serialize};

/// The middle of some measurements and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Spread {
    /// Nothing measured has no spread.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<_> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let upper = *sorted.get(sorted.len() / 2)?;
        let lower = *sorted.get((sorted.len() - 1) / 2)?;
        Some(Self {
            median: f64::midpoint(lower, upper),
            min,
            max,
        })
    }

    /// The range as a share of the median.
    pub(super) fn relative_width(&self) -> f64 {
        (self.max - self.min) / self.median
    }
}

/// Ratios of values that were measured in the same round; a round that lacks one is left out.
pub(super) fn paired_ratio(values: &[(u32, f64)], reference: &[(u32, f64)]) -> Option<Spread> {
    let pairs = pairs(values, reference);
    Spread::of(
        pairs
            .filter(|(_, base)| *base > 0.0)
            .map(|(it, base)| it / base),
    )
}

/// By how much values are above others that were measured in the same round.
pub(super) fn paired_difference(values: &[(u32, f64)], reference: &[(u32, f64)]) -> Option<Spread> {
    Spread::of(pairs(values, reference).map(|(it, base)| it - base))
}

fn pairs(values: &[(u32, f64)], reference: &[(u32, f64)]) -> impl Iterator<Item = (f64, f64)> {
    values.iter().filter_map(|(round, value)| {
        let (_, base) = reference.iter().find(|(other, _)| other == round)?;
        Some((*value, *base))
    })
}

/// By which factor values exceed those they are paired with, and between which two it lies.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Factor {
    pub(super) estimate: f64,
    /// With a confidence of 95 %, from one of these to the other.
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Factor {
    /// Hodges and Lehmann's estimate on logarithms, with the interval of Wilcoxon's signed ranks. Chance that
    /// strikes either of a pair as often asks for nothing more; a few wild pairs hardly move it. A pair that
    /// has no ratio is none, and less than ten pairs say nothing.
    pub(super) fn of(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<Self> {
        const PAIRS_MIN: usize = 10;
        /// Of the normal distribution, what 95 % lie within.
        const DEVIATIONS: f64 = 1.96;
        let logarithms = pairs.into_iter().map(|(it, base)| (it / base).ln());
        let logarithms: Vec<_> = logarithms.filter(|it| it.is_finite()).collect();
        let count = logarithms.len();
        if count < PAIRS_MIN {
            return None;
        }
        let mut means = Vec::with_capacity(count * (count + 1) / 2);
        for (place, one) in logarithms.iter().enumerate() {
            let others = logarithms.iter().skip(place);
            means.extend(others.map(|other| f64::midpoint(*one, *other)));
        }
        means.sort_by(f64::total_cmp);
        let n = count as f64;
        let deviation = (n * (n + 1.0) * (2.0 * n + 1.0) / 24.0).sqrt();
        let outside = means.len() as f64 / 2.0 - DEVIATIONS * deviation;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank lies between nothing and the number of means"
        )]
        let outside = outside.max(0.0) as usize;
        let last = means.len() - 1;
        let at = |place: usize| means.get(place).map(|it| it.exp());
        Some(Self {
            estimate: f64::midpoint(*means.get(last / 2)?, *means.get(means.len() / 2)?).exp(),
            low: at(outside)?,
            high: at(last - outside)?,
        })
    }
}

impl std::fmt::Display for Factor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            estimate,
            low,
            high,
        } = self;
        write!(f, "{estimate:.3} ({low:.3} to {high:.3})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    /// Times of both of a pair: chance, which is wild once in ten times, and of the first a factor.
    fn pairs(count: usize, factor: f64, dice: &mut Dice) -> Vec<(f64, f64)> {
        let one = |dice: &mut Dice| {
            let wild = if dice.below(10) == 0 { 10.0 } else { 1.0 };
            wild * (1.0 + 0.3 * dice.fraction())
        };
        let mut pair = || (factor * one(dice), one(dice));
        (0..count).map(|_| pair()).collect()
    }

    #[test]
    fn the_factor_lies_in_its_interval_as_often_as_is_said_however_wild_a_few_are() {
        let mut dice = Dice::new(1);
        for factor in [1.0, 1.1] {
            let runs = (0..1000).map(|_| Factor::of(pairs(60, factor, &mut dice)).unwrap());
            let runs: Vec<_> = runs.collect();
            let within = |it: &&Factor| it.low <= factor && factor <= it.high;
            let share = runs.iter().filter(within).count();
            assert!((930..=975).contains(&share), "{share}");
            let width = runs.iter().map(|it| it.high / it.low).sum::<f64>() / 1000.0;
            assert!(width < 1.12, "{width}");
        }
    }

    #[test]
    fn a_factor_is_the_same_for_pairs_that_agree_and_few_pairs_have_none() {
        let found = Factor::of([(3.0, 2.0); 10]).unwrap();
        for it in [found.estimate, found.low, found.high] {
            assert!((it - 1.5).abs() < 1e-9, "{found}");
        }
        assert_eq!(Factor::of([(3.0, 2.0); 9]), None);
        let with_nothing = [(3.0, 2.0); 9].into_iter().chain([(0.0, 2.0), (1.0, 0.0)]);
        assert_eq!(Factor::of(with_nothing), None);
    }

    #[test]
    fn spreads_are_median_and_range() {
        let cases = [
            (vec![], None),
            (vec![3.0], Some((3.0, 3.0, 3.0))),
            (vec![9.0, 1.0, 2.0], Some((2.0, 1.0, 9.0))),
            (vec![4.0, 1.0, 2.0, 10.0], Some((3.0, 1.0, 10.0))),
        ];
        for (values, expected) in cases {
            let spread = Spread::of(values.clone());
            assert_eq!(
                spread.map(|it| (it.median, it.min, it.max)),
                expected,
                "{values:?}"
            );
        }
    }

    #[test]
    fn ratios_pair_values_of_the_same_round() {
        let reference = [(1, 10.0), (2, 20.0), (3, 10.0)];
        // A slow second round doubles both: the ratio does not see it.
        let values = [(1, 11.0), (2, 22.0), (3, 12.0)];
        let ratio = paired_ratio(&values, &reference).unwrap();
        assert!((ratio.median - 1.1).abs() < 1e-9);
        assert!((ratio.max - 1.2).abs() < 1e-9);

        let difference = paired_difference(&values, &reference).unwrap();
        let expected = [(difference.median, 2.0), (difference.min, 1.0)];
        assert!(
            expected
                .iter()
                .all(|(found, known)| (found - known).abs() < 1e-9)
        );
        assert_eq!(paired_difference(&[(4, 1.0)], &reference), None);

        assert_eq!(paired_ratio(&[(4, 1.0)], &reference), None);
        assert_eq!(paired_ratio(&[(1, 1.0)], &[(1, 0.0)]), None);
    }

    #[test]
    fn width_is_relative_to_the_median() {
        let spread = Spread {
            median: 10.0,
            min: 9.0,
            max: 11.0,
        };
        assert!((spread.relative_width() - 0.2).abs() < 1e-9);
    }
}
