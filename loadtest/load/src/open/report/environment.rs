//! Where a run was made, without a word about whose machine it was.

use std::fs;

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Seconds since 1970, and the same as it is read.
    pub unix_seconds: u64,
    pub date: String,
    pub cpu_model: String,
    pub cpus: usize,
    pub kernel: String,
    /// One minute's average before the run.
    pub load_average: String,
}

impl Environment {
    /// What is so now; what cannot be read stays empty.
    #[must_use]
    pub fn note(unix_seconds: u64) -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let lines = || cpuinfo.lines().filter_map(|line| line.split_once(':'));
        let model = lines().find(|(name, _)| name.trim() == "model name");
        Self {
            unix_seconds,
            date: date(unix_seconds),
            cpu_model: model.map_or_else(String::new, |(_, model)| model.trim().to_owned()),
            cpus: lines()
                .filter(|(name, _)| name.trim() == "processor")
                .count(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load_average: read("/proc/loadavg")
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned(),
        }
    }
}

/// `2026-11-28 14:03 UTC`, by the days-to-date rule for the Gregorian calendar.
fn date(unix_seconds: u64) -> String {
    let (days, second) = (unix_seconds / 86_400, unix_seconds % 86_400);
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_spelled_as_dates() {
        #[rustfmt::skip]
        let cases = [
            (0,             "1970-01-01 00:00 UTC"),
            (951_827_640,   "2000-02-29 12:34 UTC"),
            (1_795_875_780, "2026-11-28 14:23 UTC"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(date(seconds), expected);
        }
    }
}
