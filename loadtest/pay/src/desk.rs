//! What stands in front of every handler of a service: requests are counted, faults are dealt out,
//! and who asked is remembered where tokens say so.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use idp_token::digest::Tid;
use serde::Serialize;

use crate::faults::{Fate, Faults, Seen, Spoil};
use crate::problem::Refusal;

/// How long a hanging request is held before its connection is cut after all.
const HANG_MAX: Duration = Duration::from_secs(120);
/// Subjects that are told apart for each kind of request.
const CALLERS_MAX: usize = 64;

/// Counts the requests of one service and holds its faults.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    faults: RwLock<Option<Arc<Faults>>>,
    tallies: Mutex<HashMap<Seen, Tally>>,
}

#[derive(Debug, Default)]
struct Tally {
    count: u64,
    /// By subject, at most [`CALLERS_MAX`].
    callers: BTreeMap<String, (Tid, u64)>,
    other_callers: u64,
}

/// How often requests of one kind have arrived at a service, answered or not.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Count {
    service: &'static str,
    endpoint: usize,
    method: &'static str,
    path: String,
    count: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    callers: Vec<Caller>,
    /// Requests of subjects that came when as many were remembered as can be.
    #[serde(skip_serializing_if = "is_zero")]
    other_callers: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// How often a subject has come, and what logs call the token it came with last.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Caller {
    sub: String,
    tid: String,
    count: u64,
}

impl Desk {
    pub(crate) fn faults(&self) -> Option<Arc<Faults>> {
        self.faults
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_faults(&self, faults: Option<Faults>) {
        *self.faults.write().unwrap_or_else(PoisonError::into_inner) = faults.map(Arc::new);
    }

    pub(crate) fn counts(&self, service: &'static str) -> Vec<Count> {
        let tallies = self.tallies();
        let counts = tallies.iter().map(|(seen, tally)| Count {
            service,
            endpoint: seen.endpoint,
            method: seen.method,
            path: seen.path.to_string(),
            count: tally.count,
            callers: tally.callers(),
            other_callers: tally.other_callers,
        });
        counts.collect()
    }

    pub(crate) fn forget_counts(&self) {
        self.tallies().clear();
    }

    fn count(&self, seen: &Seen) {
        let mut tallies = self.tallies();
        match tallies.get_mut(seen) {
            Some(tally) => tally.count += 1,
            None => tallies.entry(seen.clone()).or_default().count = 1,
        }
    }

    /// Remembers whose token a request that was counted came with. The token was believed, so no
    /// stranger's words are kept.
    pub(crate) fn note_caller(&self, seen: &Seen, subject: &str, tid: Tid) {
        // Nothing if it was forgotten in between.
        if let Some(tally) = self.tallies().get_mut(seen) {
            tally.note(subject, tid);
        }
    }

    fn tallies(&self) -> MutexGuard<'_, HashMap<Seen, Tally>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    fn note(&mut self, subject: &str, tid: Tid) {
        if let Some(caller) = self.callers.get_mut(subject) {
            *caller = (tid, caller.1 + 1);
        } else if self.callers.len() < CALLERS_MAX {
            self.callers.insert(subject.to_owned(), (tid, 1));
        } else {
            self.other_callers += 1;
        }
    }

    fn callers(&self) -> Vec<Caller> {
        let callers = self.callers.iter().map(|(sub, (tid, count))| Caller {
            sub: sub.clone(),
            tid: tid.to_string(),
            count: *count,
        });
        callers.collect()
    }
}

/// Which listener of its service a connection came in by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endpoint(pub(crate) usize);

/// How long a write is to take while its key is in flight.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Work(Duration);

impl Work {
    pub(crate) async fn take(self) {
        if !self.0.is_zero() {
            tokio::time::sleep(self.0).await;
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Work {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or_default())
    }
}

/// The layer around all routes of a service.
pub(crate) async fn observe(
    State(desk): State<Arc<Desk>>,
    mut request: Request,
    next: Next,
) -> Response {
    let seen = seen(&request);
    desk.count(&seen);
    let drawn = desk.faults().and_then(|faults| faults.draw(&seen));
    request.extensions_mut().insert(seen);
    let Some(drawn) = drawn else {
        return next.run(request).await;
    };

    if !drawn.latency.is_zero() {
        tokio::time::sleep(drawn.latency).await;
    }
    request.extensions_mut().insert(Work(drawn.work));
    match drawn.fate {
        Fate::Spared => next.run(request).await,
        Fate::Error(status) => Refusal::Injected(status).into_response(),
        Fate::Hang => {
            tokio::time::sleep(HANG_MAX).await;
            spoiled(Response::default(), Spoil::Silence)
        }
        Fate::Spoiled(spoil) => spoiled(next.run(request).await, spoil),
    }
}

/// Marks an answer for the listener, which owns the socket and does the damage.
fn spoiled(mut response: Response, spoil: Spoil) -> Response {
    response.extensions_mut().insert(spoil);
    response
}

fn seen(request: &Request) -> Seen {
    let extensions = request.extensions();
    let path = extensions.get::<MatchedPath>();
    Seen {
        endpoint: extensions
            .get::<Endpoint>()
            .map_or(0, |endpoint| endpoint.0),
        method: method_name(request.method()),
        path: path.map_or_else(|| "unmatched".into(), |path| path.as_str().into()),
    }
}

/// A closed set, so that no client can make the counts grow.
fn method_name(method: &Method) -> &'static str {
    const KNOWN: [(&Method, &str); 6] = [
        (&Method::GET, "GET"),
        (&Method::HEAD, "HEAD"),
        (&Method::POST, "POST"),
        (&Method::PUT, "PUT"),
        (&Method::PATCH, "PATCH"),
        (&Method::DELETE, "DELETE"),
    ];
    let found = KNOWN.iter().find(|(known, _)| *known == method);
    found.map_or("other", |(_, name)| name)
}
