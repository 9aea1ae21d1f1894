//! The keys that this provider holds, ready for use.
//!
//! What is kept of them is a record of the store ([`idp_core::keyring`]); here is what is made of it
//! each time it changes, and replaced whole.

use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use idp_core::keyring::{COPY_KEPT, Keyring};
use idp_core::provider::{Provider, Settings};
use idp_token::ask::keys::ToldKeys;
use idp_token::filter::SameKeyId;
use idp_token::value::{SignError, SigningKey, SigningKeyError, Statement};
use serde::Serialize;

use crate::protocol::describe;

pub use material::MaterialError;
pub(crate) use material::{draw, draw_private_key};
pub(crate) use rotation::{RotateError, Schedule, find, keep, replace, rotate, step_filter};

mod material;
mod rotation;

#[derive(Debug)]
pub(crate) struct Ring {
    pub(crate) provider: Provider,
    pub(crate) signing: SigningKey,
    /// For gateways.
    pub(crate) filter: ToldKeys,
    pub(crate) jwks: Document,
    pub(crate) description: Document,
}

/// A keyring that this program did not write.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    #[error("two filter keys have one id")]
    Filter(#[from] SameKeyId),
    #[error("a signing key cannot be read")]
    Signing(#[from] SigningKeyError),
}

impl Ring {
    pub(crate) fn new(settings: Settings, keyring: &Keyring) -> Result<Self, RingError> {
        let provider = Provider::new(settings, keyring)?;
        let signing = keyring.signing.read()?;
        let description = describe(&provider.issuer, signing.key.algorithm().as_str());
        Ok(Self {
            jwks: Document::new(signing.key_set),
            description: Document::new(description),
            provider,
            signing: signing.key,
            filter: keyring.filter.told()?,
        })
    }

    pub(crate) fn state(
        &self,
        statement: Statement,
        claims: &impl Serialize,
    ) -> Result<String, SignError> {
        let payload = serde_json::to_vec(claims).map_err(|_| SignError::Refused)?;
        self.signing.sign_as(statement, &payload)
    }
}

/// A text that anybody may keep for a while.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) text: Bytes,
    pub(crate) etag: HeaderValue,
    pub(crate) cache_control: HeaderValue,
}

impl Document {
    fn new(text: String) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        let tag = URL_SAFE_NO_PAD.encode(digest.as_ref());
        let seconds = COPY_KEPT.as_secs();
        Self {
            text: text.into(),
            etag: HeaderValue::try_from(format!("\"{tag}\""))
                .expect("invariant: base64url between quotes is a field value"),
            cache_control: HeaderValue::try_from(format!("public, max-age={seconds}"))
                .expect("invariant: digits and letters are a field value"),
        }
    }
}
