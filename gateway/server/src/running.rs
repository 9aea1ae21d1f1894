//! Starting a gateway, changing its configuration, stopping it.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use gateway_core::host::HostPattern;
use gateway_core::level::Level;
use http::Method;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tollgate_config::Gateway as Config;

use crate::access_log::AccessLog;
use crate::admin;
use crate::carrier::{Carrier, Carriers};
use crate::clock;
use crate::gateway::Gateway;
use crate::identity::{Identity, Refusals};
use crate::lifecycle::{Lifecycle, Phase};
use crate::listener::{self, Entrance};
use crate::metrics::Metrics;
use crate::probes::Probes;
use crate::snapshot::Snapshot;
use crate::spawn::spawn;
use crate::tls::Handshakes;
use crate::traces::Traces;

/// How often spare connections are looked over.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// A gateway that serves.
#[derive(Debug)]
pub struct Running {
    gateway: Arc<Gateway>,
    addresses: Addresses,
    /// What it was started with; some of it holds until the next start.
    started_with: Config,
    accepting: Mutex<Vec<JoinHandle<()>>>,
    /// What runs until the last connection is closed.
    background: Vec<JoinHandle<()>>,
    probes: Probes,
}

/// Where a gateway listens; real ports where the configuration asked for any.
#[derive(Debug, Clone)]
pub struct Addresses {
    pub listen: Vec<SocketAddr>,
    pub admin: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address} ({what} of the configuration)")]
    Bind {
        what: &'static str,
        address: SocketAddr,
        source: io::Error,
    },
    #[error("cannot open the access log")]
    AccessLog(#[source] io::Error),
    #[error("cannot set up metrics")]
    Metrics(#[source] prometheus::Error),
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),
    #[error("cannot begin to follow the identity provider")]
    Identity(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A request that somebody may try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    pub path: String,
    /// Nothing where the answer is composed.
    pub service: Option<String>,
    /// Whether it takes a token.
    pub asks_caller: bool,
}

/// What applying a configuration did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Keys that differ from what the process was started with and hold from the next start on.
    pub needs_restart: Vec<&'static str>,
}

impl Running {
    /// Binds every address, then serves. Nothing is left behind when it fails.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        Self::start_with(Carriers::default(), config).await
    }

    /// The same with a choice of carriers, for comparison.
    pub async fn start_with(carriers: Carriers, config: Config) -> Result<Self, StartError> {
        let mut listeners = Vec::new();
        for (place, listener) in config.listen.iter().enumerate() {
            let (bound, address) = bind("`listen`", listener.address).await?;
            let entrance = Entrance {
                place,
                level: listener.level,
                h2c: listener.h2c,
            };
            listeners.push((bound, address, entrance));
        }
        let admin_listener = bind("`admin`", config.admin).await?;
        let addresses = Addresses {
            listen: listeners.iter().map(|(_, address, _)| *address).collect(),
            admin: admin_listener.1,
        };

        let gateway = Arc::new(prepare(carriers, &config)?);
        let probes = Probes::default();
        probes.follow(&gateway.snapshot.load());
        note_certificates(&gateway, &addresses);
        let accepting = listeners.into_iter().map(|(listener, _, entrance)| {
            let accept = listener::accept(Arc::clone(&gateway), listener, entrance);
            spawn("accept", accept)
        });
        Ok(Self {
            accepting: Mutex::new(accepting.collect()),
            background: vec![
                spawn(
                    "admin",
                    admin::serve(Arc::clone(&gateway), admin_listener.0),
                ),
                spawn("sweep", sweep(Arc::clone(&gateway))),
            ],
            probes,
            gateway,
            addresses,
            started_with: config,
        })
    }

    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Swaps the configuration whole: a request sees the old one or the new one, never both.
    pub fn apply(&self, config: &Config) -> Applied {
        let gateway = &self.gateway;
        let before = gateway.snapshot.load_full();
        let makers = (&gateway.metrics, &gateway.handshakes);
        let after = Arc::new(Snapshot::build(config, Some(&before), makers));
        gateway.snapshot.store(Arc::clone(&after));
        self.probes.follow(&after);

        for gone in gone(before.route_names(), after.route_names()) {
            gateway.metrics.forget_route(gone);
        }
        for gone in gone(before.service_names(), after.service_names()) {
            gateway.metrics.forget_service(gone);
        }
        for gone in gone(before.issuer_names(), after.issuer_names()) {
            gateway.metrics.forget_issuer(gone);
        }
        gateway.metrics.count_reload("applied");
        note_applied(gateway);
        note_certificates(gateway, &self.addresses);
        Applied {
            needs_restart: differences(&self.started_with, config),
        }
    }

    /// Counts a configuration that was refused; the one before goes on.
    pub fn note_refused(&self) {
        self.gateway.metrics.count_reload("refused");
    }

    /// Opens the access log anew, as after a rotation.
    pub fn reopen_access_log(&self) {
        self.gateway.access_log.reopen();
    }

    /// One read per service that can be tried from outside, and one that is composed.
    #[must_use]
    pub fn examples(&self) -> Vec<Example> {
        let snapshot = self.gateway.snapshot.load();
        let mut examples: Vec<Example> = Vec::new();
        for route in snapshot.routes() {
            let matches = &route.matches;
            let is_open = route.level == Level::Open
                && matches.host == HostPattern::Any
                && matches.conditions_len() == 0;
            let service = route.to.services().next();
            let service = service.map(|name| name.to_string());
            let is_new = examples.iter().all(|known| known.service != service);
            if is_open && is_new && matches.methods.contain(&Method::GET) {
                examples.push(Example {
                    path: matches.path.example(),
                    service,
                    asks_caller: route.admission.is_some(),
                });
            }
        }
        examples
    }

    /// Stops without losing a request: says so for the lame-duck time (the configured one, unless
    /// the caller has one of its own), then lets everything under way end. `false` when the drain
    /// deadline came first.
    pub async fn stop(&self, lame_duck: Option<Duration>) -> bool {
        let deadlines = self.gateway.snapshot.load().deadlines;
        let lifecycle = &self.gateway.lifecycle;
        lifecycle.enter(Phase::LameDuck);
        tokio::time::sleep(lame_duck.unwrap_or(deadlines.lame_duck)).await;
        lifecycle.enter(Phase::Draining);
        let accepting = std::mem::take(
            &mut *self
                .accepting
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        for accepting in accepting {
            if let Err(error) = accepting.await {
                tracing::error!(%error, "a listener did not end well");
            }
        }
        let is_empty = lifecycle.wait_until_empty(deadlines.drain).await;
        if !is_empty {
            let left = lifecycle.open_connections();
            tracing::warn!(
                connections = left,
                "the drain deadline is over; the rest is cut"
            );
        }
        for upstream in self.gateway.snapshot.load().services() {
            upstream.close();
        }
        for task in &self.background {
            task.abort();
        }
        self.probes.stop();
        if let Some(identity) = &self.gateway.identity {
            identity.stop().await;
        }
        self.gateway.traces.stop().await;
        self.close_access_log().await;
        is_empty
    }

    async fn close_access_log(&self) {
        let gateway = Arc::clone(&self.gateway);
        let closed = tokio::task::spawn_blocking(move || gateway.access_log.close()).await;
        if let Err(error) = closed {
            tracing::error!(%error, "the access log did not end well");
        }
    }
}

