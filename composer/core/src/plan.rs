//! What a declaration comes to: calls, lookups and answers in which nothing is found by name any more.
//!
//! Made once by [`crate::compile()`] and never changed. Things refer to each other by their place.

use std::time::Duration;

use crate::call::Call;
use crate::json::{Json, Name};
use crate::keys::ChunkMax;
use crate::pieces::Label;

/// Calls one after the other, at most; a table costs none.
pub const DEPTH_MAX: usize = 3;
/// Calls that one request may cost, unless its endpoint says otherwise.
pub const CALLS_MAX: usize = 20;
/// What an endpoint may say at most.
pub const CALLS_CEILING: usize = 100;
/// What is left of a request's time for putting the answer together.
pub const RENDERING: Duration = Duration::from_millis(2);
/// A second level is waited for where so many times as long is left as it may take.
pub const SECOND_LEVEL_TIMES: u32 = 4;

macro_rules! places {
    ($($(#[$doc:meta])* $place:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $place(pub usize);
    )+};
}

places! {
    /// A service in [`Plan::services`].
    ServiceId;
    /// A lookup in [`Plan::lookups`].
    LookupId;
    /// An endpoint in [`Plan::endpoints`].
    EndpointId;
    /// A step in [`Endpoint::steps`].
    StepId;
    /// A join in [`Endpoint::joins`].
    JoinId;
    /// A list in [`Endpoint::lists`].
    ListId;
}

/// Everything that can be composed.
#[derive(Debug, Default)]
pub struct Plan {
    pub services: Vec<Source>,
    pub lookups: Vec<Lookup>,
    pub endpoints: Vec<Endpoint>,
}

/// A service as a source of data.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// As in `services` of the configuration.
    pub name: Box<str>,
    /// Whether it is sent the caller's value token.
    pub is_sent_credential: bool,
}

/// One key, one record, wherever it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    pub name: Box<str>,
    /// With [`crate::call::Insert::Keys`] for a batch.
    pub call: Call,
    pub timeout: Duration,
    pub source: LookupSource,
    /// The member of a record that holds its key.
    pub key: Name,
    /// Where in the answer the array of records is; empty where the answer is the array.
    pub items: Box<[Name]>,
    /// The member of a record that holds its version.
    pub version: Option<Name>,
    /// Whether records are shared by all callers, or private to each.
    pub scope: Scope,
    /// Whether records are shared by all composers too; only with [`Scope::Shared`] and a cache.
    pub is_in_second_level: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupSource {
    Batch {
        max: ChunkMax,
        /// `None`: fetched again for every request.
        cache: Option<Cache>,
    },
    /// Held whole.
    Table {
        refresh: Duration,
        /// After how long it is read whole again even if only changes are asked for.
        reload: Duration,
        bytes_max: usize,
        /// A record of a delta in which this member is `true` is gone.
        deleted: Name,
    },
}

/// Whose a cached thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    Caller,
    Shared,
}

/// How long something is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    pub ttl: Duration,
    /// For keys of which a good answer had no record.
    pub missing: Duration,
    /// How long after its end an entry is still used while it is fetched anew.
    pub stale_while_revalidate: Duration,
    /// How long after its end an entry is still used when it cannot be fetched.
    pub stale_if_error: Duration,
    pub bytes_max: usize,
}

#[derive(Debug)]
pub struct Endpoint {
    /// `GET /members/{memberId}/transfer-history`
    pub name: Box<str>,
    pub path: Vec<Segment>,
    /// The names of the parameters in the path, in order.
    pub params: Vec<Box<str>>,
    /// The names of the parameters that are read from the query.
    pub queries: Vec<Query>,
    pub budget: Duration,
    /// Calls that one request may cost.
    pub calls_max: usize,
    /// In the order of the file.
    pub steps: Vec<Step>,
    pub joins: Vec<Join>,
    pub lists: Vec<List>,
    /// The members of the answer.
    pub answer: Vec<Member>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    Literal(Box<str>),
    Param,
}

/// A parameter of the query.
#[derive(Debug, PartialEq, Eq)]
pub struct Query {
    pub name: Box<str>,
    /// Without it the request is refused.
    pub is_required: bool,
}

