//! What a reload of a large file costs the requests that are under way.
//!
//! A thousand times a second somebody asks, first while nothing happens and then while the file is
//! replaced by one in which every route is another. The gateway has a single CPU, so that compiling
//! the file and answering compete as hard as they can.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use super::conditions::Conditions;
use super::gateway::Gateway;
use super::report::{Table, save, show_conditions};
use super::stats::Spread;
use super::workbench::Workbench;
use super::{BenchError, Outcome, say, write};
use crate::closed::{Load, Request, Tally};

const ROUTES: usize = 5_000;
const SERVICES: usize = 100;
const RELOADS: u32 = 20;
/// Together they ask about once a millisecond: a rest and an answer take two or three.
const CONNECTIONS: usize = 3;
const REST: Duration = Duration::from_millis(1);
const EXCESS_MAX: Duration = Duration::from_millis(10);

const HOW_TO_READ: &str = "\
## How to read it
1. Three keep-alive connections rest a millisecond after each answer, so that about a thousand
   requests are sent a second; their latencies are what is shown.
2. In the quiet phase nothing else happens. In the other the file of 5,000 routes and 100 services
   is replaced 20 times by one in which every route has another path, and SIGHUP is sent each time.
3. The excess is the slowest answer of the reload phase less that of the quiet phase of its round.
   One slow answer decides it, and what else runs on the machine may slow one down in either phase:
   the median of the rounds is what is held against the bar of 10 ms.
4. The gateway has one worker and one CPU, which compiling the file has to share.
";

/// What to run.
#[derive(Clone, Debug)]
pub struct ReloadOptions {
    pub rounds: u32,
    pub seconds: u64,
    /// The gateway's binary.
    pub tollgate: Option<PathBuf>,
    /// Folder of the reports.
    pub out: PathBuf,
}

#[derive(Debug, Serialize)]
struct ReloadReport {
    bench: &'static str,
    conditions: Conditions,
    rounds: Vec<Round>,
}

#[derive(Clone, Debug, Serialize)]
struct Round {
    round: u32,
    quiet: Phase,
    reload: Phase,
    excess_us: i64,
}

/// Latencies of the probe, in microseconds.
#[derive(Clone, Debug, Serialize)]
struct Phase {
    probes: u64,
    p50_us: u64,
    p99_us: u64,
    p999_us: u64,
    max_us: u64,
}

/// A file of `routes` routes to 100 services at `upstream`, and one more for
/// `GET /v1/accounts/{id}`. Between two editions every other route differs.
pub fn large_file(upstream: SocketAddr, routes: usize, edition: u32) -> String {
    let mut text = String::from("services:\n");
    for service in 0..SERVICES {
        text.push_str(&format!(
            "  s{service}: {{ endpoints: [\"{upstream}\"] }}\n"
        ));
    }
    text.push_str("routes:\n  - { match: \"GET /v1/accounts/{id}\", to: s0 }\n");
    for number in 0..routes {
        let service = number % SERVICES;
        let path = format!("/e{edition}/team{service}/r{number}");
        let route = match number % 5 {
            0 => format!("match: GET {path}"),
            1 => format!("match: \"{path}/{{rest*}}\", timeout: 5s"),
            2 => format!("match: \"POST {path}/{{id}}\", body: 16KiB"),
            3 => format!("match: \"GET,HEAD {path}/{{id}}/items\", strip: /e{edition}"),
            _ => format!("match: \"{path}/{{rest*}}\", host: t{service}.example.com"),
        };
        text.push_str(&format!("  - {{ {route}, to: s{service} }}\n"));
    }
    text
}

/// Measures, writes `reload.md` and `reload.json`.
pub async fn reload(options: ReloadOptions) -> Result<Outcome, BenchError> {
    let ReloadOptions {
        rounds,
        seconds,
        tollgate,
        out,
    } = options;
    let bench = Workbench::set_up(CONNECTIONS, tollgate).await?;
    let flags = format!(
        "rounds: {rounds}, each {seconds} s quiet and {seconds} s with {RELOADS} reloads of \
         {ROUTES} routes"
    );
    let conditions = Conditions::note(&bench, flags).await?;
    let mut subject = Subject::start(&bench).await?;
    let mut measured = Vec::new();
    for round in 1..=rounds {
        let it = subject.measure(round, Duration::from_secs(seconds)).await?;
        say(&format!(
            "round {round}/{rounds}  quiet max {} us, reload max {} us",
            it.quiet.max_us, it.reload.max_us
        ));
        measured.push(it);
    }
    subject.check_reloads(RELOADS * rounds).await?;

    let table = table(&measured).to_markdown();
    let broken = verdict(&measured);
    let report = ReloadReport {
        bench: "reload",
        conditions,
        rounds: measured,
    };
    let files = save(&out, "reload", &markdown(&report, &table), &report)?;
    Ok(Outcome {
        table,
        files,
        missing: Vec::new(),
        broken,
    })
}

/// The promise, if it was broken.
fn verdict(rounds: &[Round]) -> Option<String> {
    let excess_us = Spread::of(rounds.iter().map(|round| round.excess_us as f64))?.median;
    let excess_us_max = EXCESS_MAX.as_micros() as f64;
    (excess_us > excess_us_max).then(|| {
        format!("reloads held requests up by {excess_us} us, {excess_us_max} us are allowed")
    })
}

/// The gateway, and the service that all its routes lead to.
struct Subject {
    gateway: Gateway,
    upstream: SocketAddr,
}

