//! Whether the process lives, whether it is of use, and what it has counted.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use idp_token::lease::LEASE_DEFAULT;

use crate::clock;
use crate::desk::Desk;

const KIND: &str = "text/plain; version=0.0.4";

pub(super) async fn live() -> &'static str {
    "alive\n"
}

/// Gateways hear nothing of a provider that is not ready, and their leases run out.
pub(super) async fn ready(State(desk): State<Arc<Desk>>) -> Response {
    if silence(&desk).is_none_or(|silence| silence > LEASE_DEFAULT) {
        return (StatusCode::SERVICE_UNAVAILABLE, "the log is silent\n").into_response();
    }
    "ready\n".into_response()
}

pub(super) async fn metrics(State(desk): State<Arc<Desk>>) -> Response {
    let version = desk.store.moment().ok();
    let version = version.map(|moment| moment.version.0);
    match desk.metrics.render(silence(&desk), version) {
        Ok(text) => ([(header::CONTENT_TYPE, KIND)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn silence(desk: &Desk) -> Option<Duration> {
    let beaten_at = desk.tail.beaten_at()?;
    Some(clock::boot().0.saturating_sub(beaten_at.0))
}
