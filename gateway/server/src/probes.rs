//! Asks endpoints whether they are well, for services that want it.
//!
//! One task per endpoint. A reload ends those of services that are gone or changed; a service that
//! stayed as it was keeps its tasks, and what they know.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use gateway_core::answer::{AnswerError, AnswerHead};
use gateway_core::head::{HeadError, find_end};
use gateway_upstream::{Endpoint, Probe, Service, probe};
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::random;
use crate::snapshot::Snapshot;
use crate::spawn::spawn;

/// An answer to a probe is read no further.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// The probes of all services, by name.
#[derive(Debug, Default)]
pub(crate) struct Probes(Mutex<HashMap<Arc<str>, Probed>>);

#[derive(Debug)]
struct Probed {
    service: Arc<Service>,
    tasks: Vec<JoinHandle<()>>,
}

/// Why an endpoint does not pass.
#[derive(Debug, thiserror::Error)]
enum Unwell {
    #[error("it cannot be reached, or broke the connection")]
    Connection(#[from] io::Error),
    #[error("its answer has no sound end")]
    Head(#[from] HeadError),
    #[error("its answer is not sound")]
    Answer(#[from] AnswerError),
    #[error("its answer is too large")]
    TooLarge,
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
            spawn("probe", watch(name, Arc::clone(endpoint), probe.clone()))
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

async fn watch(service: Arc<str>, endpoint: Arc<Endpoint>, probe: Probe) {
    sleep(probe::first_pause(probe.every, random::next_u64())).await;
    loop {
        let asked = ask(&endpoint, &probe).await;
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

async fn ask(endpoint: &Endpoint, probe: &Probe) -> Result<(), Unwell> {
    let deadline = probe::deadline(probe.every);
    let asked = timeout(deadline, status(endpoint.address(), &probe.path));
    match asked.await.unwrap_or(Err(Unwell::Late))? {
        200..=299 => Ok(()),
        status => Err(Unwell::Status(status)),
    }
}

/// The status of the answer, which is judged as strictly as one to a client.
async fn status(address: SocketAddr, path: &str) -> Result<u16, Unwell> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: tollgate-probe\r\n\
         connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut heard = BytesMut::with_capacity(1024);
    loop {
        if let Some(end) = find_end(&heard, 0)? {
            let head = heard.split_to(end);
            let answer = AnswerHead::parse(&head, &Method::GET)?;
            if !answer.is_informational() {
                return Ok(answer.status);
            }
        } else if heard.len() > HEAD_BYTES_MAX {
            return Err(Unwell::TooLarge);
        } else if stream.read_buf(&mut heard).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
}
