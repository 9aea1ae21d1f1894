//! What somebody declares: texts and numbers, each with the place it was read from.
//!
//! Numbers and durations are within their bounds already; what the texts say is for
//! [`crate::compile()`] to find out.

use std::time::Duration;

use crate::json::Json;
use crate::keys::ChunkMax;
use crate::plan::{Cache, Scope};

/// Where something was read. What it means is up to whoever made it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Place(pub u64);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    pub text: String,
    pub place: Place,
}

#[derive(Debug, Clone, Default)]
pub struct Declaration {
    pub services: Vec<Service>,
    pub lookups: Vec<Lookup>,
    pub endpoints: Vec<Endpoint>,
}

/// A service that can be asked.
#[derive(Debug, Clone)]
pub struct Service {
    pub name: String,
    pub is_sent_credential: bool,
    pub timeout: Duration,
    /// Where it is said that it speaks HTTP/2, in which calls are not made.
    pub http2_place: Option<Place>,
}

#[derive(Debug, Clone)]
pub struct Lookup {
    pub name: Text,
    pub call: Text,
    pub source: LookupSource,
    pub key: Option<Text>,
    /// A path of members, empty where it is not given.
    pub items: Option<Text>,
    pub version: Option<Text>,
    pub scope: Scope,
    /// Where it is said that this is shared.
    pub shared_place: Option<Place>,
    /// Whether a credential that is sent is no reason against sharing.
    pub is_shared_despite_auth: bool,
    /// Where it is said that records go into the second level.
    pub second_level_place: Option<Place>,
}

#[derive(Debug, Clone)]
pub enum LookupSource {
    Batch {
        max: ChunkMax,
        cache: Option<Cache>,
    },
    Table {
        refresh: Duration,
        reload: Duration,
        bytes_max: usize,
        deleted: Text,
    },
}

#[derive(Debug, Clone)]
pub struct Endpoint {
    /// A method and a path.
    pub name: Text,
    pub budget: Duration,
    pub calls_max: usize,
    pub steps: Vec<Step>,
    pub answer: Vec<(Text, Target)>,
    pub answer_place: Place,
}

#[derive(Debug, Clone)]
pub struct Step {
    pub name: Text,
    pub call: Text,
    pub timeout: Option<(Duration, Place)>,
    pub is_required: bool,
    pub otherwise: Option<(Json, Place)>,
    pub cache: Option<StepCache>,
}

#[derive(Debug, Clone)]
pub struct StepCache {
    pub scope: Scope,
    pub shared_place: Option<Place>,
    pub is_shared_despite_auth: bool,
    pub cache: Cache,
}

/// What stands under a name of the answer.
#[derive(Debug, Clone)]
pub enum Target {
    Value(Text),
    Object(Vec<(Text, Target)>),
    Rows(Rows),
}

#[derive(Debug, Clone)]
pub struct Rows {
    pub each: Text,
    pub rows_max: usize,
    pub is_cut: bool,
    pub keep: Vec<Text>,
    pub join: Vec<(Text, Text)>,
}

/// A text that was not read from anywhere.
impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            place: Place::default(),
        }
    }
}
