//! CPU per request through the gateway and its peers, side by side.

use std::path::PathBuf;

use serde::Serialize;

use super::conditions::Conditions;
use super::memory::pss_kib;
use super::peer::{Peer, Row};
use super::report::{Table, save, show, show_conditions, show_missing};
use super::round::{Gauge, Sample};
use super::stats::{Spread, paired_ratio};
use super::workbench::Workbench;
use super::wrk::Wrk;
use super::{BenchError, Outcome, say};

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
/// A reference that moved more than this from round to round was not alone on its CPU.
const NOISE_MAX: f64 = 0.10;

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

#[derive(Debug, Serialize)]
struct EdgeReport {
    bench: &'static str,
    conditions: Conditions,
    missing: Vec<&'static str>,
    peers: Vec<Summary>,
    rounds: Vec<Sample>,
}

/// One peer over all rounds.
#[derive(Debug, Serialize)]
struct Summary {
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
    pss_kib_at_rest: u64,
    pss_kib_after: u64,
    errors: u64,
    threads_ended: usize,
}

/// A running peer and its memory before the first load.
struct Seat {
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
    let flags = format!("{rounds} rounds of {seconds} s, {connections} keep-alive connections");
    let conditions = Conditions::note(&bench, flags).await?;

    let wrk = Wrk::new(&bench.site.dir, connections)?;
    let seats = seat(&bench, &rows).await?;
    for seat in &seats {
        wrk.run(seat.peer.address, WARM_UP_SECONDS).await?;
    }
    let gauge = Gauge {
        wrk: &wrk,
        sink: &bench.sink,
        seconds,
    };
    let mut samples = Vec::new();
    for round in 1..=rounds {
        for seat in &seats {
            let sample = gauge.measure(&seat.peer, round).await?;
            say(&format!(
                "round {round}/{rounds}  {:<17} {:6.2} us/request  core {:.2}  {} errors",
                sample.peer,
                sample.cpu_us_per_request,
                sample.core_share,
                sample.errors.total(),
            ));
            samples.push(sample);
        }
    }

    let peers = summarise(&seats, &samples)?;
    let report = EdgeReport {
        bench: "edge",
        conditions,
        missing,
        peers,
        rounds: samples,
    };
    let table = table(&report.peers).to_markdown();
    let files = save(&out, "edge", &markdown(&report, &table), &report)?;
    Ok(Outcome {
        table,
        files,
        missing: report.missing,
    })
}

async fn seat(bench: &Workbench, rows: &[Row]) -> Result<Vec<Seat>, BenchError> {
    let mut seats = Vec::new();
    for row in rows {
        let peer = bench.start(*row).await?;
        let pss_kib_at_rest = pss_kib(&peer.process.family()?)?;
        seats.push(Seat {
            peer,
            pss_kib_at_rest,
        });
    }
    Ok(seats)
}

fn summarise(seats: &[Seat], samples: &[Sample]) -> Result<Vec<Summary>, BenchError> {
    let costs = |row: Row| -> Vec<_> {
        let own = samples.iter().filter(|sample| sample.peer == row.name());
        own.map(|sample| (sample.round, sample.cpu_us_per_request))
            .collect()
    };
    let summary = |seat: &Seat| {
        let row = seat.peer.row;
        let own: Vec<_> = samples
            .iter()
            .filter(|sample| sample.peer == row.name())
            .collect();
        let spread = |value: fn(&Sample) -> f64| Spread::of(own.iter().map(|it| value(it)));
        Ok(Summary {
            peer: row.name(),
            setup: row.setup(),
            cpu_us_per_request: spread(|it| it.cpu_us_per_request),
            ratio_to_nginx: paired_ratio(&costs(row), &costs(Row::Nginx)),
            ratio_to_nginx_no_log: paired_ratio(&costs(row), &costs(Row::NginxNoLog)),
            requests_per_second: spread(|it| it.requests_per_second),
            p50_us: spread(|it| it.p50_us),
            p99_us: spread(|it| it.p99_us),
            core_share: spread(|it| it.core_share),
            log_bytes_per_request: spread(|it| it.log_bytes as f64 / it.requests as f64),
            pss_kib_at_rest: seat.pss_kib_at_rest,
            pss_kib_after: pss_kib(&seat.peer.process.family()?)?,
            errors: own.iter().map(|it| it.errors.total()).sum(),
            threads_ended: own.iter().map(|it| it.threads_ended).sum(),
        })
    };
    seats.iter().map(summary).collect()
}

fn table(peers: &[Summary]) -> Table {
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
    let median = |spread: Option<Spread>| spread.map_or(0.0, |it| it.median);
    for it in peers {
        table.push(vec![
            it.peer.to_owned(),
            show(it.cpu_us_per_request, 1),
            show(it.ratio_to_nginx, 2),
            show(it.ratio_to_nginx_no_log, 2),
            format!("{:.0}", median(it.requests_per_second)),
            format!("{:.0} / {:.0}", median(it.p50_us), median(it.p99_us)),
            format!("{:.2}", median(it.core_share)),
            format!(
                "{:.1} / {:.1}",
                mib(it.pss_kib_at_rest),
                mib(it.pss_kib_after)
            ),
            format!("{:.0}", median(it.log_bytes_per_request)),
            it.errors.to_string(),
        ]);
    }
    table
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn markdown(report: &EdgeReport, table: &str) -> String {
    let setups = report
        .peers
        .iter()
        .map(|it| format!("- {}: {}\n", it.peer, it.setup));
    format!(
        "# Edge: CPU per proxied request\n\n\
         One route, GET, an answer of 336 bytes of JSON, 100 paths in turn. Keep-alive on both \
         sides.\n\n{missing}{warnings}{table}\n{HOW_TO_READ}\n## Set-ups\n{setups}\n\
         ## Conditions\n{conditions}",
        missing = show_missing(&report.missing),
        warnings = warnings(&report.peers),
        setups = setups.collect::<String>(),
        conditions = show_conditions(&report.conditions),
    )
}

/// What makes this run less than it looks.
fn warnings(peers: &[Summary]) -> String {
    let mut warnings = String::new();
    let reference = peers.iter().find(|it| it.peer == Row::Nginx.name());
    let width = reference
        .and_then(|it| it.cpu_us_per_request)
        .map_or(0.0, |it| it.relative_width());
    if width > NOISE_MAX {
        warnings.push_str(&format!(
            "**Noisy run: nginx itself moved by {:.0} % from round to round. Trust only the ratios, \
             or run it again.**\n\n",
            width * 100.0
        ));
    }
    for it in peers.iter().filter(|it| it.threads_ended > 0) {
        warnings.push_str(&format!(
            "**{} ended {} threads while it was measured; their CPU time is not counted.**\n\n",
            it.peer, it.threads_ended
        ));
    }
    warnings
}
