//! One request through a plan: everything that can be done at once is, until nothing is missing.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use composer_core::Cause;
use composer_core::answer::Answer;
use composer_core::compose::{self, Composition, Outcome, Provenance, Refused, Task};
use composer_core::freshness::Reuse;
use composer_core::keys::Key;
use composer_core::plan::{EndpointId, LookupId, RENDERING, StepId};
use composer_core::status::Tally;

use http::{HeaderMap, StatusCode};

use crate::engine::{Course, Engine, Source};
use crate::metrics::{Ending, EndpointMetrics};
use crate::records::{Allowance, Errand, Found, Looked};
use crate::reply::Reply;
use crate::scope::Asker;
use crate::table::Snapshot;

/// One request for a composed answer.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub endpoint: EndpointId,
    /// The parameters of the path, as they were sent.
    pub params: &'a [&'a str],
    pub query: Option<&'a str>,
    pub asker: &'a Asker,
    /// When whoever asks has no use for an answer any more; the endpoint's budget may end earlier.
    pub deadline: Instant,
    /// What logs call the request; somebody whose answer is a problem is told it.
    pub id: Option<&'a str>,
}

/// Something that was done.
enum Done {
    Step(StepId, Found),
    Records(LookupId, Vec<Key>, Looked),
}

/// What is under way for one request. All of it is given up when this is dropped.
#[derive(Default)]
struct Underway<'a>(Vec<Doing<'a>>);

struct Run<'a> {
    engine: &'a Engine,
    course: &'a Course,
    errand: Errand<'a>,
    composition: Composition,
    /// The tables as they were when this request first needed them.
    tables: HashMap<LookupId, Option<Arc<Snapshot>>>,
}

impl Engine {
    /// Answers a request for a composed endpoint: with what was composed, with the news that the
    /// client has it already, or with why there is none.
    pub async fn answer(&self, request: &Request<'_>, headers: &HeaderMap) -> Reply {
        let began = self.clock.now();
        let composed = self.compose(request).await;
        let took = self.clock.now().saturating_duration_since(began);
        let metrics = self
            .endpoints
            .get(request.endpoint.0)
            .map(|course| &course.metrics);
        match composed {
            Ok(answer) => {
                let is_partial = answer.is_partial;
                if let Some(metrics) = metrics {
                    metrics.calls.inc_by(answer.calls);
                    metrics.calls_naive.inc_by(answer.calls_naive);
                    metrics.duplicates.inc_by(answer.duplicates);
                }
                let reply = Reply::of(answer, headers);
                let ending = match (is_partial, reply.status) {
                    (true, _) => Ending::Partial,
                    (false, StatusCode::NOT_MODIFIED) => Ending::Unchanged,
                    (false, _) => Ending::Complete,
                };
                note(metrics, ending, took);
                reply
            }
            Err(refused) => {
                note(metrics, Ending::Failed, took);
                Reply::refused(&refused, self.plan().endpoint(request.endpoint), request.id)
            }
        }
    }

    /// Composes an answer, or says why there is none.
    pub(crate) async fn compose(&self, request: &Request<'_>) -> Result<Answer, Refused> {
        let plan = self.plan();
        let endpoint = plan.endpoint(request.endpoint).ok_or(Refused::NoEndpoint)?;
        let course = self.endpoints.get(request.endpoint.0);
        let course = course.ok_or(Refused::NoEndpoint)?;
        let (params, query) = (request.params, request.query);
        let composition = Composition::begin(Arc::clone(plan), request.endpoint, params, query)?;
        let allowance = Allowance::new(endpoint.calls_max);
        let whole = self.clock.now() + endpoint.budget;
        let run = Run {
            engine: self,
            course,
            errand: Errand {
                asker: request.asker,
                deadline: whole.min(request.deadline) - RENDERING,
                allowance: &allowance,
            },
            composition,
            tables: HashMap::new(),
        };
        run.run().await.answer()
    }
}

impl<'a> Run<'a> {
    async fn run(mut self) -> Composition {
        let mut underway = Underway::default();
        loop {
            self.begin(&mut underway);
            if self.composition.is_done() {
                return self.composition;
            }
            let Some(done) = underway.next().await else {
                // There is nothing that could still come, which no plan leads to.
                tracing::error!("a composed answer waits for nothing");
                return self.composition;
            };
            self.note(done);
        }
    }

