//! The gateway as every connection sees it, and the decision whether a request may go on.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use gateway_core::credential;
use gateway_core::forward::{self, Hop};
use gateway_core::head::{Framing, Head};
use gateway_core::rejection::Rejection;
use gateway_core::route::Route;
use gateway_core::upgrade::WebSocket;
use gateway_upstream::Protocol;

use crate::access_log::AccessLog;
use crate::carrier::Carrier;
use crate::composed::Wish;
use crate::exchange::{Believed, Exchange, Peer, Request};
use crate::identity::{Identity, Refusals};
use crate::lifecycle::Lifecycle;
use crate::metrics::Metrics;
use crate::random;
use crate::snapshot::{RouteState, Snapshot};
use crate::tls::Handshakes;
use crate::traces::Traces;

pub(crate) use callers::Identified;
pub(crate) use standing::Standing;

use callers::Known;

mod callers;
mod standing;

#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) lifecycle: Arc<Lifecycle>,
    pub(crate) metrics: Metrics,
    pub(crate) access_log: AccessLog,
    pub(crate) traces: Traces,
    pub(crate) carrier: Carrier,
    pub(crate) handshakes: Handshakes,
    /// What is known of callers; none without an identity provider.
    pub(crate) identity: Option<Arc<Identity>>,
    pub(crate) refusals: Refusals,
    /// Of tokens that it took a signature or a question to refuse.
    pub(crate) refused_in_vain: Refusals,
}

/// A request that goes on, and the head it goes on with.
#[derive(Debug)]
pub(crate) struct Admitted<H = Written> {
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) head: H,
}

/// The head for a service, in the protocol that it speaks.
pub(crate) enum Written {
    /// HTTP/1.1.
    Lines(Vec<u8>),
    /// HTTP/2.
    Fields(Box<http::Request<()>>),
    /// None: what is asked of the composer in this process.
    Composed(Box<Wish>),
}

/// Not the head: credentials stand in it.
impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lines(lines) => write!(f, "Lines({} bytes)", lines.len()),
            Self::Fields(request) => write!(f, "Fields({})", request.headers().len()),
            Self::Composed(wish) => wish.fmt(f),
        }
    }
}

/// A request that does not.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) request: Request,
    pub(crate) rejection: Rejection,
}

impl Gateway {
    /// Decides whether a request may go on, and in which words.
    ///
    /// The order is policy: what is wrong with the bytes comes before what is wrong with the wish.
    /// Only for a caller who is not remembered anything is waited for.
    pub(crate) async fn admit(
        &self,
        bytes: &[u8],
        peer: &Arc<Peer>,
        began: Instant,
    ) -> Result<Admitted, Box<Refused>> {
        let snapshot = self.snapshot.load_full();
        let head = Head::parse(bytes, &snapshot.limits)
            .map_err(|error| Refused::boxed(Request::unread(peer, began, bytes), error))?;
        let peer_is_trusted = snapshot.trusts(peer.ip);
        let believed = Believed {
            peer_is_trusted,
            sampling: snapshot.sampling,
        };
        let mut request = Request::read(&head, peer, believed, began);

        let route = match snapshot.find(&head, peer.level, peer_is_trusted) {
            Ok(route) => Arc::clone(route),
            Err(miss) => return Err(Refused::boxed(request, miss)),
        };
        let (websocket, caller) = match self.pass((&snapshot, &route), &head, &mut request).await {
            Ok(passed) => passed,
            Err(rejection) => return Err(Refused::boxed(request, rejection)),
        };
        let Some(upstream) = route.pick(random::next_u64()).cloned() else {
            return Err(Refused::boxed(request, Rejection::Internal));
        };
        let told = caller.as_ref().map(Known::told);

        let hop = Hop {
            request_id: &request.id,
            trace: &request.trace,
            peer: peer.ip,
            peer_is_trusted,
            scheme: peer.scheme,
            upgrades: websocket.is_some(),
            identity: told.as_ref(),
        };
        let written = match route.endpoint {
            Some(endpoint) => snapshot.wish(endpoint, &head, self.asker(caller.as_ref()), began),
            None => {
                let protocol = upstream.service.policy().protocol;
                let shown = told
                    .and_then(|told| told.value_token)
                    .map_or(0, <[u8]>::len);
                Written::new(protocol, &head, &route.route, &hop, bytes.len() + shown)
            }
        };
        let written = match written {
            Ok(written) => written,
            Err(rejection) => return Err(Refused::boxed(request, rejection)),
        };
        let standing = websocket
            .as_ref()
            .and_then(|_| Standing::new(self, &route, &head));
        Ok(Admitted {
            exchange: Arc::new(Exchange {
                request,
                snapshot,
                route,
                upstream,
                websocket,
                standing,
            }),
            head: written,
        })
    }

    /// What a route wants of a request: its size, its wish, and in the end its caller, since nothing
    /// before that has to be waited for.
    async fn pass<'h>(
        &self,
        (snapshot, route): (&Snapshot, &RouteState),
        head: &Head<'h>,
        request: &mut Request,
    ) -> Result<(Option<WebSocket>, Option<Known<'h>>), Rejection> {
        if matches!(head.framing, Framing::Length(length) if length > route.route.body_bytes_max) {
            return Err(Rejection::BodyTooLarge);
        }
        credential::check_target(head)?;
        let wish = route.route.may_upgrade.then(|| WebSocket::find(head));
        let websocket = wish.transpose()?.flatten();
        let Some(admission) = &route.route.admission else {
            return Ok((websocket, None));
        };
        let guard = (admission, route.issuer.as_ref());
        let client = || snapshot.client(head, request.peer.ip);
        let (caller, identified) = self.identify(guard, head, client).await;
        request.identified = Some(identified);
        Ok((websocket, Some(caller?)))
    }
}

impl Written {
    fn new(
        protocol: Protocol,
        head: &Head<'_>,
        route: &Route,
        hop: &Hop<'_>,
        bytes_len: usize,
    ) -> Result<Self, Rejection> {
        match protocol {
            Protocol::H1 => {
                let mut lines = Vec::with_capacity(bytes_len + 384);
                forward::write_head(head, route, hop, &mut lines);
                Ok(Self::Lines(lines))
            }
            Protocol::H2 => match forward::compose(head, route, hop) {
                Ok(request) => Ok(Self::Fields(Box::new(request))),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "a head that was read could not be passed on");
                    Err(Rejection::Internal)
                }
            },
        }
    }
}

impl Refused {
    fn boxed(request: Request, rejection: impl Into<Rejection>) -> Box<Self> {
        Box::new(Self {
            request,
            rejection: rejection.into(),
        })
    }
}
