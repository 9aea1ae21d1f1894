//! What two thousand clients that drip their heads cost everybody else.
//!
//! Each opens a connection, says the beginning of a head and then a byte a second. A gateway that
//! waits for the next byte alone waits for ever; one that bounds the whole head is rid of them all.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use serde::Serialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::conditions::Conditions;
use super::gateway::Gateway;
use super::peer::{Peer, Row};
use super::report::{Table, save, show_conditions};
use super::stats::Spread;
use super::workbench::Workbench;
use super::{BenchError, Outcome, say};
use crate::closed::{Load, Request, Running};

const GOOD_CONNECTIONS: usize = 8;
/// Time a good connection rests after an answer: it shall feel delays, not saturate a CPU.
const REST: Duration = Duration::from_millis(2);
const DRIP_EVERY: Duration = Duration::from_secs(1);
/// Past this a dripping connection is one that is never closed.
const PATIENCE: Duration = Duration::from_secs(30);
const CLOSED_WITHIN: Duration = Duration::from_secs(15);
const P99_RATIO_MAX: f64 = 2.0;

const HOW_TO_READ: &str = "\
## How to read it
1. Good traffic is eight keep-alive connections to the gateway that rest 2 ms after each answer: first
   alone, then while the slow clients are at nginx, on the same CPU as the gateway, then while they are
   at the gateway; each time for as long as one of them is open.
2. A slow client says the beginning of a head and from then on a byte a second. The gateway gives a
   whole head 10 s from its first byte; the bar is that all are closed within 15 s, each with 408.
3. Good clients, slow clients and the upstream share one CPU, so that good traffic is slower beside slow
   clients wherever these are. That is why they are at nginx first: all is the same then but for who
   bears them.
4. The ratio is the p99 of good traffic with the slow clients at the gateway over that of the same round
   with them at nginx; the median of the rounds is held against the bar of 2.00.
";

/// What to run.
#[derive(Clone, Debug)]
pub struct SlowOptions {
    pub rounds: u32,
    pub connections: usize,
    /// The gateway's binary.
    pub tollgate: Option<PathBuf>,
    /// Folder of the reports.
    pub out: PathBuf,
}

#[derive(Debug, Serialize)]
struct SlowReport {
    bench: &'static str,
    conditions: Conditions,
    rounds: Vec<Round>,
}

#[derive(Clone, Debug, Serialize)]
struct Round {
    round: u32,
    alone_p99_us: u64,
    /// While the slow clients are elsewhere.
    elsewhere_p99_us: u64,
    beside_p99_us: u64,
    p99_ratio: f64,
    /// Slow connections that were answered with 408 before they were closed.
    told: usize,
    /// Slow connections that were closed in time, however.
    closed: usize,
    opened: usize,
    longest_ms: u64,
}

/// How a dripping connection ended.
#[derive(Clone, Copy, Debug)]
struct Drip {
    lasted: Duration,
    was_told: bool,
}

/// Measures, writes `slow.md` and `slow.json`.
pub async fn slow(options: SlowOptions) -> Result<Outcome, BenchError> {
    let SlowOptions {
        rounds,
        connections,
        tollgate,
        out,
    } = options;
    let bench = Workbench::set_up(connections, tollgate).await?;
    let flags = format!("rounds: {rounds}; slow connections: {connections}");
    let conditions = Conditions::note(&bench, flags).await?;
    let mut measured = Vec::new();
    for round in 1..=rounds {
        let it = measure(&bench, round, connections).await?;
        say(&format!(
            "round {round}/{rounds}  {} of {} closed in time, the last after {} ms; p99 x{:.2}",
            it.closed, it.opened, it.longest_ms, it.p99_ratio
        ));
        measured.push(it);
    }
    let table = table(&measured).to_markdown();
    let broken = verdict(&measured);
    let report = SlowReport {
        bench: "slow",
        conditions,
        rounds: measured,
    };
    let files = save(&out, "slow", &markdown(&report, &table), &report)?;
    Ok(Outcome {
        table,
        files,
        missing: Vec::new(),
        broken,
    })
}

