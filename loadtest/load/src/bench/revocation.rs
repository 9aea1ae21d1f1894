//! Tokens that are taken back, measured on a fleet: how soon every gateway refuses them, what tokens
//! that are known cost, whether receipts hold, what ending everything of somebody costs, and what a
//! flood of tokens does that nobody issued.
//!
//! All of it takes long, so that its parts may be made one by one: what is not measured this time is
//! taken over from the report that is there, with the time at which it was.

mod flood;
mod summary;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::conditions::{Conditions, version};
use super::report::save;
use super::{BenchError, Outcome, fds, say};
use crate::closed::Histogram;
use crate::fleet::{Fleet, FleetSettings, Service};
use crate::revocation::{
    Lookups, count_lookups, end_everywhere, measure_lag, slide, take_receipts,
};
use flood::{FloodRow, measure_flood};
use summary::{Parts, RevocationReport};

const NAME: &str = "tollgate";
/// How long sessions may lie unused where that is measured, and how far apart reports then are.
const IDLE: Duration = Duration::from_secs(60);
const REPORTED_EVERY: Duration = Duration::from_secs(5);
/// Of two gateways there.
const CLOCKS_OFF_SECONDS: [i64; 2] = [-120, 120];
const SEED: u64 = 20_261_128;

/// What to run, and how much of it; nothing of what is 0.
#[derive(Clone, Debug)]
pub struct RevocationOptions {
    /// Sessions that are ended one by one, with Redis and as many without.
    pub revocations: usize,
    /// Requests with known tokens.
    pub requests: u64,
    /// Orders that wait for all gateways.
    pub receipts: usize,
    /// Sessions of the user that is signed out everywhere.
    pub sessions: usize,
    /// Sessions that are used and then left alone.
    pub idling: usize,
    /// Requests with tokens that nobody issued, beside good ones.
    pub forged: u64,
    /// The binary; without one nothing is measured.
    pub tollgate: Option<PathBuf>,
    /// Folder of the reports.
    pub out: PathBuf,
}

