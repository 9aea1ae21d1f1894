//! The two calls that machines make all the time, answered without a router.
//!
//! What a router does for a request (matching, layers, extensions, a handful of boxes) costs as much
//! as to find out whether a token is good. So these two have a way of their own, with the same
//! limits: a deadline, a cap on the body, and a panic that ends one request. Everything else goes to
//! the router, which knows nothing of them.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use idp_core::parameters;
use tokio::time::timeout;

use super::reply::{Form, refused};
use super::{REQUEST_TIMEOUT, introspect, path, token};
use crate::desk::Desk;

#[derive(Debug, Clone)]
pub(crate) struct Front {
    desk: Arc<Desk>,
    rest: TowerToHyperService<Router>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Token,
    Introspect,
}

impl Front {
    pub(crate) fn new(desk: Arc<Desk>, rest: Router) -> Self {
        let rest = TowerToHyperService::new(rest);
        Self { desk, rest }
    }
}

impl Call {
    fn of(path: &str) -> Option<Self> {
        match path {
            path::TOKEN => Some(Self::Token),
            path::INTROSPECT => Some(Self::Introspect),
            _ => None,
        }
    }
}

impl Service<Request<Incoming>> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let Some(call) = Call::of(request.uri().path()) else {
            return Box::pin(self.rest.call(request));
        };
        let desk = Arc::clone(&self.desk);
        Box::pin(async move {
            let answering = timeout(REQUEST_TIMEOUT, guarded(answer(&desk, call, request)));
            let answered = answering.await;
            Ok(answered.unwrap_or_else(|_| StatusCode::SERVICE_UNAVAILABLE.into_response()))
        })
    }
}

async fn answer(desk: &Desk, call: Call, request: Request<Incoming>) -> Response {
    if request.method() != Method::POST {
        let allowed = [(header::ALLOW, HeaderValue::from_static("POST"))];
        return (StatusCode::METHOD_NOT_ALLOWED, allowed).into_response();
    }
    let (head, body) = request.into_parts();
    let authorization = match Form::authorization(&head.headers) {
        Ok(authorization) => authorization,
        Err(refusal) => return refused(refusal),
    };
    let body = match take(body).await {
        Ok(body) => body,
        Err(status) => return status.into_response(),
    };
    let form = Form::new(authorization, body);
    let answered = match call {
        Call::Token => token::token(desk, &form).await,
        Call::Introspect => introspect::introspect(desk, &head.headers, &form).await,
    };
    answered.unwrap_or_else(|unanswerable| unanswerable.into_response())
}

/// A body, if it is no longer than any form. Most come in one piece, which is taken as it is.
async fn take(body: Incoming) -> Result<Bytes, StatusCode> {
    let collected = Limited::new(body, parameters::BYTES_MAX).collect().await;
    match collected {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => Err(StatusCode::BAD_REQUEST),
    }
}

/// What panics is answered with 500, and nobody else on the connection is in its way.
async fn guarded(answering: impl Future<Output = Response>) -> Response {
    let mut answering = pin!(answering);
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| answering.as_mut().poll(context)));
        polled.unwrap_or_else(|_| {
            tracing::error!("answering a request panicked");
            Poll::Ready(StatusCode::INTERNAL_SERVER_ERROR.into_response())
        })
    })
    .await
}