async fn measure(bench: &Workbench, round: u32, connections: usize) -> Result<Round, BenchError> {
    let rest = format!(
        "services: {{ s: {{ endpoints: [\"{}\"] }} }}\n\
         routes: [{{ match: \"GET /v1/accounts/{{id}}\", to: s }}]\n",
        bench.site.upstream
    );
    let gateway = Gateway::start(bench, &rest).await?;
    // As long as the slow clients will be there.
    let alone = good(gateway.address);
    sleep(CLOSED_WITHIN - Duration::from_secs(5)).await;
    let alone_p99_us = p99_us(&gateway, alone).await?;

    let elsewhere = {
        let nginx = Peer::start(Row::Nginx, &bench.site, None).await?;
        let elsewhere = good(gateway.address);
        drip_apart(nginx.address, connections).await?;
        elsewhere
    };
    let elsewhere_p99_us = p99_us(&gateway, elsewhere).await?;

    let beside = good(gateway.address);
    let drips = drip_apart(gateway.address, connections).await?;
    let beside_p99_us = p99_us(&gateway, beside).await?;

    let longest = drips.iter().map(|drip| drip.lasted).max();
    let in_time = drips.iter().filter(|drip| drip.lasted <= CLOSED_WITHIN);
    Ok(Round {
        round,
        alone_p99_us,
        elsewhere_p99_us,
        beside_p99_us,
        p99_ratio: beside_p99_us as f64 / elsewhere_p99_us as f64,
        told: drips.iter().filter(|drip| drip.was_told).count(),
        closed: in_time.count(),
        opened: connections,
        longest_ms: longest.map_or(0, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX)),
    })
}

fn good(gateway: SocketAddr) -> Running {
    let load = Load {
        connections: GOOD_CONNECTIONS,
        pause: REST,
        ..Load::new(gateway, Request::get("/v1/accounts/1"))
    };
    load.start()
}

async fn p99_us(gateway: &Gateway, running: Running) -> Result<u64, BenchError> {
    let tally = running.stop().await;
    if !tally.is_clean() {
        return Err(gateway.wrong_answer(&tally.to_string()));
    }
    let p99 = tally.latency.p99().as_micros();
    Ok(u64::try_from(p99).unwrap_or(u64::MAX))
}

/// Drips on a thread of its own: whoever waits for good answers shall not wait for the slow clients.
async fn drip_apart(gateway: SocketAddr, connections: usize) -> Result<Vec<Drip>, BenchError> {
    let (done, drips) = tokio::sync::oneshot::channel();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(BenchError::io("cannot start a runtime for slow clients"))?;
    thread::spawn(move || {
        give_way();
        // Whoever asked may have gone: then nobody wants the answer.
        let _ = done.send(runtime.block_on(drip_all(gateway, connections)));
    });
    drips.await.map_err(|_| BenchError::Failed {
        program: "the thread of slow clients",
        said: "it ended before its time".to_owned(),
    })
}

