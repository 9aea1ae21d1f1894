//! What is under way on one connection of HTTP/2, and how much of it the client called off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use prometheus::IntGauge;
use tokio::sync::Notify;

use crate::clock;

/// A client that calls a request off this soon made work on purpose, or by a fault of its own.
const HASTE: Duration = Duration::from_secs(1);
/// As many requests may be called off in haste before the connection ends; each that is answered makes
/// up for one.
const HASTY_MAX: usize = 100;

#[derive(Debug)]
pub(super) struct Tally {
    open: AtomicUsize,
    hasty: AtomicUsize,
    /// Streams that the client opened and that did not become requests, or not yet.
    unheard: AtomicU64,
    is_abused: AtomicBool,
    changed: Notify,
    gauge: IntGauge,
}

/// A stream that is open; counted until dropped.
#[derive(Debug)]
pub(super) struct OpenStream {
    tally: Arc<Tally>,
    began: Instant,
}

impl Tally {
    pub(super) fn new(gauge: IntGauge) -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            hasty: AtomicUsize::new(0),
            unheard: AtomicU64::new(0),
            is_abused: AtomicBool::new(false),
            changed: Notify::new(),
            gauge,
        })
    }

    pub(super) fn note_opened(&self, streams: u64) {
        self.unheard.fetch_add(streams, Ordering::AcqRel);
    }

    /// Of a connection at its end: streams of which nobody heard.
    pub(super) fn unheard(&self) -> u64 {
        self.unheard.load(Ordering::Acquire)
    }

    pub(super) fn begin(self: &Arc<Self>) -> OpenStream {
        self.note_heard();
        self.open.fetch_add(1, Ordering::AcqRel);
        self.gauge.inc();
        OpenStream {
            tally: Arc::clone(self),
            began: clock::now(),
        }
    }

    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// Notes a request that is not taken.
    pub(super) fn refuse(&self) {
        self.note_heard();
        self.spend_haste();
    }

    /// The head of a stream was counted before, when its first bytes came.
    fn note_heard(&self) {
        self.unheard.fetch_sub(1, Ordering::AcqRel);
    }

    fn spend_haste(&self) {
        if self.hasty.fetch_add(1, Ordering::AcqRel) >= HASTY_MAX {
            self.abuse();
        }
    }

    /// Whether the connection must end for what the client does with it.
    pub(super) fn is_abused(&self) -> bool {
        self.is_abused.load(Ordering::Acquire)
    }

    pub(super) fn abuse(&self) {
        self.is_abused.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    /// Waits until the last stream ended or the connection is abused.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl OpenStream {
    pub(super) fn answered(&self) {
        let regain = |hasty: usize| hasty.checked_sub(1);
        // At zero there is nothing to make up for.
        let _ = self
            .tally
            .hasty
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, regain);
    }

    pub(super) fn called_off(&self) {
        let lasted = clock::now().saturating_duration_since(self.began);
        if lasted < HASTE {
            self.tally.spend_haste();
        }
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.tally.gauge.dec();
        if self.tally.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.tally.changed.notify_one();
        }
    }
}
