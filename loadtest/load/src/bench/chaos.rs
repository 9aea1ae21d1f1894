//! What is seen of the fleet while something of it is broken: the table of failures, row by row.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::conditions::{Conditions, version};
use super::report::{Table, save, show_conditions};
use super::{BenchError, Outcome, fds, say};
use crate::fleet::{Fleet, FleetSettings, Service};
use crate::revocation::{Breakage, Endured, Spell, endure};

const NAME: &str = "tollgate";
const STEADY: Duration = Duration::from_secs(1);
/// Of a short run, in which every row is seen once, and no report is written: longer than the lease.
const SHORT_HOLD: Duration = Duration::from_millis(1500);
const SHORT_STEADY: Duration = Duration::from_millis(400);
const SEED: u64 = 20_261_128;

const HOW_TO_READ: &str = "\
## How to read it
1. One identity provider, four gateways and a service with two endpoints, with Redis or without. Tokens
   are used all the time at every gateway, on a strict and on a tolerant route, and forged ones are
   tried; a session is ended about every 40 ms.
2. Something breaks, stays so, and is mended. Sessions come up meanwhile that no gateway has seen.
3. Late: let through on a strict route by a request that was begun more than a lease (1 s) after the
   acknowledged end. False: refused (401, 429) before anybody had asked for the end. Odd: any other
   status than those of the columns, a forged token that is not refused, or a 503 that does not say
   when to come back. All of them must be 0. 502 and 504 are put up with only where the service, or
   what a gateway needs to reach it, is what is broken; and a gateway that was just started answers 503
   to forged tokens as well, until it has the keys to tell them by.
4. Recovered: from the mending until every gateway lets a good token through and refuses one that was
   ended after the mending. It must be within 2 s, or 7 s where breakers of the service were open.
5. When all is over every token is tried once more: those whose end nobody asked for are good, those
   whose end was acknowledged are not. On a full disk no token is issued; whoever is out of file
   descriptors says so and is idle otherwise.
6. No answer is what a client sees of a process that is gone, or that it cannot connect to.
";

/// What to run.
#[derive(Clone, Debug)]
pub struct ChaosOptions {
    /// How long a thing stays broken.
    pub hold: Duration,
    pub rounds: u32,
    /// Every row once and briefly, without a report.
    pub is_short: bool,
    /// Only rows whose names have this in them, without a report.
    pub only: Option<String>,
    /// The binary; without one nothing is measured.
    pub tollgate: Option<PathBuf>,
    /// Folder of the reports.
    pub out: PathBuf,
}

#[derive(Debug, Serialize)]
struct ChaosReport {
    bench: &'static str,
    conditions: Conditions,
    rows: Vec<Row>,
    leaks: u64,
}

#[derive(Clone, Debug, Serialize)]
struct Row {
    broken: String,
    with_redis: bool,
    accepted: u64,
    refused: u64,
    unknown: u64,
    failed: u64,
    unanswered: u64,
    forged: u64,
    late: u64,
    false_refusals: u64,
    odd: u64,
    revocations: u64,
    recovered_ms: u64,
    recovers_within_ms: u64,
    notes: Vec<String>,
    complaints: Vec<String>,
}

impl ChaosOptions {
    fn spell(&self, lease: Duration) -> Spell {
        let (steady, hold) = match self.is_short {
            true => (SHORT_STEADY, SHORT_HOLD),
            false => (STEADY, self.hold),
        };
        Spell {
            steady,
            hold,
            lease,
        }
    }

    fn has(&self, breakage: Breakage, has_redis: bool) -> bool {
        let may_happen = match has_redis {
            true => true,
            false => !breakage.needs_redis() && breakage.heeds_redis(),
        };
        let only = self.only.as_deref();
        may_happen && only.is_none_or(|only| breakage.name().contains(only))
    }

    fn writes_report(&self) -> bool {
        !self.is_short && self.only.is_none()
    }
}

/// Breaks one thing after the other, writes `chaos.md` and `chaos.json`.
pub async fn chaos(options: ChaosOptions) -> Result<Outcome, BenchError> {
    fds::raise_limit()?;
    let Some(tollgate) = options.tollgate.clone() else {
        return Ok(Outcome::without(NAME));
    };
    let conditions = note(&tollgate, &options).await?;
    let service = Service::start().await;
    let service = service.map_err(BenchError::io("cannot start the service"))?;
    let with_redis = FleetSettings::breakable(tollgate, service.address);
    let alone = FleetSettings {
        has_redis: false,
        ..with_redis.clone()
    };
    let mut rows = Vec::new();
    for round in 0..options.rounds {
        for settings in [&with_redis, &alone] {
            let seed = SEED + u64::from(round);
            break_all(settings, &options, seed, &mut rows).await?;
        }
    }
    let report = ChaosReport {
        bench: "chaos",
        conditions,
        rows,
        leaks: service.seen().leaks,
    };
    let table = table(&report.rows).to_markdown();
    let markdown = format!(
        "# Chaos: the table of failures\n\n{table}\n{HOW_TO_READ}\n## Conditions\n{}",
        show_conditions(&report.conditions)
    );
    let files = match options.writes_report() {
        true => save(&options.out, "chaos", &markdown, &report)?,
        false => Vec::new(),
    };
    Ok(Outcome {
        files,
        table,
        missing: Vec::new(),
        broken: verdict(&report),
    })
}

