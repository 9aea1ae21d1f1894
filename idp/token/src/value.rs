//! The value token: who is asking, signed, so that a service need not ask anybody.
//!
//! A JWT in the profile of RFC 9068 (`typ: at+jwt`), signed with ES256, EdDSA or RS256. What is
//! refused here is what libraries let pass: a header that brings its own key or asks for an
//! algorithm other than the key's, members that are there twice, times that are no whole numbers,
//! a second spelling of the same bytes. The bytes are judged by this module; the library beneath
//! it only ever computes one signature with one key and one algorithm.

pub use claims::{Claims, ClaimsError, LIFETIME_MAX, expiry, told_audience, told_issuer};
pub use jws::{JwsError, TOKEN_BYTES_MAX};
pub use keys::{ExternalKeys, KEYS_MAX, KeySet, KeySetError, PublicKey, SET_BYTES_MAX};
pub use signing::{SignError, SigningKey, SigningKeyError, Statement, key_set};
pub use verifier::{Expectations, ValueTokenError, Verifier};

use jsonwebtoken::Algorithm as LibraryAlgorithm;

mod claims;
pub mod jws;
mod keys;
mod roca;
mod signing;
pub mod statements;
mod verifier;

/// What a value token may be signed with. Nothing symmetric: who verifies must not be able to sign.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Algorithm {
    #[default]
    Es256,
    EdDsa,
    Rs256,
}

const ED25519: &str = "Ed25519";

impl Algorithm {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }

    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        [Self::Es256, Self::EdDsa, Self::Rs256]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
    }

    /// The same, for texts of other issuers: Ed25519 has a second name (RFC 9864).
    pub(crate) fn find_in_any_spelling(name: &str) -> Option<Self> {
        if name == ED25519 {
            Some(Self::EdDsa)
        } else {
            Self::find(name)
        }
    }

    pub(crate) const fn of_library(self) -> LibraryAlgorithm {
        match self {
            Self::Es256 => LibraryAlgorithm::ES256,
            Self::EdDsa => LibraryAlgorithm::EdDSA,
            Self::Rs256 => LibraryAlgorithm::RS256,
        }
    }
}

#[cfg(test)]
mod tests;
