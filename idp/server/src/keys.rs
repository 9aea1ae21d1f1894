//! The keys that this provider holds, ready for use.
//!
//! What is kept is a record of the store; here is what is made of it each time it changes, and
//! replaced whole.

use aws_lc_rs::digest;
use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use idp_core::provider::Provider;
use idp_token::value::{Algorithm, SigningKey, key_set};

use crate::protocol::describe;

/// How long a service may go on with the keys that it fetched.
pub(crate) const JWKS_CACHE_SECONDS: u32 = 300;

#[derive(Debug)]
pub(crate) struct Ring {
    pub(crate) provider: Provider,
    pub(crate) signing: SigningKey,
    pub(crate) jwks: Document,
    pub(crate) description: Document,
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
        let digest = digest::digest(&digest::SHA256, text.as_bytes());
        let tag = URL_SAFE_NO_PAD.encode(digest.as_ref());
        Self {
            text: text.into(),
            etag: HeaderValue::try_from(format!("\"{tag}\""))
                .expect("invariant: base64url between quotes is a field value"),
            cache_control: HeaderValue::try_from(format!("public, max-age={JWKS_CACHE_SECONDS}"))
                .expect("invariant: digits and letters are a field value"),
        }
    }
}

impl Ring {
    pub(crate) fn new(
        provider: Provider,
        algorithm: Algorithm,
        signing: SigningKey,
        others: &[SigningKey],
    ) -> Self {
        let published = key_set(std::iter::once(&signing).chain(others));
        let description = describe(&provider.issuer, algorithm.as_str());
        Self {
            jwks: Document::new(published),
            description: Document::new(description),
            provider,
            signing,
        }
    }
}
