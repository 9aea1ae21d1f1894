//! The rounds of a run, summed up and written down.

use serde::Serialize;

use crate::bench::conditions::Conditions;
use crate::bench::peer::Row;
use crate::bench::report::{Table, show, show_conditions, show_missing};
use crate::bench::round::Sample;
use crate::bench::stats::{Spread, paired_ratio};

/// A reference that moved more than this from round to round was not alone on its CPU.
const NOISE_MAX: f64 = 0.10;
/// No access line is shorter.
const LOG_BYTES_MIN: f64 = 50.0;

const HOW_TO_READ: &str = "\
## How to read it
1. CPU µs/request is the CPU time of all of a peer's processes over the requests answered.
2. The ratios divide that, and the latencies, by those of nginx *in the same round*; trust them first.
3. Brackets hold the smallest and the largest round; the number before them is the median.
4. `core` is the share of its CPU that the peer used: near 1.00 the peer was the limit, and latency is
   the reciprocal of its cost; well below, the load was, and only the CPU time counts.
5. Latency is that of one request among those under way at once, to the end of its answer.
";

#[derive(Debug, Serialize)]
pub(super) struct Http2Report {
    pub(super) bench: &'static str,
    pub(super) conditions: Conditions,
    pub(super) missing: Vec<&'static str>,
    pub(super) peers: Vec<Summary>,
    pub(super) rounds: Vec<Sample>,
}

/// One peer over all rounds.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    peer: &'static str,
    setup: &'static str,
    cpu_us_per_request: Option<Spread>,
    cpu_ratio_to_nginx: Option<Spread>,
    requests_per_second: Option<Spread>,
    p50_us: Option<Spread>,
    p99_us: Option<Spread>,
    p99_ratio_to_nginx: Option<Spread>,
    core_share: Option<Spread>,
    log_bytes_per_request: Option<Spread>,
    errors: u64,
    warnings: Vec<String>,
}

impl Summary {
    pub(super) fn new(row: Row, samples: &[Sample]) -> Self {
        let own: Vec<_> = samples
            .iter()
            .filter(|sample| sample.peer == row.name())
            .collect();
        let spread = |value: fn(&Sample) -> f64| Spread::of(own.iter().map(|it| value(it)));
        let ratio = |value: fn(&Sample) -> f64| {
            let of = |row| by_round(row, samples, value);
            paired_ratio(&of(row), &of(Row::NginxHttp2))
        };
        Self {
            peer: row.name(),
            setup: row.setup(),
            cpu_us_per_request: spread(|it| it.cpu_us_per_request),
            cpu_ratio_to_nginx: ratio(|it| it.cpu_us_per_request),
            requests_per_second: spread(|it| it.requests_per_second),
            p50_us: spread(|it| it.p50_us),
            p99_us: spread(|it| it.p99_us),
            p99_ratio_to_nginx: ratio(|it| it.p99_us),
            core_share: spread(|it| it.core_share),
            log_bytes_per_request: spread(log_bytes_per_request),
            errors: own.iter().map(|it| it.errors.total()).sum(),
            warnings: warnings(row, &own),
        }
    }

    fn cells(&self) -> Vec<String> {
        let median = |spread: Option<Spread>| spread.map_or(0.0, |it| it.median);
        vec![
            self.peer.to_owned(),
            show(self.cpu_us_per_request, 1),
            show(self.cpu_ratio_to_nginx, 2),
            format!("{:.0}", median(self.requests_per_second)),
            format!("{:.0} / {:.0}", median(self.p50_us), median(self.p99_us)),
            show(self.p99_ratio_to_nginx, 2),
            format!("{:.2}", median(self.core_share)),
            format!("{:.0}", median(self.log_bytes_per_request)),
            self.errors.to_string(),
        ]
    }
}

fn by_round(row: Row, samples: &[Sample], value: fn(&Sample) -> f64) -> Vec<(u32, f64)> {
    let own = samples.iter().filter(|sample| sample.peer == row.name());
    own.map(|sample| (sample.round, value(sample))).collect()
}

fn log_bytes_per_request(sample: &Sample) -> f64 {
    sample.log_bytes as f64 / sample.requests as f64
}

