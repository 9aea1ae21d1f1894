//! One exchange with another server over HTTP/1.1: a deadline, a limit on the answer, and whether
//! the request can have had an effect when no answer came.

use std::time::Duration;

use axum::http::{Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

const IDLE_CONNECTIONS_MAX: usize = 256;
/// Well below the time for which our own listeners keep an idle connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub(crate) struct Client {
    connections: legacy::Client<HttpConnector, Full<Bytes>>,
    timeout: Duration,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unanswered {
    #[error("no connection could be made")]
    NotConnected,
    #[error("no whole answer came in time")]
    NoAnswer,
}

impl Client {
    /// A client whose exchanges take at most so long.
    pub(crate) fn new(timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(timeout));
        let connections = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build(connector);
        Self {
            connections,
            timeout,
        }
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        answer_bytes_max: usize,
    ) -> Result<(StatusCode, Bytes), Unanswered> {
        let exchange = async {
            let response = self.connections.request(request).await.map_err(|error| {
                if error.is_connect() {
                    Unanswered::NotConnected
                } else {
                    Unanswered::NoAnswer
                }
            })?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, answer_bytes_max).collect().await;
            let body = body.map_err(|_| Unanswered::NoAnswer)?;
            Ok((head.status, body.to_bytes()))
        };
        tokio::time::timeout(self.timeout, exchange)
            .await
            .unwrap_or(Err(Unanswered::NoAnswer))
    }
}
