//! The rounds of a run, summed up for each job and set-up.

use serde::Serialize;

use super::Turn;
use super::entrant::Entrant;
use super::job::Job;
use crate::bench::BenchError;
use crate::bench::conditions::Conditions;
use crate::bench::memory::Footprint;
use crate::bench::report::{Table, show};
use crate::bench::stats::{Spread, paired_ratio};

/// Who moves more than this from round to round was not alone on its CPU.
const NOISE_MAX: f64 = 0.15;
/// A proxy that used less of its CPU at the limit was not what limited the load.
const CORE_SHARE_MIN: f64 = 0.85;
/// No access line is shorter.
const LOG_BYTES_MIN: f64 = 50.0;
/// A generator that is late by more than this share of a p99 has measured itself.
const LATE_MAX: f64 = 0.5;

#[derive(Debug, Serialize)]
pub(super) struct PeersReport {
    pub(super) bench: &'static str,
    pub(super) conditions: Conditions,
    pub(super) connections: usize,
    pub(super) seconds: u64,
    pub(super) value_token_bytes: usize,
    pub(super) jobs: Vec<JobSummary>,
    /// Set-ups of peers that are not installed.
    pub(super) absent: Vec<&'static str>,
    pub(super) took_s: u64,
    pub(super) rounds: Vec<Turn>,
}

#[derive(Debug, Serialize)]
pub(super) struct JobSummary {
    pub(super) job: &'static str,
    pub(super) title: &'static str,
    pub(super) what: &'static str,
    pub(super) offered_per_second: u64,
    pub(super) entrants: Vec<Summary>,
}

/// One set-up over all rounds.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub(super) peer: &'static str,
    pub(super) name: &'static str,
    pub(super) setup: &'static str,
    /// Below `loadtest/peers`.
    pub(super) file: &'static str,
    pub(super) cpu_us_per_request: Option<Spread>,
    /// Its CPU time over ours in the same round.
    pub(super) times_ours: Option<Spread>,
    pub(super) requests_per_second: Option<Spread>,
    pub(super) core_share: Option<Spread>,
    pub(super) offered: OfferedSummary,
    pub(super) pss_kib: Footprint,
    pub(super) log_bytes_per_request: Option<Spread>,
    pub(super) failed: u64,
    pub(super) warnings: Vec<String>,
}

/// At the fixed load.
#[derive(Debug, Serialize)]
pub(super) struct OfferedSummary {
    pub(super) cpu_us_per_request: Option<Spread>,
    pub(super) p50_us: Option<Spread>,
    pub(super) p99_us: Option<Spread>,
    pub(super) generator_late_p99_us: Option<Spread>,
}

pub(super) fn jobs(entrants: &[Entrant], turns: &[Turn]) -> Result<Vec<JobSummary>, BenchError> {
    let summed = Job::ALL.into_iter().map(|job| {
        let own: Vec<_> = turns.iter().filter(|it| it.job == job.name()).collect();
        let of_job = entrants.iter().filter(|it| it.job == job);
        // The first of each job is ours.
        let ours = of_job.clone().next().map_or("", |it| it.name);
        let of_job = of_job.map(|entrant| Summary::new(entrant, ours, &own));
        Ok(JobSummary {
            job: job.name(),
            title: job.title(),
            what: job.what(),
            offered_per_second: job.offered_per_second(),
            entrants: of_job.collect::<Result<_, BenchError>>()?,
        })
    });
    summed.collect()
}

