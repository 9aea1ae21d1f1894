//! One call to a service whose answer is wanted whole.
//!
//! Whether the service is asked, where and how often is decided by the same
//! [`gateway_upstream::Service`] that proxied traffic goes through. What is added here: a deadline
//! that the service is told, a limit on the answer, and that nothing but a whole answer counts.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use composer_core::cause::Cause;
use gateway_upstream::{Call, Change, Fault, Kind, News, Picked, Refusal, Service, TimeLimit};
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_ENCODING, HOST, HeaderMap, HeaderName, HeaderValue,
};
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;

use crate::clock::Clock;
use crate::random;

mod alarms;
mod body;
mod lines;

use alarms::Alarms;
use body::Unread;
use lines::{Line, Lines};

const REQUEST_TIMEOUT_MS: HeaderName = HeaderName::from_static("x-request-timeout-ms");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// With less time left a call is not begun: it could only fail, and would be held against the service.
const TIME_MIN: Duration = Duration::from_millis(1);

/// A service, and the connections to it.
pub(crate) struct Upstream {
    service: Arc<Service>,
    lines: Arc<Lines>,
    alarms: Alarms,
    clock: Clock,
}

/// What is asked of a service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish<'a> {
    pub(crate) kind: Kind,
    /// Path and query.
    pub(crate) target: &'a str,
    pub(crate) credential: Option<&'a HeaderValue>,
    /// What is held already, as fields of a conditional request.
    pub(crate) validators: &'a [(HeaderName, HeaderValue)],
    /// What such a call may take: by this the service is judged.
    pub(crate) timeout: Duration,
    /// When whoever asks has no use for the answer any more.
    pub(crate) deadline: Instant,
    pub(crate) answer_bytes_max: usize,
}

/// A whole answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// When the request went out: what the answer says of its age counts from then.
    pub(crate) asked: Instant,
    call: Call,
}

/// Why there is no whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Miss {
    #[error("the service fails too often to be asked now")]
    BreakerOpen { retry_after: Duration },
    #[error("as many calls to the service as it may have are under way")]
    Saturated,
    #[error("there was no time left to ask")]
    NoTime,
    #[error("no endpoint takes a connection")]
    Unreachable,
    #[error("no whole answer came in time")]
    TimedOut,
    #[error("the connection broke, or what came was no sound answer")]
    Broken,
    #[error("the answer is larger than may be read")]
    TooLarge,
    #[error("the target is no target of a request")]
    Target,
}

impl Upstream {
    pub(crate) fn new(service: Arc<Service>, clock: Clock) -> Self {
        Self {
            lines: Lines::new(service.policy().timeouts, clock.clone()),
            alarms: Alarms::default(),
            service,
            clock,
        }
    }

    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Asks, at another endpoint too where the service's policy allows it.
    pub(crate) async fn call(&self, wish: &Wish<'_>) -> Result<Reply, Miss> {
        let began = self.clock.now();
        let left = wish.deadline.saturating_duration_since(began);
        if left < TIME_MIN {
            return Err(Miss::NoTime);
        }
        let limit = TimeLimit {
            began,
            timeout: wish.timeout,
        };
        let mut call = self.service.admit_kind(wish.kind, limit, began)?;
        let deadline = self.clock.alarm_in(left.min(wish.timeout));
        let attempts = self.attempts(&mut call, wish);
        let tried = self.alarms.wait_until(deadline, attempts).await;
        let answered = tried.unwrap_or(Err(Miss::TimedOut));
        if let Some(fault) = answered.as_ref().err().and_then(Miss::fault) {
            call.failed(fault, self.clock.now(), random::next_u64());
        }
        tell(&mut call);
        answered.map(|(head, body)| Reply {
            status: head.status,
            headers: head.headers,
            body,
            asked: began,
            call,
        })
    }

    async fn attempts(
        &self,
        call: &mut Call,
        wish: &Wish<'_>,
    ) -> Result<(http::response::Parts, Bytes), Miss> {
        loop {
            let now = self.clock.now();
            let picked = call.pick(now, random::next_u64());
            let picked = picked.ok_or(Miss::Unreachable)?;
            call.sent(now);
            let outcome = self.attempt(&picked, wish).await;
            let now = self.clock.now();
            match outcome {
                Ok((head, body)) => {
                    let is_refused = matches!(head.status.as_u16(), 502..=504);
                    if is_refused && call.may_retry(Fault::Broken, true, now) {
                        continue;
                    }
                    call.answered(head.status.as_u16(), now, random::next_u64());
                    return Ok((head, body));
                }
                Err(miss) => {
                    let fault = miss.fault();
                    if !fault.is_some_and(|fault| call.may_retry(fault, true, now)) {
                        return Err(miss);
                    }
                }
            }
        }
    }

