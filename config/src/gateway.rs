//! What a file compiles to: everything a gateway needs to start, checked and complete.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use composer_core::Plan;
use gateway_core::ids::Sampling;
use gateway_core::level::Level;
use gateway_core::limits::Limits;
use gateway_core::peer::Network;
use gateway_core::routes::RouteTable;
use gateway_upstream::Policy;
use rustls::sign::CertifiedKey;

use crate::composer::SecondLevel;
use crate::external::Issuer;
use crate::identity::Idp;

/// A compiled file.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// At least one.
    pub listen: Vec<Listener>,
    pub admin: SocketAddr,
    pub threads: usize,
    pub access_log: AccessLog,
    pub traces: Option<Traces>,
    pub limits: Limits,
    pub deadlines: Deadlines,
    /// Peers that are believed when they speak of a client behind them.
    pub trusted_proxies: Vec<Network>,
    pub services: Vec<Policy>,
    pub routes: RouteTable,
    /// What routes lead to that lead to no service; without endpoints where none does.
    pub plan: Arc<Plan>,
    /// Where lookups that say so share their records with other gateways.
    pub second_level: Option<SecondLevel>,
    /// None where no route asks it who calls.
    pub idp: Option<Idp>,
    /// Others that routes ask, by name.
    pub issuers: Vec<Issuer>,
}

/// An address where clients connect, how far inside they are, and what is spoken there.
#[derive(Debug, Clone)]
pub struct Listener {
    pub address: SocketAddr,
    pub level: Level,
    /// Whether a client may speak HTTP/2 from its first byte on, without TLS to agree on it.
    pub h2c: bool,
    /// `None` for plain text.
    pub tls: Option<Tls>,
}

/// What a listener shows its clients.
#[derive(Debug, Clone)]
pub struct Tls {
    /// At least one, no two of which share a name. The first is for clients that ask for no name.
    pub certificates: Vec<Certificate>,
}

/// A certificate, those that vouch for it, and its key.
#[derive(Clone)]
pub struct Certificate {
    /// In lower case; a `*` in front stands for one label. At least one.
    pub names: Vec<String>,
    /// When it or one that vouches for it ceases to be valid.
    pub expires_unix_seconds: u64,
    pub key: Arc<CertifiedKey>,
}

/// Not the key: it is a secret.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("names", &self.names)
            .field("expires_unix_seconds", &self.expires_unix_seconds)
            .finish_non_exhaustive()
    }
}

/// Where the line of each request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLog {
    Off,
    Stdout,
    Stderr,
    /// Appended to; relative to the working directory.
    File(PathBuf),
}

/// Which traces are recorded, and who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traces {
    pub collector: SocketAddr,
    pub sampling: Sampling,
}

/// How long a client may take, and how long a gateway takes to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// From accepting a connection to the end of its TLS handshake.
    pub handshake: Duration,
    /// From the first byte of a head to its last.
    pub head: Duration,
    /// Between two requests of one connection.
    pub idle: Duration,
    /// Without a byte of a body read or of an answer written.
    pub stall: Duration,
    /// Without a byte in either direction of a WebSocket.
    pub websocket: Duration,
    /// Between readiness turning 503 and the listeners closing.
    pub lame_duck: Duration,
    /// For requests in flight once the listeners are closed.
    pub drain: Duration,
}
