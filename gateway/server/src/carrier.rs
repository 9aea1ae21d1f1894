//! Moves the bytes of exchanges that were judged.
//!
//! Two carriers: a lean one for ordinary HTTP/1.1 exchanges, and pingora for all others.
//!
//! A carrier decides little: which endpoint is tried, whether a failed attempt may be repeated, and
//! in which of our terms a failure is told. It never writes an answer of the gateway's own.

use pingora_core::server::ShutdownWatch;

use crate::exchange::Outcome;
use crate::gateway::Admitted;
use crate::unread::Unread;
use crate::wire::Wire;

use pingora::Pingora;

mod envelope;
mod lean;
mod link;
mod pingora;
mod terms;

pub(crate) use link::Spares;

#[derive(Debug)]
pub(crate) struct Carrier {
    pingora: Pingora,
}

/// The connection as it comes back: what of the body was not read still lies in front.
pub(crate) type Returned = (Wire, Unread);

/// What comes back from carrying an exchange.
#[derive(Debug)]
pub(crate) struct Carried {
    /// `None` when the carrier lost the connection, which is a fault of ours.
    pub(crate) connection: Option<Returned>,
    pub(crate) outcome: Outcome,
    /// Whether the answer told the client that the connection goes on.
    pub(crate) keeps_alive: bool,
}

impl Carrier {
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            pingora: Pingora::new(threads),
        }
    }

    /// Carries one exchange; `closing` says whether answers must end their connections by now.
    pub(crate) async fn carry(
        &self,
        wire: Wire,
        admitted: Admitted,
        closing: &ShutdownWatch,
    ) -> Carried {
        if admitted.exchange.asked().is_some_and(lean::may_carry) {
            let is_closing = *closing.borrow();
            return lean::carry(wire, admitted, is_closing).await;
        }
        Box::pin(self.pingora.carry(wire, admitted, closing)).await
    }
}
