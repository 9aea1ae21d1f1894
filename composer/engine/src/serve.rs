//! The composer as a process of its own: one address for clients, one for operators.
//!
//! Who asks is not judged here. The credential of a request goes on to the services as it came, and
//! they judge it; what was fetched with one is kept for requests with the very same one.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::engine::{Engine, Incomplete, Setup};

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
    pub listen: SocketAddr,
    /// For operators, who are asked for nothing: an address that others do not reach.
    pub internal: SocketAddr,
    pub setup: Setup,
}

/// A composer that runs.
#[derive(Debug)]
pub struct Composer {
    engine: Arc<Engine>,
    phase: watch::Sender<Phase>,
    clients: Listening,
    operators: Listening,
}

/// Where a composer listens, ports included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    pub listen: SocketAddr,
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
}

impl Composer {
    /// Starts listening. Clients are told to come back until every table was read.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let Settings {
            listen,
            internal,
            setup,
        } = settings;
        let open = |address| bind(address).map_err(|source| StartError::Listen { address, source });
        let (for_clients, for_operators) = (open(listen)?, open(internal)?);
        let engine = Engine::build(setup, None)?;
        let (phase, seen) = watch::channel(Phase::Serving);
        let clients = Clients::new(Arc::clone(&engine));
        let operators = Operators::new(Arc::clone(&engine));
        Ok(Self {
            clients: Listening::start(for_clients, clients, seen.clone()),
            operators: Listening::start(for_operators, operators, seen),
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
            listen: self.clients.address,
            internal: self.operators.address,
        }
    }

    /// Answers what is under way and ends. `false` when that took too long.
    pub async fn stop(self) -> bool {
        self.phase.send_replace(Phase::Draining);
        let ended = async {
            self.clients.drained().await;
            self.operators.drained().await;
        };
        let is_clean = tokio::time::timeout(DRAIN, ended).await.is_ok();
        self.phase.send_replace(Phase::Stopped);
        is_clean
    }
}
