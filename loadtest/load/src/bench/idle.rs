//! Memory of a connection that is kept alive and says nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::conditions::Conditions;
use super::memory::pss_kib;
use super::peer::{Peer, Row};
use super::report::{Table, save, show, show_conditions, show_missing};
use super::stats::Spread;
use super::workbench::Workbench;
use super::{BenchError, Outcome, say};
use crate::closed::{Held, Load, Request};

const ROWS: [Row; 3] = [Row::Tollgate, Row::Nginx, Row::Haproxy];
/// So many at a time, before and after: the connections to the upstream are then in both.
const OPENING_AT_ONCE: usize = 8;
const WARM_UP_REQUESTS: u64 = 2000;
/// Time for buffers of finished requests to be given back.
const SETTLE: Duration = Duration::from_secs(1);

const HOW_TO_READ: &str = "\
## How to read it
1. Each peer is started afresh, warmed up and measured; then the connections are opened, each
   carries one request, and all stay open and idle while it is measured again.
2. Bytes per connection is the growth of the proportional set size over the connections.
3. What the kernel holds per socket is in nobody's set size; it is the same for all peers.
4. Brackets hold the smallest and the largest round; the number before them is the median.
5. Memory kept in reserve from the warm-up may hide up to 1 in 600 connections.
";

/// What to run.
#[derive(Clone, Debug)]
pub struct IdleOptions {
    pub rounds: u32,
    pub connections: usize,
    /// The gateway's binary; without one its row is missing.
    pub tollgate: Option<PathBuf>,
    /// Folder of the reports.
    pub out: PathBuf,
}

#[derive(Debug, Serialize)]
struct IdleReport {
    bench: &'static str,
    conditions: Conditions,
    missing: Vec<&'static str>,
    peers: Vec<Summary>,
    rounds: Vec<Sample>,
}

#[derive(Clone, Debug, Serialize)]
struct Sample {
    round: u32,
    peer: &'static str,
    pss_kib_before: u64,
    pss_kib_after: u64,
    bytes_per_connection: f64,
}

#[derive(Debug, Serialize)]
struct Summary {
    peer: &'static str,
    setup: &'static str,
    bytes_per_connection: Option<Spread>,
    pss_mib_before: Option<Spread>,
    pss_mib_after: Option<Spread>,
}

/// Measures, writes `idle.md` and `idle.json`.
pub async fn idle(options: IdleOptions) -> Result<Outcome, BenchError> {
    let IdleOptions {
        rounds,
        connections,
        tollgate,
        out,
    } = options;
    let bench = Workbench::set_up(connections, tollgate).await?;
    let (rows, missing) = bench.divide(&ROWS);
    let flags = format!("rounds: {rounds}; idle connections: {connections}");
    let conditions = Conditions::note(&bench, flags).await?;

    let mut samples = Vec::new();
    for round in 1..=rounds {
        for row in &rows {
            let peer = bench.start(*row).await?;
            let sample = measure(&peer, round, connections).await?;
            say(&format!(
                "round {round}/{rounds}  {:<17} {:8.0} bytes/connection",
                sample.peer, sample.bytes_per_connection
            ));
            samples.push(sample);
        }
    }

    let peers = rows.iter().map(|row| summarise(*row, &samples)).collect();
    let report = IdleReport {
        bench: "idle",
        conditions,
        missing,
        peers,
        rounds: samples,
    };
    let table = table(&report.peers).to_markdown();
    let files = save(&out, "idle", &markdown(&report, &table), &report)?;
    Ok(Outcome {
        table,
        files,
        missing: report.missing,
        broken: None,
    })
}

async fn measure(peer: &Peer, round: u32, connections: usize) -> Result<Sample, BenchError> {
    let name = peer.process.name();
    let load = Load::new(peer.address, Request::get("/v1/accounts/1"));
    let tally = Load {
        connections: OPENING_AT_ONCE,
        ..load
    }
    .run(WARM_UP_REQUESTS)
    .await;
    if !tally.is_clean() {
        return Err(BenchError::WrongAnswer {
            name,
            tally: tally.to_string(),
        });
    }
    sleep(SETTLE).await;
    let before = pss_kib(&peer.process.family()?)?;
    let held = hold(peer, connections).await?;
    sleep(SETTLE).await;
    let after = pss_kib(&peer.process.family()?)?;
    let lost = held.iter().filter(|held| !held.is_open()).count();
    if lost > 0 {
        return Err(BenchError::Lost {
            name,
            lost,
            connections,
        });
    }
    let growth = after as f64 - before as f64;
    Ok(Sample {
        round,
        peer: name,
        pss_kib_before: before,
        pss_kib_after: after,
        bytes_per_connection: growth * 1024.0 / connections as f64,
    })
}

/// Opens the connections, a few at a time, and has each carry one request.
async fn hold(peer: &Peer, connections: usize) -> Result<Vec<Held>, BenchError> {
    let mut opening = JoinSet::new();
    for number in 0..OPENING_AT_ONCE {
        let share = (number..connections).step_by(OPENING_AT_ONCE).count();
        opening.spawn(hold_share(peer.address, share));
    }
    let mut all = Vec::with_capacity(connections);
    while let Some(ended) = opening.join_next().await {
        let share = ended
            .map_err(|error| error.to_string())
            .and_then(|share| share);
        all.extend(share.map_err(|tally| BenchError::WrongAnswer {
            name: peer.process.name(),
            tally,
        })?);
    }
    Ok(all)
}

async fn hold_share(target: SocketAddr, connections: usize) -> Result<Vec<Held>, String> {
    let load = Load::new(target, Request::get("/v1/accounts/1"));
    let mut held = Vec::with_capacity(connections);
    for _ in 0..connections {
        held.push(load.hold().await.map_err(|failed| failed.to_string())?);
    }
    Ok(held)
}

fn summarise(row: Row, samples: &[Sample]) -> Summary {
    let own: Vec<_> = samples
        .iter()
        .filter(|sample| sample.peer == row.name())
        .collect();
    let spread = |value: fn(&Sample) -> f64| Spread::of(own.iter().map(|it| value(it)));
    Summary {
        peer: row.name(),
        setup: row.setup(),
        bytes_per_connection: spread(|it| it.bytes_per_connection),
        pss_mib_before: spread(|it| it.pss_kib_before as f64 / 1024.0),
        pss_mib_after: spread(|it| it.pss_kib_after as f64 / 1024.0),
    }
}

fn table(peers: &[Summary]) -> Table {
    let header = [
        "peer",
        "bytes/connection",
        "MiB before",
        "MiB with all connections",
    ];
    let mut table = Table::new(&header);
    for it in peers {
        table.push(vec![
            it.peer.to_owned(),
            show(it.bytes_per_connection, 0),
            show(it.pss_mib_before, 1),
            show(it.pss_mib_after, 1),
        ]);
    }
    table
}

fn markdown(report: &IdleReport, table: &str) -> String {
    let setups = report
        .peers
        .iter()
        .map(|it| format!("- {}: {}\n", it.peer, it.setup));
    format!(
        "# Idle: memory per kept connection\n\n{missing}{table}\n{HOW_TO_READ}\n\
         ## Set-ups\n{setups}\n## Conditions\n{conditions}",
        missing = show_missing(&report.missing),
        setups = setups.collect::<String>(),
        conditions = show_conditions(&report.conditions),
    )
}
