//! Whose certificates are believed where a client is told over https?
//!
//! Those of the file that is configured, and then no others; without one, those that this machine
//! believes. They are read when they are first needed: most providers tell nobody over https, and
//! what a machine believes is more than a hundred certificates.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

const PROTOCOL: &[u8] = b"http/1.1";

#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("the file of `ca_file` cannot be read")]
    File(#[source] io::Error),
    #[error("the file of `ca_file` holds no certificate, or one that cannot be read")]
    Certificates,
    #[error("this machine believes no certificate: name some in `ca_file`")]
    Nobody,
    #[error("TLS cannot be set up")]
    Setup(#[from] rustls::Error),
}

pub(crate) struct Trust {
    roots: Option<Arc<RootCertStore>>,
    connector: OnceCell<TlsConnector>,
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}

impl Trust {
    /// A file that is of no use is found out at once.
    pub(crate) fn new(ca_file: Option<&Path>) -> Result<Self, TrustError> {
        let roots = ca_file.map(read).transpose()?.map(Arc::new);
        Ok(Self {
            roots,
            connector: OnceCell::new(),
        })
    }

    pub(crate) async fn connector(&self) -> Result<&TlsConnector, TrustError> {
        self.connector
            .get_or_try_init(async || {
                let roots = match &self.roots {
                    Some(roots) => Arc::clone(roots),
                    None => {
                        let reading = tokio::task::spawn_blocking(of_machine).await;
                        Arc::new(reading.map_err(|_| TrustError::Nobody)??)
                    }
                };
                connect_by(roots)
            })
            .await
    }
}

fn connect_by(roots: Arc<RootCertStore>) -> Result<TlsConnector, TrustError> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn read(path: &Path) -> Result<RootCertStore, TrustError> {
    let text = fs::read(path).map_err(TrustError::File)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|_| TrustError::Certificates)?;
        roots
            .add(certificate)
            .map_err(|_| TrustError::Certificates)?;
    }
    if roots.is_empty() {
        return Err(TrustError::Certificates);
    }
    Ok(roots)
}

/// As the tools of this machine find them; what cannot be read of them is left out.
fn of_machine() -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(TrustError::Nobody);
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        assert!(matches!(Trust::new(Some(&path)), Err(TrustError::File(_))));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        for text in ["", "no certificate", broken, cut] {
            fs::write(&path, text).unwrap();
            let found = Trust::new(Some(&path));
            assert!(matches!(found, Err(TrustError::Certificates)), "{text}");
        }
        assert!(Trust::new(None).is_ok());
    }
}
