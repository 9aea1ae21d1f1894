//! Durations: `150ms`, `10s`, `5m`, `1h`, `30d`.

use std::fmt;
use std::time::Duration;

use super::split_unit;
use crate::reader::Scalar;

/// A duration in milliseconds, the finest step a configuration needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time {
    milliseconds: u64,
}

const DAY: u64 = 86_400_000;
const UNITS: [(&str, u64); 5] = [
    ("d", DAY),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

impl Time {
    pub(crate) const fn milliseconds(milliseconds: u64) -> Self {
        Self { milliseconds }
    }

    pub(crate) const fn seconds(seconds: u64) -> Self {
        Self {
            milliseconds: seconds * 1_000,
        }
    }

    pub(crate) const fn minutes(minutes: u64) -> Self {
        Self::seconds(minutes * 60)
    }

    /// Without what is less than a millisecond of it.
    pub(crate) fn of(duration: Duration) -> Self {
        Self::milliseconds(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn duration(self) -> Duration {
        Duration::from_millis(self.milliseconds)
    }
}

impl Scalar for Time {
    const EXPECTED: &'static str = "a duration such as `150ms`, `10s`, `5m` or `1h`";

    fn parse(text: &str) -> Result<Self, String> {
        let (digits, unit) = split_unit(text);
        let known = UNITS.iter().find(|(name, _)| *name == unit);
        if digits.is_empty() {
            return Err(without_number(text));
        }
        let Some((_, factor)) = known else {
            return Err(without_unit(digits, unit));
        };
        let number: Option<u64> = digits.parse().ok();
        let milliseconds = number.and_then(|number| number.checked_mul(*factor));
        milliseconds
            .map(Self::milliseconds)
            .ok_or_else(|| "this is too long".to_owned())
    }
}

fn without_number(text: &str) -> String {
    match text {
        "none" | "never" | "off" | "infinite" => "every wait has an end here".to_owned(),
        _ => "a number comes first".to_owned(),
    }
}

fn without_unit(digits: &str, unit: &str) -> String {
    if unit.is_empty() {
        return format!("the unit is missing: `{digits}s` or `{digits}ms`?");
    }
    if unit.starts_with('.') {
        return "whole numbers only: write `1500ms` for 1.5 seconds".to_owned();
    }
    let meant = match unit.trim().to_ascii_lowercase().as_str() {
        "ms" | "msec" | "millis" | "milliseconds" => "ms",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        "w" | "week" | "weeks" => return "the longest unit is `d`".to_owned(),
        "us" | "ns" => return "the shortest unit is `ms`".to_owned(),
        _ => return "the units are `ms`, `s`, `m`, `h` and `d`".to_owned(),
    };
    format!("write `{digits}{meant}`")
}

/// The shortest spelling that reads as the same duration.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Up to two of them, minutes are said in seconds and days in hours: `60s`, not `1m`.
        let fits = |factor: u64| match factor {
            60_000 | DAY => self.milliseconds >= 2 * factor,
            _ => self.milliseconds >= factor,
        };
        let unit = UNITS
            .iter()
            .find(|(_, factor)| fits(*factor) && self.milliseconds.is_multiple_of(*factor));
        match unit {
            Some((name, factor)) => write!(f, "{}{name}", self.milliseconds / factor),
            None => f.write_str("0s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_carries_its_unit() {
        #[rustfmt::skip]
        let cases = [
            ("150ms",                 Ok(Time::milliseconds(150))),
            ("10s",                   Ok(Time::seconds(10))),
            ("5m",                    Ok(Time::minutes(5))),
            ("1h",                    Ok(Time::minutes(60))),
            ("0s",                    Ok(Time::seconds(0))),
            ("10",                    Err("the unit is missing: `10s` or `10ms`?")),
            ("10 s",                  Err("write `10s`")),
            ("10sec",                 Err("write `10s`")),
            ("1.5s",                  Err("whole numbers only: write `1500ms` for 1.5 seconds")),
            ("30d",                   Ok(Time::minutes(30 * 24 * 60))),
            ("30 days",               Err("write `30d`")),
            ("1w",                    Err("the longest unit is `d`")),
            ("5us",                   Err("the shortest unit is `ms`")),
            ("5x",                    Err("the units are `ms`, `s`, `m`, `h` and `d`")),
            ("-5s",                   Err("a number comes first")),
            ("never",                 Err("every wait has an end here")),
            ("",                      Err("a number comes first")),
            ("99999999999999999999h", Err("this is too long")),
        ];
        for (text, expected) in cases {
            assert_eq!(Time::parse(text), expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn a_duration_is_shown_as_it_would_be_written() {
        for text in [
            "0s", "1ms", "1500ms", "10s", "60s", "90s", "2m", "5m", "1h", "24h", "30d",
        ] {
            assert_eq!(Time::parse(text).unwrap().to_string(), text);
        }
    }
}
