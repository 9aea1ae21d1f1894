//! Keeps in Redis what gateways were told of tokens, so that the next one need not ask.
//!
//! Nobody waits for it. What does not fit into the queue, or is refused, is asked for again.

use std::sync::Arc;

use idp_token::projection::Call;
use tokio::sync::{mpsc, watch};

use super::Projection;
use super::server::Link;
use crate::desk::Desk;

const QUEUE_MAX: usize = 1024;

/// Where records are handed in.
#[derive(Debug)]
pub(crate) struct Records(mpsc::Sender<Call>);

/// Where they are taken out.
#[derive(Debug)]
pub(crate) struct Waiting(mpsc::Receiver<Call>);

impl Records {
    pub(crate) fn new() -> (Self, Waiting) {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        (Self(sender), Waiting(receiver))
    }

    /// Whether there was room for it.
    pub(crate) fn keep(&self, call: Call) -> bool {
        self.0.try_send(call).is_ok()
    }
}

impl Projection {
    /// Writes records for as long as the process runs.
    pub(crate) fn keep(
        &self,
        desk: Arc<Desk>,
        waiting: Waiting,
    ) -> impl Future<Output = ()> + Send + 'static {
        keep(desk, waiting, self.link.subscribe())
    }
}

async fn keep(desk: Arc<Desk>, mut waiting: Waiting, link: watch::Receiver<Option<Link>>) {
    while let Some(call) = waiting.0.recv().await {
        let link = link.borrow().clone();
        let is_kept = match link {
            Some(mut link) => link.call(&call).await.unwrap_or(false),
            None => false,
        };
        if !is_kept {
            desk.metrics.records_not_kept.inc();
        }
    }
}
