//! What the generator itself costs, beside wrk: CPU time per request against a server that does nothing
//! but answer.
//!
//! wrk is a closed loop and knows one rate, its own: on many connections as much as it can, and on two
//! about what the aim is. The generator is asked for both of the same round, and for more than the server
//! can do.

mod summary;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;
use tokio::time::sleep;

use super::conditions::{Conditions, version};
use super::cpu::spent_by_ended;
use super::edge::EdgeOptions;
use super::layout::Layout;
use super::report::save;
use super::upstream::Upstream;
use super::wrk::WrkReport;
use super::{BenchError, Outcome, read, say, write};
use crate::open::Report;
use crate::process::{Launch, POLL, Process, program};
use summary::{LoadReport, Summary};

/// What the generator must manage on one core, in requests a second.
const RATE_MIN: f64 = 40_000.0;
/// On these wrk has, on the machines this was made on, about the rate that is the aim.
const CONNECTIONS_FEW: usize = 2;
/// More than the server can do, beside what wrk found that it can.
const TOO_MUCH: f64 = 1.3;
const FILES_MAX: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    Wrk,
    /// At the rate that wrk had in the same round.
    Same,
    /// At more than that.
    Full,
    /// On so few connections that it waits for each answer.
    WrkFew,
    /// At the rate of that.
    Few,
}

const ROWS: [Row; 5] = [Row::Wrk, Row::Same, Row::Full, Row::WrkFew, Row::Few];

/// What one row did in one round.
#[derive(Clone, Debug, Serialize)]
struct Sample {
    round: u32,
    row: &'static str,
    requests: u64,
    requests_per_second: f64,
    cpu_us_per_request: f64,
    core_share: f64,
    failed: u64,
    p50_us: f64,
    p99_us: f64,
    /// By how much it sent late though a connection was free.
    late_p99_us: Option<u64>,
}

/// What is used by every measurement.
struct Site<'a> {
    dir: &'a Path,
    target: SocketAddr,
    tollgate: &'a Path,
    cpu: usize,
    seconds: u64,
    connections: usize,
}

/// Measures, writes `load.md` and `load.json`.
pub async fn load(options: EdgeOptions) -> Result<Outcome, BenchError> {
    let EdgeOptions {
        rounds,
        seconds,
        connections,
        tollgate,
        out,
    } = options;
    let Some(tollgate) = tollgate else {
        return Ok(Outcome::without("tollgate load"));
    };
    let layout = Layout::find()?;
    layout.pin_self()?;
    let dir = tempfile::tempdir().map_err(BenchError::io("cannot make a temporary folder"))?;
    let upstream = Upstream::start(dir.path(), layout.proxy_cpu, FILES_MAX).await?;
    let flags = format!("rounds: {rounds} of {seconds} s; connections: {connections}");
    let conditions = note(layout, &tollgate, flags).await?;
    let site = Site {
        dir: dir.path(),
        target: upstream.address,
        tollgate: &tollgate,
        cpu: layout.load_cpu,
        seconds,
        connections,
    };
    let samples = take_turns(&site, rounds).await?;
    let summaries: Vec<_> = ROWS
        .iter()
        .map(|row| Summary::new(*row, &samples))
        .collect();
    let broken = summary::verdict(&summaries);
    let report = LoadReport {
        bench: "load",
        conditions,
        generators: summaries,
        rounds: samples,
    };
    let table = report.table();
    let files = save(&out, "load", &report.markdown(&table), &report)?;
    Ok(Outcome {
        table,
        files,
        missing: Vec::new(),
        broken,
    })
}

async fn note(layout: Layout, tollgate: &Path, flags: String) -> Result<Conditions, BenchError> {
    let versions = vec![
        version("tollgate", tollgate, "--version").await?,
        version("nginx", &program("nginx"), "-v").await?,
        version("wrk", Path::new("wrk"), "-v").await?,
    ];
    let layout = if layout.is_shared() {
        "generator and server share the one CPU there is"
    } else {
        "generator (1 thread) alone on one CPU, nginx (1 worker) on another; loopback"
    };
    Conditions::of(layout, versions, flags).await
}

async fn take_turns(site: &Site<'_>, rounds: u32) -> Result<Vec<Sample>, BenchError> {
    let mut samples: Vec<Sample> = Vec::new();
    for round in 1..=rounds {
        let mut rate = RATE_MIN;
        for row in ROWS {
            let sample = match row {
                Row::Wrk | Row::WrkFew => site.run_wrk(round, row).await?,
                Row::Same | Row::Few => site.run_ours(round, row, rate).await?,
                Row::Full => site.run_ours(round, row, rate * TOO_MUCH).await?,
            };
            if matches!(row, Row::Wrk | Row::WrkFew) {
                rate = sample.requests_per_second;
            }
            say(&format!(
                "round {round}/{rounds}  {:<18} {:7.0} requests/s  {:5.2} us/request  core {:.2}",
                sample.row,
                sample.requests_per_second,
                sample.cpu_us_per_request,
                sample.core_share
            ));
            samples.push(sample);
        }
    }
    Ok(samples)
}

