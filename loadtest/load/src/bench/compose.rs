//! What does one composed list cost beside a client that joins it itself?
//!
//! The same transfer history of 100 rows, three ways in turn: composed; joined by a client that asks
//! the services one thing after the other; and joined by the same client through the gateway. All
//! three must say the same before anything is measured.

mod bounds;
pub(super) mod stage;
mod summary;
mod trouble;
mod walk;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::conditions::{Conditions, version};
use super::cpu::CpuTimes;
use super::layout::Layout;
use super::report::save;
use super::{BenchError, Outcome, say};
use crate::closed::Histogram;
use stage::Stage;
use summary::ComposeReport;
use walk::Walk;

/// What to run.
#[derive(Clone, Debug)]
pub struct ComposeOptions {
    pub rounds: u32,
    /// Composed answers in a round; the other ways give a tenth of them.
    pub answers: u32,
    /// The binary; without one there is nothing to be measured.
    pub tollgate: Option<PathBuf>,
    /// Folder of the reports.
    pub out: PathBuf,
}

/// Whose work a list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Way {
    /// The composer's.
    Composed,
    /// The client's, straight to the services.
    Naive,
    /// The client's, through the gateway.
    ThroughGateway,
}

/// What one way cost in one round.
#[derive(Clone, Debug, Serialize)]
struct Sample {
    round: u32,
    way: Way,
    answers: u32,
    calls_each: usize,
    /// CPU of everything that took part: client, gateway or composer, services.
    total_us: f64,
    client_us: f64,
    /// Of the composer alone; 0 where it has no part.
    composer_us: f64,
    p50_us: u64,
    p99_us: u64,
    /// Not 0 means that CPU time was lost to the account.
    threads_ended: usize,
}

/// Of the calls that a composed answer takes, as it says itself.
#[derive(Clone, Debug, Serialize)]
struct Said {
    cold: Option<String>,
    warm: Option<String>,
}

impl Way {
    const ALL: [Self; 3] = [Self::Composed, Self::Naive, Self::ThroughGateway];

    fn name(self) -> &'static str {
        match self {
            Self::Composed => "composed",
            Self::Naive => "joined by the client",
            Self::ThroughGateway => "the same through the gateway",
        }
    }
}

/// Measures, writes `compose.md` and `compose.json`.
pub async fn compose(options: ComposeOptions) -> Result<Outcome, BenchError> {
    let Some(tollgate) = &options.tollgate else {
        return Ok(Outcome {
            table: String::new(),
            files: Vec::new(),
            missing: Way::ALL.map(Way::name).to_vec(),
            broken: None,
        });
    };
    let layout = Layout::find()?;
    layout.pin_self()?;
    let dir = tempfile::tempdir().map_err(BenchError::io("cannot make a temporary folder"))?;
    let conditions = note(&options, tollgate, layout).await?;
    let stage = Stage::start(tollgate, dir.path(), layout).await?;
    let mut walks = [Walk::new(), Walk::new(), Walk::new()];
    let said = check(&stage, &mut walks).await?;

    let mut samples = Vec::new();
    for round in 1..=options.rounds {
        for (way, walk) in Way::ALL.into_iter().zip(&mut walks) {
            let answers = match way {
                Way::Composed => options.answers,
                Way::Naive | Way::ThroughGateway => options.answers.div_ceil(10),
            };
            let sample = measure(&stage, walk, (round, way, answers)).await?;
            say(&format!(
                "round {round}/{}  {:<28} {:9.1} us CPU, of which composer {:6.1}; p50 {} us, p99 {} us",
                options.rounds,
                way.name(),
                sample.total_us,
                sample.composer_us,
                sample.p50_us,
                sample.p99_us,
            ));
            samples.push(sample);
        }
    }
    let report = ComposeReport {
        bench: "compose",
        conditions,
        said,
        rounds: samples,
        bounds: bounds::measure(&stage).await?,
    };
    let table = report.table();
    let files = save(&options.out, "compose", &report.markdown(&table), &report)?;
    Ok(Outcome {
        table,
        files,
        missing: Vec::new(),
        broken: report.verdict(),
    })
}

async fn note(
    options: &ComposeOptions,
    tollgate: &Path,
    layout: Layout,
) -> Result<Conditions, BenchError> {
    let versions = vec![version("tollgate", tollgate, "--version").await?];
    let said = if layout.is_shared() {
        "everything shares the one CPU there is"
    } else {
        "composers, gateway and services on one CPU, the client on another; loopback"
    };
    let flags = format!("rounds: {} of {} answers", options.rounds, options.answers);
    Conditions::of(said, versions, flags).await
}

/// All ways must lead to the same list. What the composer says of its first and of its second one.
async fn check(stage: &Stage, walks: &mut [Walk; 3]) -> Result<Said, BenchError> {
    let cold = walks[0].go(stage, Way::Composed).await?.composition;
    let warm = walks[0].go(stage, Way::Composed).await?.composition;
    let mut first = None;
    for (way, walk) in Way::ALL.into_iter().zip(walks) {
        let told = walk.go(stage, way).await?;
        let told = walk::read(&told.body)?;
        let rows = told["transfers"].as_array().map_or(0, Vec::len);
        if rows != stage::ROWS || first.as_ref().is_some_and(|first| *first != told) {
            let tally = format!(
                "{} says {rows} rows, and not the same as the others",
                way.name()
            );
            let name = stage::NAME;
            return Err(BenchError::WrongAnswer { name, tally });
        }
        first.get_or_insert(told);
    }
    Ok(Said { cold, warm })
}

async fn measure(
    stage: &Stage,
    walk: &mut Walk,
    (round, way, answers): (u32, Way, u32),
) -> Result<Sample, BenchError> {
    walk.go(stage, way).await?;
    let processes = stage.processes()?;
    let everybody = [
        processes.others.clone(),
        processes.composer.clone(),
        vec![processes.client],
    ];
    let read = || everybody.each_ref().map(|ids| CpuTimes::read(ids));
    let before = read();
    let mut waits = Histogram::default();
    let mut calls = 0;
    for _ in 0..answers {
        let began = Instant::now();
        let told = walk.go(stage, way).await?;
        waits.record(began.elapsed());
        calls = told.calls;
    }
    let mut spent = Vec::new();
    let mut threads_ended = 0;
    for (after, before) in read().into_iter().zip(before) {
        let since = after?.since(&before?);
        threads_ended += since.threads_ended;
        spent.push(micros(since.ns, answers));
    }
    let of = |place: usize| spent.get(place).copied().unwrap_or_default();
    Ok(Sample {
        round,
        way,
        answers,
        calls_each: calls,
        total_us: spent.iter().sum(),
        client_us: of(2),
        composer_us: of(1),
        p50_us: whole_micros(waits.p50()),
        p99_us: whole_micros(waits.p99()),
        threads_ended,
    })
}

fn micros(ns: u64, answers: u32) -> f64 {
    Duration::from_nanos(ns).as_secs_f64() * 1e6 / f64::from(answers.max(1))
}

fn whole_micros(wait: Duration) -> u64 {
    u64::try_from(wait.as_micros()).unwrap_or(u64::MAX)
}