    async fn attempt(
        &self,
        picked: &Picked,
        wish: &Wish<'_>,
    ) -> Result<(http::response::Parts, Bytes), Miss> {
        let endpoint = picked.endpoint.address();
        let mut may_be_used = true;
        loop {
            let line = if may_be_used {
                self.lines.get(endpoint).await
            } else {
                self.lines.open(endpoint).await
            };
            let mut line = line.ok_or(Miss::Unreachable)?;
            let request = self.request(picked, wish).ok_or(Miss::Target)?;
            match line.send(request).await {
                Ok(response) => return self.read(line, response, wish.answer_bytes_max).await,
                // It ended before anything was sent, which is no fault of the service.
                Err(error) if line.was_used && error.is_canceled() => may_be_used = false,
                Err(error) => {
                    let endpoint = picked.endpoint.text();
                    tracing::debug!(endpoint, %error, "no answer to a composed call");
                    return Err(Miss::Broken);
                }
            }
        }
    }

    async fn read(
        &self,
        mut line: Box<Line>,
        response: Response<Incoming>,
        bytes_max: usize,
    ) -> Result<(http::response::Parts, Bytes), Miss> {
        let (head, body) = response.into_parts();
        if head.headers.contains_key(CONTENT_ENCODING) {
            return Err(Miss::Broken);
        }
        let body = body::read(&mut line, body, bytes_max).await;
        let body = body.map_err(|unread| match unread {
            Unread::Broken => Miss::Broken,
            Unread::TooLarge => Miss::TooLarge,
        })?;
        self.lines.put(line);
        Ok((head, body))
    }

    fn request(&self, picked: &Picked, wish: &Wish<'_>) -> Option<Request<Empty<Bytes>>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = PathAndQuery::try_from(wish.target).ok()?.into();
        let headers = request.headers_mut();
        headers.reserve(5 + wish.validators.len());
        headers.insert(HOST, HeaderValue::from_str(picked.endpoint.text()).ok()?);
        headers.insert(ACCEPT, JSON);
        let left = wish.deadline.saturating_duration_since(self.clock.now());
        let left = left.min(wish.timeout).as_millis().max(1);
        let left = u64::try_from(left).unwrap_or(u64::MAX);
        headers.insert(REQUEST_TIMEOUT_MS, HeaderValue::from(left));
        if let Some(credential) = wish.credential {
            headers.insert(AUTHORIZATION, credential.clone());
        }
        let validators = wish.validators.iter();
        headers.extend(validators.map(|(name, value)| (name.clone(), value.clone())));
        Some(request)
    }
}

impl Reply {
    /// What came cannot be used, which is the service's fault.
    pub(crate) fn blame(mut self, clock: &Clock) {
        self.call
            .failed(Fault::Broken, clock.now(), random::next_u64());
        tell(&mut self.call);
    }
}

impl Miss {
    /// What the service is blamed for; nothing where it was not asked.
    fn fault(&self) -> Option<Fault> {
        match self {
            Self::Unreachable => Some(Fault::Unreachable),
            Self::TimedOut => Some(Fault::TimedOut),
            Self::Broken | Self::TooLarge => Some(Fault::Broken),
            Self::BreakerOpen { .. } | Self::Saturated | Self::NoTime | Self::Target => None,
        }
    }
}

impl From<Refusal> for Miss {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::BreakerOpen { retry_after } => Self::BreakerOpen { retry_after },
            Refusal::Saturated => Self::Saturated,
        }
    }
}

impl From<Miss> for Cause {
    fn from(miss: Miss) -> Self {
        match miss {
            Miss::BreakerOpen { .. } | Miss::Saturated => Self::Unavailable,
            Miss::NoTime => Self::Deadline,
            Miss::Unreachable | Miss::Broken => Self::Unreachable,
            Miss::TimedOut => Self::Timeout,
            Miss::TooLarge => Self::TooLarge,
            Miss::Target => Self::Input,
        }
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("service", &self.service.policy().name)
            .finish_non_exhaustive()
    }
}

fn tell(call: &mut Call) {
    let news = call.take_news();
    let service: &str = &call.service().policy().name;
    for news in news {
        match news {
            News::Ejected { endpoint, lasts } => {
                let endpoint = endpoint.text();
                tracing::warn!(
                    service,
                    endpoint,
                    ?lasts,
                    "an endpoint that fails is ejected"
                );
            }
            News::Breaker(Change::Opened { lasts }) => {
                tracing::warn!(service, ?lasts, "the breaker of a service is open");
            }
            News::Breaker(Change::Closed) => {
                tracing::info!(service, "the breaker of a service is closed again");
            }
        }
    }
}
