//! What passed, and what happened on the way.

use std::sync::atomic::{AtomicU64, Ordering};

/// A moment's reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    pub connections: u64,
    /// Accepted, although the target was not there: reset at once.
    pub unreachable: u64,
    pub mishaps: u64,
    /// Passed on towards the target; swallowed bytes are not counted.
    pub bytes_up: u64,
    pub bytes_down: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) connections: AtomicU64,
    pub(super) unreachable: AtomicU64,
    pub(super) mishaps: AtomicU64,
    pub(super) bytes_up: AtomicU64,
    pub(super) bytes_down: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            connections: read(&self.connections),
            unreachable: read(&self.unreachable),
            mishaps: read(&self.mishaps),
            bytes_up: read(&self.bytes_up),
            bytes_down: read(&self.bytes_down),
        }
    }
}
