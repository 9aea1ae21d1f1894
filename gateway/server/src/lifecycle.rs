//! Where the process stands between start and exit, and who must be waited for.
//!
//! `Serving` → `LameDuck` (still accepting, every answer ends its connection, readiness says no) →
//! `Draining` (no new connections, idle ones are closed) → the process may end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    LameDuck,
    Draining,
}

#[derive(Debug)]
pub(crate) struct Lifecycle {
    phase: watch::Sender<Phase>,
    /// Whether answers must end their connections; read with every answer.
    is_closing: AtomicBool,
    open: Arc<Open>,
}

#[derive(Debug, Default)]
struct Open {
    count: AtomicUsize,
    none_left: Notify,
}

/// Waits for the time when connections that nobody uses are closed.
pub(crate) async fn draining(phase: &mut watch::Receiver<Phase>) {
    // The sender lives as long as the gateway; should it be gone, waiting is over all the same.
    drop(phase.wait_for(|phase| *phase == Phase::Draining).await);
}

/// Waits for the time from which connections are told to end.
pub(crate) async fn closing(phase: &mut watch::Receiver<Phase>) {
    drop(phase.wait_for(|phase| *phase >= Phase::LameDuck).await);
}

/// A connection that is open; counted until dropped.
#[derive(Debug)]
pub(crate) struct OpenConnection(Arc<Open>);

impl Lifecycle {
    pub(crate) fn new() -> Self {
        Self {
            phase: watch::Sender::new(Phase::Serving),
            is_closing: AtomicBool::new(false),
            open: Arc::default(),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    pub(crate) fn watch_phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Whether answers must end their connections by now.
    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Acquire)
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.is_closing
            .store(phase >= Phase::LameDuck, Ordering::Release);
        self.phase.send_replace(phase);
    }

    /// Counts a connection in, unless as many as allowed are open.
    pub(crate) fn open(&self, connections_max: usize) -> Option<OpenConnection> {
        let before = self.open.count.fetch_add(1, Ordering::AcqRel);
        let connection = OpenConnection(Arc::clone(&self.open));
        (before < connections_max).then_some(connection)
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.open.count.load(Ordering::Acquire)
    }

    /// Waits until no connection is open; `false` when some still are at the deadline.
    pub(crate) async fn wait_until_empty(&self, deadline: Duration) -> bool {
        let empty = async {
            loop {
                let told = self.open.none_left.notified();
                if self.open_connections() == 0 {
                    return;
                }
                told.await;
            }
        };
        tokio::time::timeout(deadline, empty).await.is_ok()
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none_left.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_ceiling_holds_at_the_limit_and_one_past_it() {
        let lifecycle = Lifecycle::new();
        let first = lifecycle.open(2);
        let second = lifecycle.open(2);
        assert!(first.is_some() && second.is_some());
        assert!(lifecycle.open(2).is_none());
        assert_eq!(lifecycle.open_connections(), 2);

        drop(first);
        assert!(lifecycle.open(2).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_house_is_noticed_and_a_full_one_waited_for_no_longer_than_said() {
        let lifecycle = Lifecycle::new();
        assert!(lifecycle.wait_until_empty(Duration::ZERO).await);

        let connection = lifecycle.open(1);
        assert!(!lifecycle.wait_until_empty(Duration::from_secs(5)).await);
        let (is_empty, ()) =
            tokio::join!(lifecycle.wait_until_empty(Duration::from_secs(5)), async {
                drop(connection);
            });
        assert!(is_empty);
    }
}
