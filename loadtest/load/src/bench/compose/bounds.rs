//! What a composer is held to besides the CPU of an answer: calls in a crowd, bytes of a table, memory
//! under a scan and against a hostile service, and the time of those who do not need what is down.

use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::super::memory::rss_kib;
use super::super::{BenchError, fds, read, say};
use super::stage::{Composing, MEMBERS, More, NAME, ROWS, Stage};
use super::trouble::{FLOOD_BYTES, Trouble};
use super::walk::{MEMBER, Walk};
use crate::closed::Histogram;
use crate::fleet::metrics;

const CROWD: u64 = 1_000;
/// Of the small cache.
const CACHE_BYTES: u64 = 1 << 20;
/// What one record of it takes at least.
const ENTRY_BYTES: u64 = 400;
/// Stand for minutes.
const REFRESHES: u32 = 6;
const REFRESH: Duration = Duration::from_secs(5);
const OUTAGE_ROUNDS: u32 = 15;
const OUTAGE_ANSWERS: u32 = 1_000;
/// Who ask for what hangs, each so often.
const STUCK: usize = 4;
const STUCK_EVERY: Duration = Duration::from_millis(100);

/// Everything of this is measured once.
#[derive(Debug, Serialize)]
pub(super) struct Bounds {
    pub(super) crowd: Crowd,
    pub(super) table: Table,
    pub(super) scan: Scan,
    pub(super) flood: Flood,
    pub(super) outage: Vec<Outage>,
}

/// So many requests at once for one list, where nothing is known yet.
#[derive(Debug, Serialize)]
pub(super) struct Crowd {
    pub(super) requests: u64,
    pub(super) whole: u64,
    pub(super) calls: u64,
    pub(super) calls_naive: u64,
}

/// The table of banks, of which one changes a minute.
#[derive(Debug, Serialize)]
pub(super) struct Table {
    pub(super) refreshes: u32,
    pub(super) bytes: u64,
    pub(super) bytes_an_hour: u64,
    pub(super) bytes_an_hour_reloaded: u64,
}

/// Distinct records, ten times what a cache has room for.
#[derive(Debug, Serialize)]
pub(super) struct Scan {
    pub(super) records: u64,
    pub(super) bytes_max: u64,
    pub(super) bytes_most: u64,
    pub(super) rss_grown_kib: u64,
}

/// An answer that does not end.
#[derive(Debug, Serialize)]
pub(super) struct Flood {
    pub(super) offered_bytes: u64,
    /// What the service got rid of, buffers of the system included.
    pub(super) sent_bytes: u64,
    pub(super) status: u16,
    pub(super) peak_grown_kib: u64,
}

/// The p99 of one list while another service answers nobody, and while none is asked for it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Outage {
    pub(super) round: u32,
    pub(super) quiet_us: u64,
    pub(super) beside_us: u64,
}

pub(super) async fn measure(stage: &Stage) -> Result<Bounds, BenchError> {
    fds::raise_limit()?;
    let trouble = Trouble::start().await?;
    let composing = stage.compose("bounds", more(&trouble)).await?;
    say("a crowd on cold caches");
    let crowd = crowd(&composing).await?;
    say("a table of which one record changes with every refresh");
    let table = table(stage, &composing).await?;
    // Memory is measured of processes that had no use for more of it before.
    say("a scan of ten times a cache");
    let scan = scan(&stage.compose("scan", more(&trouble)).await?).await?;
    say("a service that answers without an end");
    let flooded = stage.compose("flood", more(&trouble)).await?;
    let flood = flood(&flooded, &trouble).await?;
    drop(flooded);
    say("a service that does not answer");
    let outage = outage(&composing).await?;
    Ok(Bounds {
        crowd,
        table,
        scan,
        flood,
        outage,
    })
}

fn more(trouble: &Trouble) -> More {
    let Trouble {
        flooding, hanging, ..
    } = trouble;
    More {
        services: format!(
            "\x20 flooding: {{ endpoints: [\"{flooding}\"], credential: none, timeout: 10s }}\n\
             \x20 hanging: {{ endpoints: [\"{hanging}\"], credential: none, timeout: 1s }}\n"
        ),
        lookups: format!(
            "\x20 small:\n\
             \x20   get_many: GET membership /directory?ids={{keys}}\n\
             \x20   key: memberId\n\
             \x20   cache: {{ ttl: 10m, size: 1MiB, shared: true }}\n\
             \x20 minute: {{ table: \"GET banking /banks?changedSince={{lastModified}}\", key: bankCode, refresh: {}s }}\n",
            REFRESH.as_secs()
        ),
        endpoints: "\x20 - GET /names/{memberId}:\n\
             \x20     answer: { name: small(memberId).name, bank: minute(memberId).name }\n\
             \x20 - GET /flood:\n\
             \x20     budget: 20s\n\
             \x20     steps: { flood: { call: \"GET flooding /\", required: true } }\n\
             \x20     answer: { flood: flood.flood }\n\
             \x20 - GET /hang:\n\
             \x20     budget: 2s\n\
             \x20     steps: { hang: { call: \"GET hanging /\", required: true } }\n\
             \x20     answer: { hang: hang.hang }\n"
            .to_owned(),
    }
}

fn history() -> String {
    format!("/members/{MEMBER}/transfer-history")
}

/// The sum of a figure over these sources.
async fn sum(composing: &Composing, name: &str, sources: &[&str]) -> Result<u64, BenchError> {
    let mut total = 0;
    for source in sources {
        let series = format!("tollgate_composer_{name}{{source=\"{source}\"}}");
        total += metrics::sum(composing.internal, &series).await?;
    }
    Ok(total)
}

