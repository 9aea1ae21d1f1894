//! What may a listener show its clients?
//!
//! A certificate with the key it belongs to, both read from PEM (RFC 7468). Looked at is what decides
//! whether clients can be served with it: its DNS names, when it is valid, and whether the key is its
//! own. Whether clients trust who signed it is theirs to judge.

use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use webpki::EndEntityCert;

use crate::gateway::Certificate;

pub(crate) use validity::Validity;

mod validity;

/// What stands in a file whose key is locked, in either of the two forms there are.
const ENCRYPTED: [&[u8]; 2] = [b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED"];

/// The certificate of a server, and behind it those that vouch for it.
#[derive(Debug)]
pub(crate) struct Chain {
    certificates: Vec<CertificateDer<'static>>,
    pub(crate) names: Vec<String>,
    pub(crate) validity: Validity,
}

/// A private key. It is never shown.
pub(crate) struct Key(PrivateKeyDer<'static>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("there is no certificate in this file")]
    NoCertificate,
    #[error("there is no private key in this file")]
    NoKey,
    #[error("this file is not sound PEM")]
    Pem,
    #[error("this certificate cannot be read")]
    Unreadable,
    #[error("this certificate has no DNS name")]
    Nameless,
    #[error("this key is encrypted")]
    Encrypted,
    #[error("this key is of a kind that cannot be used")]
    Unusable,
    #[error("this key does not belong to the certificate")]
    Mismatch,
}

impl CertificateError {
    /// What to do about it.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::NoCertificate => "expected PEM: `-----BEGIN CERTIFICATE-----`",
            Self::NoKey => "expected PEM: `-----BEGIN PRIVATE KEY-----`",
            Self::Pem => "a line of it is missing or changed",
            Self::Unreadable => "expected X.509 version 3",
            Self::Nameless => "clients ask by the names among its subject alternative names",
            Self::Encrypted => "nobody is there to type a passphrase: store it without one",
            Self::Unusable => "expected RSA from 2048 bits, ECDSA P-256 or P-384, or Ed25519",
            Self::Mismatch => "the certificate of the key comes first in its file",
        }
    }
}

impl Chain {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, CertificateError> {
        let certificates = CertificateDer::pem_slice_iter(text)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| CertificateError::Pem)?;
        let own = certificates
            .first()
            .ok_or(CertificateError::NoCertificate)?;
        let names = names(own)?;
        let validities = certificates
            .iter()
            .map(|certificate| Validity::of(certificate));
        let validity = validities
            .reduce(|all, one| Some(all?.and(one?)))
            .flatten()
            .ok_or(CertificateError::Unreadable)?;
        Ok(Self {
            certificates,
            names,
            validity,
        })
    }

    /// Puts a key to its certificate.
    pub(crate) fn with(self, key: Key) -> Result<Certificate, CertificateError> {
        let provider = rustls::crypto::ring::default_provider();
        let key = CertifiedKey::from_der(self.certificates, key.0, &provider);
        let is_mismatch = |error| error == Error::from(InconsistentKeys::KeyMismatch);
        let key = key.map_err(|error| match is_mismatch(error) {
            true => CertificateError::Mismatch,
            false => CertificateError::Unusable,
        })?;
        Ok(Certificate {
            names: self.names,
            expires_unix_seconds: self.validity.until_unix_seconds,
            key: Arc::new(key),
        })
    }
}

/// The DNS names of a certificate, in lower case. Its common name is not one of them: clients have
/// not looked at that for years (RFC 9525 section 2).
fn names(certificate: &CertificateDer<'_>) -> Result<Vec<String>, CertificateError> {
    let parsed = EndEntityCert::try_from(certificate).map_err(|_| CertificateError::Unreadable)?;
    let mut names: Vec<_> = parsed
        .valid_dns_names()
        .map(str::to_ascii_lowercase)
        .collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return Err(CertificateError::Nameless);
    }
    Ok(names)
}

impl Key {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, CertificateError> {
        let has = |mark: &[u8]| text.windows(mark.len()).any(|here| here == mark);
        if ENCRYPTED.iter().any(|mark| has(mark)) {
            return Err(CertificateError::Encrypted);
        }
        PrivateKeyDer::from_pem_slice(text)
            .map(Self)
            .map_err(|error| match matches!(error, pem::Error::NoItemsFound) {
                true => CertificateError::NoKey,
                false => CertificateError::Pem,
            })
    }
}