/// How soon gateways refuse, in one fleet.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct LagRow {
    with_redis: bool,
    revocations: u64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct LookupsRow {
    requests: u64,
    seconds: f64,
    revocations: u64,
    redis_commands: u64,
    commands_allowed: u64,
    idp_questions: u64,
    unexpected: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ReceiptsRow {
    whole: u64,
    begun: u64,
    accepted: u64,
    refused: u64,
    unknown: u64,
    pauses: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct EverywhereRow {
    sessions: usize,
    changes: u64,
    took_ms: f64,
    single_p50_ms: f64,
    p50_ms: f64,
    max_ms: f64,
    grown_kib: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct IdlenessRow {
    sessions: usize,
    kills: u64,
    early: u64,
    late: u64,
}

/// Measures, writes `revocation.md` and `revocation.json`.
pub async fn revocation(options: RevocationOptions) -> Result<Outcome, BenchError> {
    fds::raise_limit()?;
    let Some(tollgate) = options.tollgate.clone() else {
        return Ok(Outcome::without(NAME));
    };
    let conditions = note(&tollgate, &options).await?;
    let before = Parts::of_report(&options.out.join("revocation.json"))?;
    let mut report = RevocationReport::new(conditions, before)?;
    let service = Service::start().await;
    let service = service.map_err(BenchError::io("cannot start the service"))?;
    let settings = FleetSettings::new(tollgate, service.address);
    measure_with_redis(&mut report, &settings, &options).await?;
    if options.revocations > 0 {
        let alone = FleetSettings {
            has_redis: false,
            ..settings.clone()
        };
        let fleet = Fleet::start(&alone).await?;
        report.note_lag(lag(&fleet, options.revocations).await?);
    }
    if options.idling > 0 {
        let row = idleness(&settings, options.idling).await?;
        report.parts.idleness = Some(report.made(row));
    }
    // The last, since this process has one CPU from then on.
    if options.forged > 0 {
        let row = measure_flood(&settings, options.forged, SEED).await?;
        report.parts.flood = Some(report.made(row));
    }
    report.leaks = service.seen().leaks;
    let table = report.table();
    let broken = report.verdict();
    let files = save(
        &options.out,
        "revocation",
        &report.to_markdown(&table),
        &report,
    )?;
    Ok(Outcome {
        table,
        files,
        missing: Vec::new(),
        broken,
    })
}

async fn measure_with_redis(
    report: &mut RevocationReport,
    settings: &FleetSettings,
    options: &RevocationOptions,
) -> Result<(), BenchError> {
    let counts = options.revocations + options.receipts + options.sessions;
    if counts == 0 && options.requests == 0 {
        return Ok(());
    }
    let fleet = Fleet::start(settings).await?;
    if options.revocations > 0 {
        report.note_lag(lag(&fleet, options.revocations).await?);
    }
    if options.requests > 0 {
        let measured = count_lookups(&fleet, options.requests, 100).await?;
        say(&format!(
            "lookups: {} of Redis for {} requests",
            measured.redis_commands, measured.requests
        ));
        report.parts.lookups = Some(report.made(LookupsRow::of(&measured)));
    }
    if options.receipts > 0 {
        let it = take_receipts(&fleet, options.receipts, SEED).await?;
        say(&format!(
            "receipts: {} held, {} broken",
            it.whole, it.accepted
        ));
        report.parts.receipts = Some(report.made(ReceiptsRow {
            whole: it.whole,
            begun: it.begun,
            accepted: it.accepted,
            refused: it.refused,
            unknown: it.unknown,
            pauses: it.pauses,
        }));
    }
    if options.sessions > 0 {
        let it = end_everywhere(&fleet, options.sessions).await?;
        say(&format!(
            "everywhere: {} sessions, {} changes",
            it.sessions, it.changes
        ));
        report.parts.everywhere = Some(report.made(EverywhereRow {
            sessions: it.sessions,
            changes: it.changes,
            took_ms: ms(it.took),
            single_p50_ms: ms(it.single.p50()),
            p50_ms: ms(it.to_refusal.p50()),
            max_ms: ms(it.to_refusal.max()),
            grown_kib: it.rss_kib_after.saturating_sub(it.rss_kib_before),
        }));
    }
    Ok(())
}

async fn lag(fleet: &Fleet, revocations: usize) -> Result<LagRow, BenchError> {
    let measured = measure_lag(fleet, revocations).await?;
    let histogram: &Histogram = &measured.to_refusal;
    let row = LagRow {
        with_redis: fleet.redis.is_some(),
        revocations: measured.revocations,
        p50_ms: ms(histogram.p50()),
        p99_ms: ms(histogram.p99()),
        max_ms: ms(histogram.max()),
    };
    say(&format!(
        "lag: p99 {:.1} ms, at most {:.1} ms",
        row.p99_ms, row.max_ms
    ));
    Ok(row)
}

async fn idleness(settings: &FleetSettings, sessions: usize) -> Result<IdlenessRow, BenchError> {
    let settings = FleetSettings {
        idle: IDLE,
        has_clocks: true,
        ..settings.clone()
    };
    let mut fleet = Fleet::start(&settings).await?;
    // What counts is how long nobody used a session, whoever is wrong about the time of day.
    for (gateway, off) in fleet.gateways.iter().zip(CLOCKS_OFF_SECONDS) {
        gateway.member.set_clock(off)?;
    }
    let it = slide(&mut fleet, sessions, (IDLE, REPORTED_EVERY), SEED).await?;
    for note in &it.notes {
        say(note);
    }
    Ok(IdlenessRow {
        sessions: it.sessions,
        kills: it.kills,
        early: it.early,
        late: it.late,
    })
}

impl LookupsRow {
    fn of(it: &Lookups) -> Self {
        Self {
            requests: it.requests,
            seconds: it.lasted.as_secs_f64(),
            revocations: it.revocations,
            redis_commands: it.redis_commands,
            commands_allowed: it.commands_allowed,
            idp_questions: it.idp_questions,
            unexpected: it.requests - it.tally.ok,
        }
    }
}

async fn note(tollgate: &Path, options: &RevocationOptions) -> Result<Conditions, BenchError> {
    let versions = vec![
        version(NAME, tollgate, "--version").await?,
        version("redis-server", Path::new("redis-server"), "--version").await?,
    ];
    let layout = "identity provider, redis-server, 4 gateways with 1 worker each, service and load \
                  share all CPUs; loopback";
    let flags = format!(
        "revocations: {}; requests: {}; receipts: {}; sessions: {}; idling: {}; forged: {}",
        options.revocations,
        options.requests,
        options.receipts,
        options.sessions,
        options.idling,
        options.forged
    );
    Conditions::of(layout, versions, flags).await
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
