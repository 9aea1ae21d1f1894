//! The carrier for everything: pingora moves the bytes, nothing else.
//!
//! This is the only file that implements pingora's `ProxyHttp`. What it decides is narrow: in which of
//! our terms a failure is told. It never writes an answer of its own; the connection loop does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use gateway_core::answer;
use gateway_core::fields::{FieldRules, ends_here};
use gateway_core::head::{self, Framing};
use gateway_core::rejection::Rejection;
use gateway_upstream::{ATTEMPTS_MAX, Call, Fault};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Version};
use pingora_core::apps::HttpServerApp;
use pingora_core::modules::http::HttpModules;
use pingora_core::protocols::Digest;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_error::{Error, ErrorSource, ErrorType};
use pingora_http::ResponseHeader;
use pingora_proxy::{FailToProxy, HttpProxy, ProxyHttp, ProxyWarnLogContext, Session};
use tokio::sync::watch;

use super::envelope::{Envelope, HandBack};
use super::{Carried, terms};
use crate::clock;
use crate::exchange::{Exchange, Outcome};
use crate::gateway::Admitted;
use crate::lifecycle::Lifecycle;
use crate::random;
use crate::wire::Wire;

mod failure;

/// Connections to services kept for reuse, all services together.
const POOL_CONNECTIONS: usize = 4096;

/// Fields by which pingora frames an answer; it writes them itself.
const FRAMING: [HeaderName; 3] = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING];

pub(crate) struct Pingora {
    proxy: Arc<HttpProxy<Hooks>>,
    /// When the process stops is told by our own hooks, at the moment an answer begins.
    never_stops: ShutdownWatch,
}

impl Pingora {
    pub(crate) fn new(threads: usize) -> Self {
        let conf = ServerConf {
            threads,
            max_retries: ATTEMPTS_MAX,
            upstream_keepalive_pool_size: POOL_CONNECTIONS.div_ceil(threads.max(1)),
            ..ServerConf::default()
        };
        let mut proxy = HttpProxy::new(Hooks, Arc::new(conf));
        proxy.handle_init_modules();
        Self {
            proxy: Arc::new(proxy),
            never_stops: watch::Sender::new(false).subscribe(),
        }
    }

    pub(crate) async fn carry(
        &self,
        wire: Wire,
        admitted: Admitted<Vec<u8>>,
        lifecycle: &Arc<Lifecycle>,
    ) -> Carried {
        let Admitted { exchange, head } = admitted;
        let home = HandBack::new();
        let report = HandBack::new();
        let framing = exchange
            .asked()
            .map_or(Framing::NoBody, |asked| asked.framing);
        let patience = exchange.timeout();
        let envelope = Envelope::new(wire, head, framing, patience, home.clone());
        let carriage = Carriage::new(exchange, Arc::clone(lifecycle), report.clone());

        let mut session = ServerSession::new_http1(Box::new(envelope));
        session.set_connection_user_context(Some(Box::new(carriage)));
        let reusable = self
            .proxy
            .process_new_http(session, &self.never_stops)
            .await;
        let keeps_alive = reusable.is_some();
        drop(reusable);

        // pingora answers a head it cannot read without asking us; after ours there is none.
        let refused = || Outcome {
            rejection: Some(Rejection::Internal),
            ..Outcome::default()
        };
        let outcome = report.take().unwrap_or_else(refused);
        Carried {
            connection: home.take(),
            outcome,
            keeps_alive,
        }
    }
}

impl std::fmt::Debug for Pingora {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pingora").finish_non_exhaustive()
    }
}

/// One exchange while pingora carries it.
struct Carriage {
    exchange: Arc<Exchange>,
    lifecycle: Arc<Lifecycle>,
    report: HandBack<Outcome>,
    outcome: Outcome,
    /// Whether the client is told that its connection goes on.
    keeps_alive: bool,
    call: Option<Call>,
    attempt_began: Instant,
}

impl Carriage {
    fn new(exchange: Arc<Exchange>, lifecycle: Arc<Lifecycle>, report: HandBack<Outcome>) -> Self {
        let attempt_began = exchange.request.began;
        Self {
            keeps_alive: exchange.asked().is_some_and(|asked| asked.keeps_alive),
            exchange,
            lifecycle,
            report,
            outcome: Outcome::default(),
            call: None,
            attempt_began,
        }
    }

    /// Begins an attempt; the first asks the service whether there may be any.
    fn pick(&mut self) -> std::result::Result<HttpPeer, Rejection> {
        let call = match &mut self.call {
            Some(call) => call,
            None => self.call.insert(terms::admit(&self.exchange)?),
        };
        self.attempt_began = clock::now();
        let picked = call.pick(self.attempt_began, random::next_u64());
        let endpoint = picked.ok_or(Rejection::UpstreamUnreachable)?.endpoint;
        let address = endpoint.address();
        self.outcome.endpoint = Some(endpoint);
        self.outcome.attempts += 1;

        let timeouts = &call.service().policy().timeouts;
        Ok(peer(
            address,
            timeouts.connect,
            self.exchange.timeout(),
            timeouts.idle,
        ))
    }

