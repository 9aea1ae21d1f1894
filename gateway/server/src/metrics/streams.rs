//! What is counted of HTTP/2 beyond its requests, which are counted like all others.

use prometheus::{IntCounter, IntCounterVec, IntGauge};

use super::{House, Made};

#[derive(Debug)]
pub(crate) struct StreamMetrics {
    pub(crate) open: IntGauge,
    pub(crate) unheard: IntCounter,
    connections: IntCounterVec,
}

impl StreamMetrics {
    pub(super) fn new(house: &House<'_>) -> Made<Self> {
        Ok(Self {
            open: house.gauge("http2_streams", "Streams of HTTP/2 open now.")?,
            unheard: house.counter(
                "http2_streams_unheard_total",
                "Streams of ended connections that never became a request, so that no access line \
                 tells of them: heads against the protocol or too large to be kept, and those past \
                 the limit or a goodbye.",
            )?,
            connections: house.counters(
                "http2_connections_total",
                "Connections of HTTP/2 that ended, by what ended them: client, idle, stop, protocol, \
                 abuse, stall.",
                &["end"],
            )?,
        })
    }

    /// Counts a connection that ended.
    pub(crate) fn count_connection(&self, end: &str) {
        self.connections.with_label_values(&[end]).inc();
    }
}