/// In a fleet of its own after whatever left traces, and otherwise in one that has been through more.
async fn break_all(
    settings: &FleetSettings,
    options: &ChaosOptions,
    seed: u64,
    rows: &mut Vec<Row>,
) -> Result<(), BenchError> {
    let spell = options.spell(settings.lease);
    let mut kept = None;
    for breakage in Breakage::all() {
        if !options.has(breakage, settings.has_redis) {
            continue;
        }
        let mut fleet = match kept.take() {
            Some(fleet) => fleet,
            None => Fleet::start(settings).await?,
        };
        let endured = endure(&mut fleet, breakage, spell, seed).await?;
        kept = (!breakage.leaves_traces()).then_some(fleet);
        let row = Row::of(endured, settings.has_redis);
        say(&row.told());
        rows.push(row);
    }
    Ok(())
}

impl Row {
    fn of(endured: Endured, with_redis: bool) -> Self {
        let found = endured.findings;
        Self {
            broken: endured.breakage.name(),
            with_redis,
            accepted: found.accepted,
            refused: found.refused,
            unknown: found.unknown,
            failed: found.failed,
            unanswered: found.unanswered,
            forged: found.forged,
            late: found.late,
            false_refusals: found.false_refusals,
            odd: found.odd,
            revocations: endured.revocations,
            recovered_ms: ms(endured.recovered),
            recovers_within_ms: ms(endured.breakage.recovers_within()),
            notes: found.notes,
            complaints: endured.complaints,
        }
    }

    fn is_right(&self) -> bool {
        self.late + self.false_refusals + self.odd == 0
            && self.accepted > 0
            && self.forged > 0
            && self.complaints.is_empty()
            && self.recovered_ms <= self.recovers_within_ms
    }

    fn told(&self) -> String {
        let verdict = if self.is_right() { "right" } else { "WRONG" };
        format!(
            "{verdict}: {} ({} Redis): {} accepted, {} refused, {} unknown, {} failed, {} unanswered, \
             {} late, {} false, {} odd, recovered in {} ms {:?} {:?}",
            self.broken,
            if self.with_redis { "with" } else { "without" },
            self.accepted,
            self.refused,
            self.unknown,
            self.failed,
            self.unanswered,
            self.late,
            self.false_refusals,
            self.odd,
            self.recovered_ms,
            self.notes,
            self.complaints,
        )
    }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new(&[
        "what is broken",
        "Redis",
        "2xx",
        "401",
        "503",
        "502, 504",
        "no answer",
        "forged refused",
        "late",
        "false",
        "odd",
        "ended",
        "recovered",
    ]);
    for row in rows {
        table.push(vec![
            row.broken.clone(),
            if row.with_redis { "yes" } else { "no" }.to_owned(),
            row.accepted.to_string(),
            row.refused.to_string(),
            row.unknown.to_string(),
            row.failed.to_string(),
            row.unanswered.to_string(),
            row.forged.to_string(),
            row.late.to_string(),
            row.false_refusals.to_string(),
            row.odd.to_string(),
            row.revocations.to_string(),
            format!("{} ms", row.recovered_ms),
        ]);
    }
    table
}

fn verdict(report: &ChaosReport) -> Option<String> {
    if report.leaks > 0 {
        return Some("a service saw a client's credential".to_owned());
    }
    let wrong = report.rows.iter().find(|row| !row.is_right());
    wrong.map(Row::told)
}

async fn note(tollgate: &Path, options: &ChaosOptions) -> Result<Conditions, BenchError> {
    let versions = vec![
        version(NAME, tollgate, "--version").await?,
        version("redis-server", Path::new("redis-server"), "--version").await?,
    ];
    let layout = "all processes and the load share all CPUs; loopback, each line through a proxy";
    let flags = format!("broken for {:?}; rounds: {}", options.hold, options.rounds);
    Conditions::of(layout, versions, flags).await
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_late_or_false_answer_breaks_the_promise_and_so_does_a_slow_recovery() {
        let right = Row {
            broken: "nothing".to_owned(),
            with_redis: true,
            accepted: 1,
            refused: 1,
            unknown: 1,
            failed: 1,
            unanswered: 1,
            forged: 1,
            late: 0,
            false_refusals: 0,
            odd: 0,
            revocations: 1,
            recovered_ms: 2000,
            recovers_within_ms: 2000,
            notes: Vec::new(),
            complaints: Vec::new(),
        };
        assert!(right.is_right());
        let wrong = [
            Row {
                late: 1,
                ..right.clone()
            },
            Row {
                false_refusals: 1,
                ..right.clone()
            },
            Row {
                odd: 1,
                ..right.clone()
            },
            Row {
                recovered_ms: 2001,
                ..right.clone()
            },
            Row {
                accepted: 0,
                ..right.clone()
            },
            Row {
                forged: 0,
                ..right.clone()
            },
            Row {
                complaints: vec!["something else".to_owned()],
                ..right.clone()
            },
        ];
        for row in wrong {
            assert!(!row.is_right(), "{row:?}");
        }
    }
}
