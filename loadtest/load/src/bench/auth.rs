//! What does it cost to know who asks? CPU per request with a credential, beside our own proxying without
//! one and beside peers that do the nearest same job.
//!
//! Everybody looks up 10,000 opaque tokens in turn and sends a signed token on in their place; or is
//! sent 200 signed tokens in turn and sends them on. Ours come from an identity provider that runs and
//! can take them back at any moment; the peers' are read from a file once and stay.

pub(super) mod credentials;
mod envoy;
pub(super) mod guard;
mod haproxy;
mod hot;
mod nginx;
mod summary;
mod tollgate;

use std::path::{Path, PathBuf};

use super::conditions::{Conditions, Version, version};
use super::report::save;
use super::round::{Gauge, Generator, take_turns};
use super::workbench::Workbench;
use super::wrk::Wrk;
use super::{BenchError, Outcome};
use crate::process::program;
use credentials::Credentials;
use guard::{Guard, Seat};
use hot::Hot;
use summary::{AuthReport, Summary};

const WARM_UP_SECONDS: u64 = 2;

/// What to run.
#[derive(Clone, Debug)]
pub struct AuthOptions {
    pub rounds: u32,
    pub seconds: u64,
    pub connections: usize,
    /// The gateway's binary; without one its rows are missing.
    pub tollgate: Option<PathBuf>,
    /// Envoy's binary; without one its rows are missing.
    pub envoy: Option<PathBuf>,
    /// How many sessions a gateway is to remember at once, to see what memory that takes; none to leave
    /// it out.
    pub sessions: Option<u64>,
    /// Folder of the reports.
    pub out: PathBuf,
}

/// Measures, writes `auth.md` and `auth.json`.
pub async fn auth(options: AuthOptions) -> Result<Outcome, BenchError> {
    let bench = Workbench::set_up(options.connections, options.tollgate.clone()).await?;
    let Some(tollgate) = &options.tollgate else {
        return Ok(Outcome::without(
            "tollgate, without which there are no tokens",
        ));
    };
    let conditions = note(&bench, &options).await?;
    let credentials = Credentials::issue(tollgate, &bench.site.dir).await?;
    let (guards, missing) = Guard::divide(options.envoy.is_some());
    let programs = (tollgate.as_path(), options.envoy.as_deref());
    let mut seats = Vec::new();
    for guard in guards {
        let seat = Seat::take(guard, &bench.site, programs, &credentials).await?;
        let wrk = wrk(guard, &bench, &credentials, options.connections)?;
        wrk.run(seat.peer.address, WARM_UP_SECONDS).await?;
        seats.push((seat, wrk));
    }
    let turns: Vec<_> = seats
        .iter()
        .map(|(seat, wrk)| {
            let gauge = Gauge {
                generator: Generator::Wrk(wrk),
                seconds: options.seconds,
            };
            (gauge, &seat.peer)
        })
        .collect();
    let samples = take_turns(&turns, options.rounds).await?;
    let hot = match options.sessions {
        Some(sessions) => Some(Hot::measure(tollgate, &bench.site, sessions).await?),
        None => None,
    };
    let guards: Vec<_> = seats.iter().map(|(seat, _)| seat.guard).collect();
    let report = AuthReport {
        bench: "auth",
        conditions,
        missing,
        value_token_bytes: credentials.value_token_bytes(),
        hot,
        guards: guards
            .iter()
            .map(|guard| Summary::new(*guard, &samples))
            .collect(),
        rounds: samples,
    };
    let table = report.table();
    let files = save(&options.out, "auth", &report.markdown(&table), &report)?;
    let hot = report.hot.as_ref();
    Ok(Outcome {
        files,
        table: hot.map_or_else(|| table.clone(), |hot| format!("{table}\n{}", hot.table())),
        broken: hot.and_then(Hot::verdict),
        missing: report.missing,
    })
}

/// The load of one guard: every request with the next of the credentials that it knows.
pub(super) fn wrk(
    guard: Guard,
    bench: &Workbench,
    credentials: &Credentials,
    connections: usize,
) -> Result<Wrk, BenchError> {
    let file = credentials.file(guard.shown());
    let script = format!(
        r#"
local requests, turn = {{}}, 0
init = function(args)
  for token in io.lines("{file}") do
    requests[#requests + 1] = wrk.format("GET", "/v1/accounts/" .. (#requests % 100 + 1),
      {{ ["Authorization"] = "Bearer " .. token }})
  end
end
request = function()
  turn = turn % #requests + 1
  return requests[turn]
end
"#,
        file = file.display(),
    );
    let name = format!("{}.lua", guard.name());
    Wrk::with_script(bench.site.dir.join(name), &script, connections)
}

async fn note(bench: &Workbench, options: &AuthOptions) -> Result<Conditions, BenchError> {
    let mut versions: Vec<Version> = Vec::new();
    let programs = [
        ("tollgate", options.tollgate.clone(), "--version"),
        ("nginx", Some(program("nginx")), "-v"),
        ("haproxy", Some(program("haproxy")), "-v"),
        ("envoy", options.envoy.clone(), "--version"),
        ("wrk", Some(Path::new("wrk").to_owned()), "-v"),
    ];
    for (name, path, flag) in programs {
        if let Some(path) = path {
            versions.push(version(name, &path, flag).await?);
        }
    }
    let layout = if bench.layout.is_shared() {
        "proxy, wrk, upstream and identity provider share the one CPU there is"
    } else {
        "proxy (1 worker) alone on one CPU; wrk, upstream and identity provider on another; loopback"
    };
    let flags = format!(
        "rounds: {} of {} s; keep-alive connections: {}",
        options.rounds, options.seconds, options.connections
    );
    Conditions::of(layout, versions, flags).await
}
