//! Numbers with units, as the configuration of the gateway spells them.

use std::time::Duration;

/// `150ms`, `10s`, `2m` or `1h`.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
    let (number, millis) = units
        .iter()
        .find_map(|(unit, millis)| Some((text.strip_suffix(unit)?, millis)))?;
    let number: u64 = number.parse().ok()?;
    number.checked_mul(*millis).map(Duration::from_millis)
}

/// `5%` as a share.
pub(super) fn parse_percent(text: &str) -> Option<f64> {
    let number: f64 = text.strip_suffix('%')?.parse().ok()?;
    (0.0..=100.0).contains(&number).then_some(number / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_carry_their_units() {
        #[rustfmt::skip]
        let cases = [
            ("150ms", Some(150)), ("10s", Some(10_000)), ("2m", Some(120_000)),
            ("1h", Some(3_600_000)), ("10", None), ("s", None), ("-1s", None), ("1.5s", None),
        ];
        for (text, millis) in cases {
            assert_eq!(
                parse_duration(text),
                millis.map(Duration::from_millis),
                "{text}"
            );
        }
        assert_eq!(parse_percent("5%"), Some(0.05));
        assert_eq!(parse_percent("101%"), None);
        assert_eq!(parse_percent("5"), None);
    }
}
