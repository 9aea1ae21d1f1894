//! One address of a service and what is going on there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    text: String,
    in_flight: AtomicUsize,
}

impl Endpoint {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            text: address.to_string(),
            in_flight: AtomicUsize::new(0),
        }
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as it is logged.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Exchanges begun here and not over yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }
}

/// An exchange under way with an endpoint; over when dropped, however it ended.
#[derive(Debug)]
pub struct InFlight {
    endpoint: Arc<Endpoint>,
    place: usize,
}

impl InFlight {
    pub(crate) fn begin(endpoint: &Arc<Endpoint>, place: usize) -> Self {
        endpoint.in_flight.fetch_add(1, Ordering::Relaxed);
        Self {
            endpoint: Arc::clone(endpoint),
            place,
        }
    }

    #[must_use]
    pub fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// The place of the endpoint in its service, to be named in `tried` when another is picked.
    #[must_use]
    pub fn place(&self) -> usize {
        self.place
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.endpoint.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