impl Row {
    fn name(self) -> &'static str {
        match self {
            Self::Wrk => "wrk",
            Self::Same => "ours, as wrk",
            Self::Full => "ours, too much",
            Self::WrkFew => "wrk, 2 connections",
            Self::Few => "ours, as that",
        }
    }

    /// What it is held against.
    fn reference(self) -> Self {
        match self {
            Self::Wrk | Self::Same | Self::Full => Self::Wrk,
            Self::WrkFew | Self::Few => Self::WrkFew,
        }
    }
}

impl Site<'_> {
    async fn run_wrk(&self, round: u32, row: Row) -> Result<Sample, BenchError> {
        let connections = match row {
            Row::WrkFew => CONNECTIONS_FEW,
            Row::Wrk | Row::Same | Row::Full | Row::Few => self.connections,
        };
        let arguments = [
            "--threads".to_owned(),
            "1".to_owned(),
            "--latency".to_owned(),
            "--connections".to_owned(),
            connections.to_string(),
            "--duration".to_owned(),
            format!("{}s", self.seconds),
            format!("http://{}/v1/accounts/1", self.target),
        ];
        let (cpu_s, said) = self.run("wrk", Path::new("wrk"), &arguments).await?;
        let report = WrkReport::parse(&said)?;
        let requests = report.requests as f64;
        Ok(Sample {
            round,
            row: row.name(),
            requests: report.requests,
            requests_per_second: report.requests_per_second,
            cpu_us_per_request: cpu_s * 1e6 / requests,
            core_share: cpu_s / (requests / report.requests_per_second),
            failed: report.errors.total(),
            p50_us: report.p50_us,
            p99_us: report.p99_us,
            late_p99_us: None,
        })
    }

    async fn run_ours(&self, round: u32, row: Row, rate: f64) -> Result<Sample, BenchError> {
        let scenario = self.dir.join("scenario.yaml");
        let page = self.dir.join("report.html");
        let text = format!(
            "target: http://{}\nlasts: {}s\nrate: {rate:.0}\nconnections: {}\n\
             requests: [{{ name: all, get: /v1/accounts/1 }}]\n",
            self.target, self.seconds, self.connections
        );
        write(&scenario, &text)?;
        let arguments = [
            "load".to_owned(),
            scenario.display().to_string(),
            "--report".to_owned(),
            page.display().to_string(),
        ];
        let (cpu_s, said) = self.run("tollgate-load", self.tollgate, &arguments).await?;
        let figures = read(page.with_extension("json"), "the figures of a run").map_err(|_| {
            BenchError::NotReady {
                name: "tollgate load",
                said,
            }
        })?;
        let report: Report =
            serde_json::from_str(&figures).map_err(|_| BenchError::Unreadable {
                what: "the figures of a run",
                text: figures,
            })?;
        let all = &report.all;
        Ok(Sample {
            round,
            row: row.name(),
            requests: all.answered,
            requests_per_second: all.answered as f64 / report.lasted_s,
            cpu_us_per_request: cpu_s * 1e6 / all.answered as f64,
            core_share: cpu_s / report.lasted_s,
            failed: all.failed,
            p50_us: all.latency.p50 as f64,
            p99_us: all.latency.p99 as f64,
            late_p99_us: Some(report.generator.late_p99),
        })
    }

    /// Runs it on its CPU to its end: the CPU time that it took, and what it printed.
    async fn run(
        &self,
        name: &'static str,
        program: &Path,
        arguments: &[String],
    ) -> Result<(f64, String), BenchError> {
        let process = Process::start(Launch {
            name,
            program: program.to_owned(),
            arguments: arguments.iter().map(Into::into).collect(),
            dir: self.dir.to_owned(),
            cpu: Some(self.cpu),
        })?;
        // It has no account any more once it was waited for.
        let cpu_s = loop {
            match spent_by_ended(process.id())? {
                Some(spent) => break spent,
                None => sleep(POLL).await,
            }
        };
        let said = fs::read_to_string(self.dir.join(format!("{name}.out")));
        let said = said.map_err(BenchError::io("cannot read what a generator printed"))?;
        Ok((cpu_s, said))
    }
}
