//! One address of a service and what is going on there.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::probe::Health;

#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    text: String,
    in_flight: AtomicUsize,
    /// What `health` says, for those who only ask.
    is_healthy: AtomicBool,
    health: Mutex<Health>,
}

impl Endpoint {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            text: address.to_string(),
            in_flight: AtomicUsize::new(0),
            is_healthy: AtomicBool::new(true),
            health: Mutex::default(),
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

    /// Whether probes found it well, or there are none.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.is_healthy.load(Ordering::Relaxed)
    }

    /// Takes note of a probe; whether it changed what is thought of the endpoint.
    pub fn note_probe(&self, has_passed: bool) -> bool {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let has_turned = health.note(has_passed);
        self.is_healthy
            .store(health.is_healthy(), Ordering::Relaxed);
        has_turned
    }
}

/// An attempt under way at an endpoint; over when dropped, however it ended.
#[derive(Debug)]
pub(crate) struct InFlight {
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

    pub(crate) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// The place of the endpoint in its service.
    pub(crate) fn place(&self) -> usize {
        self.place
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.endpoint.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
