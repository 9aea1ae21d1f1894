//! The operator's listener: is it alive, is it ready, what does it count?

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use composer_engine::{MISDIRECTED, Misread, is_asked_as_this_machine};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use idp_token::digest::TokenDigest;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;

use crate::clock;
use crate::gateway::Gateway;
use crate::identity::Identity;
use crate::lifecycle::Phase;
use crate::snapshot::Snapshot;
use crate::spawn::spawn;

const CONNECTIONS_MAX: usize = 64;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Orders to forget something are all that is sent here.
const BODY_BYTES_MAX: usize = 1024 * 1024;
const NOTHING_COMPOSED: &str = "nothing is composed here\n";

/// Serves until the process ends; readiness must be heard to the last.
pub(crate) async fn serve(gateway: Arc<Gateway>, listener: TcpListener) {
    let address = listener.local_addr().map(|address| address.ip());
    let is_local = address.is_ok_and(|address| address.to_canonical().is_loopback());
    let router = match is_local {
        true => router(gateway).layer(from_fn(refuse_strange_names)),
        false => router(gateway),
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let router = router.clone();
                spawn("admin-connection", async move {
                    converse(stream, router).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "an admin connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, router: Router) {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIMEOUT)
        .max_buf_size(16 * 1024);
    let service = TowerToHyperService::new(router);
    if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "an admin connection ended early");
    }
}

fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/identity/inspect", post(inspect))
        .route("/openapi.json", get(openapi))
        .route("/internal/invalidate", post(invalidate))
        .fallback(|| async { (StatusCode::NOT_FOUND, "try /livez, /readyz or /metrics\n") })
        .layer(from_fn(refuse_pages))
        .layer(RequestBodyLimitLayer::new(BODY_BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            REQUEST_TIMEOUT,
        ))
        .layer(CatchPanicLayer::new())
        .with_state(gateway)
}

/// A page can have the browser of an operator send orders to whatever that browser reaches, and nobody is
/// asked for a password here. A browser says where such an order comes from, and nobody else does.
async fn refuse_pages(request: Request, next: Next) -> Response {
    if request.method() == Method::GET || !request.headers().contains_key(header::ORIGIN) {
        return next.run(request).await;
    }
    let why = "orders are not taken from pages in a browser\n";
    (StatusCode::FORBIDDEN, why).into_response()
}

/// A page whose name was lent the address of this listener reads nothing here.
async fn refuse_strange_names(request: Request, next: Next) -> Response {
    match is_asked_as_this_machine(request.headers()) {
        true => next.run(request).await,
        false => (StatusCode::MISDIRECTED_REQUEST, MISDIRECTED).into_response(),
    }
}

/// Ready means: send requests here. What is missing is said in the answer.
///
/// Nobody waits for other issuers, who may be gone for good: their routes alone answer 503 then.
async fn readyz(State(gateway): State<Arc<Gateway>>) -> Response {
    let snapshot = gateway.snapshot.load();
    let missing = match gateway.lifecycle.phase() {
        Phase::Serving => missing(gateway.identity.as_ref(), &snapshot),
        Phase::LameDuck => Some("stopping: still answering, send new requests elsewhere\n"),
        Phase::Draining => Some("stopping: waiting for requests under way\n"),
    };
    if let Some(missing) = missing {
        return (StatusCode::SERVICE_UNAVAILABLE, missing).into_response();
    }
    let without = snapshot.issuers_without_keys();
    let lines = without.map(|name| format!("without the keys of the issuer {name}\n"));
    lines
        .fold("ready\n".to_owned(), |text, line| text + &line)
        .into_response()
}

/// Without which requests would be answered 503 that could be served elsewhere.
fn missing(identity: Option<&Arc<Identity>>, snapshot: &Snapshot) -> Option<&'static str> {
    if let Some(identity) = identity {
        if !identity.was_reached() {
            return Some(
                "starting: the identity provider was never reached, so no token can be judged\n",
            );
        }
        if snapshot.takes_value_tokens() && !identity.has_value_keys() {
            return Some(
                "starting: the public keys of the identity provider were never fetched, so no value token \
                 can be judged, which some routes take\n",
            );
        }
    }
    let composer = snapshot.composer.as_ref();
    composer
        .is_some_and(|composer| !composer.engine.is_ready())
        .then_some("starting: the tables of the composer are being read\n")
}

/// What this gateway thinks of the token with a digest, in base64url.
async fn inspect(State(gateway): State<Arc<Gateway>>, body: Bytes) -> Response {
    let Some(identity) = &gateway.identity else {
        let why = "this gateway asks nobody who they are\n";
        return (StatusCode::NOT_FOUND, why).into_response();
    };
    let digest = URL_SAFE_NO_PAD.decode(body.trim_ascii()).ok();
    match digest.and_then(|digest| <[u8; 16]>::try_from(digest).ok()) {
        Some(digest) => {
            let digest = TokenDigest::from_bytes(digest);
            let told = identity.inspect(&digest).to_string();
            ([(header::CONTENT_TYPE, "application/json")], told).into_response()
        }
        None => {
            let why = "send the digest of a token: 16 bytes in base64url\n";
            (StatusCode::BAD_REQUEST, why).into_response()
        }
    }
}

/// What is composed, for clients that are generated.
async fn openapi(State(gateway): State<Arc<Gateway>>) -> Response {
    match gateway.snapshot.load().composer.as_ref() {
        Some(composer) => {
            let kind = [(header::CONTENT_TYPE, "application/json")];
            (kind, composer.engine.openapi()).into_response()
        }
        None => (StatusCode::NOT_FOUND, NOTHING_COMPOSED).into_response(),
    }
}

/// Has the composer forget what it knows of something.
async fn invalidate(State(gateway): State<Arc<Gateway>>, orders: Bytes) -> Response {
    let snapshot = gateway.snapshot.load_full();
    let Some(composer) = snapshot.composer.as_ref() else {
        return (StatusCode::NOT_FOUND, NOTHING_COMPOSED).into_response();
    };
    match composer_engine::invalidate(&composer.engine, &orders).await {
        Ok(count) => format!("orders carried out: {count}\n").into_response(),
        Err(misread) => {
            let status = match misread {
                Misread::Form | Misread::TooMany => StatusCode::BAD_REQUEST,
                Misread::Unforgettable(_) => StatusCode::NOT_FOUND,
            };
            (status, format!("{misread}\n")).into_response()
        }
    }
}

async fn metrics(State(gateway): State<Arc<Gateway>>) -> Response {
    let snapshot = gateway.snapshot.load_full();
    let now = clock::now();
    let open = gateway.lifecycle.open_connections();
    gateway
        .metrics
        .connections
        .set(i64::try_from(open).unwrap_or(i64::MAX));
    if let Some(identity) = &gateway.identity {
        identity.note_moment();
    }
    if let Some(composer) = &snapshot.composer {
        composer.engine.measure();
    }
    let services = snapshot.services().iter();
    let moments = services.map(|upstream| upstream.moment(now));
    match gateway.metrics.render(moments) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
