//! CPU per request and latency of HTTP/2 towards clients, beside nginx.
//!
//! Clients speak HTTP/2 and the upstream HTTP/1.1, as is usual behind an edge. There is no TLS, whose
//! work would hide what the protocol itself costs.

mod summary;

use std::path::{Path, PathBuf};

use super::conditions::{Conditions, version};
use super::h2load::H2load;
use super::peer::Row;
use super::report::save;
use super::round::{Gauge, Generator, take_turns};
use super::workbench::Workbench;
use super::{BenchError, Outcome};
use crate::process::program;
use summary::{Http2Report, Summary};

/// In this order within every round.
const ROWS: [Row; 2] = [Row::TollgateHttp2, Row::NginxHttp2];
const WARM_UP_SECONDS: u64 = 1;

/// What to run.
#[derive(Clone, Debug)]
pub struct Http2Options {
    pub rounds: u32,
    pub seconds: u64,
    pub connections: usize,
    /// Requests under way on each connection.
    pub streams: usize,
    /// The gateway's binary; without one its row is missing.
    pub tollgate: Option<PathBuf>,
    /// Folder of the reports.
    pub out: PathBuf,
}

/// Measures, writes `h2.md` and `h2.json`.
pub async fn http2(options: Http2Options) -> Result<Outcome, BenchError> {
    let Http2Options {
        rounds,
        seconds,
        connections,
        streams,
        tollgate,
        out,
    } = options;
    // Every stream may need a connection of its own to the upstream.
    let bench = Workbench::set_up(connections * streams, tollgate).await?;
    let (rows, missing) = bench.divide(&ROWS);
    let flags = format!(
        "rounds: {rounds} of {seconds} s; connections: {connections}, each with {streams} requests \
         under way"
    );
    let conditions = note(&bench, flags).await?;

    let h2load = H2load::new(&bench.site.dir, connections, streams)?;
    let mut peers = Vec::new();
    for row in &rows {
        let peer = bench.start(*row).await?;
        h2load.run(peer.load, WARM_UP_SECONDS).await?;
        peers.push(peer);
    }
    let gauge = Gauge {
        generator: Generator::H2load(&h2load),
        seconds,
    };
    let turns: Vec<_> = peers.iter().map(|peer| (gauge, peer)).collect();
    let samples = take_turns(&turns, rounds).await?;
    let report = Http2Report {
        bench: "h2",
        conditions,
        missing,
        peers: rows
            .iter()
            .map(|row| Summary::new(*row, &samples))
            .collect(),
        rounds: samples,
    };
    let table = report.table();
    let files = save(&out, "h2", &report.markdown(&table), &report)?;
    Ok(Outcome {
        table,
        files,
        missing: report.missing,
        broken: None,
    })
}

async fn note(bench: &Workbench, flags: String) -> Result<Conditions, BenchError> {
    let mut versions = vec![
        version("nginx", &program("nginx"), "-v").await?,
        version("h2load", Path::new("h2load"), "--version").await?,
    ];
    if let Some(gateway) = bench.gateway() {
        versions.insert(0, version("tollgate", gateway, "--version").await?);
    }
    let layout = if bench.layout.is_shared() {
        "proxy, h2load and upstream share the one CPU there is"
    } else {
        "proxy (1 worker) alone on one CPU; h2load and upstream on another; loopback, no TLS"
    };
    Conditions::of(layout, versions, flags).await
}
