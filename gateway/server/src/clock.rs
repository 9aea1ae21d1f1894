//! The one place that asks what time it is.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Monotonic, for durations and deadlines.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Wall clock, for ids and log lines alone; never for a decision.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn unix_micros() -> u64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)
}

/// `2026-11-24T13:37:00.123456Z`.
pub(crate) fn rfc3339(unix_micros: u64) -> String {
    let (seconds, micros) = (unix_micros / 1_000_000, unix_micros % 1_000_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// The date that is so many days after 1970-01-01, in the Gregorian calendar.
///
/// Years are counted from March, so that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_TO_1970: u64 = 719_468;
    let days = days + DAYS_TO_1970;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_as_a_calendar_date() {
        #[rustfmt::skip]
        let cases = [
            (0,                      "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000_000,    "2000-02-29T00:00:00.000000Z"),
            (951_868_799_999_999,    "2000-02-29T23:59:59.999999Z"),
            (1_709_251_200_000_000,  "2024-03-01T00:00:00.000000Z"),
            (1_795_527_420_000_001,  "2026-11-24T13:37:00.000001Z"),
            (4_102_444_799_000_000,  "2099-12-31T23:59:59.000000Z"),
        ];
        for (unix_micros, expected) in cases {
            assert_eq!(rfc3339(unix_micros), expected);
        }
    }
}
