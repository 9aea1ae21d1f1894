//! What the two directions of an exchange share: the client's connection, and what is known of the
//! other direction.

use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::{sleep_until, timeout};

use super::End;
use crate::clock;
use crate::wire::Wire;

/// Locked for a moment at a time, and never across a wait: both directions run in one task.
pub(super) struct Both {
    shared: Mutex<Shared>,
    stall: Duration,
}

struct Shared {
    wire: Wire,
    /// When data last went either way.
    last_moved: Instant,
    /// When the whole request was with the service.
    sent: Option<Instant>,
    /// Whether the client was told the head of an answer.
    is_told: bool,
}

impl Both {
    pub(super) fn new(wire: Wire, stall: Duration) -> Self {
        Self {
            shared: Mutex::new(Shared {
                wire,
                last_moved: clock::now(),
                sent: None,
                is_told: false,
            }),
            stall,
        }
    }

    pub(super) fn into_wire(self) -> Wire {
        let shared = self.shared.into_inner();
        shared.unwrap_or_else(PoisonError::into_inner).wire
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the connection, or changes it, without waiting.
    pub(super) fn with_wire<T>(&self, look: impl FnOnce(&mut Wire) -> T) -> T {
        look(&mut self.shared().wire)
    }

    pub(super) fn note_moved(&self) {
        self.shared().last_moved = clock::now();
    }

    pub(super) fn note_told(&self) {
        self.shared().is_told = true;
    }

    pub(super) fn is_told(&self) -> bool {
        self.shared().is_told
    }

    /// Of an attempt; the next one has its own.
    pub(super) fn set_sent(&self, sent: Option<Instant>) {
        self.shared().sent = sent;
    }

    pub(super) fn sent(&self) -> Option<Instant> {
        self.shared().sent
    }

    /// Waits for bytes of the client that it owes. `Ok(false)`: for too long nothing moved in either
    /// direction.
    pub(super) async fn fill(&self) -> Result<bool, End> {
        loop {
            let until = self.shared().last_moved + self.stall;
            let filled = poll_fn(|context| self.shared().wire.poll_fill(context));
            tokio::select! {
                filled = filled => {
                    return match filled {
                        Ok(true) => Ok(true),
                        Ok(false) | Err(_) => Err(End::ClientLeft),
                    };
                }
                () = sleep_until(until.into()) => {}
            }
            if clock::now().saturating_duration_since(self.shared().last_moved) >= self.stall {
                return Ok(false);
            }
        }
    }

    /// Ready once the client broke the connection.
    pub(super) async fn client_left(&self) {
        poll_fn(|context| self.shared().wire.poll_break(context)).await;
    }

    /// Writes to the client. Small pieces are held back until there is nothing more to write.
    pub(super) async fn write(&self, mut bytes: &[u8]) -> Result<(), End> {
        if self.with_wire(|wire| wire.hold(bytes)) {
            return Ok(());
        }
        let written = async {
            while !bytes.is_empty() {
                let count = poll_fn(|context| self.shared().wire.poll_write(context, bytes));
                bytes = bytes.get(count.await?..).unwrap_or_default();
            }
            std::io::Result::Ok(())
        };
        match timeout(self.stall, written).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::ClientLeft),
        }
    }

    pub(super) async fn flush(&self) -> Result<(), End> {
        let flushed = poll_fn(|context| self.shared().wire.poll_send(context));
        match timeout(self.stall, flushed).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::ClientLeft),
        }
    }

    /// Sends what is held back while there is nothing to add to it.
    pub(super) fn poll_send(&self, context: &mut Context<'_>) -> Result<(), End> {
        match self.shared().wire.poll_send(context) {
            Poll::Ready(Err(_)) => Err(End::ClientLeft),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }
}
