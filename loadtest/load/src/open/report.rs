//! What a run came to, for machines as JSON and for people as one page.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::record::{self, Failures, Kind};
use super::revoking::Revoked;
use super::run::Ran;
use super::scenario::{Connections, Protocol, Scenario};
use super::schedule::Arrivals;
use super::watch::Watched;
use crate::closed::Histogram;

mod chart;
mod compare;
mod environment;
mod generator;
mod page;
mod summary;

pub use compare::{Comparison, compare};
pub use environment::Environment;
pub use page::page;

use generator::Generator;

/// The shares at which curves are drawn: a step to each nine.
const SHARES: [f64; 22] = [
    0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95, 0.975, 0.99, 0.995,
    0.999, 0.9995, 0.9999, 0.99999, 1.0,
];

/// Everything about a run. What is read is what was written by the same version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    pub version: String,
    pub scenario: Setting,
    pub environment: Environment,
    pub lasted_s: f64,
    pub all: Figures,
    pub kinds: Vec<Figures>,
    /// How many seconds a moment has.
    pub moment_s: u64,
    pub moments: Vec<Moment>,
    pub generator: Generator,
    pub watched: Vec<WatchedSeries>,
    pub revocations: Option<Revocations>,
    pub given_up: Option<String>,
}

/// What was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setting {
    pub name: String,
    pub target: String,
    pub protocol: String,
    pub rate_from: f64,
    pub rate_to: f64,
    pub lasts_s: f64,
    pub warm_up_s: f64,
    pub arrivals: String,
    pub connections: String,
    pub threads: usize,
}

/// One kind of request, or all of them together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    pub name: String,
    pub answered: u64,
    pub failed: u64,
    pub failures: Failures,
    /// 1xx to 5xx.
    pub by_class: [u64; 6],
    pub bytes: u64,
    pub per_second: f64,
    /// From when requests were due.
    pub latency: Curve,
    /// From when they were sent.
    pub service: Curve,
}

/// Latencies in microseconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Curve {
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
    /// Share and latency.
    pub points: Vec<(f64, u64)>,
}

/// A second or more, by when requests were due.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Moment {
    pub due: u64,
    pub failed: u64,
    pub p50: u64,
    pub p99: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WatchedSeries {
    pub name: String,
    pub cores: f64,
    pub rss_kib_max: u64,
    /// Seconds, cores since the point before, KiB.
    pub points: Vec<(f64, f64, u64)>,
}

/// Tokens that were taken back while everybody else went on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Revocations {
    pub refused: u64,
    /// Still good when they had to be refused.
    pub late: u64,
    pub failed: u64,
    /// From the answer to the order to the request that was refused.
    pub took: Curve,
    pub notes: Vec<String>,
}

impl Report {
    #[must_use]
    pub fn new(setting: Setting, names: &[String], ran: &Ran, environment: Environment) -> Self {
        let record = &ran.record;
        let lasted = ran.lasted;
        let kinds = record.kinds.iter().zip(names);
        let kinds = kinds.map(|(kind, name)| Figures::of(name, kind, setting.lasts_s));
        let all = Figures::of("all", &record.sum(), setting.lasts_s);
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            environment,
            lasted_s: lasted.as_secs_f64(),
            kinds: kinds.collect(),
            moment_s: record.moment_s,
            moments: record.moments.iter().map(Moment::of).collect(),
            revocations: ran.revoked.as_ref().map(Revocations::of),
            generator: Generator::of(ran, &all),
            watched: ran.watched.iter().filter_map(WatchedSeries::of).collect(),
            given_up: ran.given_up.clone(),
            all,
            scenario: setting,
        }
    }
}

impl Report {
    /// Whether all went as the scenario expects.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let revocations = self.revocations.as_ref();
        self.given_up.is_none()
            && self.all.failed == 0
            && revocations.is_none_or(Revocations::are_clean)
    }
}

impl Setting {
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        Self {
            name: scenario.name.clone(),
            target: url(scenario),
            protocol: match scenario.protocol {
                Protocol::Http1 => "HTTP/1.1".to_owned(),
                Protocol::Http2 { streams } => {
                    format!("HTTP/2, {streams} under way on a connection")
                }
            },
            rate_from: scenario.rate.from,
            rate_to: scenario.rate.to,
            lasts_s: scenario.rate.lasts.as_secs_f64(),
            warm_up_s: scenario.warm_up.as_secs_f64(),
            arrivals: match scenario.arrivals {
                Arrivals::Even => "even".to_owned(),
                Arrivals::Poisson => "Poisson".to_owned(),
            },
            connections: match scenario.connections {
                Connections::Kept(count) => format!("{count} kept open"),
                Connections::New(count) => format!("one for each request, at most {count} at once"),
            },
            threads: scenario.threads,
        }
    }
}

impl Figures {
    fn of(name: &str, kind: &Kind, seconds: f64) -> Self {
        Self {
            name: name.to_owned(),
            answered: kind.answered,
            failed: kind.failures.total(),
            failures: kind.failures,
            by_class: kind.by_class,
            bytes: kind.bytes,
            per_second: kind.answered as f64 / seconds,
            latency: Curve::of(&kind.latency),
            service: Curve::of(&kind.service),
        }
    }
}

impl Curve {
    fn of(histogram: &Histogram) -> Self {
        let points = SHARES
            .iter()
            .map(|share| (*share, us(histogram.quantile(*share))));
        Self {
            p50: us(histogram.p50()),
            p90: us(histogram.p90()),
            p99: us(histogram.p99()),
            p999: us(histogram.p999()),
            max: us(histogram.max()),
            points: points.collect(),
        }
    }
}

/// Where requests go unless they say otherwise.
fn url(scenario: &Scenario) -> String {
    let target = scenario.targets.first();
    target.map_or_else(String::new, |target| {
        let scheme = if target.secure.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", target.authority)
    })
}

impl Moment {
    fn of(moment: &record::Moment) -> Self {
        Self {
            due: moment.due,
            failed: moment.failed,
            p50: us(moment.latency.p50()),
            p99: us(moment.latency.p99()),
        }
    }
}

impl Revocations {
    fn of(revoked: &Revoked) -> Self {
        Self {
            refused: revoked.refused,
            late: revoked.late,
            failed: revoked.failed,
            took: Curve::of(&revoked.took),
            notes: revoked.notes.clone(),
        }
    }

    /// Whether every token that was taken back was refused in time.
    #[must_use]
    pub fn are_clean(&self) -> bool {
        self.late == 0 && self.failed == 0
    }
}

impl WatchedSeries {
    fn of(watched: &Watched) -> Option<Self> {
        let pairs = watched.points.windows(2);
        let points = pairs.filter_map(|pair| {
            let [before, after] = pair else { return None };
            let wall = after.at_s - before.at_s;
            let cores = (after.cpu_s - before.cpu_s) / wall;
            (wall > 0.0).then_some((after.at_s, cores, after.rss_kib))
        });
        Some(Self {
            name: watched.name.clone(),
            cores: watched.cores()?,
            rss_kib_max: watched.rss_kib_max()?,
            points: points.collect(),
        })
    }
}

fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
