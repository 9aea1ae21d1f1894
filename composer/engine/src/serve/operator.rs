//! What an operator asks: is it ready, what does it count, and forget this.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ORIGIN};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use prometheus::TextEncoder;

use super::listener::Answering;
use crate::asked_as::{MISDIRECTED, is_asked_as_this_machine};
use crate::engine::Engine;
use crate::invalidate::{BODY_BYTES_MAX, Misread, invalidate};
use crate::reply::{Problem, Reply};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const METRICS: HeaderValue = HeaderValue::from_static(prometheus::TEXT_FORMAT);

#[derive(Debug)]
pub(super) struct Operators {
    engine: Arc<Engine>,
    /// Whether this machine alone reaches the listener.
    is_local: bool,
}

impl Operators {
    pub(super) fn new(engine: Arc<Engine>, is_local: bool) -> Self {
        Self { engine, is_local }
    }

    /// Not for a page in the browser of an operator, which says where such an order comes from.
    async fn forget(&self, request: Request<Incoming>) -> Reply {
        if request.headers().contains_key(ORIGIN) {
            return Reply::problem(&Problem {
                status: StatusCode::FORBIDDEN,
                code: "not_invalidated",
                detail: "orders are not taken from pages in a browser",
                id: None,
            });
        }
        let body = Limited::new(request.into_body(), BODY_BYTES_MAX)
            .collect()
            .await;
        let Ok(body) = body else {
            return Reply::problem(&Problem {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                code: "body_too_large",
                detail: "the body is cut, or larger than may be read",
                id: None,
            });
        };
        match invalidate(&self.engine, &body.to_bytes()).await {
            Ok(count) => Reply::text(
                StatusCode::OK,
                TEXT,
                format!("orders carried out: {count}\n"),
            ),
            Err(misread) => Reply::problem(&Problem {
                status: match misread {
                    Misread::Form | Misread::TooMany => StatusCode::BAD_REQUEST,
                    Misread::Unforgettable(_) => StatusCode::NOT_FOUND,
                },
                code: "not_invalidated",
                detail: &misread.to_string(),
                id: None,
            }),
        }
    }

    fn ready(&self) -> Reply {
        if self.engine.is_ready() {
            Reply::text(StatusCode::OK, TEXT, "ready\n")
        } else {
            let missing = "the tables are being read\n";
            Reply::text(StatusCode::SERVICE_UNAVAILABLE, TEXT, missing)
        }
    }

    fn metrics(&self) -> Reply {
        self.engine.measure();
        let families = self.engine.metrics().registry().gather();
        match TextEncoder::new().encode_to_string(&families) {
            Ok(text) => Reply::text(StatusCode::OK, METRICS, text),
            Err(error) => {
                tracing::error!(%error, "metrics could not be rendered");
                Reply::text(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "")
            }
        }
    }
}

impl Answering for Operators {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if self.is_local && !is_asked_as_this_machine(request.headers()) {
            let misdirected = Reply::text(StatusCode::MISDIRECTED_REQUEST, TEXT, MISDIRECTED);
            return misdirected.into_response();
        }
        let reply = match (request.method(), request.uri().path()) {
            (&Method::GET, "/livez") => Reply::text(StatusCode::OK, TEXT, "alive\n"),
            (&Method::GET, "/readyz") => self.ready(),
            (&Method::GET, "/metrics") => self.metrics(),
            (&Method::GET, "/openapi.json") => {
                Reply::text(StatusCode::OK, JSON, self.engine.openapi())
            }
            (&Method::POST, "/internal/invalidate") => self.forget(request).await,
            (_, _) => {
                let known =
                    "try /livez, /readyz, /metrics, /openapi.json or POST /internal/invalidate\n";
                Reply::text(StatusCode::NOT_FOUND, TEXT, known)
            }
        };
        let mut response = reply.into_response();
        response.headers_mut().entry(CONTENT_TYPE).or_insert(TEXT);
        response
    }
}
