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

#[cfg(test)]
mod tests {
    use super::*;

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
