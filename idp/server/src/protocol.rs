//! What clients and services call: the endpoints of OAuth 2.0 and OpenID Connect, without pages.
//!
//! A request is read here and judged in `idp_core`. Nothing is answered from here that could be
//! kept by a cache, but for the keys and the description of this provider.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware;
use axum::routing::{get, post};
use idp_core::parameters;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::desk::Desk;
use crate::receipts;

mod discovery;
mod front;
mod introspect;
mod reply;
mod revoke;
mod token;
mod userinfo;

pub(crate) use discovery::describe;
pub(crate) use front::{Front, Left, converse};
pub(crate) use reply::{is_form, private};
pub(crate) use userinfo::bearer;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Where each endpoint is, below the issuer.
pub(crate) mod path {
    /// No endpoint of any protocol: for people.
    pub(crate) const APPLICATIONS: &str = "/applications";
    pub(crate) const AUTHORIZE: &str = "/authorize";
    pub(crate) const END_SESSION: &str = "/end-session";
    pub(crate) const INTROSPECT: &str = "/introspect";
    pub(crate) const JWKS: &str = "/jwks";
    pub(crate) const REVOKE: &str = "/revoke";
    pub(crate) const TOKEN: &str = "/token";
    pub(crate) const USERINFO: &str = "/userinfo";
    pub(crate) const OAUTH_DISCOVERY: &str = "/.well-known/oauth-authorization-server";
    pub(crate) const OPENID_DISCOVERY: &str = "/.well-known/openid-configuration";
}

/// All but what [`Front`] answers by itself.
pub(crate) fn router(desk: Arc<Desk>) -> Router {
    let waited = middleware::from_fn_with_state(Arc::clone(&desk), receipts::wait);
    Router::new()
        .route(path::REVOKE, post(revoke::revoke).layer(waited))
        .route(
            path::USERINFO,
            get(userinfo::userinfo).post(userinfo::userinfo),
        )
        .route(path::JWKS, get(discovery::jwks))
        .route(path::OAUTH_DISCOVERY, get(discovery::discovery))
        .route(path::OPENID_DISCOVERY, get(discovery::discovery))
        .layer(DefaultBodyLimit::max(parameters::BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            REQUEST_TIMEOUT,
        ))
        .layer(CatchPanicLayer::new())
        .with_state(desk)
}
