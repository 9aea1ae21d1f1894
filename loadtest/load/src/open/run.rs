//! A whole run: tokens, warm-up, workers, progress, and when it is given up.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use thiserror::Error;
use tokio::time::Instant;

use super::deal::Share;
use super::login::{LoginError, log_in};
use super::record::Record;
#[cfg(test)]
use super::record::{Answered, Times};
use super::revoking::{Revoked, revoke};
use super::scenario::{Protocol, Scenario};
use super::schedule::Rate;
use super::streams;
use super::watch::{Reading, WatchError, Watched};
use super::worker::{self, Counts, Shared};

const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A run is not given up for the first few requests.
const FAILURES_MIN: u64 = 20;

/// Why there is no result.
#[derive(Debug, Error)]
pub enum RunError {
    #[error("there are no tokens to begin with")]
    Login(#[from] LoginError),
    #[error("a process under test cannot be watched")]
    Watch(#[from] WatchError),
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
    /// Time that they were ready to run and had no CPU, over the time they had.
    pub generator_kept_waiting: f64,
    /// Processes that were watched, a few times a second.
    pub watched: Vec<Watched>,
    /// Where tokens were taken back.
    pub revoked: Option<Revoked>,
    /// Why it was given up, in words.
    pub given_up: Option<String>,
}

#[cfg(test)]
impl Ran {
    /// A run in which every answer took as long, and nothing is to be said of the generator.
    pub(super) fn made_up(answers: u32, took: Duration) -> Self {
        let mut record = Record::new(1, Duration::from_secs(1));
        let answered = Answered {
            status: 200,
            bytes: 2,
            is_expected: true,
            holds: true,
        };
        let times = Times {
            due: Duration::ZERO,
            sent: Duration::ZERO,
            done: took,
        };
        for _ in 0..answers {
            record.answer(0, times, &answered);
        }
        Self {
            record,
            lasted: Duration::from_secs(1),
            generator_share: 0.1,
            generator_kept_waiting: 0.0,
            watched: Vec::new(),
            revoked: None,
            given_up: None,
        }
    }
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    LoggingIn,
    WarmingUp,
    Running,
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub phase: Phase,
    /// From nothing to one.
    pub done: f64,
    pub passed: Duration,
    pub sent: u64,
    pub failed: u64,
}

/// Whoever wants to know.
type Tell<'a> = &'a (dyn Fn(Progress) + Sync);

/// Runs it; what happens while it warms up is forgotten.
pub fn run(mut scenario: Scenario, tell: Tell<'_>) -> Result<Ran, RunError> {
    let watched = Watched::begin(&scenario.watch, &scenario.targets)?;
    log_in(&mut scenario, &|got, wanted| {
        tell(Progress {
            phase: Phase::LoggingIn,
            done: got as f64 / wanted as f64,
            passed: Duration::ZERO,
            sent: got as u64,
            failed: 0,
        });
    })?;
    if !scenario.warm_up.is_zero() {
        let whole = scenario.rate;
        let revocations = scenario.revocations.take();
        scenario.rate = Rate::constant(whole.from.max(1.0), scenario.warm_up);
        let (warmed, _) = go(scenario, Vec::new(), (Phase::WarmingUp, tell))?;
        scenario = warmed;
        scenario.rate = whole;
        scenario.revocations = revocations;
    }
    let (_, ran) = go(scenario, watched, (Phase::Running, tell))?;
    Ok(ran)
}

fn go(
    mut scenario: Scenario,
    mut watched: Vec<Watched>,
    (phase, tell): (Phase, Tell<'_>),
) -> Result<(Scenario, Ran), RunError> {
    scenario.values.begin_run(RandomState::new().hash_one(0));
    let workers = scenario.threads;
    let shared = Arc::new(Shared {
        scenario,
        stop: AtomicBool::new(false),
        counts: (0..workers).map(|_| Counts::default()).collect(),
    });
    let began = Instant::now();
    let running = (0..workers).map(|worker| start(&shared, Share { worker, workers }, began));
    let running = running.collect::<Result<Vec<_>, _>>()?;
    let revoking = start_revoking(&shared, began)?;
    let mut given_up = None;
    while running.iter().any(|worker| !worker.is_finished()) {
        thread::sleep(LOOK_EVERY);
        Watched::look(&mut watched, began.elapsed());
        let progress = shared.progress(phase, began.elapsed());
        tell(progress);
        if given_up.is_none() {
            given_up = shared.give_up(progress);
        }
    }
    let lasted = began.elapsed();
    let mut record = Record::new(shared.scenario.requests.len(), shared.scenario.rate.lasts);
    let mut spent = Reading::default();
    for worker in running {
        let (seen, used) = worker.join().map_err(|_| RunError::Lost)??;
        record.add(&seen);
        spent.add(used);
    }
    let revoked = revoking.map(|it| it.join().map_err(|_| RunError::Lost));
    let revoked = revoked.transpose()?;
    let wall = lasted.as_secs_f64() * workers as f64;
    let shared = Arc::into_inner(shared).ok_or(RunError::Lost)?;
    let ran = Ran {
        record,
        lasted,
        generator_share: spent.on_cpu.as_secs_f64() / wall,
        generator_kept_waiting: spent.kept_waiting.as_secs_f64() / wall,
        watched,
        revoked,
        given_up,
    };
    Ok((shared.scenario, ran))
}

type Working = thread::JoinHandle<io::Result<(Record, Reading)>>;

fn start(shared: &Arc<Shared>, share: Share, began: Instant) -> io::Result<Working> {
    let shared = Arc::clone(shared);
    let name = format!("load-{}", share.worker);
    thread::Builder::new().name(name).spawn(move || {
        let record = match shared.scenario.protocol {
            Protocol::Http1 => worker::run(&shared, share, began)?,
            Protocol::Http2 { streams } => streams::run(&shared, share, (began, streams))?,
        };
        Ok((record, Reading::of_this_thread()))
    })
}

fn start_revoking(
    shared: &Arc<Shared>,
    began: Instant,
) -> io::Result<Option<thread::JoinHandle<Revoked>>> {
    let Some(revocations) = shared.scenario.revocations.clone() else {
        return Ok(None);
    };
    let shared = Arc::clone(shared);
    let builder = thread::Builder::new().name("load-revoke".to_owned());
    let started = builder.spawn(move || {
        let until = (began, &shared.stop);
        revoke(&shared.scenario, &revocations, until)
    });
    started.map(Some)
}

impl Shared {
    fn progress(&self, phase: Phase, passed: Duration) -> Progress {
        let sum = |count: fn(&Counts) -> &AtomicU64| -> u64 {
            let counts = self.counts.iter();
            counts.map(|it| count(it).load(Ordering::Relaxed)).sum()
        };
        let lasts = self.scenario.rate.lasts;
        Progress {
            phase,
            done: (passed.as_secs_f64() / lasts.as_secs_f64()).min(1.0),
            passed,
            sent: sum(|it| &it.sent),
            failed: sum(|it| &it.failed),
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
