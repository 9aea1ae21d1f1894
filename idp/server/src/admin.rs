//! What operators may order: users, clients, tenants, sessions, tokens and keys.
//!
//! Whoever calls shows the administrator's credential, and everything that is done is in the audit
//! log. An order that is answered is on disk; with `?wait=all` it is also known to every gateway
//! that is alive. Each order can be repeated.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post, put};
use idp_core::admin::{Order, carry_out};
use idp_core::record::Record;
use idp_core::store::{Key, Store as _};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::desk::{Desk, Unanswerable};
use crate::protocol::bearer;
use crate::receipts;

mod actor;
mod answer;
mod backup;
mod clients;
mod consents;
mod keys;
mod page;
mod sessions;
mod tenants;
mod tokens;
mod users;

use actor::Actor;
use answer::{Done, Problem};

const BODY_BYTES_MAX: usize = 64 * 1024;
/// Longer than any gateway's lease, for those who wait for all of them.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How all of this is called, for machines.
const OPENAPI: &str = include_str!("admin/openapi.json");

pub(crate) fn router(desk: Arc<Desk>) -> Router {
    let waited = middleware::from_fn_with_state(Arc::clone(&desk), receipts::wait);
    let checked = middleware::from_fn_with_state(Arc::clone(&desk), check);
    Router::new()
        .route("/admin/users", get(users::list).post(users::create))
        .route("/admin/users/{id}", get(users::show).delete(users::delete))
        .route("/admin/users/{id}/name", put(users::rename))
        .route("/admin/users/{id}/enable", post(users::enable))
        .route("/admin/users/{id}/disable", post(users::disable))
        .route("/admin/users/{id}/end-sessions", post(users::end_sessions))
        .route("/admin/users/{id}/roles", put(users::set_roles))
        .route("/admin/users/{id}/password", put(users::set_password))
        .route("/admin/users/{id}/sessions", get(sessions::of_user))
        .route(
            "/admin/users/{id}/consents",
            get(consents::list).delete(consents::take_all_back),
        )
        .route(
            "/admin/users/{id}/consents/{client}",
            delete(consents::take_back),
        )
        .route("/admin/clients", get(clients::list))
        .route("/admin/clients/{id}", get(clients::show).put(clients::set))
        .route("/admin/clients/{id}/enable", post(clients::enable))
        .route("/admin/clients/{id}/disable", post(clients::disable))
        .route(
            "/admin/clients/{id}/end-sessions",
            post(clients::end_sessions),
        )
        .route("/admin/clients/{id}/secret", post(clients::renew_secret))
        .route("/admin/clients/{id}/sessions", get(sessions::of_client))
        .route("/admin/tenants", get(tenants::list))
        .route("/admin/tenants/{id}", put(tenants::set))
        .route(
            "/admin/tenants/{id}/end-sessions",
            post(tenants::end_sessions),
        )
        .route(
            "/admin/sessions/{id}",
            delete(sessions::end).get(sessions::show),
        )
        .route("/admin/end-all-sessions", post(sessions::end_all))
        .route("/admin/tokens", post(tokens::issue))
        .route("/admin/tokens/inspect", post(tokens::inspect))
        .route("/admin/tokens/revoke", post(tokens::revoke))
        .route("/admin/backup", post(backup::backup))
        .route("/admin/keys", get(keys::show))
        .route("/admin/keys/rotate", post(keys::rotate))
        .route("/admin/keys/rotate-filter", post(keys::step_filter))
        .route_layer(waited)
        .route_layer(checked)
        .route("/admin/openapi.json", get(openapi))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            REQUEST_TIMEOUT,
        ))
        .layer(CatchPanicLayer::new())
        .with_state(desk)
}

async fn openapi() -> Response {
    let kind = [(axum::http::header::CONTENT_TYPE, "application/json")];
    (kind, OPENAPI).into_response()
}

/// The credential comes first: whoever has none learns nothing of what there is.
async fn check(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    if bearer(&headers).is_some_and(|presented| desk.administrator.admits(presented)) {
        next.run(request).await
    } else {
        Problem::Unauthorized.into_response()
    }
}

async fn find(desk: &Desk, key: Key) -> Result<Record, Problem> {
    let found = desk.store.read(&[key]).await.map_err(Unanswerable::from)?;
    let found = found.into_iter().flatten().next();
    Ok(found.ok_or(Problem::NotFound)?.record)
}

/// Carries an order out.
async fn order(desk: &Desk, order: Order, actor: Actor) -> Result<Done, Problem> {
    let carried = desk.decide(move |case| carry_out(case.view, &order, actor.as_str(), case.now));
    carried.await??;
    Ok(Done)
}
