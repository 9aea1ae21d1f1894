//! A scenario as it is written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) target: String,
    pub(super) lasts: String,
    pub(super) warm_up: Option<String>,
    pub(super) rate: Rate,
    pub(super) arrivals: Option<Arrivals>,
    pub(super) connections: Option<Connections>,
    pub(super) threads: Option<usize>,
    pub(super) seed: Option<u64>,
    pub(super) timeout: Option<String>,
    #[serde(default)]
    pub(super) values: BTreeMap<String, Value>,
    pub(super) requests: Vec<Request>,
    pub(super) stop: Option<Stop>,
    /// Files with the ids of processes, by name.
    #[serde(default)]
    pub(super) watch: BTreeMap<String, u32>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Rate {
    Constant(f64),
    Ramp { from: f64, to: f64 },
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Arrivals {
    Even,
    Poisson,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Connections {
    Kept(usize),
    New { new: usize },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Value {
    File { file: PathBuf },
    Range { from: u64, to: u64 },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    pub(super) name: String,
    pub(super) weight: Option<u32>,
    pub(super) get: Option<String>,
    pub(super) head: Option<String>,
    pub(super) post: Option<String>,
    pub(super) put: Option<String>,
    pub(super) delete: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Option<String>,
    pub(super) expect: Option<Vec<u16>>,
    pub(super) body_holds: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stop {
    pub(super) errors: Option<String>,
}

impl Request {
    /// The methods that are named, with their targets.
    pub(super) fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("GET", &self.get),
            ("HEAD", &self.head),
            ("POST", &self.post),
            ("PUT", &self.put),
            ("DELETE", &self.delete),
        ];
        all.into_iter()
            .filter_map(|(method, target)| Some((method, target.as_deref()?)))
    }
}
