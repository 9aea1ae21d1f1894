//! Which addresses does the host of an issuer have?
//!
//! The system's resolver may hang for longer than anybody waits, and cannot be called off. So there is
//! one look-up of a name at a time, and what it found last is used while the next one fails.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tokio::sync::Semaphore;
use tollgate_config::Place;

use crate::clock;

/// How long an answer is used before the next look-up.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// Addresses beyond these are not tried.
const ADDRESSES_MAX: usize = 4;

#[derive(Debug)]
pub(super) enum Names {
    Address(SocketAddr),
    Name(Name),
}

#[derive(Debug)]
pub(super) struct Name {
    host: String,
    port: u16,
    found: Mutex<Found>,
    turn: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Found {
    at: Option<Instant>,
    addresses: Vec<SocketAddr>,
}

impl Names {
    pub(super) fn new(place: &Place) -> Self {
        let (host, port) = (&place.host, place.port);
        if let ServerName::IpAddress(address) = host {
            return Self::Address(SocketAddr::new((*address).into(), port));
        }
        Self::Name(Name {
            host: host.to_str().into_owned(),
            port,
            found: Mutex::default(),
            turn: Arc::new(Semaphore::new(1)),
        })
    }

    /// At least one address, or why there is none.
    pub(super) async fn find(&self) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Address(address) => Ok(vec![*address]),
            Self::Name(name) => name.find().await,
        }
    }
}

impl Name {
    async fn find(&self) -> io::Result<Vec<SocketAddr>> {
        if let Some(addresses) = self.fresh() {
            return Ok(addresses);
        }
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        let turn = turn.map_err(io::Error::other)?;
        // Whoever had the turn before may have found it.
        if let Some(addresses) = self.fresh() {
            return Ok(addresses);
        }
        let asked = (self.host.clone(), self.port);
        let look_up = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let found = asked.to_socket_addrs()?;
            Ok::<_, io::Error>(found.take(ADDRESSES_MAX).collect::<Vec<_>>())
        });
        let found = look_up.await.map_err(io::Error::other);
        match found.flatten() {
            Ok(addresses) if !addresses.is_empty() => {
                self.remember(&addresses);
                Ok(addresses)
            }
            Ok(_) => self.last_known(io::ErrorKind::NotFound.into()),
            Err(error) => self.last_known(error),
        }
    }

    fn fresh(&self) -> Option<Vec<SocketAddr>> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let age = clock::now().saturating_duration_since(found.at?);
        (age < KEPT_FOR).then(|| found.addresses.clone())
    }

    fn remember(&self, addresses: &[SocketAddr]) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.at = Some(clock::now());
        found.addresses = addresses.to_vec();
    }

    fn last_known(&self, error: io::Error) -> io::Result<Vec<SocketAddr>> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        match found.addresses.is_empty() {
            true => Err(error),
            false => Ok(found.addresses.clone()),
        }
    }
}
