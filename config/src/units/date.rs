//! Days: `2026-12-31`, from their first moment in UTC.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use crate::reader::Scalar;

const DAY_SECONDS: u64 = 86_400;
const YEAR_MIN: u64 = 1970;

/// A day of the Gregorian calendar, in the order of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Date {
    year: u64,
    month: u64,
    day: u64,
}

impl Date {
    /// Seconds from the first moment of 1970 to the first of this day.
    pub(crate) fn unix_seconds(self) -> u64 {
        let Self { year, month, day } = self;
        let leap_days_before = |year: u64| year / 4 - year / 100 + year / 400;
        let years =
            (year - YEAR_MIN) * 365 + leap_days_before(year - 1) - leap_days_before(YEAR_MIN - 1);
        let months: u64 = (1..month).map(|month| days_in(year, month)).sum();
        (years + months + day - 1) * DAY_SECONDS
    }

    /// The first moment of the day as HTTP writes dates.
    pub(crate) fn http(self) -> String {
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(self.unix_seconds()))
    }
}

impl Scalar for Date {
    const EXPECTED: &'static str = "a date such as `2026-12-31`";

    fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split('-');
        let year = parts.next().and_then(|year| number(year, 4));
        let month = parts.next().and_then(|month| number(month, 2));
        let day = parts.next().and_then(|day| number(day, 2));
        let (Some(year), Some(month), Some(day), None) = (year, month, day, parts.next()) else {
            return Err("four digits, two and two: year, month and day".to_owned());
        };
        if year < YEAR_MIN {
            return Err("dates begin in 1970 here".to_owned());
        }
        if !(1..=12).contains(&month) {
            return Err("a year has 12 months".to_owned());
        }
        let days = days_in(year, month);
        if !(1..=days).contains(&day) {
            return Err(format!("that month has {days} days"));
        }
        Ok(Self { year, month, day })
    }
}

fn number(text: &str, len: usize) -> Option<u64> {
    let is_number = text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

fn days_in(year: u64, month: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_a_day_of_the_calendar() {
        #[rustfmt::skip]
        let cases = [
            ("1970-01-01",  Ok(0)),
            ("1970-12-31",  Ok(31_449_600)),
            ("2000-02-29",  Ok(951_782_400)),
            ("2000-03-01",  Ok(951_868_800)),
            ("2024-02-29",  Ok(1_709_164_800)),
            ("2026-12-31",  Ok(1_798_675_200)),
            ("2100-03-01",  Ok(4_107_542_400)),
            ("9999-12-31",  Ok(253_402_214_400)),
            ("2026-02-29",  Err("that month has 28 days")),
            ("2100-02-29",  Err("that month has 28 days")),
            ("2026-04-31",  Err("that month has 30 days")),
            ("2026-01-00",  Err("that month has 31 days")),
            ("2026-13-01",  Err("a year has 12 months")),
            ("2026-00-01",  Err("a year has 12 months")),
            ("1969-12-31",  Err("dates begin in 1970 here")),
            ("2026-1-31",   Err("four digits, two and two: year, month and day")),
            ("31.12.2026",  Err("four digits, two and two: year, month and day")),
            ("2026-12-31T00:00:00Z", Err("four digits, two and two: year, month and day")),
            ("2026-12-31-", Err("four digits, two and two: year, month and day")),
            ("+026-12-31",  Err("four digits, two and two: year, month and day")),
            ("",            Err("four digits, two and two: year, month and day")),
        ];
        for (text, expected) in cases {
            let found = Date::parse(text).map(Date::unix_seconds);
            assert_eq!(found, expected.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn a_date_is_written_as_http_has_it() {
        #[rustfmt::skip]
        let cases = [
            ("1970-01-01", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("2026-12-31", "Thu, 31 Dec 2026 00:00:00 GMT"),
            ("9999-12-31", "Fri, 31 Dec 9999 00:00:00 GMT"),
        ];
        for (text, expected) in cases {
            let date = Date::parse(text).unwrap();
            assert_eq!(
                (date.http().as_str(), date.to_string().as_str()),
                (expected, text)
            );
        }
    }
}
