//! Calls to the other services, and what their answers say about what has happened.

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::{Method, Request, StatusCode, Uri, header, uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;

use crate::service::Service;

const ANSWER_BYTES_MAX: usize = 64 * 1024;
const RETRY_PAUSE: Duration = Duration::from_millis(20);
const IDLE_CONNECTIONS_MAX: usize = 256;
/// Well below the time for which our own listeners keep an idle connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// How patient a remittance is with the services it needs.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub call_timeout: Duration,
    /// How often a call is made at most before its outcome counts as what it is.
    pub attempts_max: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            call_timeout: Duration::from_secs(1),
            attempts_max: 2,
        }
    }
}

/// Where the other services are.
#[derive(Clone, Debug)]
pub(crate) struct PeerAddresses {
    pub(crate) membership: Vec<SocketAddr>,
    pub(crate) banking: Vec<SocketAddr>,
    pub(crate) money: Vec<SocketAddr>,
}

#[derive(Debug)]
pub(crate) struct Peers {
    client: Client<HttpConnector, Full<Bytes>>,
    addresses: PeerAddresses,
    patience: Patience,
}

/// A call that may be repeated: it reads, or it names what it does by a key or a path.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) service: Service,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) key: Option<String>,
    pub(crate) body: Bytes,
}

/// What is known after a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It was done.
    Done(Bytes),
    /// It was not done, and will not be: the service said so, and why.
    Refused(String),
    /// It was not done: the service could not be reached or answered with an error of its own.
    Unavailable,
    /// It may have been done. No answer came, or none that can be read.
    Unknown,
}

enum Attempt {
    Answered(StatusCode, Bytes),
    NotConnected,
    NoAnswer,
}

#[derive(Deserialize)]
struct Problem {
    code: String,
}

impl Peers {
    pub(crate) fn new(addresses: PeerAddresses, patience: Patience) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(patience.call_timeout));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build(connector);
        Self {
            client,
            addresses,
            patience,
        }
    }

    /// Makes a call, and makes it again where that may help.
    pub(crate) async fn call(&self, call: &Call) -> Reply {
        let mut is_open = false;
        for attempt in 0..self.patience.attempts_max {
            if attempt > 0 {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            match self.attempt(call, attempt as usize).await {
                Attempt::Answered(status, body) if status.is_success() => return Reply::Done(body),
                Attempt::Answered(status, body) if status.is_client_error() => {
                    let code = problem_code(&body);
                    // An attempt that got no answer may be under way still, whatever this says.
                    is_open |= code == "key_in_flight";
                    return if is_open {
                        Reply::Unknown
                    } else {
                        Reply::Refused(code)
                    };
                }
                Attempt::Answered(..) | Attempt::NotConnected => {}
                Attempt::NoAnswer => is_open = true,
            }
        }
        if is_open {
            Reply::Unknown
        } else {
            Reply::Unavailable
        }
    }

    /// A second attempt goes to another endpoint where there is one.
    async fn attempt(&self, call: &Call, attempt: usize) -> Attempt {
        let Some(request) = self.request(call, attempt) else {
            return Attempt::NotConnected;
        };
        let exchange = async {
            let response = match self.client.request(request).await {
                Ok(response) => response,
                Err(error) if error.is_connect() => return Attempt::NotConnected,
                Err(_) => return Attempt::NoAnswer,
            };
            let (head, body) = response.into_parts();
            match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
                Ok(body) => Attempt::Answered(head.status, body.to_bytes()),
                Err(_) => Attempt::NoAnswer,
            }
        };
        let answered = tokio::time::timeout(self.patience.call_timeout, exchange).await;
        answered.unwrap_or(Attempt::NoAnswer)
    }

    fn request(&self, call: &Call, attempt: usize) -> Option<Request<Full<Bytes>>> {
        let addresses = match call.service {
            Service::Membership => &self.addresses.membership,
            Service::Banking => &self.addresses.banking,
            Service::Money => &self.addresses.money,
            Service::Remittance => return None,
        };
        let address = addresses.iter().cycle().nth(attempt)?;
        let uri = Uri::builder()
            .scheme(uri::Scheme::HTTP)
            .authority(address.to_string())
            .path_and_query(&call.path)
            .build()
            .ok()?;
        let mut request = Request::builder()
            .method(&call.method)
            .uri(uri)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(key) = &call.key {
            request = request.header("idempotency-key", key);
        }
        request.body(Full::new(call.body.clone())).ok()
    }
}

fn problem_code(body: &[u8]) -> String {
    let problem = serde_json::from_slice::<Problem>(body);
    problem.map_or_else(|_| "unreadable".to_owned(), |problem| problem.code)
}
