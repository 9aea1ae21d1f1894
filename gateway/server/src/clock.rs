//! The one place that asks what time it is.

use std::cell::RefCell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use idp_token::time::{BootTime, UnixSeconds};
use rustix::time::{ClockId, clock_gettime};

/// Monotonic, for durations and deadlines.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Wall clock, for ids and log lines; decisions take `unix_seconds` or `boot`.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub(crate) fn unix_micros() -> u64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)
}

/// Wall clock, as tokens carry it: whether they are over. It is the one that the kernel keeps with every
/// tick, some milliseconds late, which costs nothing to read.
pub(crate) fn unix_seconds() -> UnixSeconds {
    let now = clock_gettime(ClockId::RealtimeCoarse);
    UnixSeconds(u64::try_from(now.tv_sec).unwrap_or_default())
}

/// This machine's own, the time it was suspended included: how old knowledge is.
pub(crate) fn boot() -> BootTime {
    let now = clock_gettime(ClockId::Boottime);
    BootTime(Duration::try_from(now).unwrap_or_default())
}

/// Spells a moment as `2026-11-24T13:37:00.123456Z`. Most moments of a thread share their second
/// with the one before, so its spelling is kept.
pub(crate) fn with_rfc3339<T>(unix_micros: u64, read: impl FnOnce(&str) -> T) -> T {
    thread_local! {
        static SPELLED: RefCell<(u64, String)> =
            const { RefCell::new((u64::MAX, String::new())) };
    }
    let (second, micros) = (unix_micros / 1_000_000, unix_micros % 1_000_000);
    SPELLED.with_borrow_mut(|(spelled, text)| {
        if *spelled != second {
            *spelled = second;
            *text = spell_second(second);
        }
        text.truncate(SECOND_CHARS);
        let mut divisor = 100_000;
        while divisor > 0 {
            let digit = u32::try_from(micros / divisor % 10).ok();
            text.extend(digit.and_then(|digit| char::from_digit(digit, 10)));
            divisor /= 10;
        }
        text.push('Z');
        read(text)
    })
}

/// The length of `2026-11-24T13:37:00.`.
const SECOND_CHARS: usize = 20;

fn spell_second(unix_seconds: u64) -> String {
    let (days, second) = (unix_seconds / 86_400, unix_seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.")
}

/// Spells a second as HTTP does: `Tue, 24 Nov 2026 13:37:00 GMT`. It is kept for the thread like the
/// spelling above.
pub(crate) fn with_http_date<T>(unix_seconds: u64, read: impl FnOnce(&str) -> T) -> T {
    thread_local! {
        static SPELLED: RefCell<(u64, String)> =
            const { RefCell::new((u64::MAX, String::new())) };
    }
    SPELLED.with_borrow_mut(|(spelled, text)| {
        if *spelled != unix_seconds {
            *spelled = unix_seconds;
            *text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(unix_seconds));
        }
        read(text)
    })
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
            with_rfc3339(unix_micros, |text| assert_eq!(text, expected));
        }
    }
}
