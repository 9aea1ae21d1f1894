//! The carrier for services that speak HTTP/2: an exchange is a stream of a shared connection.
//!
//! It takes the client's connection as the others do, in HTTP/1.1: the body of the request goes on in
//! the frames of the stream, the answer comes back in the client's framing, and trailers pass both
//! ways. Both directions flow at the same time, and neither reads on before the other side took what
//! was read. So a call that streams works, whatever waits for whom.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway_core::head::{Framing, Version};
use gateway_core::rejection::Rejection;
use gateway_upstream::Call;
use http::{HeaderMap, Request};
use tokio::time::timeout;

use super::{Carried, terms};
use crate::clock;
use crate::exchange::{Exchange, Outcome};
use crate::gateway::Admitted;
use crate::lifecycle::Lifecycle;
use crate::wire::Wire;

use both::Both;
use upload::Upload;

mod ask;
mod both;
mod relay;
mod upload;

/// A body up to this size is read whole before a service is asked, as the lean carrier does, and so
/// much of any body is kept until an answer begins, in case that it must be sent again.
const BODY_BYTES_KEPT: usize = 16 * 1024;

/// What both directions of an exchange are told.
struct Run<'a> {
    exchange: Arc<Exchange>,
    lifecycle: &'a Lifecycle,
    request: Request<()>,
    /// What both directions share.
    both: &'a Both,
    outcome: Outcome,
    call: Option<Call>,
    /// Whether the client is told that its connection goes on.
    keeps_alive: bool,
    attempt_began: Instant,
}

/// Why an exchange ended before its answer did.
#[derive(Debug)]
enum End {
    Rejected(Rejection),
    ClientLeft,
}

const BROKEN: End = End::Rejected(Rejection::UpstreamBroken);

pub(super) async fn carry(
    wire: Wire,
    admitted: Admitted<Request<()>>,
    lifecycle: &Lifecycle,
) -> Carried {
    let Admitted {
        exchange,
        head: request,
    } = admitted;
    let both = Both::new(wire, exchange.snapshot.deadlines.stall);
    let asked = exchange.asked();
    let framing = asked.map_or(Framing::NoBody, |asked| asked.framing);
    let mut upload = Upload::new(framing, exchange.route().body_bytes_max);
    let mut run = Run {
        keeps_alive: asked.is_some_and(|asked| asked.keeps_alive),
        lifecycle,
        request,
        both: &both,
        outcome: Outcome::default(),
        call: None,
        attempt_began: exchange.request.began,
        exchange: Arc::clone(&exchange),
    };
    match run.run(&mut upload).await {
        Ok(()) => run.outcome.is_complete = true,
        Err(End::Rejected(rejection)) => run.outcome.rejection = Some(rejection),
        Err(End::ClientLeft) => run.outcome.client_left = true,
    }
    run.outcome.body_bytes_in = upload.bytes();
    run.note_sent();
    terms::report(run.call.as_mut(), &run.outcome);
    let Run {
        outcome,
        keeps_alive,
        ..
    } = run;
    Carried {
        connection: Some((both.into_wire(), upload.into_unread())),
        outcome,
        keeps_alive,
    }
}

impl Run<'_> {
    async fn run(&mut self, upload: &mut Upload) -> Result<(), End> {
        if self.may_wait_for_body() {
            upload.read_whole(self.both).await?;
        }
        let overdue = Err(End::Rejected(Rejection::UpstreamTimeout));
        let left = self.exchange.timeout();
        timeout(left, self.ask(upload)).await.unwrap_or(overdue)
    }

    /// A slow client then costs the service nothing, and the body is there to be sent again. A client
    /// that waits for a word before it sends its body gets that of the service.
    fn may_wait_for_body(&self) -> bool {
        let asked = self.exchange.asked();
        asked.is_some_and(|asked| match asked.framing {
            Framing::NoBody | Framing::Chunked => false,
            Framing::Length(length) => length <= BODY_BYTES_KEPT as u64 && !asked.expects_continue,
        })
    }

    /// Tells the call when the whole request was with the service, if it is by now.
    fn note_sent(&mut self) {
        if let (Some(call), Some(sent)) = (&mut self.call, self.both.sent()) {
            call.sent(sent);
        }
    }

    fn reads_chunks(&self) -> bool {
        let asked = self.exchange.asked();
        asked.is_some_and(|asked| asked.version == Version::Http11)
    }

    fn since(&self, moment: Instant) -> Duration {
        clock::now().saturating_duration_since(moment)
    }
}

/// Bytes of these fields as they are written in HTTP/1.1.
fn size(fields: &HeaderMap) -> usize {
    let lines = fields.iter();
    lines
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum()
}

impl From<Rejection> for End {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}
