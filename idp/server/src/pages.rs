//! What people see: they sign in, allow or deny what a client asks for, take it back, and
//! sign out.
//!
//! Every page stands on its own. It needs no script, loads nothing, and can be read on a phone, in
//! the dark, and by a screen reader. Nothing is remembered between two pages: the form of a page
//! leads to the very URL that the page was asked for with, which is judged anew each time.
//!
//! Refused here, before any rule is asked: a form that was not shown to this browser lately
//! ([`forms`]), and one that another site sent ([`visit`]). Sent nowhere: whoever comes with a
//! request whose client or redirect URI is not known to be good ([`rejection`]).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use idp_core::parameters;
use tower_http::catch_panic::CatchPanicLayer;

use crate::desk::Desk;
use crate::protocol::path;
use crate::random::NoRandom;

use cookies::Cookies;
use forms::Forms;
use rejection::Rejection;

mod applications;
mod authorize;
mod consent;
mod cookies;
mod forms;
mod front;
mod hint;
mod html;
mod page;
mod rejection;
mod security;
mod sign_in;
mod sign_out;
mod visit;

/// Passwords wait for their turn, a few seconds in a crowd.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// What the pages of one provider share.
struct Pages {
    desk: Arc<Desk>,
    forms: Forms,
    cookies: Cookies,
    /// Of the issuer, as browsers spell it.
    origin: String,
}

pub(crate) fn router(desk: Arc<Desk>) -> Result<Router, NoRandom> {
    let issuer = desk.ring.load().provider.issuer.clone();
    let pages = Arc::new(Pages {
        desk,
        forms: Forms::new()?,
        cookies: Cookies::of(&issuer),
        origin: security::origin(&issuer).unwrap_or(issuer),
    });
    Ok(Router::new()
        .route(path::AUTHORIZE, any(authorize::authorize))
        .route(path::END_SESSION, any(sign_out::end_session))
        .route(path::APPLICATIONS, any(applications::applications))
        .route("/", get(front::front).fallback(front::wrong_method))
        .fallback(front::nothing_here)
        .layer(DefaultBodyLimit::max(parameters::BYTES_MAX))
        .layer(from_fn(in_time))
        .layer(CatchPanicLayer::custom(|_| {
            Rejection::Fault.into_response()
        }))
        .layer(map_response(secured))
        .with_state(pages))
}

async fn in_time(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await;
    answer.unwrap_or_else(|_| Rejection::Busy.into_response())
}

/// Whatever is answered from here, and by whom: it is not kept, not framed and runs nothing.
async fn secured(mut response: Response) -> Response {
    security::complete(response.headers_mut());
    response
}
