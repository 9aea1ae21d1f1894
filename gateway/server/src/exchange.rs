//! One request on its way: what is known of it, and how it ended.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway_core::credential;
use gateway_core::fields::is_grpc;
use gateway_core::head::{Framing, Head, Version};
use gateway_core::host::Host;
use gateway_core::ids::{RequestId, Sampling, Trace};
use gateway_core::level::Level;
use gateway_core::rejection::Rejection;
use gateway_core::route::{Class, Route};
use gateway_core::upgrade::WebSocket;
use gateway_upstream::Endpoint;
use http::Method;

use crate::gateway::{Identified, Standing};
use crate::listener::Entrance;
use crate::snapshot::{RouteState, Snapshot, Upstream};
use crate::{clock, random};

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) ip: IpAddr,
    /// Address and port as they are logged.
    pub(crate) text: String,
    /// How far inside the listener is that it came in by.
    pub(crate) level: Level,
    /// Of the URLs by which a client comes here.
    pub(crate) scheme: &'static str,
    pub(crate) protocol: Protocol,
    /// Whether the client may begin with HTTP/2, where nothing else said what is spoken.
    pub(crate) may_begin_http2: bool,
}

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http1 => "h1",
            Self::Http2 => "h2",
        }
    }
}

impl Peer {
    /// A client that came in by this listener.
    pub(crate) fn new(address: SocketAddr, entrance: Entrance, scheme: &'static str) -> Arc<Self> {
        Arc::new(Self {
            ip: address.ip(),
            text: address.to_string(),
            level: entrance.level,
            scheme,
            protocol: Protocol::Http1,
            may_begin_http2: entrance.h2c,
        })
    }

    /// The same client, speaking HTTP/2.
    pub(crate) fn with_http2(&self) -> Arc<Self> {
        Arc::new(Self {
            protocol: Protocol::Http2,
            may_begin_http2: false,
            ..self.clone()
        })
    }
}

/// What the gateway knows of a request, also of one it could not read.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) id: RequestId,
    pub(crate) trace: Trace,
    pub(crate) began: Instant,
    pub(crate) peer: Arc<Peer>,
    /// Whether `HEAD` was asked, whose answer has no body, whatever it says.
    pub(crate) is_head_method: bool,
    /// Whether the client speaks gRPC, whose statuses are its own.
    pub(crate) is_grpc: bool,
    /// `None` when the head could not be read.
    pub(crate) asked: Option<Asked>,
    /// How the caller was found out, where the route wants one.
    pub(crate) identified: Option<Identified>,
}

/// How far a head is believed that speaks of the request itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Believed {
    pub(crate) peer_is_trusted: bool,
    /// Which requests are recorded, whatever it says.
    pub(crate) sampling: Option<Sampling>,
}

impl Believed {
    fn trace(self, parent: Option<&[u8]>) -> Trace {
        let trace = trace(parent);
        match self.sampling {
            Some(sampling) => trace.sampled(sampling, random::next_u128(), self.peer_is_trusted),
            None => trace,
        }
    }
}

/// What a sound head asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) version: Version,
    /// For logs: canonical, without the query, which carries what does not belong there, and without
    /// tokens of ours.
    pub(crate) path: String,
    pub(crate) host: Host,
    pub(crate) framing: Framing,
    pub(crate) keeps_alive: bool,
    pub(crate) expects_continue: bool,
    /// Whether it takes fields behind the body of its answer.
    pub(crate) takes_trailers: bool,
}

impl Request {
    /// A request of which no more could be read than `heard` begins with.
    pub(crate) fn unread(peer: &Arc<Peer>, began: Instant, heard: &[u8]) -> Self {
        Self {
            id: new_id(),
            trace: trace(None),
            began,
            peer: Arc::clone(peer),
            is_head_method: heard.starts_with(b"HEAD "),
            is_grpc: false,
            asked: None,
            identified: None,
        }
    }

    /// A request with a sound head. From a peer that is trusted its id is taken over, and its wish to
    /// be recorded.
    pub(crate) fn read(
        head: &Head<'_>,
        peer: &Arc<Peer>,
        believed: Believed,
        began: Instant,
    ) -> Self {
        let told = head
            .only("x-request-id")
            .filter(|_| believed.peer_is_trusted);
        Self {
            id: told.and_then(RequestId::parse).unwrap_or_else(new_id),
            trace: believed.trace(head.only("traceparent")),
            began,
            peer: Arc::clone(peer),
            is_head_method: head.method == Method::HEAD,
            is_grpc: head.only("content-type").is_some_and(is_grpc),
            asked: Some(Asked {
                method: head.method.clone(),
                version: head.version,
                path: credential::without_tokens(&head.path).into_owned(),
                host: head.host.clone(),
                framing: head.framing,
                keeps_alive: head.keeps_alive,
                expects_continue: head.expects_continue,
                takes_trailers: head.takes_trailers(),
            }),
            identified: None,
        }
    }
}

fn new_id() -> RequestId {
    RequestId::new(clock::unix_micros() / 1000, random::next_u128())
}

fn trace(parent: Option<&[u8]>) -> Trace {
    Trace::next(parent, random::next_u128(), random::next_u64())
}

/// A request that was let through, with the one snapshot it sees from first to last.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) request: Request,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) route: Arc<RouteState>,
    /// The one of the route's services that this request goes to.
    pub(crate) upstream: Arc<Upstream>,
    /// What the client wants its connection to become.
    pub(crate) websocket: Option<WebSocket>,
    /// The caller of a connection that may outlive this exchange.
    pub(crate) standing: Option<Standing>,
}

impl Exchange {
    pub(crate) fn route(&self) -> &Route {
        &self.route.route
    }

    /// Until the exchange must be over.
    pub(crate) fn timeout(&self) -> Duration {
        let of_service = self.upstream.service.policy().timeouts.exchange;
        self.route().timeout.unwrap_or(of_service)
    }

    /// How long it took to find out who asks, where the client is told.
    pub(crate) fn timing(&self) -> Option<Duration> {
        let admission = self.route().admission.as_ref()?;
        let identified = self.request.identified.filter(|_| admission.server_timing);
        identified.map(|identified| identified.took)
    }

    pub(crate) fn asked(&self) -> Option<&Asked> {
        self.request.asked.as_ref()
    }

    /// Only a read may be repeated once bytes were sent: a service may have acted on the rest.
    pub(crate) fn may_be_repeated(&self) -> bool {
        let class = self.route().class;
        self.asked()
            .is_some_and(|asked| Class::may_repeat(class, &asked.method))
    }
}

/// How carrying an exchange went.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Of the answer's head, once it was on its way to the client.
    pub(crate) status: Option<u16>,
    pub(crate) is_complete: bool,
    /// Why there was no answer of the service, or no whole one.
    pub(crate) rejection: Option<Rejection>,
    pub(crate) client_left: bool,
    pub(crate) endpoint: Option<Arc<Endpoint>>,
    pub(crate) attempts: u32,
    pub(crate) connection_was_reused: bool,
    pub(crate) connect: Option<Duration>,
    pub(crate) first_byte: Option<Duration>,
    pub(crate) body_bytes_in: u64,
    pub(crate) body_bytes_out: u64,
}