/// One call for every request.
#[derive(Debug)]
pub struct Step {
    pub name: Box<str>,
    pub call: Call,
    pub timeout: Duration,
    /// What must be there first.
    pub needs: Needs,
    /// 1 for what can begin at once.
    pub round: usize,
    pub otherwise: Otherwise,
    /// `None`: fetched for every request.
    pub cache: Option<StepCache>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct StepCache {
    pub scope: Scope,
    pub cache: Cache,
}

/// What an expression or a call is made from.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Needs {
    pub steps: Vec<StepId>,
    pub joins: Vec<JoinId>,
}

/// What becomes of the answer when a step failed.
#[derive(Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// There is none.
    Fail,
    /// This stands in for what the service would have answered.
    Value(Json),
}

/// A lookup in use: one key for the whole answer, or one for each row of a list.
#[derive(Debug)]
pub struct Join {
    pub lookup: LookupId,
    pub key: Value,
    /// The list whose rows bring the keys.
    pub list: Option<ListId>,
    pub needs: Needs,
    /// The round in which it is fetched; that of what it needs where it costs no call.
    pub round: usize,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A parameter of the path.
    Param(usize),
    /// A parameter of the query.
    Query(usize),
    Step {
        step: StepId,
        path: Box<[Name]>,
    },
    /// Of the row at hand: one of [`List::names`], and what lies in it.
    Row {
        list: ListId,
        member: usize,
        path: Box<[Name]>,
    },
    /// Of the record that a join found.
    Joined {
        join: JoinId,
        path: Box<[Name]>,
    },
}

/// A member of the answer, or of an object in it.
#[derive(Debug)]
pub struct Member {
    pub name: Name,
    pub(crate) label: Label,
    pub shape: Shape,
}

#[derive(Debug)]
pub enum Shape {
    Value(Value),
    Object(Vec<Member>),
    List(ListId),
}

/// Rows out of an array of a step.
#[derive(Debug)]
pub struct List {
    /// Where it stands in the answer: `transfers`, or `recent.transfers`.
    pub name: Box<str>,
    pub step: StepId,
    pub path: Box<[Name]>,
    pub rows_max: usize,
    /// Past the maximum: cut, and say so; otherwise the request is refused.
    pub is_cut: bool,
    /// The members that are read from a row.
    pub names: Vec<Name>,
    pub columns: Vec<Column>,
}

/// A member of a row of the answer.
#[derive(Debug)]
pub struct Column {
    pub name: Name,
    pub(crate) label: Label,
    pub value: Value,
    /// Where a row has no such value: left out, as it was in the row, rather than `null`.
    pub is_kept: bool,
}

impl Plan {
    pub fn service(&self, id: ServiceId) -> Option<&Source> {
        self.services.get(id.0)
    }

    pub fn lookup(&self, id: LookupId) -> Option<&Lookup> {
        self.lookups.get(id.0)
    }

    pub fn endpoint(&self, id: EndpointId) -> Option<&Endpoint> {
        self.endpoints.get(id.0)
    }

    /// The endpoint of this name.
    pub fn find(&self, name: &str) -> Option<EndpointId> {
        let found = self.endpoints.iter().position(|it| *it.name == *name);
        found.map(EndpointId)
    }
}

impl Endpoint {
    pub fn step(&self, id: StepId) -> Option<&Step> {
        self.steps.get(id.0)
    }

    pub fn join(&self, id: JoinId) -> Option<&Join> {
        self.joins.get(id.0)
    }

    pub fn list(&self, id: ListId) -> Option<&List> {
        self.lists.get(id.0)
    }
}

impl Lookup {
    pub fn is_table(&self) -> bool {
        matches!(self.source, LookupSource::Table { .. })
    }

    /// How long its records are kept, where they are kept one by one.
    pub fn cache(&self) -> Option<&Cache> {
        match &self.source {
            LookupSource::Batch { cache, .. } => cache.as_ref(),
            LookupSource::Table { .. } => None,
        }
    }

    /// How much goes into one call, where it takes calls.
    pub fn batch_max(&self) -> Option<ChunkMax> {
        match self.source {
            LookupSource::Batch { max, .. } => Some(max),
            LookupSource::Table { .. } => None,
        }
    }
}
