//! Everybody in one run: what does each job cost whom, and who answers how soon at the same load?
//!
//! The set-ups are those of the benches beside this one; here all of them run at once and are measured
//! in turn, round after round, each at its limit (wrk) and at a fixed load (an open loop). A peer that
//! is not installed is said to be absent. Fairness is written down in `loadtest/peers/README.md`.

mod entrant;
mod job;
mod line_up;
mod offered;
mod page;
mod quote;
mod summary;

use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio::time::Instant;

use super::conditions::{Conditions, Version, version};
use super::idp::provider::peer_version;
use super::report::save_with;
use super::round::Sample;
use super::workbench::Workbench;
use super::{BenchError, Outcome, say};
use crate::process::program;
use entrant::Entrant;
use line_up::{LineUp, has_lua};
use offered::Offered;
use summary::PeersReport;

pub use quote::{QuoteError, newest_report, quote, quote_peers, quote_text};

const WARM_UP_SECONDS: u64 = 2;

/// What to run.
#[derive(Clone, Debug)]
pub struct PeersOptions {
    pub rounds: u32,
    /// Of one measurement, of which there are two for each set-up and round.
    pub seconds: u64,
    pub connections: usize,
    /// The binary of all our roles.
    pub tollgate: Option<PathBuf>,
    /// Envoy's binary, if it is here.
    pub envoy: Option<PathBuf>,
    /// The folder that npm's `oidc-provider` was installed into, if it was.
    pub oidc_provider: Option<PathBuf>,
    /// Folder of the reports.
    pub out: PathBuf,
}

/// What one set-up did in one round.
#[derive(Clone, Debug, Serialize)]
struct Turn {
    round: u32,
    job: &'static str,
    entrant: &'static str,
    /// As fast as it can.
    closed: Sample,
    /// At the load that all of its job are given.
    offered: Offered,
}

/// Measures, writes `peers-DATE.json` and `peers-DATE.html`.
pub async fn peers(options: PeersOptions) -> Result<Outcome, BenchError> {
    let began = Instant::now();
    let bench = Workbench::set_up(options.connections, options.tollgate.clone()).await?;
    let Some(tollgate) = options.tollgate.as_deref() else {
        return Ok(Outcome::without(
            "tollgate, beside which all others are held",
        ));
    };
    let (versions, has) = look(&options).await?;
    let conditions = note(&bench, &options, versions).await?;
    let line_up = LineUp::start(&bench, &options, (tollgate, has)).await?;
    for entrant in &line_up.entrants {
        entrant
            .warm_up(&bench.site.dir, options.connections)
            .await?;
    }
    let turns = take_turns(&bench.site.dir, &options, &line_up.entrants).await?;
    let report = PeersReport {
        bench: "peers",
        conditions,
        connections: options.connections,
        seconds: options.seconds,
        value_token_bytes: line_up.credentials.value_token_bytes(),
        jobs: summary::jobs(&line_up.entrants, &turns)?,
        absent: line_up.absent,
        took_s: began.elapsed().as_secs(),
        rounds: turns,
    };
    let name = format!("peers-{}", report.day());
    let files = save_with(&options.out, &name, ("html", &page::page(&report)), &report)?;
    Ok(Outcome {
        table: report.tables(),
        files,
        missing: Vec::new(),
        broken: report.verdict(),
    })
}

/// What is installed beside what every bench needs.
#[derive(Clone, Copy, Debug)]
struct Installed {
    haproxy: bool,
    varnish: bool,
    nginx_lua: bool,
}

async fn look(options: &PeersOptions) -> Result<(Vec<Version>, Installed), BenchError> {
    let mut versions = Vec::new();
    let mut add = |found: Result<Version, BenchError>| {
        let is_here = found.is_ok();
        versions.extend(found);
        is_here
    };
    if let Some(tollgate) = &options.tollgate {
        add(version("tollgate", tollgate, "--version").await);
    }
    add(version("nginx", &program("nginx"), "-v").await);
    let haproxy = add(version("haproxy", &program("haproxy"), "-v").await);
    if let Some(envoy) = &options.envoy {
        add(version("envoy", envoy, "--version").await);
    }
    let varnish = add(version("varnish", &program("varnishd"), "-V").await);
    if let Some(peer) = &options.oidc_provider {
        add(peer_version(peer));
        add(version("node", Path::new("node"), "--version").await);
    }
    add(version("wrk", Path::new("wrk"), "-v").await);
    let nginx_lua = has_lua();
    Ok((
        versions,
        Installed {
            haproxy,
            varnish,
            nginx_lua,
        },
    ))
}

async fn note(
    bench: &Workbench,
    options: &PeersOptions,
    versions: Vec<Version>,
) -> Result<Conditions, BenchError> {
    let layout = if bench.layout.is_shared() {
        "everybody shares the one CPU there is"
    } else {
        "who is measured alone on one CPU; load, upstream and what issued the tokens on another; loopback"
    };
    let flags = format!(
        "rounds: {}, of {} s at the limit and {} s at a fixed load; keep-alive connections: {}",
        options.rounds, options.seconds, options.seconds, options.connections
    );
    Conditions::of(layout, versions, flags).await
}

async fn take_turns(
    dir: &Path,
    options: &PeersOptions,
    entrants: &[Entrant],
) -> Result<Vec<Turn>, BenchError> {
    let mut turns = Vec::new();
    for round in 1..=options.rounds {
        for entrant in entrants {
            let closed = entrant
                .measure_closed(dir, options.connections, (options.seconds, round))
                .await?;
            let offered = entrant
                .measure_offered(dir, options.connections, options.seconds)
                .await?;
            say(&format!(
                "round {round}/{}  {:<11} {:<18} {:7.1} us each  {:6.0}/s  p99 {:6} us at {}/s  {} failed",
                options.rounds,
                entrant.job.name(),
                entrant.name,
                closed.cpu_us_per_request,
                closed.requests_per_second,
                offered.p99_us,
                entrant.job.offered_per_second(),
                closed.errors.total() + offered.failed,
            ));
            turns.push(Turn {
                round,
                job: entrant.job.name(),
                entrant: entrant.name,
                closed,
                offered,
            });
        }
    }
    Ok(turns)
}