impl Subject {
    async fn start(bench: &Workbench) -> Result<Self, BenchError> {
        let upstream = bench.site.upstream;
        let gateway = Gateway::start(bench, &large_file(upstream, ROUTES, 0)).await?;
        Ok(Self { gateway, upstream })
    }

    async fn measure(&mut self, round: u32, length: Duration) -> Result<Round, BenchError> {
        let quiet = self.probe(length, 0, round).await?;
        let reload = self.probe(length, RELOADS, round).await?;
        let excess_us = i64::try_from(reload.max_us).unwrap_or(i64::MAX)
            - i64::try_from(quiet.max_us).unwrap_or(0);
        Ok(Round {
            round,
            quiet,
            reload,
            excess_us,
        })
    }

    /// Probes for so long, with so many reloads evenly spread over it.
    async fn probe(&self, length: Duration, reloads: u32, round: u32) -> Result<Phase, BenchError> {
        let load = Load::new(self.gateway.address, Request::get("/v1/accounts/1"));
        let began = Instant::now();
        let running = Load {
            connections: CONNECTIONS,
            pause: REST,
            ..load
        }
        .start();
        for number in 1..=reloads {
            sleep_until(began + length * number / (reloads + 1)).await;
            let edition = round * RELOADS + number;
            let text = self.gateway.head.clone() + &large_file(self.upstream, ROUTES, edition);
            replace(&self.gateway.file, &text)?;
            self.gateway.process.hang_up();
        }
        sleep_until(began + length).await;
        let tally = running.stop().await;
        if !tally.is_clean() {
            return Err(self.gateway.wrong_answer(&tally.to_string()));
        }
        Ok(Phase::of(&tally))
    }

    /// Reloads that did not take place would have disturbed nobody.
    async fn check_reloads(&self, least: u32) -> Result<(), BenchError> {
        let expect = crate::closed::Expect::new(move |_, answer| {
            let text = String::from_utf8_lossy(&answer.body);
            let name = "tollgate_reloads_total{result=\"applied\"} ";
            let count = text.lines().find_map(|line| line.strip_prefix(name));
            count.and_then(|count| count.parse().ok()) >= Some(least)
        });
        let load = Load::new(self.gateway.admin, Request::get("/metrics"));
        let tally = Load {
            expect: Some(expect),
            ..load
        }
        .run(1)
        .await;
        if tally.is_clean() {
            return Ok(());
        }
        Err(self
            .gateway
            .wrong_answer(&format!("fewer than {least} reloads; {tally}")))
    }
}

/// Beside it and moved, so that it is never read in part.
fn replace(file: &Path, text: &str) -> Result<(), BenchError> {
    let next = file.with_extension("next");
    write(&next, text)?;
    fs::rename(&next, file).map_err(BenchError::io("cannot replace the gateway's file"))
}

impl Phase {
    fn of(tally: &Tally) -> Self {
        let us = |latency: Duration| u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let latency = &tally.latency;
        Self {
            probes: latency.count(),
            p50_us: us(latency.p50()),
            p99_us: us(latency.p99()),
            p999_us: us(latency.p999()),
            max_us: us(latency.max()),
        }
    }
}

fn table(rounds: &[Round]) -> Table {
    let mut table = Table::new(&[
        "round",
        "phase",
        "probes",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "max µs",
        "excess µs",
    ]);
    for it in rounds {
        let phases = [
            ("quiet", &it.quiet, String::new()),
            ("reload", &it.reload, it.excess_us.to_string()),
        ];
        for (name, phase, excess) in phases {
            let figures = [
                phase.probes,
                phase.p50_us,
                phase.p99_us,
                phase.p999_us,
                phase.max_us,
            ];
            let mut row = vec![it.round.to_string(), name.to_owned()];
            row.extend(figures.map(|figure| figure.to_string()));
            row.push(excess);
            table.push(row);
        }
    }
    table
}

fn markdown(report: &ReloadReport, table: &str) -> String {
    format!(
        "# Reload: what a large file costs the requests under way\n\n{table}\n{HOW_TO_READ}\n\
         ## Conditions\n{conditions}",
        conditions = show_conditions(&report.conditions),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(excess_us: i64) -> Round {
        let phase = Phase {
            probes: 1,
            p50_us: 1,
            p99_us: 1,
            p999_us: 1,
            max_us: 1,
        };
        Round {
            round: 1,
            quiet: phase.clone(),
            reload: phase,
            excess_us,
        }
    }

    #[test]
    fn a_stall_in_the_median_round_breaks_the_promise() {
        let cases = [
            (vec![10_000], false),
            (vec![10_001], true),
            (vec![90_000, 10_001, -5], true),
            (vec![90_000, 9_000, -5], false),
            (vec![], false),
        ];
        for (excesses, is_broken) in cases {
            let rounds: Vec<_> = excesses.iter().copied().map(round).collect();
            assert_eq!(verdict(&rounds).is_some(), is_broken, "{excesses:?}");
        }
    }

    #[test]
    fn two_editions_share_no_route_but_the_one_that_is_asked_for() {
        let upstream = "127.0.0.1:1".parse().unwrap();
        let routes = |edition| -> Vec<String> {
            let text = large_file(upstream, 10, edition);
            let routes = text.lines().filter(|line| line.starts_with("  - "));
            routes.map(str::to_owned).collect()
        };
        let (first, second) = (routes(1), routes(2));
        assert_eq!((first.len(), second.len()), (11, 11));
        let shared = first.iter().filter(|route| second.contains(route));
        assert_eq!(shared.count(), 1);
    }
}
