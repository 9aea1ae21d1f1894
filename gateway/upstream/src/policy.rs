//! What the configuration says about one service.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A compiled service: at least one endpoint, and no wait without an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub name: Arc<str>,
    pub endpoints: Vec<SocketAddr>,
    pub protocol: Protocol,
    pub timeouts: Timeouts,
    /// How endpoints are asked whether they are well; `None` where nobody asks.
    pub probe: Option<Probe>,
    /// Calls under way at once, past which there are no more.
    pub in_flight_max: usize,
    /// Whether a service that fails is spared calls for a while.
    pub has_breaker: bool,
}

/// What the endpoints of a service speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// HTTP/1.1, one exchange at a time on a connection.
    #[default]
    H1,
    /// HTTP/2 without TLS and without asking first, many exchanges on a connection.
    H2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until an endpoint accepts the connection.
    pub connect: Duration,
    /// Until the exchange is over; no single read or write may take longer either.
    pub exchange: Duration,
    /// How long an unused connection is kept for the next exchange.
    pub idle: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Path and query of a `GET` that a healthy endpoint answers with 2xx.
    pub path: Arc<str>,
    pub every: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(1),
            exchange: Duration::from_secs(30),
            idle: Duration::from_secs(60),
        }
    }
}
