//! Who waits until a change is known to every gateway, and for how long?
//!
//! The judgement is that of [`idp_core::receipts`]; here is who waits for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use idp_core::receipts::{self, Awaited, Crowded};
use idp_core::store::StoreError;
use idp_token::ask::report::Report;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use crate::desk::{Desk, complain};
use crate::metrics::gauge;
use crate::{clock, relay};

/// How long a request waits; what it ordered is done before.
const PATIENCE: Duration = Duration::from_secs(8);

#[derive(Debug)]
pub(crate) struct Receipts {
    state: Mutex<receipts::Receipts>,
    /// Told after every report.
    heard: watch::Sender<()>,
}

/// How far a change has come in the time that somebody was willing to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spread {
    /// No gateway can serve any more what it took away.
    Everywhere,
    /// So many may still, or it is not known of them.
    Missing { gateways: usize },
}

impl Receipts {
    /// Of the first process on a store, or of one that takes over from another.
    pub(crate) fn new(is_first: bool) -> Self {
        let receipts = if is_first {
            receipts::Receipts::first()
        } else {
            receipts::Receipts::take_over(clock::boot())
        };
        Self {
            state: Mutex::new(receipts),
            heard: watch::channel(()).0,
        }
    }

    /// Takes note of a report. Once this returns, it may be acknowledged.
    pub(crate) fn note(&self, report: &Report) -> Result<usize, Crowded> {
        let now = clock::boot();
        let mut state = self.state();
        state.note(report, now)?;
        let gateways = state.members(now).count();
        drop(state);
        self.heard.send_replace(());
        Ok(gateways)
    }

    async fn wait(&self, awaited: Awaited, until: Instant) -> Spread {
        let mut heard = self.heard.subscribe();
        loop {
            let now = clock::boot();
            let standing = self.state().standing(awaited, now);
            let Some(next) = standing.until else {
                return Spread::Everywhere;
            };
            let pause = next.0.saturating_sub(now.0);
            let either = async {
                tokio::select! {
                    _ = heard.changed() => {}
                    () = sleep(pause) => {}
                }
            };
            if timeout_at(until, either).await.is_err() {
                let gateways = standing.missing.len();
                return Spread::Missing { gateways };
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, receipts::Receipts> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// With `?wait=all`, an order that was carried out is answered once it is in force at every gateway.
/// If that takes too long, or nobody can tell, the answer is 202: it is carried out, and may be
/// repeated to wait on.
pub(crate) async fn wait(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    let mut parameters = request.uri().query().unwrap_or_default().split('&');
    let is_waited_for = parameters.any(|parameter| parameter == "wait=all");
    let mut response = next.run(request).await;
    if !is_waited_for || !response.status().is_success() {
        return response;
    }
    match desk.spread(PATIENCE).await {
        Ok(Spread::Everywhere) => {}
        Ok(Spread::Missing { gateways }) => {
            tracing::warn!(gateways, "a change is not known to every gateway yet");
            *response.status_mut() = StatusCode::ACCEPTED;
        }
        Err(error) => {
            complain(&error.into());
            *response.status_mut() = StatusCode::ACCEPTED;
        }
    }
    response
}

impl Desk {
    /// Waits until everything that is committed by now is in force at every gateway.
    pub(crate) async fn spread(&self, patience: Duration) -> Result<Spread, StoreError> {
        let until = Instant::now() + patience;
        let committed_by = clock::boot();
        let seq = relay::promised(&self.store).await?;
        let awaited = Awaited { seq, committed_by };
        self.metrics.receipts_waiting.inc();
        let spread = self.receipts.wait(awaited, until).await;
        self.metrics.receipts_waiting.dec();
        Ok(spread)
    }

    pub(crate) fn note(&self, report: &Report) -> Result<(), Crowded> {
        let gateways = self.receipts.note(report)?;
        self.metrics.gateways.set(gauge(gateways as u64));
        Ok(())
    }
}
