//! Asks an issuer over HTTP: with a deadline, for an answer of a kind and a length that were agreed on,
//! and at the place that the operator named. A redirect leads nowhere.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;
use tollgate_config::Place;

use link::Connector;

mod link;

const IDLE_MAX: Duration = Duration::from_secs(30);
const SPARE_MAX: usize = 8;
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Why there is no whole answer of the kind that was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("no connection, or it broke")]
    Connection(#[from] hyper_util::client::legacy::Error),
    #[error("no answer came in time")]
    Late,
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("its answer is not JSON by its own word")]
    ContentType,
    #[error("its answer broke off, or is longer than it may be")]
    Body(#[source] Box<dyn Error + Send + Sync>),
    #[error("the request cannot be spelled")]
    Spelling(#[from] http::Error),
}

/// One place of one issuer. Its connections are shared with no other.
#[derive(Debug)]
pub(super) struct Asked {
    pool: Pool<Connector, Full<Bytes>>,
    uri: String,
    authority: String,
    deadline: Duration,
    body_bytes_max: usize,
}

impl Asked {
    pub(super) fn new(place: &Place, deadline: Duration, body_bytes_max: usize) -> Self {
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(SPARE_MAX)
            .http1_max_buf_size(HEAD_BYTES_MAX)
            .set_host(false)
            .build(Connector::new(place));
        let authority = place.authority();
        Self {
            pool,
            // The connector decides whether TLS is spoken; to the pool it is all one.
            uri: format!("http://{authority}{}", place.path),
            authority,
            deadline,
            body_bytes_max,
        }
    }

    pub(super) async fn get(&self, accepted: &'static str) -> Result<Bytes, AskError> {
        let accepted = HeaderValue::from_static(accepted);
        self.ask(Method::GET, [(ACCEPT, accepted)], Bytes::new())
            .await
    }

    /// Sends a form. It and the answer to it may be secrets.
    pub(super) async fn post(
        &self,
        authorization: HeaderValue,
        form: Bytes,
    ) -> Result<Bytes, AskError> {
        let fields = [
            (ACCEPT, HeaderValue::from_static("application/json")),
            (http::header::AUTHORIZATION, authorization),
            (
                CONTENT_TYPE,
                HeaderValue::from_static("application/x-www-form-urlencoded"),
            ),
        ];
        self.ask(Method::POST, fields, form).await
    }

    async fn ask<const N: usize>(
        &self,
        method: Method,
        fields: [(HeaderName, HeaderValue); N],
        body: Bytes,
    ) -> Result<Bytes, AskError> {
        let mut request = Request::builder()
            .method(method)
            .uri(&self.uri)
            .header(HOST, &self.authority)
            .header(USER_AGENT, "tollgate")
            .body(Full::new(body))?;
        request.headers_mut().extend(fields);
        let exchange = async {
            let answer = self.pool.request(request).await?;
            read(answer, self.body_bytes_max).await
        };
        timeout(self.deadline, exchange)
            .await
            .map_err(|_| AskError::Late)?
    }
}

async fn read(answer: Response<Incoming>, body_bytes_max: usize) -> Result<Bytes, AskError> {
    let (head, body) = answer.into_parts();
    if head.status != StatusCode::OK {
        return Err(AskError::Status(head.status));
    }
    if !is_json(&head.headers) {
        return Err(AskError::ContentType);
    }
    let body = Limited::new(body, body_bytes_max).collect().await;
    Ok(body.map_err(AskError::Body)?.to_bytes())
}

/// `application/json`, or what is written in it (RFC 6839): a page that stands in the way says
/// something else.
fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let essence = value.to_str().unwrap_or_default().split(';').next();
    let essence = essence.unwrap_or_default().trim().to_ascii_lowercase();
    let subtype = essence.strip_prefix("application/");
    subtype.is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}