    /// Ends an attempt that came to nothing; whether there may be another.
    fn may_retry(&mut self, fault: Fault) -> bool {
        let is_read = self.exchange.may_be_repeated();
        let call = self.call.as_mut();
        call.is_some_and(|call| call.may_retry(fault, is_read, clock::now()))
    }

    fn is_overdue(&self) -> bool {
        clock::now().saturating_duration_since(self.exchange.request.began)
            > self.exchange.timeout()
    }

    fn since_attempt(&self) -> Option<Duration> {
        Some(clock::now().saturating_duration_since(self.attempt_began))
    }

    /// Tells a failure in our terms; `None` when there is nobody left to tell.
    fn judge(&self, error: &Error) -> Option<Rejection> {
        let known = self.outcome.rejection.clone();
        known.or_else(|| failure::judge(error))
    }
}

fn peer(address: SocketAddr, connect: Duration, exchange: Duration, idle: Duration) -> HttpPeer {
    let mut peer = HttpPeer::new(address, false, String::new());
    let options = &mut peer.options;
    options.connection_timeout = Some(connect);
    options.total_connection_timeout = Some(connect);
    options.read_timeout = Some(exchange);
    options.write_timeout = Some(exchange);
    options.idle_timeout = Some(idle);
    peer
}

/// What pingora lets pass of an answer and we do not: another protocol that nobody asked for, a status
/// of no class, and encodings that leave open where the body ends.
fn is_sound(response: &ResponseHeader) -> bool {
    let encodings = response.headers.get_all(TRANSFER_ENCODING);
    let mut encodings = encodings.iter().map(HeaderValue::as_bytes);
    let is_framed = match (encodings.next(), encodings.next()) {
        (None, _) => true,
        (Some(only), None) => {
            response.version == Version::HTTP_11 && only.eq_ignore_ascii_case(b"chunked")
        }
        (Some(_), Some(_)) => false,
    };
    let status = response.status.as_u16();
    status != 101 && status < 600 && is_framed
}

/// The head of an answer as HTTP/1.1 writes it.
fn head_bytes(response: &ResponseHeader) -> usize {
    let reason = response.get_reason_phrase().unwrap_or_default();
    let status_line = "HTTP/1.1 200 \r\n".len() + reason.len();
    let fields = response.headers.iter();
    let fields = fields.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    status_line + fields.sum::<usize>() + "\r\n".len()
}

/// Takes out what is between us and the service, and what the route takes out. The framing of an answer
/// pingora minds itself; what comes before one has none.
fn end_hop(response: &mut ResponseHeader, rules: &FieldRules) {
    let is_answer = !response.status.is_informational();
    let connection = response.headers.get_all(CONNECTION);
    let options = connection.iter().filter_map(|value| value.to_str().ok());
    let nominated: Vec<_> = options
        .flat_map(|value| value.split(','))
        .map(|option| option.trim().to_ascii_lowercase())
        .collect();
    let ends = |name: &&HeaderName| {
        let is_nominated = nominated.iter().any(|other| *name == other.as_str());
        let is_framing = is_answer && FRAMING.contains(name);
        !is_framing && (is_nominated || ends_here(name.as_str()) || rules.is_dropped(name.as_str()))
    };
    let ending: Vec<_> = response.headers.keys().filter(ends).cloned().collect();
    for name in &ending {
        response.remove_header(name);
    }
}

/// pingora's view of us; everything lives in the context of the exchange.
struct Hooks;

type Context = Option<Box<Carriage>>;
type Result<T> = pingora_error::Result<T>;

fn carriage(context: &mut Context) -> Result<&mut Carriage> {
    context
        .as_deref_mut()
        .ok_or_else(|| Error::explain(ErrorType::InternalError, "no exchange"))
}

