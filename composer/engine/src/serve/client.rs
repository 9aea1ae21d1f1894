//! What a client asks for: a composed read, and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

use super::listener::Answering;
use crate::engine::Engine;
use crate::paths;
use crate::reply::{Problem, Reply};
use crate::run;
use crate::scope::Asker;

/// Longer than any endpoint may take.
const DEADLINE: Duration = Duration::from_secs(300);
const READS: HeaderValue = HeaderValue::from_static("GET, HEAD");

#[derive(Debug)]
pub(super) struct Clients {
    engine: Arc<Engine>,
    /// Whether every table was read; from then on there is always something of each.
    is_ready: AtomicBool,
}

impl Clients {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            is_ready: AtomicBool::new(false),
        }
    }

    async fn reply(&self, request: &Request<Incoming>) -> Reply {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut reply = Reply::problem(&Problem {
                status: StatusCode::METHOD_NOT_ALLOWED,
                code: "method_not_allowed",
                detail: "composed answers are read",
                id: None,
            });
            reply.headers.insert(ALLOW, READS);
            return reply;
        }
        if !self.is_ready() {
            return Reply::problem(&Problem {
                status: StatusCode::SERVICE_UNAVAILABLE,
                code: "not_ready",
                detail: "the tables are being read",
                id: None,
            });
        }
        let found = paths::find(self.engine.plan(), request.uri().path());
        let Some((endpoint, params)) = found else {
            return Reply::problem(&Problem {
                status: StatusCode::NOT_FOUND,
                code: "no_endpoint",
                detail: "there is no such endpoint",
                id: None,
            });
        };
        let asker = asker(request.headers());
        let wish = run::Request {
            endpoint,
            params: &params,
            query: request.uri().query(),
            asker: &asker,
            deadline: self.engine.clock().now() + time_left(request.headers()),
            id: None,
        };
        self.engine.answer(&wish, request.headers()).await
    }

    fn is_ready(&self) -> bool {
        if !self.is_ready.load(Ordering::Relaxed) {
            self.is_ready
                .store(self.engine.is_ready(), Ordering::Relaxed);
        }
        self.is_ready.load(Ordering::Relaxed)
    }
}

impl Answering for Clients {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.reply(&request).await.into_response()
    }
}

/// Who shows the same credential is the same.
fn asker(headers: &HeaderMap) -> Asker {
    let credential = headers.get(AUTHORIZATION);
    let scope = credential.map_or(&[][..], HeaderValue::as_bytes);
    Asker::new(scope, credential.cloned())
}

/// What whoever asks says that it still waits.
fn time_left(headers: &HeaderMap) -> Duration {
    let said = headers.get("x-request-timeout-ms");
    let millis = said.and_then(|value| value.to_str().ok()?.parse().ok());
    millis.map_or(DEADLINE, Duration::from_millis).min(DEADLINE)
}
