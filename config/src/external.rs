//! What `issuers:` compiles to: others whose word about callers routes may take, and where they are
//! asked.

use std::fmt;
use std::sync::Arc;

use idp_token::external::Policy;
use idp_token::external::jwt::Signature;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, ServerName};

/// Another issuer that routes may trust. It tells nobody when it takes a token back, so what is
/// believed of one is as old as its policy's `max_age` at most, and that is all that can be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    pub name: Arc<str>,
    pub policy: Policy,
    pub proof: Proof,
    /// Whether services are shown the client's own token, with which they could act as the client.
    pub forwards: bool,
}

/// How a token of another issuer is proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// A JWT, by the keys that the issuer publishes here.
    Keys { at: Place, signature: Signature },
    /// Opaque: the issuer is asked about it here (RFC 7662).
    Introspection {
        at: Place,
        client_id: String,
        secret: Secret,
    },
}

/// Where somebody is asked over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub host: ServerName<'static>,
    pub port: u16,
    /// Begins with `/`; a query may follow.
    pub path: String,
    /// Who may vouch for the host; `None` for plain text.
    pub roots: Option<Roots>,
}

impl Place {
    /// As it stands in a URL.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = self.host.to_str();
        let port = self.port;
        match (host.contains(':'), self.standard_port() == port) {
            (false, true) => host.into_owned(),
            (false, false) => format!("{host}:{port}"),
            (true, true) => format!("[{host}]"),
            (true, false) => format!("[{host}]:{port}"),
        }
    }

    const fn standard_port(&self) -> u16 {
        if self.roots.is_some() { 443 } else { 80 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.roots.is_some() {
            "https"
        } else {
            "http"
        };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

/// Certificates that are believed to vouch for others.
#[derive(Clone)]
pub struct Roots {
    given: Arc<[CertificateDer<'static>]>,
    /// What of them can be used; made once, however many ask by it.
    pub store: Arc<RootCertStore>,
}

impl Roots {
    /// `None` if not one of them is of use.
    #[must_use]
    pub fn new(certificates: Vec<CertificateDer<'static>>) -> Option<Self> {
        let mut store = RootCertStore::empty();
        let (usable, _) = store.add_parsable_certificates(certificates.iter().cloned());
        (usable > 0).then(|| Self {
            given: certificates.into(),
            store: Arc::new(store),
        })
    }
}

impl PartialEq for Roots {
    fn eq(&self, other: &Self) -> bool {
        self.given == other.given
    }
}

impl Eq for Roots {}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({})", self.store.len())
    }
}

/// What this gateway shows where it asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// To be shown to the issuer, and to nobody else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}
