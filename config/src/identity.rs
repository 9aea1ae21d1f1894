//! What `idp:` and `issuers:` compile to: whose word about callers a gateway takes, and where it asks.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use idp_token::value::Algorithm;

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

/// Another issuer that routes may trust. It tells nobody when it takes a token back, so what is
/// remembered of one is as old as `max_age` at most, and that is all that can be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    pub name: Arc<str>,
    /// The `iss` of its tokens, byte for byte.
    pub issuer: String,
    /// One of these must be in the token's; at least one.
    pub audience: Vec<String>,
    pub max_age: Duration,
    pub proof: Proof,
}

/// How a token of another issuer is proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// A JWT, by the keys that the issuer publishes.
    Keys {
        jwks: Location,
        /// At least one.
        algorithms: Vec<Algorithm>,
    },
    /// Opaque: the issuer is asked about it (RFC 7662).
    Introspection {
        at: Location,
        client_id: String,
        secret_file: PathBuf,
    },
}

/// A place to ask over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    pub address: SocketAddr,
    /// Begins with `/`; a query may follow.
    pub path: String,
}
