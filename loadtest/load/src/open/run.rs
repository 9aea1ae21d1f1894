//! A whole run: warm-up, workers, progress, and when it is given up.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use thiserror::Error;
use tokio::time::Instant;

use super::record::Record;
use super::scenario::Scenario;
use super::schedule::Rate;
use super::watch::{Reading, Watched};
use super::worker::{self, Share, Shared};

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A run is not given up for the first few requests.
const FAILURES_MIN: u64 = 20;

/// Why there is no result.
#[derive(Debug, Error)]
pub enum RunError {
    #[error("a worker could not be started")]
    Worker(#[from] io::Error),
    #[error("a worker ended before its time")]
    Lost,
}

/// What a run came to.
#[derive(Debug)]
pub struct Ran {
    pub record: Record,
    pub lasted: Duration,
    /// CPU time of the workers over the time they had: near 1 the generator was the limit.
    pub generator_share: f64,
    /// Processes that were watched, every second.
    pub watched: Vec<Watched>,
    /// Why it was given up, in words.
    pub given_up: Option<String>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub done: f64,
    pub sent: u64,
    pub failed: u64,
}

/// Runs it; what happens while it warms up is forgotten.
pub fn run(mut scenario: Scenario, tell: impl Fn(Progress)) -> Result<Ran, RunError> {
    if !scenario.warm_up.is_zero() {
        let whole = scenario.rate;
        scenario.rate = Rate::constant(whole.from.max(1.0), scenario.warm_up);
        let (warmed, _) = go(scenario, &|_| {})?;
        scenario = warmed;
        scenario.rate = whole;
    }
    let (_, ran) = go(scenario, &tell)?;
    Ok(ran)
}

fn go(scenario: Scenario, tell: &dyn Fn(Progress)) -> Result<(Scenario, Ran), RunError> {
    let lasts = scenario.rate.lasts;
    let shared = Arc::new(Shared {
        scenario,
        stop: AtomicBool::new(false),
        sent: AtomicU64::new(0),
        failed: AtomicU64::new(0),
    });
    let workers = shared.scenario.threads;
    let began = Instant::now();
    let running: Vec<_> = (0..workers)
        .map(|worker| {
            let shared = Arc::clone(&shared);
            let share = Share { worker, workers };
            thread::Builder::new()
                .name(format!("load-{worker}"))
                .spawn(move || {
                    let record = worker::run(&shared, share, began)?;
                    Ok::<_, io::Error>((record, Reading::of_this_thread()))
                })
        })
        .collect::<Result<_, _>>()?;
    let mut watched = Watched::begin(&shared.scenario.watch);
    let mut given_up = None;
    while running.iter().any(|worker| !worker.is_finished()) {
        thread::sleep(LOOK_EVERY);
        Watched::look(&mut watched, began.elapsed());
        let progress = shared.progress(began.elapsed(), lasts);
        tell(progress);
        if given_up.is_none() {
            given_up = shared.give_up(progress);
        }
    }
    let lasted = began.elapsed();
    let mut record = Record::new(shared.scenario.requests.len());
    let mut cpu = Duration::ZERO;
    for worker in running {
        let (seen, spent) = worker.join().map_err(|_| RunError::Lost)??;
        record.add(&seen);
        cpu += spent;
    }
    let wall = lasted.as_secs_f64() * workers as f64;
    let shared = Arc::into_inner(shared).ok_or(RunError::Lost)?;
    Ok((
        shared.scenario,
        Ran {
            record,
            lasted,
            generator_share: cpu.as_secs_f64() / wall,
            watched,
            given_up,
        },
    ))
}

impl Shared {
    fn progress(&self, passed: Duration, lasts: Duration) -> Progress {
        Progress {
            done: (passed.as_secs_f64() / lasts.as_secs_f64()).min(1.0),
            sent: self.sent.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }

    fn give_up(&self, progress: Progress) -> Option<String> {
        let most = self.scenario.errors_max?;
        let share = progress.failed as f64 / progress.sent.max(1) as f64;
        let is_too_much = progress.failed >= FAILURES_MIN && share > most;
        is_too_much.then(|| {
            self.stop.store(true, Ordering::Relaxed);
            format!("{:.1} % of the requests failed", share * 100.0)
        })
    }
}
