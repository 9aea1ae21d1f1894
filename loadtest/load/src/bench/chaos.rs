//! What is seen of the fleet while something of it is broken: the table of failures, row by row.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::conditions::{Conditions, version};
use super::report::{Table, save, show_conditions};
use super::{BenchError, Outcome, fds, say};
use crate::fleet::{Fleet, FleetSettings, Service};
use crate::revocation::{Breakage, Endured, endure};

const NAME: &str = "tollgate";
const RECOVERED_WITHIN: Duration = Duration::from_secs(2);
const SEED: u64 = 20_261_128;

const HOW_TO_READ: &str = "\
## How to read it
1. One identity provider, four gateways, a service, with Redis or without. Tokens are used all the time
   at every gateway, on a strict and on a tolerant route; a session is ended about every 40 ms.
2. Something breaks, stays so, and is mended. Sessions come up meanwhile that no gateway has seen.
3. Late: let through on a strict route by a request that was begun more than a lease (1 s) after the
   acknowledged end. False: refused (401) before anybody had asked for the end. Both must be 0.
4. Recovered: from the mending until every gateway lets a good token through and refuses one that was
   ended after the mending.
";

/// What to run.
#[derive(Clone, Debug)]
pub struct ChaosOptions {
    /// How long a thing stays broken.
    pub hold: Duration,
    pub rounds: u32,
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
    broken: &'static str,
    with_redis: bool,
    accepted: u64,
    refused: u64,
    unknown: u64,
    unanswered: u64,
    late: u64,
    false_refusals: u64,
    odd: u64,
    revocations: u64,
    recovered_ms: u64,
    notes: Vec<String>,
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
    let with_redis = FleetSettings::new(tollgate, service.address);
    let alone = FleetSettings {
        has_redis: false,
        ..with_redis.clone()
    };
    let mut rows = Vec::new();
    for round in 0..options.rounds {
        for settings in [&with_redis, &alone] {
            break_all(settings, (options.hold, u64::from(round)), &mut rows).await?;
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
    Ok(Outcome {
        files: save(&options.out, "chaos", &markdown, &report)?,
        table,
        missing: Vec::new(),
        broken: verdict(&report),
    })
}

async fn break_all(
    settings: &FleetSettings,
    (hold, round): (Duration, u64),
    rows: &mut Vec<Row>,
) -> Result<(), BenchError> {
    let may_happen = |it: &Breakage| settings.has_redis || !it.needs_redis();
    for breakage in Breakage::ALL.into_iter().filter(may_happen) {
        let row = run(settings, breakage, hold, round).await?;
        say(&row.told());
        rows.push(row);
    }
    Ok(())
}

/// In a fleet of its own: what one breakage leaves behind is none of the next one's business.
async fn run(
    settings: &FleetSettings,
    breakage: Breakage,
    hold: Duration,
    round: u64,
) -> Result<Row, BenchError> {
    let mut fleet = Fleet::start(settings).await?;
    let seed = SEED + round;
    let endured = endure(&mut fleet, breakage, (hold, settings.lease), seed).await?;
    Ok(Row::of(&endured, settings.has_redis))
}

impl Row {
    fn of(endured: &Endured, with_redis: bool) -> Self {
        let found = &endured.findings;
        Self {
            broken: endured.breakage.name(),
            with_redis,
            accepted: found.accepted,
            refused: found.refused,
            unknown: found.unknown,
            unanswered: found.unanswered,
            late: found.late,
            false_refusals: found.false_refusals,
            odd: found.odd,
            revocations: endured.revocations,
            recovered_ms: u64::try_from(endured.recovered.as_millis()).unwrap_or(u64::MAX),
            notes: found.notes.clone(),
        }
    }

    fn is_right(&self) -> bool {
        self.late + self.false_refusals + self.odd == 0
            && Duration::from_millis(self.recovered_ms) <= RECOVERED_WITHIN
    }

    fn told(&self) -> String {
        let verdict = if self.is_right() { "right" } else { "WRONG" };
        format!(
            "{verdict}: {} ({} Redis): {} accepted, {} refused, {} unknown, {} late, {} false, \
             recovered in {} ms {:?}",
            self.broken,
            if self.with_redis { "with" } else { "without" },
            self.accepted,
            self.refused,
            self.unknown,
            self.late,
            self.false_refusals,
            self.recovered_ms,
            self.notes,
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
        "no answer",
        "late",
        "false",
        "ended",
        "recovered",
    ]);
    for row in rows {
        table.push(vec![
            row.broken.to_owned(),
            if row.with_redis { "yes" } else { "no" }.to_owned(),
            row.accepted.to_string(),
            row.refused.to_string(),
            row.unknown.to_string(),
            row.unanswered.to_string(),
            row.late.to_string(),
            row.false_refusals.to_string(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_late_or_false_answer_breaks_the_promise_and_so_does_a_slow_recovery() {
        let right = Row {
            broken: "nothing",
            with_redis: true,
            accepted: 1,
            refused: 1,
            unknown: 1,
            unanswered: 1,
            late: 0,
            false_refusals: 0,
            odd: 0,
            revocations: 1,
            recovered_ms: 2000,
            notes: Vec::new(),
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
        ];
        for row in wrong {
            assert!(!row.is_right(), "{row:?}");
        }
    }
}
