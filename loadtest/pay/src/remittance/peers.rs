//! Calls to the other services, and what their answers say about what has happened.

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::{Method, Request, Uri, header, uri};
use bytes::Bytes;
use http_body_util::Full;
use serde::Deserialize;

use crate::client::{Client, Unanswered};
use crate::service::Service;
use crate::trust::{Bearer, UndoCredential};

const ANSWER_BYTES_MAX: usize = 64 * 1024;
const RETRY_PAUSE: Duration = Duration::from_millis(20);

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
    client: Client,
    addresses: PeerAddresses,
    attempts_max: u32,
    undo: Option<UndoCredential>,
}

/// A call that may be repeated: it reads, or it names what it does by a key or a path.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) service: Service,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) key: Option<String>,
    /// On whose behalf, where the services ask for it.
    pub(crate) bearer: Option<Bearer>,
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

#[derive(Deserialize)]
struct Problem {
    code: String,
}

impl Peers {
    pub(crate) fn new(
        addresses: PeerAddresses,
        patience: Patience,
        undo: Option<UndoCredential>,
    ) -> Self {
        Self {
            client: Client::new(patience.call_timeout),
            addresses,
            attempts_max: patience.attempts_max,
            undo,
        }
    }

    /// What a remittance is undone with, where the services ask for a credential.
    pub(crate) fn undo_bearer(&self) -> Option<Bearer> {
        self.undo.as_ref().map(UndoCredential::bearer)
    }

    /// Makes a call, and makes it again where that may help.
    pub(crate) async fn call(&self, call: &Call) -> Reply {
        let mut is_open = false;
        for attempt in 0..self.attempts_max {
            if attempt > 0 {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            let Some(request) = self.request(call, attempt as usize) else {
                continue;
            };
            match self.client.exchange(request, ANSWER_BYTES_MAX).await {
                Ok((status, body)) if status.is_success() => return Reply::Done(body),
                Ok((status, body)) if status.is_client_error() => {
                    let code = problem_code(&body);
                    // An attempt that got no answer may be under way still, whatever this says.
                    is_open |= code == "key_in_flight";
                    return if is_open {
                        Reply::Unknown
                    } else {
                        Reply::Refused(code)
                    };
                }
                Ok(_) | Err(Unanswered::NotConnected) => {}
                Err(Unanswered::NoAnswer) => is_open = true,
            }
        }
        if is_open {
            Reply::Unknown
        } else {
            Reply::Unavailable
        }
    }

    /// A second attempt goes to another endpoint where there is one.
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
        if let Some(bearer) = &call.bearer {
            request = request.header(header::AUTHORIZATION, bearer.header());
        }
        request.body(Full::new(call.body.clone())).ok()
    }
}

fn problem_code(body: &[u8]) -> String {
    let problem = serde_json::from_slice::<Problem>(body);
    problem.map_or_else(|_| "unreadable".to_owned(), |problem| problem.code)
}
