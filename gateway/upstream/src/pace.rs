//! Waits that grow, and waits that differ by chance.

use std::time::Duration;

/// `first`, doubled so many times, and never more than `most`.
pub(crate) fn doubling(first: Duration, times: u32, most: Duration) -> Duration {
    let factor = 1_u32.checked_shl(times).unwrap_or(u32::MAX);
    first.saturating_mul(factor).min(most)
}

/// As much of `whole` as `random` is of the largest number there is.
pub(crate) fn part_of(whole: Duration, random: u64) -> Duration {
    let nanos = (whole.as_nanos() * u128::from(random >> 32)) >> 32;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_doubles_up_to_its_most() {
        let [first, most] = [5, 60].map(Duration::from_secs);
        let cases = [
            (0, 5),
            (1, 10),
            (2, 20),
            (3, 40),
            (4, 60),
            (31, 60),
            (32, 60),
            (9999, 60),
        ];
        for (times, seconds) in cases {
            assert_eq!(
                doubling(first, times, most),
                Duration::from_secs(seconds),
                "{times}"
            );
        }
    }

    #[test]
    fn a_part_is_between_nothing_and_the_whole() {
        let whole = Duration::from_secs(60);
        assert_eq!(part_of(whole, 0), Duration::ZERO);
        assert_eq!(part_of(whole, u64::MAX / 2 + 1), whole / 2);
        let most = part_of(whole, u64::MAX);
        assert!(most < whole && most > whole - Duration::from_micros(1));
    }
}