impl Summary {
    fn new(entrant: &Entrant, ours: &str, turns: &[&Turn]) -> Result<Self, BenchError> {
        let own: Vec<_> = turns
            .iter()
            .copied()
            .filter(|it| it.entrant == entrant.name)
            .collect();
        let spread = |value: fn(&Turn) -> f64| Spread::of(own.iter().map(|it| value(it)));
        let costs = costs_of(entrant.name, turns);
        let mut summary = Self {
            peer: entrant.peer,
            name: entrant.name,
            setup: entrant.setup,
            file: entrant.file,
            cpu_us_per_request: spread(|it| it.closed.cpu_us_per_request),
            times_ours: paired_ratio(&costs, &costs_of(ours, turns)),
            requests_per_second: spread(|it| it.closed.requests_per_second),
            core_share: spread(|it| it.closed.core_share),
            offered: OfferedSummary {
                cpu_us_per_request: spread(|it| it.offered.cpu_us_per_request),
                p50_us: spread(|it| it.offered.p50_us as f64),
                p99_us: spread(|it| it.offered.p99_us as f64),
                generator_late_p99_us: spread(|it| it.offered.generator_late_p99_us as f64),
            },
            pss_kib: entrant.pss_kib()?,
            log_bytes_per_request: spread(log_bytes_per_request),
            failed: own
                .iter()
                .map(|it| it.closed.errors.total() + it.offered.failed)
                .sum(),
            warnings: Vec::new(),
        };
        summary.warnings = summary.doubts(entrant.has_log(), &own);
        Ok(summary)
    }

    /// What makes its figures less than they look.
    fn doubts(&self, has_log: bool, own: &[&Turn]) -> Vec<String> {
        let mut doubts = Vec::new();
        let width = self
            .cpu_us_per_request
            .map_or(0.0, |it| it.relative_width());
        if width > NOISE_MAX {
            doubts.push(format!(
                "its CPU time moved by {:.0} % from round to round: trust the ratio",
                width * 100.0
            ));
        }
        if has_log
            && own
                .iter()
                .any(|it| log_bytes_per_request(it) < LOG_BYTES_MIN)
        {
            doubts.push("it did not log every request".to_owned());
        }
        let share = self.core_share.map_or(1.0, |it| it.median);
        if has_log && share < CORE_SHARE_MIN {
            doubts.push(format!(
                "it had no more than {:.0} % of its CPU to do at the limit: the load or somebody else was in \
                 the way, so only its CPU time counts",
                share * 100.0
            ));
        }
        let ended: usize = own.iter().map(|it| it.closed.threads_ended).sum();
        if ended > 0 {
            doubts.push(format!(
                "{ended} of its threads ended, whose CPU time is not counted"
            ));
        }
        let median = |spread: Option<Spread>| spread.map_or(0.0, |it| it.median);
        let late = median(self.offered.generator_late_p99_us);
        if late > median(self.offered.p99_us) * LATE_MAX {
            doubts.push(format!(
                "the load was late by {late:.0} µs at 99 %, which is in its p99"
            ));
        }
        doubts
    }

    fn cells(&self) -> Vec<String> {
        let median = |spread: Option<Spread>| spread.map_or(0.0, |it| it.median);
        let mib = |kib: u64| kib as f64 / 1024.0;
        vec![
            self.name.to_owned(),
            show(self.cpu_us_per_request, 1),
            show(self.times_ours, 2),
            format!("{:.0}", median(self.requests_per_second)),
            format!("{:.2}", median(self.core_share)),
            format!(
                "{:.0} / {:.0}",
                median(self.offered.p50_us),
                median(self.offered.p99_us)
            ),
            format!(
                "{:.1} / {:.1}",
                mib(self.pss_kib.at_rest),
                mib(self.pss_kib.after)
            ),
            self.failed.to_string(),
        ]
    }
}

fn costs_of(name: &str, turns: &[&Turn]) -> Vec<(u32, f64)> {
    let own = turns.iter().filter(|it| it.entrant == name);
    own.map(|it| (it.round, it.closed.cpu_us_per_request))
        .collect()
}

fn log_bytes_per_request(turn: &Turn) -> f64 {
    turn.closed.log_bytes as f64 / turn.closed.requests as f64
}

impl PeersReport {
    /// The day in the name of its files.
    pub(super) fn day(&self) -> &str {
        self.conditions.date.split(' ').next().unwrap_or_default()
    }

