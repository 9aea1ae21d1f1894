//! The composer as a process of its own: one address for clients, one for operators.
//!
//! Who asks is not judged here. The credential of a request goes on to the services as it came, and
//! they judge it; what was fetched with one is kept for requests with the very same one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use composer_core::Plan;
use gateway_upstream::{Policy, Service};
use redis::{ConnectionInfo, RedisError};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::engine::{Engine, Incomplete, Setup};
use crate::metrics::Metrics;
use crate::second_level::SecondLevel;

mod client;
mod listener;
mod operator;

use client::Clients;
use listener::{Listening, Phase, bind};
use operator::Operators;

/// How long requests under way may take to end.
const DRAIN: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Settings {
    /// For clients.
    pub listen: Vec<SocketAddr>,
    /// For operators, who are asked for nothing: an address that others do not reach.
    pub internal: SocketAddr,
    pub plan: Arc<Plan>,
    /// In the order of the plan's services.
    pub services: Vec<Policy>,
    /// Where entities are shared with other composers, and how long a question there may take.
    pub second_level: Option<(ConnectionInfo, Duration)>,
}

/// A composer that runs.
#[derive(Debug)]
pub struct Composer {
    engine: Arc<Engine>,
    phase: watch::Sender<Phase>,
    clients: Vec<Listening>,
    operators: Listening,
}

/// Where a composer listens, ports included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    pub listen: Vec<SocketAddr>,
    pub internal: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the composer cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("the plan cannot be carried out")]
    Plan(#[from] Incomplete),
    #[error("the composer has no use for its second level")]
    SecondLevel(#[from] RedisError),
    #[error("the composer cannot set up metrics")]
    Metrics(#[from] prometheus::Error),
}

impl Composer {
    /// Starts listening. Clients are told to come back until every table was read.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let Settings {
            listen,
            internal,
            plan,
            services,
            second_level,
        } = settings;
        let open = |address| bind(address).map_err(|source| StartError::Listen { address, source });
        let for_operators = open(internal)?;
        let for_clients: Vec<_> = listen.into_iter().map(open).collect::<Result<_, _>>()?;
        let clock = Clock::default();
        let now = clock.now();
        let services = services.into_iter();
        let metrics = Metrics::new()?;
        let second_level = second_level
            .map(|(at, timeout)| SecondLevel::open(at, timeout, &metrics))
            .transpose()?;
        let setup = Setup {
            plan,
            services: services.map(|policy| Service::new(policy, now)).collect(),
            clock,
            metrics,
            second_level,
        };
        let engine = Engine::build(setup, None)?;
        let (phase, seen) = watch::channel(Phase::Serving);
        let clients = Arc::new(Clients::new(Arc::clone(&engine)));
        let is_local = for_operators.1.ip().to_canonical().is_loopback();
        let operators = Arc::new(Operators::new(Arc::clone(&engine), is_local));
        let start = |bound| Listening::start(bound, Arc::clone(&clients), seen.clone());
        Ok(Self {
            clients: for_clients.into_iter().map(start).collect(),
            operators: Listening::start(for_operators, operators, seen.clone()),
            phase,
            engine,
        })
    }

    #[must_use]
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    #[must_use]
    pub fn addresses(&self) -> Addresses {
        Addresses {
            listen: self.clients.iter().map(|it| it.address).collect(),
            internal: self.operators.address,
        }
    }

    /// Answers what is under way and ends. `false` when that took too long.
    pub async fn stop(self) -> bool {
        self.phase.send_replace(Phase::Draining);
        let ended = async {
            for listening in self.clients {
                listening.drained().await;
            }
            self.operators.drained().await;
        };
        let is_clean = tokio::time::timeout(DRAIN, ended).await.is_ok();
        self.phase.send_replace(Phase::Stopped);
        is_clean
    }
}