/// Closes spare connections to services once they are old or dead.
async fn sweep(gateway: Arc<Gateway>) {
    let mut look = tokio::time::interval(SWEEP_EVERY);
    loop {
        look.tick().await;
        for upstream in gateway.snapshot.load_full().services() {
            upstream.sweep(clock::now());
        }
    }
}

async fn bind(
    what: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let bound = async {
        let listener = listener::listen(address)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bound.await.map_err(|source| StartError::Bind {
        what,
        address,
        source,
    })
}

pub(crate) fn prepare(carriers: Carriers, config: &Config) -> Result<Gateway, StartError> {
    let metrics = Metrics::new().map_err(StartError::Metrics)?;
    let access_log = AccessLog::open(&config.access_log, metrics.lost.log_lines.clone())
        .map_err(StartError::AccessLog)?;
    let traces = Traces::start(config.traces.as_ref(), &metrics.lost.spans);
    let handshakes = Handshakes::new().map_err(StartError::Tls)?;
    let snapshot = Snapshot::build(config, None, (&metrics, &handshakes));
    let identity = match &config.idp {
        Some(idp) => {
            let started = Identity::start(idp, &metrics);
            Some(started.map_err(|error| StartError::Identity(Box::new(error)))?)
        }
        None => None,
    };
    let gateway = Gateway {
        snapshot: ArcSwap::from_pointee(snapshot),
        lifecycle: Arc::new(Lifecycle::new()),
        metrics,
        access_log,
        traces,
        carrier: Carrier::new(carriers, config.threads),
        handshakes,
        identity,
        refusals: Refusals::new(),
        refused_in_vain: Refusals::new(),
    };
    note_applied(&gateway);
    Ok(gateway)
}

fn note_applied(gateway: &Gateway) {
    let seconds = clock::unix_micros() / 1_000_000;
    gateway
        .metrics
        .config_unix_seconds
        .set(i64::try_from(seconds).unwrap_or(i64::MAX));
}

fn note_certificates(gateway: &Gateway, addresses: &Addresses) {
    let snapshot = gateway.snapshot.load();
    for (place, address) in addresses.listen.iter().enumerate() {
        if let Some(secured) = snapshot.secured(place) {
            let expires = secured.expires_unix_seconds;
            let listener = address.to_string();
            gateway.metrics.tls.note_certificates(&listener, expires);
        }
    }
}

/// The names that were there before and are not any more.
fn gone<'a>(
    before: impl Iterator<Item = &'a str>,
    after: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = &'a str> {
    let kept: HashSet<_> = after.collect();
    before.filter(move |name| !kept.contains(name))
}

/// What a listener cannot change while it runs: all but its certificates.
fn listens(config: &Config) -> impl Iterator<Item = (SocketAddr, Level, bool)> {
    let listeners = config.listen.iter();
    listeners.map(|listener| (listener.address, listener.level, listener.tls.is_some()))
}

/// The keys that a running process cannot take over.
fn differences(started_with: &Config, now: &Config) -> Vec<&'static str> {
    let rows = [
        ("listen", listens(started_with).ne(listens(now))),
        ("admin", started_with.admin != now.admin),
        ("threads", started_with.threads != now.threads),
        (
            "traces.collector",
            started_with.traces.map(|it| it.collector) != now.traces.map(|it| it.collector),
        ),
        ("idp", started_with.idp != now.idp),
        ("log.access", started_with.access_log != now.access_log),
    ];
    rows.into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(key, _)| key)
        .collect()
}
