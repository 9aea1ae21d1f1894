//! What time is it? Asked of the caller, so that seeds, deltas and `Last-Modified` can be tested.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

/// Where the services take the time of day from.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// The time of this machine.
    pub fn system() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the machine's time"
        )]
        Self::new(SystemTime::now)
    }

    pub fn new(read: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from((self.0)())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// A moment in whole seconds since 1970, which is what HTTP dates can say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Timestamp(u64);

const DAY_SECONDS: u64 = 86_400;
/// 9999-12-31T23:59:59Z: the last second that four digits of a year can say.
const SECONDS_MAX: u64 = 253_402_300_799;

impl Timestamp {
    pub(crate) const fn from_seconds(seconds: u64) -> Self {
        Self(if seconds > SECONDS_MAX {
            SECONDS_MAX
        } else {
            seconds
        })
    }

    pub(crate) const fn seconds(self) -> u64 {
        self.0
    }

    pub(crate) fn plus_seconds(self, seconds: u64) -> Self {
        Self::from_seconds(self.0.saturating_add(seconds))
    }

    pub(crate) fn second_before(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    pub(crate) fn http_date(self) -> String {
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(self.0))
    }

    pub(crate) fn parse_http_date(text: &str) -> Option<Self> {
        httpdate::parse_http_date(text).ok().map(Self::from)
    }

    /// Reads `2025-01-31T23:59:59Z`; a fraction of the second is read and dropped.
    pub(crate) fn parse_rfc3339(text: &str) -> Option<Self> {
        let text = text.strip_suffix('Z')?;
        let (date, time) = text.split_once('T')?;
        let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
        number(fraction, fraction.len().clamp(1, 9))?;

        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
        let is_time = hour < 24 && minute < 60 && second < 60;
        let days = days_from_date(year, month, day)?;
        is_time.then(|| Self(days * DAY_SECONDS + hour * 3_600 + minute * 60 + second))
    }
}

fn numbers(text: &str, separator: char, widths: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(separator);
    let mut next = |width| number(parts.next()?, width);
    let [first, second, third] = widths;
    let found = [next(first)?, next(second)?, next(third)?];
    parts.next().is_none().then_some(found)
}

fn number(text: &str, width: usize) -> Option<u64> {
    let is_plain = text.len() == width && text.bytes().all(|b| b.is_ascii_digit());
    if is_plain { text.parse().ok() } else { None }
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar, from 1970 on.
fn days_from_date(year: u64, month: u64, day: u64) -> Option<u64> {
    let is_leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u64::from(is_leap),
        _ => return None,
    };
    if year < 1970 || !(1..=length).contains(&day) {
        return None;
    }
    // The year starts in March, so that the leap day is its last one.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1;
    days.checked_sub(719_468)
}

/// The date of a day since 1970-01-01: the inverse of [`days_from_date`].
fn date_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let leaps = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leaps) / 365;
    let day_of_year = day_of_era + year_of_era / 100 - year_of_era / 4 - year_of_era * 365;
    let month = (day_of_year * 5 + 2) / 153;
    let day = day_of_year - (month * 153 + 2) / 5 + 1;
    let (carry, month) = if month < 10 {
        (0, month + 3)
    } else {
        (1, month - 9)
    };
    (era * 400 + year_of_era + carry, month, day)
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self::from_seconds(since.as_secs())
    }
}

/// `2025-01-31T23:59:59Z`
struct Rfc3339([u8; 20]);

impl Rfc3339 {
    /// Digit by digit: an answer has two moments in each of a hundred rows, and to format six numbers
    /// took longer than all else in a row.
    fn of(moment: Timestamp) -> Self {
        let (year, month, day) = date_from_days(moment.0 / DAY_SECONDS);
        let seconds = moment.0 % DAY_SECONDS;
        let mut text = *b"0000-00-00T00:00:00Z";
        for (at, number) in [
            (0, year / 100),
            (2, year % 100),
            (5, month),
            (8, day),
            (11, seconds / 3_600),
            (14, seconds / 60 % 60),
            (17, seconds % 60),
        ] {
            for (at, digit) in [(at, number / 10), (at + 1, number % 10)] {
                text[at] += u8::try_from(digit).unwrap_or_default();
            }
        }
        Self(text)
    }

    fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Rfc3339::of(*self).as_str())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Rfc3339::of(*self).as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_moments_are_written_as_rfc_3339() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (SECONDS_MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Timestamp(seconds).to_string(), text);
            assert_eq!(Timestamp::parse_rfc3339(text), Some(Timestamp(seconds)));
        }
    }

    #[test]
    fn text_that_is_no_moment_is_refused() {
        for text in [
            "",
            "Z",
            "T",
            "2025-01-01",
            "2025-02-29T00:00:00Z",
            "2025-13-01T00:00:00Z",
            "2025-01-01T24:00:00Z",
            "2025-01-01T00:00:00",
            "2025-1-1T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2025-01-01T00:00:00.Z",
            "2025-01-01T00:00:00.xZ",
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_moment_reads_back(seconds in 0..=SECONDS_MAX) {
            let moment = Timestamp(seconds);
            prop_assert_eq!(Timestamp::parse_rfc3339(&moment.to_string()), Some(moment));
            prop_assert_eq!(Timestamp::parse_http_date(&moment.http_date()), Some(moment));
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in "\\PC*") {
            let _ = Timestamp::parse_rfc3339(&text);
            let _ = Timestamp::parse_http_date(&text);
        }
    }
}
