//! A fixed load: requests are sent when they are due, and their latency counts from then.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use crate::bench::BenchError;
use crate::bench::cpu::CpuTimes;
use crate::bench::round::Subject;
use crate::open::{Ran, Scenario, run};

/// What one set-up did with it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Offered {
    pub(super) answered: u64,
    pub(super) failed: u64,
    pub(super) cpu_us_per_request: f64,
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
    /// By how much the generator itself was late, at 99 %.
    pub(super) generator_late_p99_us: u64,
    /// The share of its CPU that the generator used.
    pub(super) generator_share: f64,
}

/// How much is asked for, by way of how many connections, for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) per_second: u64,
    pub(super) connections: usize,
    pub(super) seconds: u64,
}

/// One kind of request, and what its gaps are filled with, as a scenario has them.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) request: serde_json::Value,
    pub(super) values: serde_json::Value,
}

impl Offered {
    pub(super) async fn measure(
        subject: Subject<'_>,
        dir: &Path,
        pace: Pace,
        asked: &Asked,
    ) -> Result<Self, BenchError> {
        let text = scenario(subject, pace, asked);
        let scenario = Scenario::parse("peers", &text, dir);
        let scenario = scenario.map_err(|error| failed(&error))?;
        let family = subject.process.family()?;
        let before = CpuTimes::read(&family)?;
        let running = tokio::task::spawn_blocking(move || run(scenario, &|_| {}));
        let ran = running.await.map_err(|error| failed(&error))?;
        let ran = ran.map_err(|error| failed(&error))?;
        let spent = CpuTimes::read(&family)?.since(&before);
        Self::of(&ran, spent.ns).ok_or_else(|| BenchError::WrongAnswer {
            name: subject.process.name(),
            tally: "not one request was answered".to_owned(),
        })
    }

    fn of(ran: &Ran, cpu_ns: u64) -> Option<Self> {
        let all = ran.record.sum();
        (all.answered > 0).then(|| Self {
            answered: all.answered,
            failed: all.failures.total(),
            cpu_us_per_request: cpu_ns as f64 / 1e3 / all.answered as f64,
            p50_us: us(all.latency.p50()),
            p99_us: us(all.latency.p99()),
            generator_late_p99_us: us(ran.record.lateness.p99()),
            generator_share: ran.generator_share,
        })
    }
}

/// JSON is YAML.
fn scenario(subject: Subject<'_>, pace: Pace, asked: &Asked) -> String {
    serde_json::json!({
        "target": format!("http://{}", subject.load),
        "lasts": format!("{}s", pace.seconds),
        "rate": pace.per_second,
        "arrivals": "poisson",
        "connections": pace.connections,
        "values": asked.values,
        "requests": [asked.request],
    })
    .to_string()
}

/// What failed, and why that did.
fn failed(error: &(dyn std::error::Error + 'static)) -> BenchError {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string does not fail.
        let _ = write!(said, ": {error}");
        cause = error.source();
    }
    BenchError::Failed {
        program: "the open loop",
        said,
    }
}

fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