async fn crowd(composing: &Composing) -> Result<Crowd, BenchError> {
    let sources = [
        "member",
        "GET /members/{memberId}/transfer-history history",
        "GET /members/{memberId}/transfer-history balance",
    ];
    let mut asking = JoinSet::new();
    for _ in 0..CROWD {
        let at = composing.address;
        asking.spawn(async move { Walk::new().get(at, &history()).await });
    }
    let mut whole = 0;
    while let Some(asked) = asking.join_next().await {
        let Ok(Ok(answer)) = asked else { continue };
        let status = answer.header("composition-status").unwrap_or_default();
        whole += u64::from(status.starts_with("complete"));
    }
    Ok(Crowd {
        requests: CROWD,
        whole,
        calls: sum(composing, "source_calls_total", &sources).await?,
        calls_naive: CROWD * (2 + 2 * ROWS as u64),
    })
}

async fn table(stage: &Stage, composing: &Composing) -> Result<Table, BenchError> {
    let mut walk = Walk::new();
    let whole = walk.get(stage.services.banking, "/banks").await?.body.len() as u64;
    let before = sum(composing, "source_bytes_total", &["minute"]).await?;
    for number in 0..REFRESHES {
        let path = format!("/banks/{:04}", number + 1);
        let body = format!("{{\"name\":\"Bank of round {number}\",\"country\":\"DE\"}}");
        let begins = format!("PUT {path}");
        walk.send(stage.pay_admin, &path, &begins, &body).await?;
        sleep(REFRESH).await;
    }
    let bytes = sum(composing, "source_bytes_total", &["minute"]).await? - before;
    Ok(Table {
        refreshes: REFRESHES,
        bytes,
        bytes_an_hour: bytes * 60 / u64::from(REFRESHES),
        bytes_an_hour_reloaded: whole * 60,
    })
}

async fn scan(composing: &Composing) -> Result<Scan, BenchError> {
    let mut walk = Walk::new();
    let processes = composing.processes()?;
    let before = rss_kib(&processes)?;
    let records = (10 * CACHE_BYTES / ENTRY_BYTES).min(u64::from(MEMBERS));
    let mut most = 0;
    for member in 1..=records {
        walk.get(composing.address, &format!("/names/{member}"))
            .await?;
        if member.is_multiple_of(500) {
            most = most.max(sum(composing, "cache_bytes", &["small"]).await?);
        }
    }
    Ok(Scan {
        records,
        bytes_max: CACHE_BYTES,
        bytes_most: most,
        rss_grown_kib: rss_kib(&processes)?.saturating_sub(before),
    })
}

async fn flood(composing: &Composing, trouble: &Trouble) -> Result<Flood, BenchError> {
    let processes = composing.processes()?;
    let before = rss_kib(&processes)?;
    let answer = Walk::new()
        .send(composing.address, "/flood", "GET /flood", "")
        .await?;
    Ok(Flood {
        offered_bytes: FLOOD_BYTES,
        sent_bytes: trouble.sent.load(std::sync::atomic::Ordering::Relaxed),
        status: answer.status,
        peak_grown_kib: peak_kib(&processes)?.saturating_sub(before),
    })
}

/// The most that was resident at once.
fn peak_kib(processes: &[u32]) -> Result<u64, BenchError> {
    let peaks = processes.iter().map(|process| {
        let text = read(
            format!("/proc/{process}/status"),
            "the memory of a composer",
        )?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number =
            line.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        number.ok_or(BenchError::Unreadable {
            what: "VmHWM",
            text,
        })
    });
    peaks.sum()
}

/// Which of both is measured first changes from round to round.
async fn outage(composing: &Composing) -> Result<Vec<Outage>, BenchError> {
    let mut walk = Walk::new();
    let mut rounds = Vec::new();
    for round in 1..=OUTAGE_ROUNDS {
        let (quiet_us, beside_us) = if round % 2 == 1 {
            let quiet_us = p99(&mut walk, composing).await?;
            (quiet_us, p99_beside(&mut walk, composing).await?)
        } else {
            let beside_us = p99_beside(&mut walk, composing).await?;
            (p99(&mut walk, composing).await?, beside_us)
        };
        rounds.push(Outage {
            round,
            quiet_us,
            beside_us,
        });
    }
    Ok(rounds)
}

/// While others ask for what hangs.
async fn p99_beside(walk: &mut Walk, composing: &Composing) -> Result<u64, BenchError> {
    let mut stuck = JoinSet::new();
    for _ in 0..STUCK {
        let at = composing.address;
        stuck.spawn(async move {
            let mut walk = Walk::new();
            while walk.send(at, "/hang", "GET /hang", "").await.is_ok() {
                sleep(STUCK_EVERY).await;
            }
        });
    }
    let beside_us = p99(walk, composing).await;
    stuck.shutdown().await;
    beside_us
}

async fn p99(walk: &mut Walk, composing: &Composing) -> Result<u64, BenchError> {
    let mut waits = Histogram::default();
    for _ in 0..OUTAGE_ANSWERS {
        let began = Instant::now();
        let answer = walk.get(composing.address, &history()).await?;
        waits.record(began.elapsed());
        let status = answer.header("composition-status").unwrap_or_default();
        if !status.starts_with("complete") {
            let tally = format!("a list is {status} while another service is down");
            return Err(BenchError::WrongAnswer { name: NAME, tally });
        }
    }
    Ok(super::whole_micros(waits.p99()))
}
