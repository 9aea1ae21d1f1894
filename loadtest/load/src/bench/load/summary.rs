//! The rounds of a run, summed up and written down.

use serde::Serialize;

use super::{RATE_MIN, Row, Sample};
use crate::bench::conditions::Conditions;
use crate::bench::report::{Table, show, show_conditions};
use crate::bench::stats::{Spread, paired_ratio};

/// What the generator may cost beside wrk, at the rate of wrk.
const RATIO_MAX: f64 = 1.5;

const HOW_TO_READ: &str = "\
## How to read it
1. CPU µs/request is the CPU time of the whole process over the requests answered: start, report and
   clean-up are in it.
2. The ratio divides that by that of wrk *in the same round*; trust it first. Brackets hold the smallest
   and the largest round; the number before them is the median.
3. `as wrk` is asked for the rate that wrk had in the same round, `too much` for 1.3 times that, which
   the server cannot do: then all connections are busy and requests wait, as in a closed loop.
4. At a smaller rate a generator wakes for each request alone, and cannot share the costs of waking among
   many: each request costs more, for us and for wrk, which on two connections has to wait as well. Ours
   wakes twice, when a request is due and when its answer comes.
5. Latency of wrk counts from sending. Ours counts from when a request was due, so at too high a rate it
   is the time in the queue, as it must be. `late` is by how much it sent late with a connection free.
";

#[derive(Debug, Serialize)]
pub(super) struct LoadReport {
    pub(super) bench: &'static str,
    pub(super) conditions: Conditions,
    pub(super) generators: Vec<Summary>,
    pub(super) rounds: Vec<Sample>,
}

/// One row over all rounds.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    row: &'static str,
    requests_per_second: Option<Spread>,
    cpu_us_per_request: Option<Spread>,
    cpu_ratio_to_wrk: Option<Spread>,
    core_share: Option<Spread>,
    p50_us: Option<Spread>,
    p99_us: Option<Spread>,
    late_p99_us: Option<Spread>,
    failed: u64,
}

impl Summary {
    pub(super) fn new(row: Row, samples: &[Sample]) -> Self {
        let own: Vec<_> = samples.iter().filter(|it| it.row == row.name()).collect();
        let spread = |value: fn(&Sample) -> f64| Spread::of(own.iter().map(|it| value(it)));
        let costs = |row: Row| -> Vec<_> {
            let own = samples.iter().filter(|it| it.row == row.name());
            own.map(|it| (it.round, it.cpu_us_per_request)).collect()
        };
        let late = own.iter().filter_map(|it| it.late_p99_us);
        Self {
            row: row.name(),
            requests_per_second: spread(|it| it.requests_per_second),
            cpu_us_per_request: spread(|it| it.cpu_us_per_request),
            cpu_ratio_to_wrk: paired_ratio(&costs(row), &costs(row.reference())),
            core_share: spread(|it| it.core_share),
            p50_us: spread(|it| it.p50_us),
            p99_us: spread(|it| it.p99_us),
            late_p99_us: Spread::of(late.map(|us| us as f64)),
            failed: own.iter().map(|it| it.failed).sum(),
        }
    }

    fn cells(&self) -> Vec<String> {
        let median = |spread: Option<Spread>| spread.map_or(0.0, |it| it.median);
        vec![
            self.row.to_owned(),
            show(self.requests_per_second, 0),
            show(self.cpu_us_per_request, 2),
            show(self.cpu_ratio_to_wrk, 2),
            format!("{:.2}", median(self.core_share)),
            format!("{:.0} / {:.0}", median(self.p50_us), median(self.p99_us)),
            self.late_p99_us
                .map_or("-".to_owned(), |it| format!("{:.0}", it.median)),
            self.failed.to_string(),
        ]
    }
}

/// The promise that the figures break.
pub(super) fn verdict(summaries: &[Summary]) -> Option<String> {
    let of = |row: Row| summaries.iter().find(|it| it.row == row.name());
    let rate = of(Row::Full)?.requests_per_second?.median;
    if rate < RATE_MIN {
        return Some(format!("{rate:.0} requests/s, {RATE_MIN} is the aim"));
    }
    let ratio = |row: Row| of(row)?.cpu_ratio_to_wrk.map(|it| it.median);
    let ratio = ratio(Row::Same)?.max(ratio(Row::Few)?);
    let is_dear = ratio > RATIO_MAX;
    is_dear.then(|| format!("{ratio:.2} times the CPU of wrk, {RATIO_MAX} is the aim"))
}

impl LoadReport {
    pub(super) fn table(&self) -> String {
        let mut table = Table::new(&[
            "generator",
            "requests/s",
            "CPU µs/request",
            "to wrk",
            "core",
            "p50 / p99 µs",
            "late p99 µs",
            "failed",
        ]);
        for row in &self.generators {
            table.push(row.cells());
        }
        table.to_markdown()
    }

    pub(super) fn markdown(&self, table: &str) -> String {
        format!(
            "# What the generator costs, beside wrk\n\n\
             HTTP/1.1 on kept connections, GET, an answer of 336 bytes of JSON by nginx itself.\n\n\
             {table}\n{HOW_TO_READ}\n## Conditions\n{conditions}",
            conditions = show_conditions(&self.conditions),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::ROWS;
    use super::*;

    fn sample(row: Row, round: u32, rate: f64, cost: f64) -> Sample {
        Sample {
            round,
            row: row.name(),
            requests: 100,
            requests_per_second: rate,
            cpu_us_per_request: cost,
            core_share: 0.5,
            failed: 0,
            p50_us: 1.0,
            p99_us: 2.0,
            late_p99_us: None,
        }
    }

    #[test]
    fn the_bar_is_held_at_the_rate_and_the_ratio_and_not_past_them() {
        let cases = [
            (40_000.0, 1.5, 1.5, None),
            (39_999.0, 1.5, 1.5, Some("39999 requests/s")),
            (40_000.0, 1.51, 1.5, Some("1.51 times")),
            (40_000.0, 1.5, 1.51, Some("1.51 times")),
        ];
        for (rate, ratio, few, expected) in cases {
            let samples = [
                sample(Row::Wrk, 1, 90_000.0, 4.0),
                sample(Row::Same, 1, 90_000.0, 4.0 * ratio),
                sample(Row::Full, 1, rate, 4.0),
                sample(Row::WrkFew, 1, 50_000.0, 8.0),
                sample(Row::Few, 1, 50_000.0, 8.0 * few),
            ];
            let summaries = ROWS.map(|row| Summary::new(row, &samples));
            let verdict = verdict(&summaries);
            let fits = verdict
                .as_deref()
                .unwrap_or("")
                .starts_with(expected.unwrap_or(""));
            assert!(
                fits && verdict.is_some() == expected.is_some(),
                "{verdict:?}"
            );
        }
    }
}