    /// Begins what can begin. What a table knows is there at once, and may let more begin.
    fn begin(&mut self, underway: &mut Underway<'a>) {
        loop {
            let tasks = self.composition.tasks();
            if tasks.is_empty() {
                return;
            }
            for task in tasks {
                match task {
                    Task::Step { step, target } => underway.0.extend(self.step(step, target)),
                    Task::Find { lookup, keys } => underway.0.extend(self.find(lookup, keys)),
                }
            }
        }
    }

    fn step(&mut self, id: StepId, target: String) -> Option<Doing<'a>> {
        let Some(answers) = self.course.steps.get(id.0) else {
            self.settle(id, Found::Failed(Cause::Internal));
            return None;
        };
        let errand = self.errand;
        Some(Box::pin(async move {
            Done::Step(id, answers.find(&target, &errand).await)
        }))
    }

    fn find(&mut self, id: LookupId, keys: Vec<Key>) -> Option<Doing<'a>> {
        match self.engine.lookups.get(id.0) {
            Some(Source::Records(records)) => {
                let errand = self.errand;
                Some(Box::pin(async move {
                    let looked = records.find(&keys, &errand).await;
                    Done::Records(id, keys, looked)
                }))
            }
            Some(Source::Table(kept)) => {
                let table = self
                    .tables
                    .entry(id)
                    .or_insert_with(|| kept.table.snapshot());
                let table = table.clone();
                self.found_in_table(id, keys, table.as_deref());
                None
            }
            None => {
                let failed = |key| (key, compose::Found::Failed(Cause::Internal));
                let from = provenance(Reuse::NEVER, Tally::default());
                self.composition
                    .found(id, keys.into_iter().map(failed), from);
                None
            }
        }
    }

    fn found_in_table(&mut self, id: LookupId, keys: Vec<Key>, table: Option<&Snapshot>) {
        let count = keys.len() as u64;
        let (reuse, tally) = match table {
            Some(table) => (
                table.reuse(self.engine.clock.now()),
                Tally {
                    hits: count,
                    ..Tally::default()
                },
            ),
            None => (
                Reuse::NEVER,
                Tally {
                    failed: count,
                    ..Tally::default()
                },
            ),
        };
        let found = keys.into_iter().map(|key| {
            let found = match table.map(|table| table.find(&key)) {
                Some(Some(record)) => compose::Found::Record(record.clone()),
                Some(None) => compose::Found::Absent,
                None => compose::Found::Failed(Cause::Unavailable),
            };
            (key, found)
        });
        self.composition.found(id, found, provenance(reuse, tally));
    }

    fn note(&mut self, done: Done) {
        match done {
            Done::Step(step, found) => self.settle(step, found),
            Done::Records(lookup, keys, looked) => {
                let from = provenance(looked.reuse, looked.tally);
                let found = keys.into_iter().zip(looked.found);
                self.composition.found(lookup, found, from);
            }
        }
    }

    fn settle(&mut self, step: StepId, found: Found) {
        let reuse = found.reuse(self.engine.clock.now());
        let mut tally = Tally::default();
        found.count(&mut tally);
        tally.calls = u64::from(found.cost_a_call());
        let outcome = match found.into_record() {
            compose::Found::Record(body) => Outcome::Answered(body),
            compose::Found::Stale(body, cause) => Outcome::Stale(body, cause),
            compose::Found::Absent => Outcome::Failed(Cause::Internal),
            compose::Found::Failed(cause) => Outcome::Failed(cause),
        };
        self.composition
            .settle(step, outcome, provenance(reuse, tally));
    }
}

type Doing<'a> = Pin<Box<dyn Future<Output = Done> + Send + 'a>>;

impl Underway<'_> {
    /// Whatever is done first; nothing where nothing is under way. There are few, so all are looked at.
    async fn next(&mut self) -> Option<Done> {
        if self.0.is_empty() {
            return None;
        }
        let (place, done) = poll_fn(|context| {
            for (place, doing) in self.0.iter_mut().enumerate() {
                if let Poll::Ready(done) = doing.as_mut().poll(context) {
                    return Poll::Ready((place, done));
                }
            }
            Poll::Pending
        })
        .await;
        drop(self.0.swap_remove(place));
        Some(done)
    }
}

fn note(metrics: Option<&EndpointMetrics>, ending: Ending, took: Duration) {
    if let Some(metrics) = metrics {
        metrics.note(ending, took);
    }
}

fn provenance(reuse: Reuse, tally: Tally) -> Provenance {
    Provenance { reuse, tally }
}