/// The upstream and the good clients are on this CPU too, and would wait for whole slices of it.
fn give_way() {
    let thread = fs::read_link("/proc/thread-self").unwrap_or_default();
    if let Some(thread) = thread.file_name() {
        // Without it the measurement is worse, not wrong.
        let _ = Command::new("chrt")
            .args(["--idle", "--pid", "0"])
            .arg(thread)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

/// A connection that could not be opened is not in what comes back.
async fn drip_all(gateway: SocketAddr, connections: usize) -> Vec<Drip> {
    let mut dripping = JoinSet::new();
    for number in 0..connections {
        // Slow clients do not breathe in step.
        let phase = DRIP_EVERY.mul_f64(number as f64 / connections as f64);
        dripping.spawn(async move {
            sleep(phase).await;
            drip(gateway).await
        });
    }
    let ended = dripping.join_all().await;
    ended.into_iter().flatten().collect()
}

async fn drip(gateway: SocketAddr) -> Option<Drip> {
    let stream = TcpStream::connect(gateway).await.ok()?;
    let began = Instant::now();
    let (mut reader, mut writer) = stream.into_split();
    writer
        .write_all(b"GET /v1/accounts/1 HTTP/1.1\r\nHost: slow\r\nX-Slow: ")
        .await
        .ok()?;
    let mut tick = interval(DRIP_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let dripping = async {
        while writer.write_all(b"x").await.is_ok() {
            tick.tick().await;
        }
        // The gateway takes no more; what it said may still be on its way.
        std::future::pending().await
    };
    let mut heard = Vec::new();
    let both = async {
        tokio::select! {
            _ = reader.read_to_end(&mut heard) => {}
            () = dripping => {}
        }
    };
    // Whether it ended or not, how long it lasted says.
    let _ = tokio::time::timeout(PATIENCE, both).await;
    let lasted = began.elapsed();
    Some(Drip {
        lasted,
        was_told: heard.starts_with(b"HTTP/1.1 408 "),
    })
}

/// The promise, if it was broken.
fn verdict(rounds: &[Round]) -> Option<String> {
    let left: usize = rounds.iter().map(|it| it.opened - it.closed).sum();
    if left > 0 {
        return Some(format!(
            "{left} slow connections were not closed within 15 s"
        ));
    }
    let untold: usize = rounds.iter().map(|it| it.opened - it.told).sum();
    if untold > 0 {
        return Some(format!("{untold} slow connections ended without an answer"));
    }
    let ratio = Spread::of(rounds.iter().map(|it| it.p99_ratio))?.median;
    (ratio > P99_RATIO_MAX).then(|| format!("the p99 of good traffic grew {ratio:.2} times"))
}

fn table(rounds: &[Round]) -> Table {
    let mut table = Table::new(&[
        "round",
        "slow connections",
        "closed within 15 s",
        "told 408",
        "longest ms",
        "p99 µs alone",
        "p99 µs, they at nginx",
        "p99 µs, they at the gateway",
        "ratio",
    ]);
    for it in rounds {
        table.push(vec![
            it.round.to_string(),
            it.opened.to_string(),
            it.closed.to_string(),
            it.told.to_string(),
            it.longest_ms.to_string(),
            it.alone_p99_us.to_string(),
            it.elsewhere_p99_us.to_string(),
            it.beside_p99_us.to_string(),
            format!("{:.2}", it.p99_ratio),
        ]);
    }
    table
}

fn markdown(report: &SlowReport, table: &str) -> String {
    format!(
        "# Slow: what clients that drip their heads cost everybody else\n\n{table}\n{HOW_TO_READ}\n\
         ## Conditions\n{conditions}",
        conditions = show_conditions(&report.conditions),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_promise_is_that_all_are_closed_and_that_nobody_feels_it() {
        let round = |closed, told, p99_ratio| Round {
            round: 1,
            alone_p99_us: 100,
            elsewhere_p99_us: 100,
            beside_p99_us: 100,
            p99_ratio,
            told,
            closed,
            opened: 10,
            longest_ms: 10_000,
        };
        #[rustfmt::skip]
        let cases = [
            (vec![round(10, 10, 1.0), round(10, 10, 9.0), round(10, 10, 2.0)],  false),
            (vec![round(10, 10, 1.0), round(10, 10, 2.1), round(10, 10, 9.0)],  true),
            (vec![round(10, 10, 1.0), round(9, 9, 1.0)],                        true),
            (vec![round(10, 10, 1.0), round(10, 9, 1.0)],                       true),
        ];
        for (rounds, expected) in cases {
            assert_eq!(verdict(&rounds).is_some(), expected, "{rounds:?}");
        }
    }
}
