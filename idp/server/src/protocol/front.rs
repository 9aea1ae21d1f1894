//! The two calls that machines make all the time, answered without a router.
//!
//! What a router does for a request (matching, layers, extensions, a handful of boxes) costs as much
//! as to find out whether a token is good. So these two have a way of their own, with the same
//! limits: a deadline, a cap on the body, and a panic that ends one request. Everything else goes to
//! the router, which knows nothing of them. Most of them need no HTTP library either ([`wire`]).

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use axum::Router;
use axum::body::Bytes;
use axum::http::{Method, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use idp_core::parameters;
use tokio::time::timeout;

use super::reply::{Form, Reply, refused, wants_token};
use super::{REQUEST_TIMEOUT, introspect, path, token};
use crate::desk::Desk;

mod plain;
mod wire;

pub(crate) use wire::{Left, converse};

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
            let answering = pin!(answer(&desk, call, request));
            Ok(in_time(answering).await.into_response())
        })
    }
}

async fn answer(desk: &Desk, call: Call, request: Request<Incoming>) -> Reply {
    if request.method() != Method::POST {
        return Reply::not_allowed("POST");
    }
    let (head, body) = request.into_parts();
    let authorization = match Form::authorization(&head.headers) {
        Ok(authorization) => authorization,
        Err(refusal) => return refused(refusal),
    };
    let body = match take(body).await {
        Ok(body) => body,
        Err(status) => return Reply::bare(status),
    };
    let asking = Form::new(authorization, body).asking();
    let answered = match call {
        Call::Token => token::token(desk, &asking).await,
        Call::Introspect => introspect::introspect(desk, wants_token(&head.headers), &asking).await,
    };
    answered.unwrap_or_else(Reply::from)
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

/// With a deadline, and past a panic.
async fn in_time(answering: Pin<&mut impl Future<Output = Reply>>) -> Reply {
    let answered = timeout(REQUEST_TIMEOUT, guarded(answering)).await;
    answered.unwrap_or_else(|_| Reply::bare(StatusCode::SERVICE_UNAVAILABLE))
}

/// What panics is answered with 500, and nobody else on the connection is in its way.
async fn guarded(mut answering: Pin<&mut impl Future<Output = Reply>>) -> Reply {
    poll_fn(|context| {
        let polled = catch_unwind(AssertUnwindSafe(|| answering.as_mut().poll(context)));
        polled.unwrap_or_else(|_| {
            tracing::error!("answering a request panicked");
            Poll::Ready(Reply::bare(StatusCode::INTERNAL_SERVER_ERROR))
        })
    })
    .await
}
