//! What `idp:` compiles to: whose word about callers a gateway takes, and where it asks.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::redis::Redis;

/// The identity provider that this gateway belongs to. Paths begin at the folder of the configuration
/// already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idp {
    /// The `iss` of its value tokens.
    pub issuer: String,
    /// Where its public endpoints answer, for its keys. Of a provider in the same file the port may
    /// be 0: then it is known once that provider listens.
    pub listen: SocketAddr,
    /// Where gateways ask it and are told of changes. As with `listen`, port 0 is the provider's.
    pub internal: SocketAddr,
    /// What the gateway shows there.
    pub key_file: PathBuf,
    /// How long what is remembered may be trusted without fresh proof.
    pub lease: Duration,
    /// The same on routes that are tolerant.
    pub grace: Duration,
    /// Changes are followed and records found over HTTP alone where there is none.
    pub redis: Option<Redis>,
    /// Whom a value token that a client shows must be meant for, one of these; at least one where a
    /// route takes value tokens.
    pub audience: Vec<String>,
    /// For what is remembered of tokens.
    pub cache_bytes: u64,
}