/// What makes this run less than it looks.
fn warnings(row: Row, own: &[&Sample]) -> Vec<String> {
    let name = row.name();
    let mut warnings = Vec::new();
    let costs = Spread::of(own.iter().map(|it| it.cpu_us_per_request));
    let width = costs.map_or(0.0, |it| it.relative_width());
    if row == Row::NginxHttp2 && width > NOISE_MAX {
        warnings.push(format!(
            "noisy run: nginx itself moved by {:.0} % from round to round, so trust only the \
             ratios, or run it again",
            width * 100.0
        ));
    }
    if own
        .iter()
        .any(|it| log_bytes_per_request(it) < LOG_BYTES_MIN)
    {
        warnings.push(format!("{name} did not log every request"));
    }
    let ended: usize = own.iter().map(|it| it.threads_ended).sum();
    if ended > 0 {
        warnings.push(format!(
            "{name} ended {ended} threads whose CPU time is not counted"
        ));
    }
    warnings
}

impl Http2Report {
    pub(super) fn table(&self) -> String {
        let mut table = Table::new(&[
            "peer",
            "CPU µs/request",
            "to nginx",
            "req/s",
            "p50 / p99 µs",
            "p99 to nginx",
            "core",
            "log B/request",
            "errors",
        ]);
        for peer in &self.peers {
            table.push(peer.cells());
        }
        table.to_markdown()
    }

    pub(super) fn markdown(&self, table: &str) -> String {
        let warnings = self.peers.iter().flat_map(|it| &it.warnings);
        let setups = self
            .peers
            .iter()
            .map(|it| format!("- {}: {}\n", it.peer, it.setup));
        format!(
            "# HTTP/2: CPU per proxied request, and latency\n\n\
             Clients in HTTP/2 without TLS, an upstream in HTTP/1.1. One route, GET, an answer of 336 \
             bytes of JSON, 100 paths in turn; every request is logged.\n\n\
             {missing}{warnings}{table}\n{HOW_TO_READ}\n## Set-ups\n{setups}\n\
             ## Conditions\n{conditions}",
            missing = show_missing(&self.missing),
            warnings = warnings
                .map(|it| format!("**Warning: {it}.**\n\n"))
                .collect::<String>(),
            setups = setups.collect::<String>(),
            conditions = show_conditions(&self.conditions),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::wrk::LoadErrors;

    fn sample(round: u32, row: Row, cpu_us_per_request: f64) -> Sample {
        Sample {
            round,
            peer: row.name(),
            requests: 100,
            requests_per_second: 1000.0,
            cpu_ns: 0,
            cpu_us_per_request,
            core_share: 1.0,
            p50_us: 10.0 * cpu_us_per_request,
            p99_us: 20.0 * cpu_us_per_request,
            log_bytes: 30_000,
            errors: LoadErrors::default(),
            threads_ended: 0,
        }
    }

    #[test]
    fn costs_and_latencies_are_held_against_nginx_in_the_same_round() {
        let samples = [
            sample(1, Row::NginxHttp2, 10.0),
            sample(1, Row::TollgateHttp2, 15.0),
            sample(2, Row::NginxHttp2, 20.0),
            sample(2, Row::TollgateHttp2, 30.0),
        ];
        let cells = Summary::new(Row::TollgateHttp2, &samples).cells();
        let expected = [
            "tollgate-h2",
            "22.5 (15.0-30.0)",
            "1.50 (1.50-1.50)",
            "1000",
            "225 / 450",
            "1.50 (1.50-1.50)",
            "1.00",
            "300",
            "0",
        ];
        assert_eq!(cells, expected);
    }

    #[test]
    fn what_makes_a_run_worth_less_is_said() {
        let noisy = [
            sample(1, Row::NginxHttp2, 10.0),
            sample(2, Row::NginxHttp2, 20.0),
        ];
        let silent = Sample {
            log_bytes: 10,
            ..sample(1, Row::TollgateHttp2, 10.0)
        };
        #[rustfmt::skip]
        let cases: [(Row, &[Sample], Option<&str>); 3] = [
            (Row::TollgateHttp2, &[sample(1, Row::TollgateHttp2, 10.0)], None),
            (Row::NginxHttp2,    &noisy,                                 Some("noisy run")),
            (Row::TollgateHttp2, &[silent],                              Some("tollgate-h2 did not log")),
        ];
        for (row, samples, expected) in cases {
            let warnings = Summary::new(row, samples).warnings;
            let first = warnings.first().map(String::as_str).unwrap_or_default();
            assert_eq!(
                warnings.len(),
                usize::from(expected.is_some()),
                "{warnings:?}"
            );
            assert!(first.starts_with(expected.unwrap_or_default()), "{first}");
        }
    }
}
