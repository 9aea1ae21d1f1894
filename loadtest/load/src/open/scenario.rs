//! What is sent, how often, and what must come back: a file, read and checked.
//!
//! ```yaml
//! target: http://127.0.0.1:8080
//! lasts: 30s
//! warm_up: 5s
//! rate: 2000                      # a second; or { from: 100, to: 5000 }
//! arrivals: poisson               # or even
//! connections: 64                 # kept; or { new: 64 }: each request opens one, at most 64 at once
//! threads: 1
//! values:
//!   token: { file: tokens.txt }   # one of its lines
//!   member: { from: 1, to: 10000 }
//! requests:
//!   - { name: browse, weight: 80, get: "/members/{member}/transfer-history",
//!       headers: { Authorization: "Bearer {token}" } }
//!   - { name: transfer, weight: 20, post: /money/transfers, body: "{}", expect: [200, 201] }
//! stop: { errors: 5% }
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use super::schedule::{Arrivals, Rate};
use super::template::{RequestTemplate, Template, TemplateError};
use super::values::{Values, ValuesError};

use units::{parse_duration, parse_percent};

mod units;
mod written;

const RATE_MAX: f64 = 10_000_000.0;
const CONNECTIONS_MAX: usize = 100_000;
const THREADS_MAX: usize = 256;
const WEIGHT_MAX: u32 = 10_000;
const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECTIONS: usize = 64;

/// What of a file a run needs.
#[derive(Debug)]
pub struct Scenario {
    pub name: String,
    pub target: Target,
    pub warm_up: Duration,
    pub rate: Rate,
    pub arrivals: Arrivals,
    pub connections: Connections,
    pub threads: usize,
    pub seed: u64,
    pub timeout: Duration,
    pub requests: Vec<Planned>,
    pub(super) values: Values,
    /// The share of failed requests past which a run is given up.
    pub errors_max: Option<f64>,
    /// Processes whose CPU time and memory are noted, by name.
    pub watch: BTreeMap<String, u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub address: SocketAddr,
    /// What `Host` says.
    pub authority: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// So many, kept open.
    Kept(usize),
    /// One for each request, at most so many at once.
    New(usize),
}

/// A request, sent as often as its weight says.
#[derive(Debug)]
pub struct Planned {
    pub name: String,
    pub weight: u32,
    pub(super) template: RequestTemplate,
    pub(super) is_head: bool,
    /// Statuses that are as wished.
    pub expect: Vec<u16>,
    /// What the body must hold.
    pub body_holds: Option<String>,
}

/// Why a file is no scenario.
#[derive(Debug, Error)]
pub enum ScenarioError {
    #[error("{} cannot be read", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the scenario is not as it is to be written")]
    Shape(#[source] Box<serde_saphyr::Error>),
    #[error("`{key}` is {found}; it is to be {expected}")]
    Key {
        key: String,
        found: String,
        expected: &'static str,
    },
    #[error("`{key}`")]
    Template { key: String, source: TemplateError },
    #[error("`values.{name}`")]
    Values { name: String, source: ValuesError },
    #[error("`values.{0}` is used by no request")]
    Unused(String),
}

impl Scenario {
    /// Reads a file; paths in it begin at its folder.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let text = std::fs::read_to_string(path).map_err(|source| ScenarioError::File {
            path: path.to_owned(),
            source,
        })?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::parse(&name, &text, folder)
    }

    pub fn parse(name: &str, text: &str, folder: &Path) -> Result<Self, ScenarioError> {
        let file: written::File =
            serde_saphyr::from_str(text).map_err(|error| ScenarioError::Shape(Box::new(error)))?;
        let target = Target::parse(&file.target)?;
        let lasts = duration("lasts", &file.lasts)?;
        let values = read_values(&file.values, folder)?;
        let requests = file.requests.iter().enumerate();
        let requests = requests.map(|(place, request)| request.plan(place, &target, &values));
        let requests = requests.collect::<Result<Vec<_>, _>>()?;
        check_use(&file)?;
        let known = !requests.is_empty();
        check("requests", known, "none", "at least one request")?;
        let timeout = file.timeout.as_deref().map(|it| duration("timeout", it));
        let warm_up = file.warm_up.as_deref().map(|it| duration("warm_up", it));
        let stop = file.stop.as_ref().and_then(|stop| stop.errors.as_deref());
        let errors_max = stop.map(|text| {
            parse_percent(text).ok_or_else(|| wrong("stop.errors", text, "a share such as `5%`"))
        });
        Ok(Self {
            name: name.to_owned(),
            warm_up: warm_up.transpose()?.unwrap_or_default(),
            rate: rate(&file.rate, lasts)?,
            arrivals: file.arrivals.map_or(Arrivals::Even, Into::into),
            connections: connections(file.connections.as_ref())?,
            threads: within("threads", file.threads.unwrap_or(1), THREADS_MAX)?,
            seed: file.seed.unwrap_or(1),
            timeout: timeout.transpose()?.unwrap_or(TIMEOUT),
            errors_max: errors_max.transpose()?,
            watch: file.watch,
            target,
            requests,
            values,
        })
    }
}

