//! Which certificate is shown for a name?

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tollgate_config::Certificate;

/// The certificates of one listener, by their names. Keys print nothing of themselves.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By what follows `*.`.
    wildcard: HashMap<String, Arc<CertifiedKey>>,
    first: Option<Arc<CertifiedKey>>,
}

impl Certificates {
    pub(super) fn new(certificates: &[Certificate]) -> Self {
        let first = certificates.first();
        let mut all = Self {
            first: first.map(|certificate| Arc::clone(&certificate.key)),
            ..Self::default()
        };
        for certificate in certificates {
            for name in &certificate.names {
                let (names, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut all.wildcard, parent),
                    None => (&mut all.exact, name.as_str()),
                };
                names.insert(name.to_owned(), Arc::clone(&certificate.key));
            }
        }
        all
    }

    /// `name` is in lower case, as rustls gives it.
    fn find(&self, name: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let Some(name) = name else {
            return self.first.as_ref();
        };
        let wildcard = || {
            let (_label, parent) = name.split_once('.')?;
            self.wildcard.get(parent)
        };
        self.exact.get(name).or_else(wildcard)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        let found = self.find(name);
        if found.is_none() {
            tracing::debug!(name, "no certificate has the name a client asks for");
        }
        found.cloned()
    }
}
