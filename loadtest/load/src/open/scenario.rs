//! What is sent, how often, and what must come back: a file, read and checked.
//!
//! ```yaml
//! target: http://127.0.0.1:8080   # or https://, with tls: { ca: ca.pem } or { insecure: true }
//! protocol: h1                    # or h2, with streams: 8 under way on each connection
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
//!
//! Whatever is wrong is told at once, each thing with its line and column.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::problem::{Place, Problem, Problems};
use super::schedule::{Arrivals, Rate};
use super::template::RequestTemplate;
use super::values::Values;
use super::yaml::{self, TEXT_MAX};
use fields::{Fields, Notes};

pub use target::Target;

pub(super) use value::encode;

mod compile;
mod fields;
mod request;
mod target;
mod units;
mod value;

/// What of a file a run needs.
#[derive(Debug)]
pub struct Scenario {
    pub name: String,
    /// The first is the one that requests go to unless they say otherwise.
    pub targets: Vec<Target>,
    pub protocol: Protocol,
    pub warm_up: Duration,
    pub rate: Rate,
    pub arrivals: Arrivals,
    pub connections: Connections,
    pub threads: usize,
    pub seed: u64,
    pub timeout: Duration,
    pub requests: Vec<Planned>,
    pub(super) values: Values,
    pub(super) logins: Vec<Login>,
    pub(super) revocations: Option<Revocations>,
    /// The share of failed requests past which a run is given up.
    pub errors_max: Option<f64>,
    /// Processes whose CPU time and memory are noted, by name.
    pub watch: BTreeMap<String, Watch>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    /// With so many requests under way on each connection.
    Http2 {
        streams: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// So many to each target, kept open.
    Kept(usize),
    /// One for each request, at most so many at once.
    New(usize),
}

/// How a process is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    Process(u32),
    /// Whoever listens there, on this machine.
    Port(u16),
}

/// A request, sent as often as its weight says.
#[derive(Debug)]
pub struct Planned {
    pub name: String,
    pub weight: u32,
    /// The place of its target.
    pub(super) target: usize,
    pub(super) template: RequestTemplate,
    pub(super) is_head: bool,
    /// Statuses that are as wished.
    pub expect: Vec<u16>,
    /// What the body must hold.
    pub body_holds: Option<String>,
}

/// Tokens that are got from an identity provider before anything is sent.
#[derive(Clone, Debug)]
pub(super) struct Login {
    /// The value they become.
    pub(super) value: String,
    pub(super) target: Target,
    pub(super) path: String,
    pub(super) authorization: Secret,
    pub(super) scope: Option<String>,
    pub(super) count: usize,
}

/// Tokens of their own that are taken back while the run goes on, and must then be refused.
#[derive(Clone, Debug)]
pub(super) struct Revocations {
    pub(super) per_second: f64,
    /// How they are got.
    pub(super) login: Login,
    pub(super) target: Target,
    pub(super) path: String,
    /// The place of the request that is made with them.
    pub(super) probe: usize,
    /// How soon after the answer to the revocation.
    pub(super) within: Duration,
}

/// What nobody is to see.
#[derive(Clone)]
pub(super) struct Secret(pub(super) String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Scenario {
    /// Reads a file; paths in it begin at its folder.
    pub fn load(path: &Path) -> Result<Self, Problems> {
        let shown = path.display().to_string();
        let refuse = |why: &str| Problems::new(&shown, vec![Problem::new(Place::START, why)]);
        let found = std::fs::metadata(path)
            .map_err(|error| refuse(&format!("the file cannot be read: {error}")))?;
        if found.len() > TEXT_MAX as u64 {
            return Err(refuse("the file is larger than 1 MiB"));
        }
        let text = std::fs::read_to_string(path)
            .map_err(|error| refuse(&format!("the file cannot be read: {error}")))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut scenario = Self::parse(&shown, &text, folder)?;
        let name = path.file_stem().unwrap_or_default();
        scenario.name = name.to_string_lossy().into_owned();
        Ok(scenario)
    }

    /// Reads text; `name` is what problems call it.
    pub fn parse(name: &str, text: &str, folder: &Path) -> Result<Self, Problems> {
        let refuse = |problems| Problems::new(name, problems);
        let root = yaml::parse(text).map_err(|problem| refuse(vec![problem]))?;
        let notes = Notes::default();
        let read = Fields::of_file(&notes, &root);
        let scenario = read.and_then(|fields| compile::compile(fields, name, folder));
        match (scenario, notes.take()) {
            (Some(scenario), problems) if problems.is_empty() => Ok(scenario),
            (_, problems) => Err(refuse(problems)),
        }
    }
}

#[cfg(test)]
mod tests;
