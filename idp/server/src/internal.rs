//! What gateways call: the log, questions about tokens, reports. And what tells how the process is.
//!
//! A gateway shows its credential before anything that it sends is read. How the process is may be
//! seen by whoever reaches this address.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use idp_core::upkeep;
use idp_token::ask::report::Report;
use idp_token::ask::resolve::VALUE_PATH;
use idp_token::ask::uses::{USES_BYTES_MAX, read_uses};
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::desk::Desk;
use crate::listener::Phase;
use crate::protocol::{bearer, private};

mod answer;
mod log;
mod probes;
mod resolve;
mod value;

use answer::Problem;
use log::Log;

const JSON: &str = "application/json";
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// What may be longest: reports of uses.
const BODY_BYTES_MAX: usize = USES_BYTES_MAX;

/// `is_local`: it is served to this machine alone.
pub(crate) fn router(desk: Arc<Desk>, phase: watch::Receiver<Phase>, is_local: bool) -> Router {
    let checked = middleware::from_fn_with_state(Arc::clone(&desk), check);
    let log = Arc::new(Log::new(Arc::clone(&desk), phase));
    // It is waited for, so that it has a bound of its own.
    let log = Router::new()
        .route("/internal/log", get(log::log))
        .with_state(log);
    Router::new()
        .route("/internal/resolve", post(resolve::resolve))
        .route(VALUE_PATH, post(value::resolve))
        .route("/internal/filter-keys", get(filter_keys))
        .route("/internal/uses", post(uses))
        .route("/internal/receipts", post(receipts))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            REQUEST_TIMEOUT,
        ))
        .with_state(Arc::clone(&desk))
        .merge(log)
        .route_layer(checked)
        .merge(open_routes(desk, is_local))
        .layer(CatchPanicLayer::new())
}

fn open_routes(desk: Arc<Desk>, is_local: bool) -> Router {
    let shown = Router::new()
        .route("/livez", get(probes::live))
        .route("/readyz", get(probes::ready))
        .route("/metrics", get(probes::metrics))
        .with_state(desk);
    match is_local {
        true => shown.layer(middleware::from_fn(refuse_strange_names)),
        false => shown,
    }
}

/// What is shown to everybody could also be read by a page whose name is lent this address (DNS rebinding): the
/// browser of an operator then asks under that name. Nobody can lend an address, or `localhost`.
async fn refuse_strange_names(request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    if hosts.all(|host| host.to_str().is_ok_and(is_of_this_machine)) {
        return next.run(request).await;
    }
    let why = "ask under an IP address or localhost\n";
    (StatusCode::MISDIRECTED_REQUEST, why).into_response()
}

fn is_of_this_machine(host: &str) -> bool {
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let name = match host.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        Some(_) | None => host,
    };
    let address = name.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    name.eq_ignore_ascii_case("localhost") || address.unwrap_or(name).parse::<IpAddr>().is_ok()
}

async fn check(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    if bearer(&headers).is_some_and(|presented| desk.gateway.admits(presented)) {
        next.run(request).await
    } else {
        Problem::Unauthorized.into_response()
    }
}

/// The keys that a gateway refuses forged tokens with.
async fn filter_keys(State(desk): State<Arc<Desk>>) -> impl IntoResponse {
    // Wiped once it is sent.
    let told = Bytes::from_owner(desk.ring.load().filter.write());
    (private(), [(header::CONTENT_TYPE, JSON)], told)
}

/// How long ago sessions were last used, as far as a gateway knows.
async fn uses(State(desk): State<Arc<Desk>>, body: Bytes) -> Result<StatusCode, Problem> {
    let uses = read_uses(&body)?;
    let count = uses.len() as u64;
    let noted = desk.decide(move |case| upkeep::note_uses(case.view, &uses, case.now));
    noted.await?;
    desk.metrics.uses.inc_by(count);
    Ok(StatusCode::NO_CONTENT)
}

/// How far a gateway has applied the log.
async fn receipts(State(desk): State<Arc<Desk>>, body: Bytes) -> Result<StatusCode, Problem> {
    desk.note(&Report::read(&body)?)?;
    Ok(StatusCode::NO_CONTENT)
}
