//! CPU per request through the gateway and its peers, side by side.

mod summary;

use std::path::PathBuf;

use super::conditions::Conditions;
use super::memory::{Footprint, pss_kib};
use super::peer::{Peer, Row};
use super::report::save;
use super::round::{Gauge, Generator, take_turns};
use super::workbench::Workbench;
use super::wrk::Wrk;
use super::{BenchError, Outcome};
use summary::{EdgeReport, Summary};

/// In this order within every round. The first three log as they would in production; the
/// others tell what the log costs.
const ROWS: [Row; 6] = [
    Row::Tollgate,
    Row::Nginx,
    Row::Haproxy,
    Row::NginxUnbuffered,
    Row::NginxNoLog,
    Row::HaproxyNoLog,
];
const WARM_UP_SECONDS: u64 = 1;

/// What to run.
#[derive(Clone, Debug)]
pub struct EdgeOptions {
    pub rounds: u32,
    pub seconds: u64,
    pub connections: usize,
    /// The gateway's binary; without one its row is missing.
    pub tollgate: Option<PathBuf>,
    /// Folder of the reports.
    pub out: PathBuf,
}

/// A running peer and its memory before the first load.
struct Seat {
    row: Row,
    peer: Peer,
    pss_kib_at_rest: u64,
}

/// Measures, writes `edge.md` and `edge.json`.
pub async fn edge(options: EdgeOptions) -> Result<Outcome, BenchError> {
    let EdgeOptions {
        rounds,
        seconds,
        connections,
        tollgate,
        out,
    } = options;
    let bench = Workbench::set_up(connections, tollgate).await?;
    let (rows, missing) = bench.divide(&ROWS);
    let flags = format!("rounds: {rounds} of {seconds} s; keep-alive connections: {connections}");
    let conditions = Conditions::note(&bench, flags).await?;

    let wrk = Wrk::new(&bench.site.dir, connections)?;
    let seats = seat(&bench, &rows).await?;
    for seat in &seats {
        wrk.run(seat.peer.address, WARM_UP_SECONDS).await?;
    }
    let gauge = Gauge {
        generator: Generator::Wrk(&wrk),
        seconds,
    };
    let turns: Vec<_> = seats.iter().map(|seat| (gauge, &seat.peer)).collect();
    let samples = take_turns(&turns, rounds).await?;

    let mut peers = Vec::new();
    for Seat {
        row,
        peer,
        pss_kib_at_rest,
    } in &seats
    {
        let pss_kib_after = pss_kib(&peer.process.family()?)?;
        let footprint = Footprint {
            at_rest: *pss_kib_at_rest,
            after: pss_kib_after,
        };
        peers.push(Summary::new(*row, footprint, &samples));
    }
    let report = EdgeReport {
        bench: "edge",
        conditions,
        missing,
        peers,
        rounds: samples,
    };
    let table = report.table();
    let files = save(&out, "edge", &report.markdown(&table), &report)?;
    Ok(Outcome {
        table,
        files,
        missing: report.missing,
        broken: None,
    })
}

async fn seat(bench: &Workbench, rows: &[Row]) -> Result<Vec<Seat>, BenchError> {
    let mut seats = Vec::new();
    for row in rows {
        let peer = bench.start(*row).await?;
        let pss_kib_at_rest = pss_kib(&peer.process.family()?)?;
        seats.push(Seat {
            row: *row,
            peer,
            pss_kib_at_rest,
        });
    }
    Ok(seats)
}