    /// For a terminal.
    pub(super) fn tables(&self) -> String {
        let tables = self.jobs.iter().map(|job| {
            let latency = format!("p50 / p99 µs at {}/s", job.offered_per_second);
            let mut table = Table::new(&[
                job.job,
                "CPU µs/request",
                "times ours",
                "req/s",
                "core",
                &latency,
                "MiB at rest / after",
                "failed",
            ]);
            job.entrants.iter().for_each(|it| table.push(it.cells()));
            table.to_markdown()
        });
        let mut text = tables.collect::<Vec<_>>().join("\n");
        for (name, doubt) in self.doubts() {
            text.push_str(&format!("\n{name}: {doubt}"));
        }
        for name in &self.absent {
            text.push_str(&format!("\n{name} is not installed: it took no part"));
        }
        text + &format!("\n{} s in all\n", self.took_s)
    }

    pub(super) fn doubts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = self.jobs.iter().flat_map(|job| &job.entrants);
        all.flat_map(|it| it.warnings.iter().map(|doubt| (it.name, doubt.as_str())))
    }

    /// Nothing that is measured may fail.
    pub(super) fn verdict(&self) -> Option<String> {
        let all = self.jobs.iter().flat_map(|job| &job.entrants);
        let failed: Vec<_> = all
            .filter(|it| it.failed > 0)
            .map(|it| format!("{} requests to {} failed", it.failed, it.name))
            .collect();
        (!failed.is_empty()).then(|| failed.join("; "))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn spread(median: f64) -> Option<Spread> {
        Spread::of([median])
    }

    fn summary(name: &'static str, cpu_us: f64, failed: u64) -> Summary {
        Summary {
            peer: name,
            name,
            setup: "as it comes",
            file: "x/y.conf",
            cpu_us_per_request: spread(cpu_us),
            times_ours: spread(cpu_us / 20.0),
            requests_per_second: spread(40_000.0),
            core_share: spread(1.0),
            offered: OfferedSummary {
                cpu_us_per_request: spread(30.0),
                p50_us: spread(200.0),
                p99_us: spread(1500.0),
                generator_late_p99_us: spread(800.0),
            },
            pss_kib: Footprint {
                at_rest: 1024,
                after: 2048,
            },
            log_bytes_per_request: spread(300.0),
            failed,
            warnings: Vec::new(),
        }
    }

    pub(in crate::bench::peers) fn report(failed: u64) -> PeersReport {
        PeersReport {
            bench: "peers",
            conditions: Conditions {
                date: "2026-01-02 03:04 UTC".into(),
                ..Conditions::made_up("1 round")
            },
            connections: 64,
            seconds: 3,
            value_token_bytes: 500,
            jobs: vec![JobSummary {
                job: Job::Forward.name(),
                title: Job::Forward.title(),
                what: Job::Forward.what(),
                offered_per_second: 5000,
                entrants: vec![summary("tollgate", 20.0, 0), summary("nginx", 19.0, failed)],
            }],
            absent: vec!["varnish"],
            took_s: 61,
            rounds: Vec::new(),
        }
    }

    #[test]
    fn a_failed_request_breaks_the_run_and_an_absent_peer_does_not() {
        assert_eq!(report(0).verdict(), None);
        let verdict = report(3).verdict();
        assert_eq!(verdict.as_deref(), Some("3 requests to nginx failed"));
        assert!(report(0).tables().contains("varnish is not installed"));
    }

    #[test]
    fn a_proxy_that_was_not_the_limit_is_a_doubt_and_a_provider_waits_for_its_disk() {
        let mut idle = summary("nginx", 19.0, 0);
        idle.offered.generator_late_p99_us = None;
        idle.core_share = spread(0.85);
        assert_eq!(idle.doubts(true, &[]), [""; 0]);
        idle.core_share = spread(0.84);
        assert!(idle.doubts(true, &[]).concat().contains("84 % of its CPU"));
        assert_eq!(idle.doubts(false, &[]), [""; 0]);
    }

    #[test]
    fn a_load_that_is_late_is_a_doubt() {
        let late = summary("nginx", 19.0, 0).doubts(false, &[]);
        assert_eq!(
            late,
            ["the load was late by 800 µs at 99 %, which is in its p99"]
        );
        let mut punctual = summary("nginx", 19.0, 0);
        punctual.offered.generator_late_p99_us = spread(700.0);
        assert_eq!(punctual.doubts(false, &[]), [""; 0]);
    }
}
