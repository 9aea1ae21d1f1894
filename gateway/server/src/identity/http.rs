//! Requests to the identity provider: pooled connections, one deadline, answers no longer than said.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

const CONNECT_MAX: Duration = Duration::from_millis(500);
const IDLE_MAX: Duration = Duration::from_secs(30);
const SPARE_MAX: usize = 8;

/// Why there is no whole answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExchangeError {
    #[error("no connection, or it broke")]
    Connection(#[from] hyper_util::client::legacy::Error),
    #[error("no answer came in time")]
    Late,
    #[error("the answer broke off, or is longer than it may be")]
    Body(#[source] Box<dyn Error + Send + Sync>),
}

/// Connections to one address, which are shared with no other of these.
#[derive(Debug)]
pub(super) struct Connections {
    pool: Pool<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
}

impl Connections {
    pub(super) fn new(address: SocketAddr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_MAX));
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(SPARE_MAX)
            .build(connector);
        Self { pool, address }
    }

    /// The URI of a path at this address.
    pub(super) fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The whole answer, before the deadline or not at all.
    pub(super) async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        body_bytes_max: usize,
        deadline: Duration,
    ) -> Result<(StatusCode, Bytes), ExchangeError> {
        let exchange = async {
            let answer = self.pool.request(request).await?;
            read(answer, body_bytes_max).await
        };
        timeout(deadline, exchange)
            .await
            .map_err(|_| ExchangeError::Late)?
    }
}

async fn read(
    answer: Response<hyper::body::Incoming>,
    body_bytes_max: usize,
) -> Result<(StatusCode, Bytes), ExchangeError> {
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, body_bytes_max).collect().await;
    let body = body.map_err(ExchangeError::Body)?.to_bytes();
    Ok((head.status, body))
}
