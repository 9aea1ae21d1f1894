//! Asks endpoints whether they are well, for services that want it.
//!
//! One task per endpoint. A reload ends those of services that are gone or changed; a service that
//! stayed as it was keeps its tasks, and what they know.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gateway_upstream::{Endpoint, Probe, Protocol, Service, probe};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::carrier::{self, AskError};
use crate::errand::{self, Miscarried};
use crate::random;
use crate::snapshot::Snapshot;
use crate::spawn::spawn;

/// The probes of all services, by name.
#[derive(Debug, Default)]
pub(crate) struct Probes(Mutex<HashMap<Arc<str>, Probed>>);

#[derive(Debug)]
struct Probed {
    service: Arc<Service>,
    tasks: Vec<JoinHandle<()>>,
}

/// One endpoint, and how it is asked.
#[derive(Debug)]
struct Watched {
    service: Arc<str>,
    protocol: Protocol,
    endpoint: Arc<Endpoint>,
    probe: Probe,
}

/// Why an endpoint does not pass.
#[derive(Debug, thiserror::Error)]
enum Unwell {
    #[error("it could not be asked")]
    Miscarried(#[from] Miscarried),
    #[error("it could not be asked in HTTP/2")]
    Http2(#[from] AskError),
    #[error("it answered {0}")]
    Status(u16),
    #[error("it did not answer in time")]
    Late,
}

impl Probes {
    /// Probes the services of this snapshot, and no others.
    pub(crate) fn follow(&self, snapshot: &Snapshot) {
        let mut probed = self.probed();
        let mut before = std::mem::take(&mut *probed);
        for upstream in snapshot.services() {
            let service = &upstream.service;
            let Some(probe) = &service.policy().probe else {
                continue;
            };
            let name = Arc::clone(&service.policy().name);
            let same = before.remove(&name);
            let same = same.filter(|same| Arc::ptr_eq(&same.service, service));
            probed.insert(name, same.unwrap_or_else(|| Probed::start(service, probe)));
        }
    }

    pub(crate) fn stop(&self) {
        self.probed().clear();
    }

    fn probed(&self) -> MutexGuard<'_, HashMap<Arc<str>, Probed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Probed {
    fn start(service: &Arc<Service>, probe: &Probe) -> Self {
        let endpoints = service.endpoints().iter();
        let watches = endpoints.map(|endpoint| {
            let name = Arc::clone(&service.policy().name);
            let protocol = service.policy().protocol;
            let watched = Watched {
                service: name,
                protocol,
                endpoint: Arc::clone(endpoint),
                probe: probe.clone(),
            };
            spawn("probe", watch(watched))
        });
        Self {
            service: Arc::clone(service),
            tasks: watches.collect(),
        }
    }
}

impl Drop for Probed {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn watch(watched: Watched) {
    let Watched {
        service,
        endpoint,
        probe,
        ..
    } = &watched;
    sleep(probe::first_pause(probe.every, random::next_u64())).await;
    loop {
        let asked = watched.ask().await;
        let has_turned = endpoint.note_probe(asked.is_ok());
        let endpoint = endpoint.text();
        match asked {
            _ if !has_turned => {}
            Ok(()) => tracing::info!(%service, endpoint, "an endpoint is well again"),
            Err(reason) => {
                let error = &reason as &dyn std::error::Error;
                tracing::warn!(%service, endpoint, error, "an endpoint is not well");
            }
        }
        sleep(probe::pause(probe.every, random::next_u64())).await;
    }
}

impl Watched {
    async fn ask(&self) -> Result<(), Unwell> {
        let deadline = probe::deadline(self.probe.every);
        let asked = timeout(deadline, self.status()).await;
        match asked.map_err(|_| Unwell::Late)?? {
            200..=299 => Ok(()),
            status => Err(Unwell::Status(status)),
        }
    }

    async fn status(&self) -> Result<u16, Unwell> {
        let (endpoint, path) = (&self.endpoint, &self.probe.path);
        match self.protocol {
            Protocol::H1 => {
                let request = format!(
                    "GET {path} HTTP/1.1\r\nhost: {}\r\nuser-agent: tollgate-probe\r\n\
                     connection: close\r\n\r\n",
                    endpoint.text()
                );
                Ok(errand::status(endpoint.address(), request.as_bytes()).await?)
            }
            Protocol::H2 => Ok(carrier::status(endpoint.address(), path).await?),
        }
    }
}