impl Target {
    fn parse(text: &str) -> Result<Self, ScenarioError> {
        let expected = "`http://` and an IP address with its port";
        let refused = || wrong("target", text, expected);
        let authority = text.strip_prefix("http://").ok_or_else(refused)?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        Ok(Self {
            address: authority.parse().map_err(|_| refused())?,
            authority: authority.to_owned(),
        })
    }
}

impl written::Request {
    fn plan(
        &self,
        place: usize,
        target: &Target,
        values: &Values,
    ) -> Result<Planned, ScenarioError> {
        let key = |name: &str| format!("requests[{place}].{name}");
        let mut named = self.named();
        let one = "exactly one of `get`, `head`, `post`, `put` and `delete`";
        let (method, path) = named
            .next()
            .ok_or_else(|| wrong(&key("get"), "not there", one))?;
        check(&key("get"), named.next().is_none(), "not alone", one)?;
        let weight = self.weight.unwrap_or(1);
        let is_weight = (1..=WEIGHT_MAX).contains(&weight);
        let found = weight.to_string();
        check(&key("weight"), is_weight, &found, "from 1 to 10,000")?;
        let template = |name: &str, text: &str| {
            let parsed = Template::parse(text, values);
            parsed.map_err(|source| ScenarioError::Template {
                key: key(name),
                source,
            })
        };
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", target.authority);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let has_body = matches!(method, "POST" | "PUT") || self.body.is_some();
        let body = has_body.then(|| self.body.as_deref().unwrap_or_default());
        Ok(Planned {
            name: self.name.clone(),
            weight,
            template: RequestTemplate {
                head: template("get", &head)?,
                body: body.map(|body| template("body", body)).transpose()?,
            },
            is_head: method == "HEAD",
            expect: self.expect.clone().unwrap_or_else(|| vec![200]),
            body_holds: self.body_holds.clone(),
        })
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        let targets = self.named().map(|(_, target)| target);
        let headers = self.headers.values().map(String::as_str);
        targets.chain(headers).chain(self.body.as_deref())
    }
}

impl From<written::Arrivals> for Arrivals {
    fn from(written: written::Arrivals) -> Self {
        match written {
            written::Arrivals::Even => Self::Even,
            written::Arrivals::Poisson => Self::Poisson,
        }
    }
}

fn read_values(
    written: &BTreeMap<String, written::Value>,
    folder: &Path,
) -> Result<Values, ScenarioError> {
    let mut values = Values::default();
    for (name, value) in written {
        let added = match value {
            written::Value::File { file } => values.add_file(name, &folder.join(file)),
            written::Value::Range { from, to } => values.add_range(name, *from, *to),
        };
        added.map_err(|source| ScenarioError::Values {
            name: name.clone(),
            source,
        })?;
    }
    Ok(values)
}

/// A value that no request has a gap for is a mistake in the name of one.
fn check_use(file: &written::File) -> Result<(), ScenarioError> {
    let texts: BTreeSet<_> = file.requests.iter().flat_map(|it| it.texts()).collect();
    let is_used = |name: &String| {
        let gap = format!("{{{name}}}");
        texts.iter().any(|text| text.contains(&gap))
    };
    match file.values.keys().find(|name| !is_used(name)) {
        Some(name) => Err(ScenarioError::Unused(name.clone())),
        None => Ok(()),
    }
}

fn rate(written: &written::Rate, lasts: Duration) -> Result<Rate, ScenarioError> {
    let (from, to) = match written {
        written::Rate::Constant(rate) => (*rate, *rate),
        written::Rate::Ramp { from, to } => (*from, *to),
    };
    let is_rate = |rate: f64| (0.0..=RATE_MAX).contains(&rate);
    let is_right = is_rate(from) && is_rate(to) && from + to > 0.0;
    let expected = "requests per second, up to 10,000,000";
    check("rate", is_right, &format!("{from} to {to}"), expected)?;
    Ok(Rate { from, to, lasts })
}

fn connections(written: Option<&written::Connections>) -> Result<Connections, ScenarioError> {
    let within = |count: usize| within("connections", count, CONNECTIONS_MAX);
    match written {
        None => Ok(Connections::Kept(CONNECTIONS)),
        Some(written::Connections::Kept(count)) => within(*count).map(Connections::Kept),
        Some(written::Connections::New { new }) => within(*new).map(Connections::New),
    }
}

fn within(key: &str, count: usize, max: usize) -> Result<usize, ScenarioError> {
    let is_right = (1..=max).contains(&count);
    let expected = "at least 1, and not more than a machine has";
    check(key, is_right, &count.to_string(), expected)?;
    Ok(count)
}

fn duration(key: &str, text: &str) -> Result<Duration, ScenarioError> {
    let expected = "a number with its unit, such as `500ms`, `30s` or `2m`";
    parse_duration(text).ok_or_else(|| wrong(key, text, expected))
}

fn check(
    key: &str,
    is_right: bool,
    found: &str,
    expected: &'static str,
) -> Result<(), ScenarioError> {
    match is_right {
        true => Ok(()),
        false => Err(wrong(key, found, expected)),
    }
}

fn wrong(key: &str, found: &str, expected: &'static str) -> ScenarioError {
    ScenarioError::Key {
        key: key.to_owned(),
        found: found.to_owned(),
        expected,
    }
}

#[cfg(test)]
mod tests;