#[async_trait]
impl ProxyHttp for Hooks {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        None
    }

    /// None: compression and the like are the services' business.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    /// Where the exchange of the connection loop arrives.
    fn on_connection_reuse(
        &self,
        session: &mut Session,
        context: &mut Context,
        luggage: Box<dyn std::any::Any + Send + Sync>,
    ) {
        let Ok(carriage) = luggage.downcast::<Carriage>() else {
            return;
        };
        let stall = carriage.exchange.snapshot.deadlines.stall;
        session.set_read_timeout(Some(stall));
        session.set_write_timeout(Some(stall));
        // A client may end its side and still wait for the answer; a payment under way is finished.
        session.set_abort_on_close(false);
        // The head we wrote says nothing of the client's connection; zero stands for "no limit".
        session.set_keepalive(carriage.keeps_alive.then_some(0));
        // The old version knows no informational answers: RFC 9110 §15.2.
        let asked = carriage.exchange.asked();
        session.set_ignore_info_resp(
            asked.is_some_and(|asked| asked.version == head::Version::Http10),
        );
        *context = Some(carriage);
    }

    async fn upstream_peer(&self, _: &mut Session, context: &mut Context) -> Result<Box<HttpPeer>> {
        let carriage = carriage(context)?;
        carriage.pick().map(Box::new).map_err(|rejection| {
            carriage.outcome.rejection = Some(rejection);
            Error::explain(ErrorType::ConnectError, "the service is not asked").into_up()
        })
    }

    async fn connected_to_upstream(
        &self,
        _: &mut Session,
        reused: bool,
        _: &HttpPeer,
        _: std::os::fd::RawFd,
        _: Option<&Digest>,
        context: &mut Context,
    ) -> Result<()> {
        let carriage = carriage(context)?;
        carriage.outcome.connection_was_reused = reused;
        if !reused {
            carriage.outcome.connect = carriage.since_attempt();
        }
        Ok(())
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        is_end: bool,
        context: &mut Context,
    ) -> Result<()> {
        let carriage = carriage(context)?;
        if let (true, Some(call)) = (is_end, &mut carriage.call) {
            call.sent(clock::now());
        }
        carriage.outcome.body_bytes_in += body.as_ref().map_or(0, Bytes::len) as u64;
        if carriage.outcome.body_bytes_in > carriage.exchange.route().body_bytes_max {
            carriage.outcome.rejection = Some(Rejection::BodyTooLarge);
            return Err(Error::explain(ErrorType::HTTPStatus(413), "body too large").into_down());
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        _: &mut Session,
        response: &mut ResponseHeader,
        _: &mut Context,
    ) -> Result<()> {
        if is_sound(response) {
            Ok(())
        } else {
            Err(Error::explain(ErrorType::InvalidHTTPHeader, "unsound answer").into_up())
        }
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut Context,
    ) -> Result<()> {
        let carriage = carriage(context)?;
        if response.status.is_informational() {
            end_hop(response, &carriage.exchange.route().response_fields);
            return Ok(());
        }
        if head_bytes(response) > carriage.exchange.snapshot.limits.head_bytes_max {
            return Err(Error::explain(ErrorType::InvalidHTTPHeader, "head too large").into_up());
        }
        if let Some(call) = &mut carriage.call {
            call.answered(response.status.as_u16(), clock::now(), random::next_u64());
        }
        carriage.outcome.first_byte = carriage.since_attempt();
        carriage.outcome.status = Some(response.status.as_u16());
        if carriage.lifecycle.is_closing() {
            session.set_keepalive(None);
        }
        let rules = &carriage.exchange.route().response_fields;
        end_hop(response, rules);
        // The version is that of this hop, whatever the service speaks.
        response.set_version(Version::HTTP_11);
        for (name, value) in &rules.set {
            response.insert_header(name.clone(), value.clone())?;
        }
        for (name, value) in &rules.add {
            response.append_header(name.clone(), value.clone())?;
        }
        if let Some(took) = carriage.exchange.timing() {
            response.append_header("server-timing", answer::server_timing(took))?;
        }
        response.insert_header("x-request-id", carriage.exchange.request.id.as_str())
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        _: &mut Option<Bytes>,
        end_of_stream: bool,
        context: &mut Context,
    ) -> Result<Option<Duration>> {
        let carriage = carriage(context)?;
        if !end_of_stream && carriage.is_overdue() {
            return Err(Error::explain(ErrorType::ReadTimedout, "exchange overdue").into_up());
        }
        Ok(None)
    }

    /// Nothing was sent, so any request may be tried elsewhere.
    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        context: &mut Context,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let may_retry = carriage(context).is_ok_and(|c| c.may_retry(Fault::Unreachable));
        error.set_retry(may_retry);
        error
    }

    /// A kept connection may have been closed by the service just when it was used again.
    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        context: &mut Context,
        client_reused: bool,
    ) -> Box<Error> {
        let is_broken =
            *error.esource() == ErrorSource::Upstream && failure::has_broken(error.etype());
        let is_unanswered = session.response_written().is_none();
        let is_whole = !session.as_ref().retry_buffer_truncated();
        let fault = match client_reused {
            true => Fault::KeptBroke,
            false => Fault::Broken,
        };
        let may_retry = is_broken
            && is_unanswered
            && is_whole
            && carriage(context).is_ok_and(|carriage| carriage.may_retry(fault));
        error.set_retry(may_retry);
        error
    }

    /// The answer is written by the connection loop, from its one table.
    async fn fail_to_proxy(
        &self,
        _: &mut Session,
        error: &Error,
        context: &mut Context,
    ) -> FailToProxy {
        if let Some(carriage) = context {
            carriage.outcome.rejection = carriage.judge(error);
            carriage.outcome.client_left = carriage.outcome.rejection.is_none();
            tracing::debug!(request_id = %carriage.exchange.request.id, %error, "exchange failed");
        }
        FailToProxy {
            error_code: 0,
            can_reuse_downstream: false,
        }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, context: &mut Context) {
        let Some(carriage) = context else { return };
        terms::report(carriage.call.as_mut(), &carriage.outcome);
        carriage.call = None;
        let outcome = &mut carriage.outcome;
        outcome.is_complete = error.is_none();
        outcome.body_bytes_out = session.body_bytes_sent() as u64;
        carriage.report.give(std::mem::take(outcome));
    }

    fn suppress_error_log(&self, _: &Session, _: &Context, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _: &Session,
        _: &Context,
        _: &Error,
        _: ProxyWarnLogContext,
    ) -> bool {
        true
    }
}
