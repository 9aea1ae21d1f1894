//! Moves the bytes of exchanges that were judged.
//!
//! Three carriers: a lean one for ordinary HTTP/1.1 exchanges, pingora for all others, and one whose
//! services speak HTTP/2. A fourth carries nothing: it answers with what is composed here.
//!
//! A carrier decides little: in which of our terms a failure is told. Whether a service is asked,
//! where and how often is decided by the call it makes (`gateway_upstream::Call`). It never writes an
//! answer of the gateway's own.

use std::sync::Arc;

use crate::exchange::Outcome;
use crate::gateway::{Admitted, Written};
use crate::lifecycle::Lifecycle;
use crate::unread::Unread;
use crate::wire::Wire;

use pingora::Pingora;

mod composed;
mod envelope;
mod lean;
mod link;
mod pingora;
mod stream;
mod terms;
mod trunk;

pub(crate) use link::Spares;
pub(crate) use trunk::{AskError, Trunks, status};

#[derive(Debug)]
pub(crate) struct Carrier {
    carriers: Carriers,
    pingora: Pingora,
}

/// Which carriers are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Carriers {
    /// The lean one wherever it can, as in production.
    #[default]
    Both,
    /// pingora for every exchange: what the lean one must agree with, and is measured against.
    Pingora,
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
    pub(crate) fn new(carriers: Carriers, threads: usize) -> Self {
        Self {
            carriers,
            pingora: Pingora::new(threads),
        }
    }

    /// Carries one exchange; an answer that begins while the process stops ends its connection.
    pub(crate) async fn carry(
        &self,
        wire: Wire,
        admitted: Admitted,
        lifecycle: &Arc<Lifecycle>,
    ) -> Carried {
        let Admitted { exchange, head } = admitted;
        let head = match head {
            Written::Lines(head) => head,
            Written::Fields(head) => {
                let admitted = Admitted {
                    exchange,
                    head: *head,
                };
                return Box::pin(stream::carry(wire, admitted, lifecycle)).await;
            }
            Written::Composed(head) => {
                let admitted = Admitted {
                    exchange,
                    head: *head,
                };
                return Box::pin(composed::carry(wire, admitted, lifecycle)).await;
            }
        };
        let admitted = Admitted { exchange, head };
        let exchange = &admitted.exchange;
        let is_ordinary = exchange.asked().is_some_and(lean::may_carry);
        // What a connection becomes is the lean one's alone.
        if is_ordinary && self.carriers == Carriers::Both || exchange.websocket.is_some() {
            return lean::carry(wire, admitted, lifecycle).await;
        }
        Box::pin(self.pingora.carry(wire, admitted, lifecycle)).await
    }
}
