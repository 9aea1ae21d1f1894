//! The rounds of a run, summed up and written down.

use serde::Serialize;

use crate::bench::conditions::Conditions;
use crate::bench::memory::Footprint;
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
2. The ratios divide that by the CPU time of nginx *in the same round*; trust them first, for a
   shared machine has slow spells that move all absolute numbers alike. Below 1.00 is cheaper.
3. Brackets hold the smallest and the largest round; the number before them is the median.
4. `core` is the share of its CPU that the peer used: near 1.00 the peer was the limit and its
   req/s and latencies count; well below, the load was, and only its CPU time counts.
5. Latencies are those of a saturated proxy: they compare peers, they promise nothing.
";

#[derive(Debug, Serialize)]
pub(super) struct EdgeReport {
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
    ratio_to_nginx: Option<Spread>,
    ratio_to_nginx_no_log: Option<Spread>,
    requests_per_second: Option<Spread>,
    p50_us: Option<Spread>,
    p99_us: Option<Spread>,
    core_share: Option<Spread>,
    log_bytes_per_request: Option<Spread>,
    pss_kib: Footprint,
    errors: u64,
    warnings: Vec<String>,
}

impl Summary {
    pub(super) fn new(row: Row, pss_kib: Footprint, samples: &[Sample]) -> Self {
        let own: Vec<_> = samples
            .iter()
            .filter(|sample| sample.peer == row.name())
            .collect();
        let spread = |value: fn(&Sample) -> f64| Spread::of(own.iter().map(|it| value(it)));
        Self {
            peer: row.name(),
            setup: row.setup(),
            cpu_us_per_request: spread(|it| it.cpu_us_per_request),
            ratio_to_nginx: paired_ratio(&costs(row, samples), &costs(Row::Nginx, samples)),
            ratio_to_nginx_no_log: paired_ratio(
                &costs(row, samples),
                &costs(Row::NginxNoLog, samples),
            ),
            requests_per_second: spread(|it| it.requests_per_second),
            p50_us: spread(|it| it.p50_us),
            p99_us: spread(|it| it.p99_us),
            core_share: spread(|it| it.core_share),
            log_bytes_per_request: spread(log_bytes_per_request),
            pss_kib,
            errors: own.iter().map(|it| it.errors.total()).sum(),
            warnings: warnings(row, &own),
        }
    }

    fn cells(&self) -> Vec<String> {
        let median = |spread: Option<Spread>| spread.map_or(0.0, |it| it.median);
        let mib = |kib: u64| kib as f64 / 1024.0;
        vec![
            self.peer.to_owned(),
            show(self.cpu_us_per_request, 1),
            show(self.ratio_to_nginx, 2),
            show(self.ratio_to_nginx_no_log, 2),
            format!("{:.0}", median(self.requests_per_second)),
            format!("{:.0} / {:.0}", median(self.p50_us), median(self.p99_us)),
            format!("{:.2}", median(self.core_share)),
            format!(
                "{:.1} / {:.1}",
                mib(self.pss_kib.at_rest),
                mib(self.pss_kib.after)
            ),
            format!("{:.0}", median(self.log_bytes_per_request)),
            self.errors.to_string(),
        ]
    }
}

fn costs(row: Row, samples: &[Sample]) -> Vec<(u32, f64)> {
    let own = samples.iter().filter(|sample| sample.peer == row.name());
    own.map(|sample| (sample.round, sample.cpu_us_per_request))
        .collect()
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
    if row == Row::Nginx && width > NOISE_MAX {
        warnings.push(format!(
            "noisy run: nginx itself moved by {:.0} % from round to round, so trust only the \
             ratios, or run it again",
            width * 100.0
        ));
    }
    if row.has_log()
        && own
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

impl EdgeReport {
    pub(super) fn table(&self) -> String {
        let mut table = Table::new(&[
            "peer",
            "CPU µs/request",
            "to nginx",
            "to nginx, no log",
            "req/s",
            "p50 / p99 µs",
            "core",
            "MiB at rest / after",
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
            "# Edge: CPU per proxied request\n\n\
             One route, GET, an answer of 336 bytes of JSON, 100 paths in turn. Keep-alive on \
             both sides.\n\n{missing}{warnings}{table}\n{HOW_TO_READ}\n## Set-ups\n{setups}\n\
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
            p50_us: 800.0,
            p99_us: 1400.0,
            log_bytes: if row.has_log() { 30_000 } else { 0 },
            errors: LoadErrors {
                status: 1,
                ..LoadErrors::default()
            },
            threads_ended: 0,
        }
    }

    fn report(samples: Vec<Sample>, rows: &[Row]) -> EdgeReport {
        let pss = Footprint {
            at_rest: 1024,
            after: 2048,
        };
        let conditions = Conditions::made_up("2 rounds");
        let peers = rows
            .iter()
            .map(|row| Summary::new(*row, pss, &samples))
            .collect();
        EdgeReport {
            bench: "edge",
            conditions,
            missing: vec!["tollgate"],
            peers,
            rounds: samples,
        }
    }

    #[test]
    fn a_slow_round_moves_the_costs_but_not_the_ratio() {
        let samples = vec![
            sample(1, Row::Nginx, 10.0),
            sample(1, Row::Haproxy, 11.0),
            sample(2, Row::Nginx, 20.0),
            sample(2, Row::Haproxy, 22.0),
        ];
        let table = report(samples, &[Row::Nginx, Row::Haproxy]).table();
        let line = table
            .lines()
            .find(|line| line.starts_with("| haproxy"))
            .unwrap();
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(
            cells,
            [
                "haproxy",
                "16.5 (11.0-22.0)",
                "1.10 (1.10-1.10)",
                "-",
                "1000",
                "800 / 1400",
                "1.00",
                "1.0 / 2.0",
                "300",
                "2"
            ]
        );
    }

    #[test]
    fn what_makes_a_run_worth_less_is_said() {
        let quiet = || vec![sample(1, Row::Nginx, 10.0), sample(2, Row::Nginx, 10.5)];
        let change = |change: fn(&mut Sample)| {
            let mut samples = quiet();
            samples.iter_mut().for_each(change);
            samples
        };
        let cases = [
            (quiet(), None),
            (
                change(|it| it.cpu_us_per_request *= f64::from(it.round)),
                Some("noisy run"),
            ),
            (
                change(|it| it.log_bytes = 10),
                Some("nginx did not log every request"),
            ),
            (
                change(|it| it.threads_ended = 1),
                Some("nginx ended 2 threads"),
            ),
        ];
        for (samples, expected) in cases {
            let report = report(samples, &[Row::Nginx]);
            let markdown = report.markdown(&report.table());
            let warning = markdown.lines().find(|line| line.starts_with("**Warning"));
            assert_eq!(warning.is_some(), expected.is_some(), "{markdown}");
            assert!(
                warning.is_none_or(|it| it.contains(expected.unwrap())),
                "{markdown}"
            );
            assert!(
                markdown.contains("**Not measured in this run: tollgate.**"),
                "{markdown}"
            );
        }
    }

    #[test]
    fn rows_without_a_log_need_none() {
        let report = report(vec![sample(1, Row::NginxNoLog, 10.0)], &[Row::NginxNoLog]);
        assert!(!report.markdown(&report.table()).contains("Warning"));
    }
}
