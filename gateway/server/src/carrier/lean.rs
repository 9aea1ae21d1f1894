//! The carrier for the ordinary exchange: HTTP/1.1, no body or a small one, an answer.
//!
//! The head that was written for the service goes out as it is; the answer's head is judged and
//! written anew; the body is passed on as bytes whose end is known. Whatever needs more than that
//! (large or chunked request bodies, `100-continue`, HTTP/1.0) is pingora's. Both carriers give a
//! client the same outcome; a test runs one over the other's cases.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway_core::head::{Framing, Version};
use gateway_core::rejection::Rejection;
use gateway_upstream::Call;
use tokio::time::timeout;

use super::link::Link;
use super::{Carried, terms};
use crate::clock;
use crate::exchange::{Asked, Exchange, Outcome};
use crate::gateway::Admitted;
use crate::lifecycle::Lifecycle;
use crate::unread::{Pace, Unread};
use crate::wire::Wire;

mod ask;
mod relay;
mod tunnel;

use ask::Begun;

/// A body up to this size is read whole before a service is asked, so that a slow client costs the
/// service nothing.
const BODY_BYTES_MAX: u64 = 16 * 1024;

/// One exchange under way.
struct Run<'a> {
    exchange: Arc<Exchange>,
    lifecycle: &'a Lifecycle,
    wire: Wire,
    /// The head for the service, and the body behind it once it was read.
    request: Vec<u8>,
    unread: Unread,
    outcome: Outcome,
    /// With the service, once the request is whole.
    call: Option<Call>,
    /// Whether the client is told that its connection goes on.
    keeps_alive: bool,
    attempt_began: Instant,
}

/// Why an exchange ended before its answer did.
enum End {
    Rejected(Rejection),
    ClientLeft,
}

pub(super) fn may_carry(asked: &Asked) -> bool {
    let is_small = match asked.framing {
        Framing::NoBody => true,
        Framing::Length(length) => length <= BODY_BYTES_MAX,
        Framing::Chunked => false,
    };
    is_small && asked.version == Version::Http11 && !asked.expects_continue
}

pub(super) async fn carry(
    wire: Wire,
    admitted: Admitted<Vec<u8>>,
    lifecycle: &Lifecycle,
) -> Carried {
    let Admitted { exchange, head } = admitted;
    let asked = exchange.asked();
    let mut run = Run {
        unread: Unread::new(asked.map_or(Framing::NoBody, |asked| asked.framing)),
        keeps_alive: asked.is_some_and(|asked| asked.keeps_alive),
        lifecycle,
        wire,
        request: head,
        outcome: Outcome::default(),
        call: None,
        attempt_began: exchange.request.began,
        exchange,
    };
    match run.run().await {
        Ok(()) => run.outcome.is_complete = true,
        Err(End::Rejected(rejection)) => run.outcome.rejection = Some(rejection),
        Err(End::ClientLeft) => run.outcome.client_left = true,
    }
    terms::report(run.call.as_mut(), &run.outcome);
    Carried {
        connection: Some((run.wire, run.unread)),
        outcome: run.outcome,
        keeps_alive: run.keeps_alive,
    }
}

impl Run<'_> {
    /// A slow client spends its own time; what the service and the answer may take starts behind it.
    async fn run(&mut self) -> Result<(), End> {
        self.read_body().await?;
        let overdue = Err(End::Rejected(Rejection::UpstreamTimeout));
        let left = self.exchange.timeout();
        let answered = timeout(left, self.ask_and_relay()).await;
        match answered.unwrap_or(overdue)? {
            // A WebSocket lasts as long as both sides want it to.
            Some(link) => self.tunnel(link).await,
            None => Ok(()),
        }
    }

    /// The connection to the service, where it is to go on in another protocol.
    async fn ask_and_relay(&mut self) -> Result<Option<Link>, End> {
        match self.ask().await? {
            Begun::Answer(answered) => self.relay(answered).await.map(|()| None),
            Begun::WebSocket(link) => Ok(Some(link)),
        }
    }

    async fn read_body(&mut self) -> Result<(), End> {
        let Unread::Bytes(length) = self.unread else {
            return Ok(());
        };
        let whole = async {
            while !self.unread.is_nothing() {
                let is_open = poll_fn(|context| self.wire.poll_fill(context)).await;
                if !is_open.unwrap_or(false) {
                    return Err(End::ClientLeft);
                }
                let advanced = self.unread.advance(&self.wire.ahead);
                let count = advanced.map_err(|_| End::Rejected(Rejection::BodyMalformed))?;
                self.request
                    .extend_from_slice(&self.wire.ahead.split_to(count));
                self.outcome.body_bytes_in += count as u64;
            }
            Ok(())
        };
        timeout(Pace::allowance(length), whole)
            .await
            .unwrap_or(Err(End::Rejected(Rejection::BodyTimeout)))
    }

    fn since(&self, moment: Instant) -> Duration {
        clock::now().saturating_duration_since(moment)
    }
}
